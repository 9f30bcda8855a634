"""``midigen evaluate``: how good a model is, and how its music compares with real music."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from midigen.cli import options
from midigen.cli.console import Console
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.datasets.build import Dataset
    from midigen.evaluation.baselines import Baselines
    from midigen.evaluation.comparison import Interval
    from midigen.evaluation.evaluate import Likelihood, Music
    from midigen.evaluation.originality import Originality


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Name or folder of a run; the newest by default.", show_default=False),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Music to judge by; by default what it was trained on.")
    ] = None,
    split: Annotated[Literal["valid", "test"], typer.Option(help="Which held-out pieces.")] = "valid",
    pieces: Annotated[
        int, typer.Option(min=0, metavar="N", help="Pieces to compose and compare; 0 for the likelihood alone.")
    ] = 100,
    temperature: Annotated[float, typer.Option(metavar="X", help="To compose with.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Makes the figures repeatable.")] = 0,
    corpora: options.Corpora = options.CORPORA,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Measure a model on held-out pieces, and its music against them.

    Likelihood and accuracy stand beside those of counting (a unigram and an n-gram). Then the model composes: are its
    pieces distributed like real ones, how much of them stands in the training music, and can a network that is trained
    for it tell them from real ones (50% is perfect)?

    Example: midigen evaluate --split test
    """
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint
    from midigen.evaluation.baselines import baselines
    from midigen.evaluation.evaluate import judge_music, likelihood, report
    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.generate import Request

    console: Console = ctx.obj
    checkpoint = load_checkpoint(find_checkpoint(model, checkpoints))
    if source is None and split == "valid" and checkpoint.config["training"].get("split") == "window":
        raise UsageError(f"{checkpoint.name} was trained on windows of its validation pieces: take --split test.")
    dataset = _dataset(console, checkpoint, source, corpora)
    own = likelihood(checkpoint, dataset, split)
    counted = baselines(dataset, split, checkpoint.model.window or 0)
    unit = checkpoint.representation.note_unit
    _print_likelihood(console, own, counted, unit, checkpoint.representation.notes_per_row)
    music = None
    if pieces:
        request = Request(seed, pieces, settings=DrawSettings(temperature))
        with console.progress("composing", "step") as progress:
            music = judge_music(checkpoint, dataset, split, request, progress)
        _print_music(console, music)
    count = len(dataset.indices(split))
    console.document(report(split, count, own, counted, music, checkpoint.representation.notes_per_row))


def _dataset(console: Console, checkpoint: Checkpoint, source: str | None, corpora: Path) -> Dataset:
    """Return the dataset of a source in the model's ids; without a source, the one that it was trained on."""
    from midigen.checkpoints.run import read_trainer
    from midigen.datasets.build import load_dataset, prepare

    if source is None:
        dataset = load_dataset(Path(str(read_trainer(checkpoint.folder).get("dataset"))))
        if dataset is not None and dataset.corpus_hash == checkpoint.config["corpus_hash"]:
            return dataset
        source = str(checkpoint.config["source"])
    like = checkpoint.representation
    with console.progress(source) as progress:
        return prepare(source, corpora, like.name, dict(like.options), like, progress)[0]


def _print_likelihood(
    console: Console, own: Likelihood, counted: Baselines | None, unit: str, notes_per_row: int
) -> None:
    lines = [("this model", own.nll_per_note, own.accuracy)]
    if counted:
        ngram = f"n-gram that looks back {counted.order} ids"
        lines += [
            (name, count.nll_per_row / notes_per_row, count.accuracy)
            for name, count in ((ngram, counted.ngram), ("unigram", counted.unigram))
        ]
    console.table(
        ("", f"nats per {unit}", "bits", "accuracy"),
        [(name, f"{nats:.4f}", f"{nats / math.log(2):.3f}", f"{right:.1%}") for name, nats, right in lines],
    )
    by_column = ", ".join(f"{name} {nats:.4f}" for name, nats in own.columns.items())
    console.result(f"By column: {by_column}. Perplexity {own.perplexity:.2f}; end {own.end_per_piece:.2f} a piece.")


def _print_music(console: Console, music: Music) -> None:
    console.result(f"\n{music.generated} generated pieces beside {music.held_out} held-out ones")
    console.table(
        ("", "generated", "held out", "overlap", "of training", "divergence", "of training"),
        [
            (
                name,
                _shown(row.generated),
                _shown(row.held_out),
                _shown(row.overlap),
                _shown(row.floor_overlap),
                _shown(row.divergence),
                _shown(row.floor_divergence),
            )
            for name, row in music.statistics.items()
        ],
    )
    console.result("")
    console.table(
        ("stands in the training music", "longest passage", "mean", "4 steps", "8 steps", "16 steps"),
        [_shares("generated", music.originality), _shares("held out", music.held_out_originality)],
    )
    if music.two_sample:
        accuracy, deviation, excerpts = music.two_sample
        console.result(
            f"Told from held-out music: {accuracy:.1%} ± {deviation:.1%} of {excerpts} excerpts; 50% is perfect."
        )
    if music.frechet is not None:
        console.result(f"Fréchet distance {music.frechet:.2f}; of training music {music.frechet_floor:.2f}.")


def _shown(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.value:.2f} ({interval.low:.2f}-{interval.high:.2f})"


def _shares(name: str, found: Originality) -> tuple[str, ...]:
    shares = (f"{share:.1%}" for share in found.shares.values())
    return name, f"{found.longest} steps", f"{found.mean_longest:.1f}", *shares
