"""``midigen harmonize``: the voices that a melody lacks, written as MIDI and sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite
from midigen.cli.writing import targets_of, write_pieces
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.sampling.harmonize import Composed
    from midigen.sampling.particles import ParticleSettings

Model = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="A model of four voices; the newest by default.", show_default=False),
]
Particles = Annotated[
    int, typer.Option(metavar="N", help="Attempts that grow side by side: more fit better and take longer.")
]
Temperature = Annotated[float, typer.Option(metavar="X", help="Of the new notes: below 1 safer, above 1 bolder.")]
Count = Annotated[int, typer.Option(metavar="N", help="Number of pieces.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Makes a piece repeatable; random by default.")]
Out = Annotated[Path | None, typer.Option(metavar="PATH", help="File for one piece, folder for several.")]
Wav = Annotated[bool, typer.Option("--wav/--no-wav", help="Write sound beside the MIDI file.")]
PARTICLES = 50


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
    """Compose the voices that a melody lacks, as MIDI and WAV.

    What is given stays as it is, note for note. Key, metre and phrases are the file's; what it does not say is guessed,
    and said.

    Example: midigen harmonize tune.abc --seed 7
    """
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint
    from midigen.formats.reading import read_one
    from midigen.sampling.generate import Request
    from midigen.sampling.harmonize import harmonize as compose

    console: Console = ctx.obj
    settings = settings_of(seed, particles, count, temperature)
    targets = targets_of(out, f"{melody.stem}-harmonized", Request(settings.seed, count))
    sounds = [target.with_suffix(".wav") for target in targets if wav]
    refuse_to_overwrite([*targets, *sounds], force=force)
    kept, score = voice_names(voices), read_one(melody)
    checkpoint = load_checkpoint(find_checkpoint(model, checkpoints))
    with console.progress("composing", "step") as progress:
        composed = compose(checkpoint, score, kept, settings, progress)
    write(console, composed, targets, settings, checkpoint.name, with_sound=wav)


def settings_of(seed: int | None, particles: int, count: int, temperature: float) -> ParticleSettings:
    """Return how to compose; without a seed, with one at random."""
    import secrets

    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.particles import ParticleSettings

    chosen = secrets.randbelow(10**6) if seed is None else seed
    return ParticleSettings(chosen, particles, count, DrawSettings(temperature))


def voice_names(text: str | None) -> list[str] | None:
    """Read names of voices, as in ``alto,tenor``; None stays None.

    Raises:
        UsageError: one is no voice, or is named twice.
    """
    from midigen.representations.voice_grid import SCORE_ORDER

    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",")]
    if not set(names) <= set(SCORE_ORDER) or len(set(names)) < len(names):
        known = ", ".join(SCORE_ORDER)
        raise UsageError(f"--voices takes names of {known}, each once, with commas between; not {text!r}.")
    return names


def write(
    console: Console,
    composed: Composed,
    targets: list[Path],
    settings: ParticleSettings,
    model: str,
    *,
    with_sound: bool,
) -> None:
    """Write the pieces and say how it went."""
    from midigen.sampling.generate import Generated

    for remark in composed.remarks:
        console.note(remark)
    text = f"midigen: model {model}, seed {settings.seed}, {settings.particles} particles"
    count = len(composed.scores)
    generated = Generated(composed.scores, ((),) * count, composed.rows * count, composed.seconds)
    files = write_pieces(console, generated, targets, text, with_sound=with_sound)
    for file, drawn in zip(files, composed.drawn, strict=True):
        file["log_likelihood"] = drawn.log_likelihood
    console.document(
        {
            "files": files,
            "model": model,
            "seed": settings.seed,
            "particles": settings.particles,
            "remarks": list(composed.remarks),
            "seconds": composed.seconds,
        }
    )
    console.note(f"Model {model}, seed {settings.seed}; {composed.seconds:.1f} s with {settings.particles} particles.")
