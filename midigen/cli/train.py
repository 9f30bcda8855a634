"""``midigen train``: learn from a corpus, go on with a run, or check that learning works at all."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from midigen.cli import options
from midigen.cli.console import Console, shown, summarise
from midigen.cli.reporter import Reporter, report_check, report_outcome, way_on
from midigen.corpora.catalogue import DEFAULT_CORPUS
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.datasets.build import Dataset
    from midigen.training.job import Job
    from midigen.training.loop import Hardware

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def train(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help=f"Corpus name, folder, file or archive, or several joined by +; {DEFAULT_CORPUS} by default.",
            autocompletion=options.complete_corpus,
            show_default=False,
        ),
    ] = None,
    tokens: options.Tokens = None,
    quantum: options.Quantum = None,
    clock: options.Clock = None,
    preset: Annotated[
        str | None,
        options.network(metavar="NAME", help="Recipe, see midigen presets; by default the one called as the tokens."),
    ] = None,
    model: Annotated[Literal["lstm", "gru"] | None, options.network(help="Kind of recurrent layers.")] = None,
    layers: Annotated[int | None, options.network(metavar="N", help="Number of recurrent layers.")] = None,
    hidden_size: Annotated[int | None, options.network(metavar="N", help="Units in a recurrent layer.")] = None,
    dropout: Annotated[float | None, options.network(metavar="X", help="Share dropped, 0 to below 1.")] = None,
    tied: Annotated[bool | None, options.network("--tied/--untied", help="Share input and output weights.")] = None,
    epochs: Annotated[int | None, options.training(metavar="N", help="Passes over the corpus.")] = None,
    minutes: Annotated[float | None, options.training(metavar="X", help="Time to train for, in all.")] = None,
    batch_size: Annotated[int | None, options.training(metavar="N", help="Pieces side by side.")] = None,
    optimizer: Annotated[
        str | None,
        options.training(metavar="NAME", help="adamw, adam, sgd, nesterov, rmsprop, adagrad, adadelta or lab:NAME."),
    ] = None,
    learning_rate: Annotated[float | None, options.training(metavar="X", help="Highest learning rate.")] = None,
    clip: Annotated[float | None, options.training(metavar="X", help="Largest norm of the gradient.")] = None,
    patience: Annotated[
        int | None, options.training(metavar="N", help="Stop after N epochs without a better loss on held-out pieces.")
    ] = None,
    seed: Annotated[int | None, options.training(min=0, metavar="N", help="Makes a run repeatable.")] = None,
    name: Annotated[str | None, options.run(metavar="NAME", help="Name of the run; the source's by default.")] = None,
    from_checkpoint: Annotated[
        str | None, options.run("--from", metavar="MODEL", help="Begin with the weights of this model.")
    ] = None,
    resume: Annotated[bool, options.run("--resume", help="Go on with the run --name, or the newest.")] = False,
    check: Annotated[bool, options.run("--check", help="Only check that a few bars can be learned.")] = False,
    keep: Annotated[
        Literal["best", "all"] | None, options.run(help="Checkpoints to keep: best and last (usual), or all.")
    ] = None,
    split: Annotated[
        Literal["piece", "window"] | None,
        options.training(
            help="What is held out: pieces; or windows, which leaks, for comparison only (classic presets)."
        ),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], options.hardware(help="What to train on.")] = "auto",
    precision: Annotated[Literal["32", "bf16", "16"], options.hardware(help="Bits of the arithmetic.")] = "32",
    devices: Annotated[int, options.hardware(min=1, metavar="N", help="Number of GPUs or CPU processes.")] = 1,
    corpora: options.Corpora = options.CORPORA,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Train a network on a corpus.

    The weights that do best on held-out pieces are kept. Ctrl-C saves and stops; --resume goes on as if nothing had
    happened.

    Example: midigen train ~/my-midis --minutes 20 --name mine
    """
    from midigen.presets import find_preset
    from midigen.training.loop import Hardware

    console: Console = ctx.obj
    architecture = _given(cell=model, layers=layers, hidden_size=hidden_size, dropout=dropout, tied=tied)
    settings = _given(
        epochs=epochs,
        minutes=minutes,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        clip=clip,
        patience=patience,
        seed=seed,
        split=split,
    )
    tokens_options = _given(quantum=quantum, clock=clock)
    hardware = Hardware(device, PRECISIONS[precision], devices)
    if check:
        _require_check_alone(settings, is_alone=not (resume or keep) and hardware == Hardware())
    if resume:
        if source is not None or from_checkpoint or preset or tokens or architecture or tokens_options:
            raise UsageError("--resume takes source, tokens, preset and model from the run; leave them out.")
        job = _resumed_job(name, checkpoints, _instead(settings))
        console.note(f"Going on with {job.name} after {shown(job.resume or job.folder)}.")
    else:
        _require_new(name, checkpoints)
        begun = _load(from_checkpoint, checkpoints, architecture)
        if preset is not None and begun is None:
            recipe = find_preset(preset)
            tokens, tokens_options = tokens or recipe.representation, {**recipe.options, **tokens_options}
        dataset = _dataset(console, source, corpora, begun, tokens, tokens_options)
        job = _new_job(checkpoints, name, dataset, preset, begun, architecture, _instead(settings))
    if keep is not None:
        job = replace(job, keep_all=keep == "all")
    try:
        if check:
            report_check(console, job)
        else:
            _run(console, job, hardware)
    finally:
        with contextlib.suppress(OSError):
            job.folder.rmdir()  # only a folder in which nothing was saved


def _require_check_alone(settings: dict[str, Any], *, is_alone: bool) -> None:
    """Refuse what would do nothing beside --check."""
    if not is_alone or settings.keys() & {"epochs", "minutes", "patience"}:
        raise UsageError(
            "--check takes its own time on one CPU and keeps nothing: leave out --resume, --keep, --epochs, --minutes, "
            "--patience, --device, --devices and --precision."
        )


def _given(**values: Any) -> dict[str, Any]:  # noqa: ANN401  # options of all types
    """Return the options that the user gave."""
    return {key: value for key, value in values.items() if value is not None}


def _instead(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given with those that they take the place of, in a preset or a run."""
    if settings.keys() & {"epochs", "minutes"}:
        settings = {"epochs": None, "minutes": None, "iterations": None, **settings}
    return settings


def _require_new(name: str | None, checkpoints: Path) -> None:
    """Refuse the name of a run that is there, or one that no shell takes."""
    from midigen.checkpoints.names import plain_name

    if name is not None and name != plain_name(name):
        raise UsageError(f"--name {name!r} must be letters, digits, '_', '-' and '.' only: {plain_name(name)}.")
    if name is not None and (checkpoints / name).exists():
        raise UsageError(f"There is a run {name} already: go on with it by --resume, or choose another --name.")


def _load(given: str | None, checkpoints: Path, architecture: dict[str, Any]) -> Checkpoint | None:
    """Return the model to begin with, if one is named."""
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint

    if given is None:
        return None
    if architecture:
        raise UsageError("--from takes the architecture from the model; leave out --model, --layers and the like.")
    return load_checkpoint(find_checkpoint(given, checkpoints))


def _dataset(
    console: Console,
    source: str | None,
    corpora: Path,
    begun: Checkpoint | None,
    tokens: str | None,
    tokens_options: dict[str, Any],
) -> Dataset:
    """Parse the source or find it parsed, with the ids of the model to begin with, if there is one."""
    from midigen.datasets.build import default_representation, prepare

    source = DEFAULT_CORPUS if source is None else source
    like = None if begun is None else begun.representation
    if like is not None:
        if tokens not in (None, like.name) or tokens_options:
            raise UsageError("--from takes the tokens from the model; leave out --tokens and its options.")
        tokens, tokens_options = like.name, dict(like.options)
    elif tokens is None:
        console.note(f"Tokens: {default_representation(source)}, the default for {source}.")
    with console.progress(source) as progress:
        dataset, _ = prepare(source, corpora, tokens, tokens_options, like, progress)
    if like is not None:
        console.note(f"Vocabulary: {dataset.manifest['vocabulary']}.")
    if left_out := dataset.manifest["left_out"]:
        console.note(f"Left out {len(left_out)}: {summarise(left['reason'] for left in left_out)}.")
    return dataset


def _new_job(
    checkpoints: Path,
    name: str | None,
    dataset: Dataset,
    preset: str | None,
    begun: Checkpoint | None,
    architecture: dict[str, Any],
    settings: dict[str, Any],
) -> Job:
    from midigen.checkpoints.names import claim_run, plain_name
    from midigen.models.build import architecture_from_json
    from midigen.models.classic import ClassicConfig
    from midigen.presets import family, find_preset
    from midigen.training.job import Job

    representation = dataset.representation.name
    known = None if begun is None else architecture_from_json(begun.config["model"])
    usual = f"classic-{representation}" if isinstance(known, ClassicConfig) else family(representation)
    recipe = find_preset(preset or usual)
    if recipe.representation != family(representation):
        raise UsageError(f"The preset {preset} is for {recipe.representation}, but the tokens are {representation}.")
    if isinstance(recipe.model, ClassicConfig) and architecture.keys() - {"cell"}:
        raise UsageError(f"The network of {preset} is as it was published: of the architecture only --model changes.")
    if known is not None and type(known) is not type(recipe.model):
        raise UsageError(f"The preset {preset} is for another kind of network than the model of --from; leave it out.")
    model = known or replace(recipe.model, **architecture)
    weights = None if begun is None else begun.model.state_dict()
    training = recipe.training_with(settings)
    folder = claim_run(checkpoints, name or plain_name(str(dataset.manifest["source"])))
    return Job(folder.name, folder, dataset, model, training, weights)


def _resumed_job(name: str | None, checkpoints: Path, settings: dict[str, Any]) -> Job:
    from midigen.checkpoints.run import find_checkpoint
    from midigen.training.job import resumed_job

    return resumed_job(find_checkpoint(name, checkpoints, "last"), settings)


def _run(console: Console, job: Job, hardware: Hardware) -> None:
    from midigen.training.loop import train as run_training
    from midigen.training.yardsticks import measure

    yardsticks = measure(job)
    reporter = Reporter(yardsticks, is_quiet=console.quiet)
    reporter.begin(job)
    try:
        outcome = run_training(job, hardware, reporter)
    except KeyboardInterrupt:  # several processes do not save in the middle of an epoch
        console.note(f"Interrupted; whole epochs are saved. {way_on(job)}")
        raise typer.Exit(130) from None
    finally:
        reporter.close()
    report_outcome(console, job, outcome, yardsticks)
