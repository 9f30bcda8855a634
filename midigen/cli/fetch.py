"""``midigen fetch``: bring corpora of the catalogue into the working folder and read them, or list them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console, summarise
from midigen.corpora.catalogue import DEFAULT_CORPUS
from midigen.errors import UsageError


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
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|URL",
            help="Take the corpus from a file that you have, or from another address; its checksum must be the same.",
        ),
    ] = None,
    *,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Take files for which no checksum is known.")
    ] = False,
    list_corpora: Annotated[bool, typer.Option("--list", help="List the corpora that midigen knows.")] = False,
) -> None:
    """Bring corpora into the corpora folder once and read them.

    Some are part of music21, which is installed with midigen; the others are downloaded, after a word about their
    licence, and checked. A download that broke goes on where it stopped when the command is given again.

    Example: midigen fetch bach-chorales maestro
    """
    from midigen.corpora.catalogue import find_corpus
    from midigen.corpora.fetch import fetch as fetch_corpus
    from midigen.corpora.fetch import no_progress, unread_reason

    console: Console = ctx.obj
    if list_corpora:
        if names or given or unverified:
            raise UsageError("--list fetches nothing: give it alone.")
        _list(console, corpora)
        return
    chosen = [find_corpus(name) for name in names or [DEFAULT_CORPUS]]
    if given is not None and len(chosen) > 1:
        raise UsageError("--from takes one corpus: name it alone")
    document = []
    for corpus in chosen:
        name = corpus.name
        if corpus.downloads:
            console.note(f"{name}: {_megabytes(corpus.bytes)}, licence: {corpus.licence}")
            if (unread := unread_reason(corpus)) is not None:
                console.note(f"{name} is stored but not read: {unread}")
        bytes_bar = console.progress(f"{name}, download", "B") if corpus.downloads else nullcontext(no_progress)
        with bytes_bar as transfer, console.progress(name) as progress:
            fetched = fetch_corpus(name, corpora, progress, given=given, unverified=unverified, transfer=transfer)
        if fetched.unread is None:
            console.result(f"{name}: {fetched.pieces} pieces in {fetched.path} ({fetched.seconds:.1f} s)")
        else:
            console.result(f"{name}: files in {fetched.path}, not read: {fetched.unread}")
        if fetched.left_out:
            console.result(f"  left out {len(fetched.left_out)}: {summarise(left.reason for left in fetched.left_out)}")
        console.detail(f"  {corpus.title}. {corpus.citation}")
        for left in fetched.left_out:
            console.detail(f"  {left.file}: {left.reason}")
        document.append(
            {"name": name, "pieces": fetched.pieces, "path": str(fetched.path), "seconds": round(fetched.seconds, 3)}
        )
    console.document(document)


def _megabytes(size: int | None) -> str:
    return "? MB" if size is None else f"{size / 1e6:.1f} MB"


def _list(console: Console, corpora: Path) -> None:
    from midigen.corpora.catalogue import CATALOGUE
    from midigen.corpora.fetch import listing

    rows = listing(corpora)
    console.document(rows)
    table = []
    for corpus, row in zip(CATALOGUE.values(), rows, strict=True):
        size, present = _megabytes(corpus.bytes), "yes" if row["present"] else "no"
        pieces = "?" if corpus.pieces is None else f"{corpus.pieces:,}"
        table.append((corpus.name, pieces, corpus.format, size, present, corpus.licence))
    console.table(("name", "pieces", "format", "size", "present", "licence"), table)
