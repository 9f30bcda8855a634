"""``midigen play``: hear a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console


def play(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="MIDI or sound files.")],
    engine: options.Engine = "auto",
    soundfont: options.Soundfont = None,
) -> None:
    """Play MIDI or sound files, one after the other.

    Example: midigen play song.mid
    """
    from midigen.rendering.play import play as play_file

    console: Console = ctx.obj
    document = []
    for file in files:
        console.note(f"Playing {file}; Ctrl-C stops.")
        how = play_file(file, engine, soundfont)
        document.append({"file": str(file), "how": how})
        console.result(f"{file}: {how}")
    console.document(document)
