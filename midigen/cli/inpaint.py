"""``midigen inpaint``: some bars of a piece composed anew, written as MIDI and sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite
from midigen.cli.harmonize import (
    PARTICLES,
    Count,
    Model,
    Out,
    Particles,
    Seed,
    Temperature,
    Wav,
    settings_of,
    voice_names,
    write,
)
from midigen.cli.writing import targets_of
from midigen.errors import UsageError


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
    model: Model = None,
    *,
    particles: Particles = PARTICLES,
    temperature: Temperature = 1.0,
    count: Count = 1,
    seed: Seed = None,
    out: Out = None,
    wav: Wav = True,
    force: options.Force = False,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Compose some bars of a piece anew, as MIDI and WAV.

    All else stays as it is, note for note, and what comes behind the new bars has a say in them.

    Example: midigen inpaint chorale.mid --bars 5-8 --voices alto,tenor
    """
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint
    from midigen.formats.reading import read_one
    from midigen.sampling.generate import Request
    from midigen.sampling.harmonize import inpaint as compose

    console: Console = ctx.obj
    settings = settings_of(seed, particles, count, temperature)
    targets = targets_of(out, f"{file.stem}-inpainted", Request(settings.seed, count))
    sounds = [target.with_suffix(".wav") for target in targets if wav]
    refuse_to_overwrite([*targets, *sounds], force=force)
    span, chosen, score = _bars(bars), voice_names(voices), read_one(file)
    checkpoint = load_checkpoint(find_checkpoint(model, checkpoints))
    with console.progress("composing", "step") as progress:
        composed = compose(checkpoint, score, span, chosen, settings, progress)
    write(console, composed, targets, settings, checkpoint.name, with_sound=wav)


def _bars(text: str) -> tuple[int, int]:
    """Read ``5-8`` or ``5``."""
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise UsageError(f"--bars takes a bar, or the first and the last, such as 5-8; not {text!r}.")
    return first, last
