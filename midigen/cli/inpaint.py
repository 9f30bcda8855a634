"""``midigen inpaint``: some bars of a piece composed anew, written as MIDI and sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from midigen.cli.around import Wishes, compose_around, voice_names, with_wishes
from midigen.errors import UsageError


@with_wishes
def inpaint(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A piece of four voices: MIDI, MusicXML, kern or ABC.")],
    bars: Annotated[
        str, typer.Option(metavar="N-M", help="Bars to compose anew, such as 5-8 or 5; a pick-up is bar 0.")
    ],
    voices: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Voices to compose anew, such as alto,tenor; all by default."),
    ] = None,
    *,
    wishes: Wishes,
) -> None:
    """Compose some bars of a piece anew, as MIDI and WAV.

    All else stays as it is, note for note, and what comes behind the new bars has a say in them.

    Example: midigen inpaint chorale.mid --bars 5-8 --voices alto,tenor
    """
    from midigen.sampling.harmonize import inpaint as compose

    span, chosen = _bars(bars), voice_names(voices)
    compose_around(
        ctx.obj,
        file,
        "inpainted",
        wishes,
        lambda checkpoint, score, *others: compose(checkpoint, score, span, chosen, *others),
    )


def _bars(text: str) -> tuple[int, int]:
    """Read ``5-8`` or ``5``."""
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise UsageError(f"--bars takes a bar, or the first and the last, such as 5-8; not {text!r}.")
    return first, last
