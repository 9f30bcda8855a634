"""``midigen check``: what is wrong with tunes in ABC notation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli.console import Console


def check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files with tunes in ABC notation.")],
) -> None:
    """Find faults in tunes in ABC notation.

    Each is named by line and column: signs that mean nothing, bars that do not hold their metre (but for pick-ups
    and endings), and repeats that do not close. The exit code is 1 if there is one.

    Example: midigen check tunes.abc
    """
    from midigen.formats.abc_notation import check_tune, read_tunes

    console: Console = ctx.obj
    faults, tunes, sound = [], 0, 0
    for file in files:
        for tune in read_tunes(file):
            found = check_tune(tune)
            tunes += 1
            sound += not found
            faults += [{"file": str(file), "tune": tune.title, **fault._asdict()} for fault in found]
    console.document({"tunes": tunes, "without_fault": sound, "faults": faults})
    for fault in faults:
        console.result(f"{fault['file']}:{fault['line']}:{fault['column']}: {fault['message']}")
    console.note(f"{sound:,} of {tunes:,} tunes are without fault.")
    if faults:
        raise typer.Exit(1)
