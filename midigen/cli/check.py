"""``midigen check``: what is wrong with tunes in ABC notation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli.console import Console
from midigen.errors import SourceError


def check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files with tunes in ABC notation.")],
) -> None:
    """Find faults in tunes in ABC notation.

    Each is named by line and column: signs that mean nothing, bars that do not hold their metre (but for pick-ups
    and endings), and repeats that do not close. The exit code is 1 if there is one. A tune is valid if besides
    abc2midi reports no error; --verbose prints those, too.

    Example: midigen check tunes.abc
    """
    from midigen.formats.abc2midi import MISSING, abc2midi_errors, find_abc2midi
    from midigen.formats.abc_notation import check_tune, read_tunes

    console: Console = ctx.obj
    is_there = find_abc2midi() is not None
    faults, errors, unread, tunes, sound, valid = [], [], list[SourceError](), 0, 0, 0
    for file in files:
        try:
            in_file = read_tunes(file)
        except SourceError as error:
            unread.append(error)
            continue
        for tune, others in zip(in_file, abc2midi_errors(in_file), strict=True):
            found = check_tune(tune)
            tunes += 1
            sound += not found
            valid += not found and not others
            faults += [{"file": str(file), "tune": tune.title, **fault._asdict()} for fault in found]
            errors += [{"file": str(file), "tune": tune.title, **flaw._asdict()} for flaw in others]
    # What is wrong with one file must not hide what was found in the others.
    if unread and not tunes:
        raise unread[0]
    for unreadable in unread:
        console.note(f"{unreadable}.")
    console.document(
        {"tunes": tunes, "without_fault": sound, "valid": valid, "faults": faults, "abc2midi_errors": errors}
        | {"files_refused": [{"file": error.file, "reason": str(error)} for error in unread]}
    )
    for fault in faults:
        console.result(_line(fault))
    for flaw in errors:
        console.detail(_line(flaw))
    console.note(f"{sound:,} of {tunes:,} tunes are without fault.")
    rest = "; -v shows those in others." if errors and not console.verbose else "."
    console.note(f"{valid:,} of these are valid: abc2midi reports no error{rest}" if is_there else f"{MISSING}.")
    if faults or unread:
        raise typer.Exit(1)


def _line(fault: dict[str, object]) -> str:
    return f"{fault['file']}:{fault['line']}:{fault['column']}: {fault['message']}"
