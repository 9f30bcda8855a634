"""``midigen harmonize``: the voices that a melody lacks, written as MIDI and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli.around import Wishes, compose_around, voice_names, with_wishes


@with_wishes
def harmonize(
    ctx: typer.Context,
    melody: Annotated[Path, typer.Argument(metavar="MELODY", help="MIDI, MusicXML, kern or ABC.")],
    voices: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Voices to keep, of soprano, alto, tenor and bass: the file's parts go by their names, else in their "
            "order. By default all of them; a single part is the soprano.",
        ),
    ] = None,
    *,
    wishes: Wishes,
) -> None:
    """Compose the voices that a melody lacks, as MIDI and WAV.

    What is given stays as it is, note for note. Key, metre and phrases are the file's; what it does not say is guessed,
    and said.

    Example: midigen harmonize tune.abc --seed 7
    """
    from midigen.sampling.harmonize import harmonize as compose

    kept = voice_names(voices)
    compose_around(
        ctx.obj,
        melody,
        "harmonized",
        wishes,
        lambda checkpoint, score, *others: compose(checkpoint, score, kept, *others),
    )
