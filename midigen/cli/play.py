"""``midigen play``: hear a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console


def play(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MIDI or sound file.")],
    engine: options.Engine = "auto",
    soundfont: options.Soundfont = None,
) -> None:
    """Play a MIDI or sound file.

    Example: midigen play song.mid
    """
    from midigen.rendering.play import play as play_file

    console: Console = ctx.obj
    console.note(f"Playing {file}; Ctrl-C stops.")
    how = play_file(file, engine, soundfont)
    console.document({"file": str(file), "how": how})
    console.result(f"{file}: {how}")
