"""``midigen evaluate``: how good a model is, and how its music compares with real music."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from midigen.checkpoints.shipped import shipped_models
from midigen.cli import options
from midigen.cli.choosing import load_model
from midigen.cli.console import Console
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.datasets.build import Dataset
    from midigen.evaluation.comparison import Interval
    from midigen.evaluation.evaluate import Measured, Music
    from midigen.evaluation.originality import Originality
    from midigen.evaluation.tune_form import TuneForm


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Name or folder of a run, or a model that ships; the newest by default.",
            show_default=False,
        ),
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

    Likelihood and accuracy stand beside those of counting (a unigram and an n-gram). Indented below it stands the
    likelihood with key and bars inferred (for the preset jsb-record, whose own has them given), averaged over
    transpositions, and copying itself; each adds to those above it. Then the model composes: are its pieces distributed
    like real ones, how much of them stands in the training music, and can a network that is trained for it tell them
    from real ones (50% is perfect)?

    Example: midigen evaluate --split test
    """
    from midigen.evaluation.baselines import baselines
    from midigen.evaluation.evaluate import Measured, judge_music, likelihood, report
    from midigen.evaluation.mixtures import mixed_likelihoods
    from midigen.evaluation.readings import told_in_advance
    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.generate import Request

    console: Console = ctx.obj
    if not pieces and temperature != 1:
        raise UsageError("--temperature is to compose with: leave it out with --pieces 0.")
    checkpoint = load_model(console, model, checkpoints, doing="Measuring")
    if source is None and split == "valid" and checkpoint.config["training"].get("split") == "window":
        raise UsageError(f"{checkpoint.name} was trained on windows of its validation pieces: take --split test.")
    dataset = _dataset(console, checkpoint, source, corpora)
    own = likelihood(checkpoint, dataset, split)
    with console.progress("measuring", "piece") as progress:
        mixed = mixed_likelihoods(checkpoint, dataset, split, progress)
    counted = baselines(dataset, split, checkpoint.model.window or 0)
    count, tokens = len(dataset.indices(split)), checkpoint.representation
    measured = Measured(split, count, own, mixed, counted, None, tokens.notes_per_row, told_in_advance(tokens))
    _print_likelihood(console, measured, tokens.note_unit)
    if pieces:
        request = Request(seed, pieces, settings=DrawSettings(temperature))
        with console.progress("composing", "step") as progress:
            music = judge_music(checkpoint, dataset, split, request, progress)
        _print_music(console, music)
        measured = replace(measured, music=music)
    console.document(report(measured))


def _dataset(console: Console, checkpoint: Checkpoint, source: str | None, corpora: Path) -> Dataset:
    """Return the dataset of a source in the model's ids; without a source, the one that it was trained on."""
    from midigen.checkpoints.run import training_dataset
    from midigen.datasets.build import prepare

    if source is None:
        dataset = training_dataset(checkpoint)
        if dataset is not None:
            return dataset
        source = str(checkpoint.config["source"])
        if source == checkpoint.name in shipped_models():
            card = f"what its held-out pieces cost stands on its card: midigen models {source}"
            raise UsageError(f"{source} learned from several corpora: {card}; or name other music by --source.")
    like = checkpoint.representation
    with console.progress(source) as progress:
        return prepare(source, corpora, like.name, dict(like.options), like, progress)[0]


def _print_likelihood(console: Console, measured: Measured, unit: str) -> None:
    own, counted = measured.own, measured.counted
    name = f"this model, {measured.told} given" if measured.told else "this model"
    lines = [(name, own.nll_per_note, f"{own.accuracy:.1%}")]
    lines += [(f"  {name}", nats, "") for name, nats in measured.mixed.items()]
    if counted:
        ngram = f"n-gram that looks back {counted.order} ids"
        lines += [
            (name, count.nll_per_row / measured.notes_per_row, f"{count.accuracy:.1%}")
            for name, count in ((ngram, counted.ngram), ("unigram", counted.unigram))
        ]
    console.table(
        ("", f"nats per {unit}", "bits", "accuracy"),
        [(name, f"{nats:.4f}", f"{nats / math.log(2):.3f}", right) for name, nats, right in lines],
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
    if music.form and music.held_out_form:
        console.result("")
        console.table(
            ("form of the tunes", "with repeats", "parts of 8 bars", "end on the tonic", "recurring bars", "parts"),
            [_form("generated", music.form), _form("held out", music.held_out_form)],
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


def _form(name: str, form: TuneForm) -> tuple[str, ...]:
    shares = (form.repeated, form.eight_bars, form.ends_on_tonic, form.recurring_bars)
    return name, *(f"{share:.1%}" for share in shares), f"{form.parts:.1f}"


def _shares(name: str, found: Originality) -> tuple[str, ...]:
    shares = (f"{share:.1%}" for share in found.shares.values())
    return name, f"{found.longest} steps", f"{found.mean_longest:.1f}", *shares
