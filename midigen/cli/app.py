"""The command line: its commands, and the one place where errors become sentences and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 the reader of a pipe went away.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from midigen import __version__
from midigen.cli import options
from midigen.cli.check import check
from midigen.cli.console import Console
from midigen.cli.evaluate import evaluate
from midigen.cli.fetch import fetch
from midigen.cli.generate import generate
from midigen.cli.harmonize import harmonize
from midigen.cli.info import info
from midigen.cli.inpaint import inpaint
from midigen.cli.lab import lab
from midigen.cli.models import models
from midigen.cli.parse import parse
from midigen.cli.play import play
from midigen.cli.presets import presets
from midigen.cli.render import render
from midigen.cli.train import train
from midigen.errors import MidigenError, UsageError

_SWITCHES = ("json", "quiet", "verbose", "debug")


class Command(TyperCommand):
    """A command whose help puts its options under the headings that they name, and the others behind them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  # as in Typer
        """Write arguments and options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            kind = "Arguments" if param.param_type_name == "argument" else "Options"
            if (record := param.get_help_record(ctx)) is not None:
                sections.setdefault(getattr(param, "rich_help_panel", None) or kind, []).append(record)
        sections["Options"] = sections.pop("Options")
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Commands(TyperGroup):
    """The group of all commands: gives each the common switches and turns errors into sentences."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  # Typer's business
        super().__init__(**settings)
        switches = [param for param in self.params if param.name in _SWITCHES]
        for command in self.commands.values():
            command.params.extend(switches)

    def main(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401  # as in Typer
        """Run the command line and leave with its exit code."""
        console = Console()
        arguments = sys.argv[1:] if settings.get("args") is None else settings["args"]
        # Where JSON is wanted Typer must not print its own errors; a wrong option is found before --json is parsed.
        console.json = "--json" in arguments
        try:
            code = super().main(*args, **settings | {"obj": console, "standalone_mode": not console.json})
        except SystemExit as stop:
            # Typer and rich leave with 1 when the reader of stdout is gone, which `| head` does on purpose.
            code = 141 if isinstance(stop.__context__, BrokenPipeError) else stop.code
        except Exception as error:  # noqa: BLE001  # nobody shall see a traceback unasked
            code = _report(console, error)
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # as in Typer
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            console: Console = ctx.obj
            console.error("Interrupted.")
            raise typer.Exit(130) from None


def _report(console: Console, error: Exception) -> int:
    """Say what went wrong and return the exit code."""
    if console.debug:
        traceback.print_exception(error)
    if isinstance(error, typer.TyperException):
        console.error(error.format_message())
        return error.exit_code
    if isinstance(error, MidigenError):
        console.error(str(error), error.file)
        return 2 if isinstance(error, UsageError) else 1
    if isinstance(error, OSError) and error.strerror:
        console.error(f"{error.filename or 'The system says'}: {error.strerror}.", error.filename)
        return 1
    console.error(f"Unexpected {type(error).__name__}: {error}. Run again with --debug to see where it came from.")
    return 1


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # plain help: faster, and readable at any width
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    fetch,
    info,
    parse,
    train,
    presets,
    models,
    generate,
    harmonize,
    inpaint,
    evaluate,
    render,
    play,
    check,
    lab,
):
    app.command(cls=Command)(command)


def _show_version(value: bool) -> None:  # noqa: FBT001  # Typer's form
    if value:
        typer.echo(f"midigen {__version__}")
        raise typer.Exit


@app.callback()
def midigen(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Learn from music scores and compose new ones.

    Example: midigen train --minutes 5, then midigen generate
    """


def main() -> None:
    """Start midigen from the command line."""
    # Threads of GNU OpenMP that wait for each other spin for long, at a high price where another program uses a core:
    # 2465 tokens/s in training instead of 3845. Read when torch is imported, so it is set before.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    app()
