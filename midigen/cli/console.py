"""Console: how commands talk. Results go to stdout; notes, progress and errors to stderr.

Whatever comes from files is plain text here: no markup is interpreted and control characters are replaced.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from midigen.errors import UsageError


class Console:
    """The four switches, and what they let through.

    A command gets it as ``ctx.obj``, reports the same results twice, by ``document`` and by ``result`` or ``table``,
    and only the form that the user wants is printed.
    """

    json = False
    """Print one JSON document on stdout and nothing else there."""
    quiet = False
    """No notes and no progress."""
    verbose = False
    """Details too."""
    debug = False
    """Tracebacks too."""

    def document(self, data: object) -> None:
        """Print the result as JSON, under --json."""
        if self.json:
            typer.echo(json.dumps(data, indent=2, default=str))

    def result(self, text: str) -> None:
        """Print a line of the result, not under --json."""
        if not self.json:
            typer.echo(_printable(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, not under --json: on a terminal as wide as that is, elsewhere one line a row."""
        if self.json:
            return
        from rich.console import Console as RichConsole
        from rich.table import Table
        from rich.text import Text

        is_terminal = sys.stdout.isatty()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=not is_terminal)
        for row in rows:
            table.add_row(*(Text(_printable(cell)) for cell in row))
        rich_console = RichConsole(width=None if is_terminal else 10_000, color_system=None)
        with rich_console.capture() as capture:
            rich_console.print(table)
        typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))

    def note(self, text: str) -> None:
        """Print a line about how it went on stderr, but for --quiet."""
        if not self.quiet:
            typer.echo(_printable(text), err=True)

    def detail(self, text: str) -> None:
        """Print a line on stderr under --verbose."""
        if self.verbose:
            self.note(text)

    def error(self, sentence: str, file: str | None = None) -> None:
        """Say what went wrong: on stderr, or as JSON on stdout under --json."""
        if self.json:
            self.document({"error": sentence, "file": file})
            return
        from rich.console import Console as RichConsole
        from rich.text import Text

        words = Text.assemble(("Error: ", "red"), _printable(sentence))
        RichConsole(stderr=True, soft_wrap=True).print(words)

    @contextmanager
    def progress(self, label: str, unit: str = "file") -> Iterator[Callable[[int, int], None]]:
        """Show a bar on stderr, on a terminal only; yield what is to be called with the numbers done and of all."""
        from tqdm import tqdm

        is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet
        scale = unit == "B"
        with tqdm(
            desc=label, unit=unit, unit_scale=scale, leave=False, dynamic_ncols=True, disable=not is_shown
        ) as bar:

            def update(done: int, total: int) -> None:
                if bar.total != total:
                    bar.reset(total)
                bar.update(done - bar.n)

            yield update


def _printable(text: str) -> str:
    """Replace what would move a terminal's cursor or cannot be encoded."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def summarise(reasons: Iterable[str], most: int = 4) -> str:
    """Return reasons in one line, the commonest first, each with its count; what they say in brackets is left out."""
    counted = Counter(re.sub(r" \([^()]*\)", "", reason) for reason in reasons).most_common()
    rest = sum(count for _, count in counted[most:])
    return "; ".join(f"{reason} ({count})" for reason, count in [*counted[:most], ("other reasons", rest)] if count)


def shown(path: Path) -> str:
    """Return a path as the user would write it: below the current folder without that folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def refuse_to_overwrite(targets: Iterable[Path], *, force: bool) -> None:
    """Raise UsageError if one of the files is there and may not be overwritten, or its folder cannot be written to."""
    for target in targets:
        folder = next(parent for parent in target.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(
                f"{shown(folder)} is no folder that can be written to: name another by --out.", file=folder
            )
        if target.exists() and not force:
            raise UsageError(f"{shown(target)} is there already: give --force to overwrite it, or --out.", file=target)
