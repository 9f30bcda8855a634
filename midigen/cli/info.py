"""``midigen info``: what a source or a trained model holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from midigen.checkpoints.shipped import shipped_models, split_sizes
from midigen.cli import options
from midigen.cli.console import Console, summarise
from midigen.corpora.catalogue import CATALOGUE, DEFAULT_CORPUS
from midigen.errors import UsageError


def info(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="Name of a corpus or model, or path of a folder, file, archive or checkpoint.",
            autocompletion=options.complete_corpus,
        ),
    ] = DEFAULT_CORPUS,
    tokens: Annotated[
        str | None,
        typer.Option(
            help="Count the rows and ids of this representation, too.",
            metavar="NAME",
            autocompletion=lambda: list(options.TOKENS),
        ),
    ] = None,
    corpora: options.Corpora = options.CORPORA,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Show what a corpus, a file or a trained model holds.

    Example: midigen info ~/songs
    """
    console: Console = ctx.obj
    is_named = what not in CATALOGUE and not Path(what).expanduser().is_file()
    shipped = [folder for name, folder in shipped_models().items() if name == what]
    folder = next((f for f in (checkpoints / what, Path(what), *shipped) if is_named and _is_model(f)), None)
    if folder is None:
        _show_source(console, what, tokens, corpora)
    elif tokens is not None:
        raise UsageError(f"{what} is a model, which has its own tokens: leave out --tokens.")
    else:
        _show_model(console, folder)


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("run.json", "config.json"))


def _show_model(console: Console, folder: Path) -> None:
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint
    from midigen.evaluation.readings import told_in_advance

    checkpoint = load_checkpoint(find_checkpoint(str(folder.resolve()), folder.parent))
    config, representation = checkpoint.config, checkpoint.representation
    vocabulary = {field.name: field.size for field in representation.fields}
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    pieces = split_sizes(config)
    console.document(
        {
            "name": checkpoint.name,
            "checkpoint": str(checkpoint.folder),
            "corpus": config["source"],
            "representation": representation.name,
            "vocabulary": vocabulary,
            "model": config["model"],
            "parameters": parameters,
            "pieces": pieces,
            "metrics": config["metrics"],
            "midigen": config["midigen"],
        }
    )
    model, metrics = config["model"], config["metrics"]
    console.result(f"{checkpoint.name}: a model of {config['source']}")
    console.result(
        f"  network     {model['layers']} x {model['hidden_size']} {model['cell']}, {parameters:,} parameters"
    )
    console.result(f"  tokens      {representation.name}: {_listed(vocabulary)} (name and number of ids)")
    console.result(f"  pieces      {', '.join(f'{count:,} {split}' for split, count in pieces.items())}")
    if "valid_loss" in metrics:
        loss = f"{metrics['valid_loss']:.3f} nats per {representation.note_unit}"
        given = f", {told} given," if (told := told_in_advance(representation)) else ""
        console.result(f"  validation  {loss}{given} after epoch {metrics['epoch']:.0f}")
    console.result(f"  made by     midigen {config['midigen']}")


def _show_source(console: Console, source: str, tokens: str | None, corpora: Path) -> None:
    from midigen.corpora.source import read_source
    from midigen.datasets.build import prepare
    from midigen.scores.statistics import summarise_scores

    with console.progress(source) as progress:
        dataset = prepare(source, corpora, tokens, progress=progress)[0] if tokens else None
        collection = read_source(source, corpora, progress)
    summary = summarise_scores([piece.score for piece in collection.pieces])
    left_out = collection.left_out
    facts: dict[str, Any] = {
        "name": collection.name,
        "files_read": len({piece.file for piece in collection.pieces}),
        "files_refused": [{"file": left.file, "reason": left.reason} for left in left_out],
        "pieces": len(collection.pieces),
        **vars(summary),
    }
    if dataset is not None:
        facts["tokens"] = sum(piece["rows"] for piece in dataset.manifest["pieces"])
        facts["vocabulary"] = {field.name: field.size for field in dataset.representation.fields}
    console.document(facts)
    hours, seconds = divmod(round(summary.seconds), 3600)
    length = f"{hours:d}:{seconds // 60:02d}:{seconds % 60:02d}"
    console.result(collection.name)
    repeated = f"duplicates {summary.duplicates:,}, transposed duplicates {summary.transposed_duplicates:,}"
    console.result(f"  pieces      {len(collection.pieces):,} ({repeated})")
    console.result(f"  notes       {summary.notes:,}, MIDI pitches {summary.pitch_min} to {summary.pitch_max}")
    console.result(f"  length      {summary.duration_quarters:,.0f} quarters, {length} at the tempos given")
    console.result(f"  keys        {_commonest(summary.keys)}")
    console.result(f"  metres      {_commonest(summary.metres)}")
    console.result(f"  tempos      {_commonest(summary.tempos)} (quarters a minute)")
    if dataset is not None:
        console.result(f"  tokens      {facts['tokens']:,} rows of {dataset.representation.name}")
        console.result(f"  vocabulary  {_listed(facts['vocabulary'])} (name and number of ids)")
    if left_out:
        console.result(f"  left out    {len(left_out):,}: {summarise(left.reason for left in left_out)}")
    for left in left_out:
        console.detail(f"    {left.file}: {left.reason}")


def _commonest(counted: Counter[str], most: int = 6) -> str:
    rest = counted.total() - sum(count for _, count in counted.most_common(most))
    named = [f"{name} ({count:,})" for name, count in counted.most_common(most)]
    return ", ".join([*named, f"others ({rest:,})"] if rest else named)


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in sizes.items())
