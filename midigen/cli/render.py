"""``midigen render``: MIDI files and scores to sound or to a picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite
from midigen.errors import MidigenError, UsageError

Format = Literal["wav", "flac", "ogg", "mp3", "png"]


def render(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="MIDI files or scores.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="File for one input, folder for several. Beside each input."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Sound file, or piano roll for png. By the suffix of --out, else wav."),
    ] = None,
    soundfont: options.Soundfont = None,
    engine: options.Engine = "auto",
    *,
    force: options.Force = False,
) -> None:
    """Make sound files of MIDI files and scores, or pictures.

    Example: midigen render song.mid --format mp3
    """
    from midigen.formats.reading import read_one
    from midigen.rendering.piano_roll import draw_piano_roll
    from midigen.rendering.synthesize import SAMPLE_RATE, synthesize, write_audio

    console: Console = ctx.obj
    targets = choose_targets(files, out, form)
    if targets[0].suffix.lower() == ".png" and (soundfont is not None or engine != "auto"):
        raise UsageError("--engine and --soundfont are for sound: leave them out for a piano roll.")
    refuse_to_overwrite(targets, force=force)
    document: list[dict[str, object]] = []
    failures: list[MidigenError] = []
    for file, target in zip(files, targets, strict=True):
        started = time.perf_counter()
        ran = None
        try:
            score = read_one(file)
            if target.suffix.lower() == ".png":
                draw_piano_roll(score, target, file.stem)
                console.result(f"{target}: piano roll of {file}")
            else:
                audio = synthesize(score, engine, soundfont)
                write_audio(audio, target)
                ran = audio.engine
                console.result(f"{target}: {len(audio.samples) / SAMPLE_RATE:.1f} s of sound; {audio.note}")
        except MidigenError as error:
            if len(files) == 1:
                raise
            failures.append(error)
            document.append({"file": str(file), "error": str(error)})
            continue
        seconds = round(time.perf_counter() - started, 3)
        document.append({"file": str(file), "out": str(target), "engine": ran, "seconds": seconds})
    console.document(document)
    for failure in failures:
        console.note(f"Error: {failure}")
    if failures:
        raise typer.Exit(1)


def choose_targets(files: list[Path], out: Path | None, form: Format | None) -> list[Path]:
    """Return the file to write for each input.

    Raises:
        UsageError: the format contradicts the suffix of ``out``, a file is named for several inputs, or two inputs
            would become one file.
    """
    if out is not None and not out.is_dir():
        suffix = out.suffix.lower().removeprefix(".")
        allowed = get_args(Format) if form is None else (form,)
        if len(files) == 1 and suffix in allowed:
            return [out]
        if len(files) == 1:
            raise UsageError(f"--out {out} must end in {' or '.join('.' + name for name in allowed)}.", file=out)
        if out.exists() or suffix in get_args(Format):
            raise UsageError(f"--out {out} names a file, but several inputs need a folder.", file=out)
    targets = [(out or file.parent) / f"{file.stem}.{form or 'wav'}" for file in files]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            first = files[targets.index(target)]
            raise UsageError(f"{first} and {files[index]} would both become {target}: render them apart.", file=target)
    return targets
