"""``midigen fetch``: read corpora of the catalogue into the working folder, or list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console, summarise
from midigen.corpora.catalogue import DEFAULT_CORPUS


def fetch(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help=f"Corpora to fetch; {DEFAULT_CORPUS} by default.",
            autocompletion=options.complete_corpus,
            show_default=False,
        ),
    ] = None,
    corpora: options.Corpora = options.CORPORA,
    *,
    list_corpora: Annotated[bool, typer.Option("--list", help="List the corpora that midigen knows.")] = False,
) -> None:
    """Read corpora once, to have them at hand.

    Nothing is downloaded: the corpora are part of music21, which is installed with midigen.

    Example: midigen fetch bach-chorales quartets
    """
    from midigen.corpora.catalogue import find_corpus
    from midigen.corpora.fetch import fetch as fetch_corpus

    console: Console = ctx.obj
    if list_corpora:
        _list(console, corpora)
        return
    chosen = [find_corpus(name).name for name in names or [DEFAULT_CORPUS]]
    document = []
    for name in chosen:
        with console.progress(name) as progress:
            fetched = fetch_corpus(name, corpora, progress)
        console.result(f"{name}: {fetched.pieces} pieces in {fetched.path} ({fetched.seconds:.1f} s)")
        if fetched.left_out:
            console.result(f"  left out {len(fetched.left_out)}: {summarise(left.reason for left in fetched.left_out)}")
        console.detail(f"  {find_corpus(name).title}. {find_corpus(name).citation}")
        for left in fetched.left_out:
            console.detail(f"  {left.file}: {left.reason}")
        document.append(
            {"name": name, "pieces": fetched.pieces, "path": str(fetched.path), "seconds": round(fetched.seconds, 3)}
        )
    console.document(document)


def _list(console: Console, corpora: Path) -> None:
    from midigen.corpora.catalogue import CATALOGUE
    from midigen.corpora.fetch import listing

    rows = listing(corpora)
    console.document(rows)
    table = []
    for corpus, row in zip(CATALOGUE.values(), rows, strict=True):
        size, present = f"{corpus.bytes / 1e6:.1f} MB", "yes" if row["present"] else "no"
        table.append((corpus.name, f"{corpus.pieces:,}", corpus.format, size, present, corpus.licence))
    console.table(("name", "pieces", "format", "size", "present", "licence"), table)
