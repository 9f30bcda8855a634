"""Around given notes: the options that ``midigen harmonize`` and ``midigen inpaint`` share, and what they do alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite, shown
from midigen.cli.writing import targets_of, write_pieces
from midigen.errors import SamplingError, UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.sampling.harmonize import Composed
    from midigen.sampling.particles import ParticleSettings
    from midigen.scores.score import Score

    Compose = Callable[[Checkpoint, Score, ParticleSettings, Callable[[int, int], None]], Composed]


@dataclass(frozen=True)
class Wishes:
    """The shared options: a field each, as Typer reads it."""

    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A model of four voices; the newest by default, else the one that ships.",
            show_default=False,
        ),
    ] = None
    particles: Annotated[
        int, typer.Option(metavar="N", help="Attempts that grow side by side: more fit better and take longer.")
    ] = 50
    temperature: Annotated[
        float, typer.Option(metavar="X", help="Of the new notes: below 1 safer, above 1 bolder.")
    ] = 0.6
    count: Annotated[int, typer.Option(metavar="N", help="Number of pieces.")] = 1
    seed: Annotated[int | None, typer.Option(metavar="N", help="Makes a piece repeatable; random by default.")] = None
    out: Annotated[Path | None, typer.Option(metavar="PATH", help="File for one piece, folder for several.")] = None
    wav: Annotated[bool, typer.Option("--wav/--no-wav", help="Write sound beside the MIDI file.")] = True
    force: options.Force = False
    checkpoints: options.Checkpoints = options.CHECKPOINTS


def with_wishes(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the shared options, for one whose last argument is ``wishes``."""
    *own, _ = inspect.signature(command, eval_str=True).parameters.values()
    shared = inspect.signature(Wishes, eval_str=True).parameters

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401  # options of all types
        wishes = Wishes(**{name: given.pop(name) for name in shared})
        command(**given, wishes=wishes)

    both = [*own, *shared.values()]
    run.__signature__ = inspect.Signature([each.replace(kind=each.KEYWORD_ONLY) for each in both])  # type: ignore[attr-defined]
    return run


def compose_around(console: Console, file: Path, ending: str, wishes: Wishes, compose: Compose) -> None:
    """Compose around the notes of a file, and write what comes out under its name with an ending."""
    import secrets

    from midigen.cli.choosing import load_model
    from midigen.formats.reading import read_one
    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.generate import Request
    from midigen.sampling.given_voices import grid_of
    from midigen.sampling.particles import ParticleSettings

    seed = secrets.randbelow(10**6) if wishes.seed is None else wishes.seed
    settings = ParticleSettings(seed, wishes.particles, wishes.count, DrawSettings(wishes.temperature))
    targets = targets_of(wishes.out, f"{file.stem}-{ending}", Request(seed, wishes.count))
    sounds = [target.with_suffix(".wav") for target in targets if wishes.wav]
    refuse_to_overwrite([*targets, *sounds], force=wishes.force)
    score = read_one(file)
    checkpoint = load_model(console, wishes.model, wishes.checkpoints, "grid")
    grid_of(checkpoint)  # what else is wrong is wrong with the piece
    try:
        with console.progress("composing", "step") as progress:
            composed = compose(checkpoint, score, settings, progress)
    except (SamplingError, UsageError) as error:
        raise type(error)(f"{shown(file)}: {error}", file) from error
    _write(console, composed, targets, settings, checkpoint.name, with_sound=wishes.wav)


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


def _write(
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
