"""``midigen parse``: from a source to a dataset of rows, and what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from midigen.cli import options
from midigen.cli.console import Console, summarise
from midigen.corpora.catalogue import DEFAULT_CORPUS

if TYPE_CHECKING:
    from midigen.datasets.build import Dataset


def parse(
    ctx: typer.Context,
    source: options.Source = DEFAULT_CORPUS,
    tokens: options.Tokens = None,
    quantum: options.Quantum = None,
    clock: options.Clock = None,
    corpora: options.Corpora = options.CORPORA,
) -> None:
    """Turn a source into rows of ids for training.

    The dataset lies in the corpora folder and is found again as long as the source stays the same. train does this by
    itself; parse shows beforehand what there will be to learn from.

    Example: midigen parse ~/songs --tokens notes --quantum 8
    """
    from midigen.corpora.catalogue import CATALOGUE
    from midigen.datasets.build import default_representation, prepare

    console: Console = ctx.obj
    with console.progress(source) as progress:
        dataset, found = prepare(source, corpora, tokens, {"quantum": quantum, "clock": clock}, progress=progress)
    if tokens is None:
        why = f"it suits {source} best" if source in CATALOGUE else "it suits any music"
        console.note(
            f"Taken: {default_representation(source)}, because {why}; --tokens chooses another representation."
        )
    console.document(_describe(dataset) | {"found": found})
    _print(console, dataset, found)


def _describe(dataset: Dataset) -> dict[str, object]:
    pieces = dataset.manifest["pieces"]
    return {
        "name": dataset.manifest["source"],
        "folder": str(dataset.folder),
        "representation": dataset.representation.name,
        "pieces": len(pieces),
        "rows": sum(piece["rows"] for piece in pieces),
        "splits": _splits(dataset),
        "columns": {field.name: field.size for field in dataset.representation.fields},
        "left_out": dataset.manifest["left_out"],
    }


def _splits(dataset: Dataset) -> dict[str, int]:
    from midigen.datasets.build import SPLITS

    return {split: len(dataset.indices(split)) for split in SPLITS}


def _print(console: Console, dataset: Dataset, found: bool) -> None:  # noqa: FBT001
    pieces, left_out = dataset.manifest["pieces"], dataset.manifest["left_out"]
    representation = dataset.representation
    notes = sum(len(representation.decode(*dataset.piece(index))) for index in range(len(pieces)))
    splits = ", ".join(f"{count:,} {split}" for split, count in _splits(dataset).items())
    columns = ", ".join(f"{field.name} {field.size:,}" for field in representation.fields)
    console.result(f"{dataset.manifest['source']} as {representation.name}")
    console.result(f"  pieces    {len(pieces):,}: {splits}")
    console.result(f"  rows      {sum(piece['rows'] for piece in pieces):,}")
    console.result(f"  notes     {notes / len(pieces):,.0f} a piece")
    console.result(f"  columns   {columns} (name and number of ids)")
    if left_out:
        reasons = summarise(left["reason"] for left in left_out)
        console.result(f"  left out  {len(left_out):,}: {reasons}")
    for left in left_out:
        console.detail(f"    {left['file']}: {left['reason']}")
    console.result(f"  {'found in' if found else 'built in'}  {dataset.folder / 'manifest.json'}")
