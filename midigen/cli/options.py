"""Options: those that several commands share, each written once. Heavy imports do not belong here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from midigen.cli.console import Console

# Options under a heading in the help; what has none stands under "Options", behind them.
piece = partial(typer.Option, rich_help_panel="What to compose")
sampling = partial(typer.Option, rich_help_panel="Sampling")
steering = partial(typer.Option, rich_help_panel="Steering")
best = partial(typer.Option, rich_help_panel="Many, then the best")
output = partial(typer.Option, rich_help_panel="Output")
_tokens = partial(typer.Option, rich_help_panel="Tokens")
network = partial(typer.Option, rich_help_panel="Network")
training = partial(typer.Option, rich_help_panel="Training")
run = partial(typer.Option, rich_help_panel="Run")
hardware = partial(typer.Option, rich_help_panel="Hardware")


def complete_corpus() -> list[str]:
    """Offer the names of the catalogue to the shell."""
    from midigen.corpora.catalogue import CATALOGUE

    return list(CATALOGUE)


def _set_switch(ctx: typer.Context, param: typer.CallbackParam, value: bool) -> None:  # noqa: FBT001  # Typer's form
    if value:
        setattr(ctx.find_root().ensure_object(Console), str(param.name), True)


Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON.", callback=_set_switch, expose_value=False, is_eager=True),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print results and errors only.", callback=_set_switch, expose_value=False, is_eager=True
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print details.", callback=_set_switch, expose_value=False, is_eager=True),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", help="Show where an error came from.", callback=_set_switch, expose_value=False, is_eager=True
    ),
]

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Name of a corpus, or path of a folder, file or archive; or several joined by +.",
        autocompletion=complete_corpus,
    ),
]
Tokens = Annotated[
    str | None,
    _tokens(
        help="Representation: notes, parts, chords, grid, abc, or a tokenizer of MidiTok: miditok:REMI, TSD, MIDILike, "
        "Structured, CPWord, Octuple. The one that suits the source by default.",
        metavar="NAME",
        autocompletion=lambda: list(TOKENS),
    ),
]
Quantum = Annotated[
    int | None, _tokens(help="Steps in a quarter, or in a second under --clock seconds.", min=1, metavar="N")
]
Clock = Annotated[
    Literal["quarters", "seconds"] | None, _tokens(help="What notes are timed by: notation or performance.")
]
Corpora = Annotated[
    Path, typer.Option(help="Folder for corpora and datasets.", envvar="MIDIGEN_CORPORA", metavar="FOLDER")
]
Checkpoints = Annotated[
    Path, typer.Option(help="Folder for trained models.", envvar="MIDIGEN_CHECKPOINTS", metavar="FOLDER")
]
Engine = Annotated[
    Literal["auto", "fluidsynth", "midirenderer", "sine"],
    typer.Option(help="What makes the sound; auto takes the first that works here."),
]
Soundfont = Annotated[Path | None, typer.Option(help="SoundFont (.sf2) to play with.", metavar="FILE")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files.")]

TOKENIZERS = ("REMI", "TSD", "MIDILike", "Structured", "CPWord", "Octuple")
TOKENS = ("notes", "parts", "chords", "grid", "abc", *(f"miditok:{name}" for name in TOKENIZERS))
CORPORA = Path("corpora")
CHECKPOINTS = Path("checkpoints")
