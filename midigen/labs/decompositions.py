"""A layer's weights as a tensor, taken apart and put together from fewer numbers (Hallman, Deep Learning, section 2.2).

The recurrent weights of an LSTM layer of H units, a matrix (4H, H), are a tensor (gates, units, inputs) = (4, H, H).
Of a tensor T of order N,

    CP            the sum over r = 1 .. R of u_r^(1) o u_r^(2) o ... o u_r^(N)
    Tucker        a small core, multiplied along each mode n with a matrix A^(n)
    tensor train  T[i, j, .., k] = G^(1)[i] G^(2)[j] .. G^(N)[k], a product of small matrices, one for each index

keep fewer numbers than T (Kolda and Bader, Tensor Decompositions and Applications, 2009; Oseledets, Tensor-Train
Decomposition, 2011). A train over the modes (4H, H) is the truncated singular value decomposition, the best there is of
its rank (Eckart and Young 1936): what the others must be compared with. How much of the music is lost is measured on
held-out pieces.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from midigen.checkpoints.run import find_checkpoint, load_checkpoint, run_folders
from midigen.datasets.batches import batches
from midigen.datasets.build import Dataset, prepare
from midigen.errors import CheckpointError
from midigen.evaluation.likelihood import nll_per_note, total_loss
from midigen.labs.lab import Result, Settings
from midigen.models.network import Loss
from midigen.models.sequence_model import GATES, ModelConfig, SequenceModel
from midigen.rendering.piano_roll import PALETTE
from midigen.training.config import TrainConfig
from midigen.training.job import Job, resumed_job
from midigen.training.loop import INTERRUPTED, TERMINATED, Hardware, train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

SOURCE, TOKENS = "bach-chorales", "notes"
MODEL = ModelConfig(layers=1, hidden_size=64, embedding_size=16, head_size=64, dropout=0.1)
TRAINING = TrainConfig(minutes=None, iterations=1000, sequence_length=64, learning_rate=5e-3, average=0.98)
ROWS = ("grid", "notes")
"""Representations whose likelihood is one of notes."""
LANES, STEPS, BATCHES = 8, 128, 4
"""How much of the validation pieces is looked at."""
RANKS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2)
"""As shares of the hidden size."""
BEARABLE = 0.02
"""Nats a note that a decomposition may cost in the table."""
SWEEPS = 30
"""Rounds of alternating least squares for CP."""


class Rebuilt(NamedTuple):
    """A tensor put together again from fewer numbers."""

    tensor: Array
    """Of the shape it had."""
    parameters: int
    """Numbers kept."""


def cp(tensor: Array, rank: int, seed: int = 0) -> Rebuilt:
    """Keep a sum of ``rank`` outer products, found by alternating least squares."""
    import tensorly
    from tensorly.decomposition import parafac

    found = parafac(tensor, rank, n_iter_max=SWEEPS, init="random", random_state=seed)
    return Rebuilt(tensorly.cp_to_tensor(found), sum(factor.size for factor in found.factors))


def tucker(tensor: Array, rank: int, seed: int = 0) -> Rebuilt:
    """Keep a core of at most ``rank`` along each mode, and a matrix a mode."""
    import tensorly
    from tensorly.decomposition import tucker as decompose

    found = decompose(tensor, [min(rank, size) for size in tensor.shape], random_state=seed)
    kept = found.core.size + sum(factor.size for factor in found.factors)
    return Rebuilt(tensorly.tucker_to_tensor(found), kept)


def tensor_train(tensor: Array, rank: int, seed: int = 0) -> Rebuilt:  # noqa: ARG001  # it leaves nothing to chance
    """Keep a train of third-order tensors, coupled by at most ``rank`` numbers."""
    import tensorly
    from tensorly.decomposition import tensor_train as decompose

    found = decompose(tensor, [1, *[rank] * (tensor.ndim - 1), 1])
    return Rebuilt(tensorly.tt_to_tensor(found), sum(factor.size for factor in found.factors))


def shapes(hidden: int) -> dict[str, tuple[Callable[[Array, int, int], Rebuilt], tuple[int, ...]]]:
    """Return, by name, each decomposition and the shape it sees the recurrent weights (4H, H) of H units in."""
    factor = max(number for number in range(1, math.isqrt(hidden) + 1) if hidden % number == 0)
    halves = (factor, hidden // factor)
    return {
        "CP": (cp, (GATES["lstm"], hidden, hidden)),
        "Tucker": (tucker, (GATES["lstm"], hidden, hidden)),
        "tensor train": (tensor_train, (GATES["lstm"], *halves, *halves)),
        "SVD": (tensor_train, (GATES["lstm"] * hidden, hidden)),
    }


class Point(NamedTuple):
    """What a decomposition of a rank costs."""

    rank: int
    share: float
    """Numbers kept, of those the recurrent weights have."""
    error: float
    """Distance from the recurrent weights in Frobenius' norm, as a share of theirs."""
    nats: float
    """Held-out negative log-likelihood a note."""


@dataclass(frozen=True)
class Study:
    """Size of the recurrent weights against the likelihood of held-out pieces."""

    hidden: int
    """Units of the layer."""
    nats: float
    """Negative log-likelihood a note with the weights as they are."""
    nats_without: float
    """With zeros in their place: of the past, only what the cells hold is left."""
    points: dict[str, list[Point]]
    """By decomposition, the smallest first."""


class Trained(NamedTuple):
    """A network and the data it was trained on."""

    name: str
    model: SequenceModel
    dataset: Dataset


def study(trained: Trained, seed: int, progress: Progress) -> Study:
    """Put what each decomposition keeps in the place of the first LSTM layer's recurrent weights, and listen."""
    held_out = list(islice(batches(trained.dataset, "valid", LANES, STEPS), BATCHES))
    weight = trained.model.recurrent[0].get_parameter("weight_hh_l0")
    full = weight.detach().double().numpy().copy()
    hidden = full.shape[1]

    def nats(matrix: Array) -> float:
        with torch.no_grad():
            weight.copy_(torch.from_numpy(matrix))
        loss = cast("Loss", total_loss(trained.model, held_out, weight.device))
        return nll_per_note(loss, trained.dataset.representation.notes_per_row)

    points: dict[str, list[Point]] = {}
    ranks = sorted({max(1, round(share * hidden)) for share in RANKS})
    methods = shapes(hidden)
    for number, (method, (decompose, shape)) in enumerate(methods.items()):
        points[method] = []
        for index, rank in enumerate(ranks):
            found = decompose(full.reshape(shape), rank, seed)
            if found.parameters < full.size:
                matrix = found.tensor.reshape(full.shape)
                error = float(np.linalg.norm(matrix - full) / np.linalg.norm(full))
                points[method].append(Point(rank, found.parameters / full.size, error, nats(matrix)))
            progress(number * len(ranks) + index + 1, len(methods) * len(ranks))
    # The weights as they are come last, and stay.
    return Study(hidden, nats_without=nats(np.zeros_like(full)), nats=nats(full), points=points)


def find_or_train(settings: Settings) -> Trained:
    """Return the newest network in the working folder, if it will do, or else a small one, trained on chorales."""
    try:
        return newest(settings.checkpoints)
    except CheckpointError:
        dataset, _ = prepare(SOURCE, settings.corpora, TOKENS)
        return train_small(dataset, replace(TRAINING, seed=settings.seed), settings.progress)


def newest(checkpoints: Path) -> Trained:
    """Return the newest network, with its dataset.

    Raises:
        CheckpointError: there is none, its dataset is gone or holds no piece out, or it is no LSTM of ours for voices
            or notes.
    """
    if not run_folders(checkpoints):
        raise CheckpointError(f"There is no network of your own in {checkpoints}; train one: midigen train.")
    folder = find_checkpoint(None, checkpoints)
    checkpoint, dataset = load_checkpoint(folder), resumed_job(folder, {}).dataset
    model = checkpoint.model
    if (
        not isinstance(model, SequenceModel)
        or model.config.cell != "lstm"
        or checkpoint.representation.name not in ROWS
    ):
        raise CheckpointError(f"{folder} is no LSTM for {' or '.join(ROWS)}; train one: midigen train.", folder)
    if not dataset.indices("valid"):
        raise CheckpointError(f"{dataset.folder} holds no piece out; train on more pieces.", folder)
    return Trained(checkpoint.name, model, dataset)


class _Listener:
    """Passes the progress of training on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:  # noqa: ARG002  # a protocol's
        self.progress(round(budget_used * 100), 100)

    def sample(self, figures: dict[str, float]) -> None:
        pass

    def epoch(self, metrics: dict[str, float]) -> None:
        pass


def train_small(dataset: Dataset, config: TrainConfig, progress: Progress) -> Trained:
    """Train a small LSTM.

    Raises:
        KeyboardInterrupt: training was asked to stop. It would keep what there is; here that is of no use.
    """
    name = f"small LSTM for {dataset.manifest['source']}"
    with tempfile.TemporaryDirectory() as folder:
        job = Job(name, Path(folder) / name, dataset, MODEL, config)
        outcome = train(job, Hardware("cpu"), _Listener(progress))
        if outcome.stopped_because in {INTERRUPTED, TERMINATED}:
            raise KeyboardInterrupt
        return newest(Path(folder))


def size_results(name: str, study: Study) -> list[Result]:
    """Return the likelihood, and how little each decomposition may keep of it at hardly any cost."""
    shape = f"{GATES['lstm']} x {study.hidden} x {study.hidden}"
    return [
        Result("network taken apart", "", f"{name}, recurrent weights {shape}"),
        Result("held-out nats a note", "", f"{study.nats:.3f}"),
        Result("held-out nats a note without recurrent weights", "", f"{study.nats_without:.3f}"),
        *(
            Result(f"{method}: kept for less than {BEARABLE} nats", "", _cheapest(points, study.nats + BEARABLE))
            for method, points in study.points.items()
        ),
    ]


def _cheapest(points: list[Point], bound: float) -> str:
    for point in points:
        if point.nats < bound:
            return f"{point.share:.1%} (rank {point.rank}, {point.nats:.3f} nats, {point.error:.0%} of the norm gone)"
    return "none of the ranks tried"


def draw_sizes(axes: Axes, study: Study) -> None:
    """Draw held-out likelihood over the numbers kept."""
    for (method, points), marker, colour in zip(study.points.items(), "osD^", PALETTE, strict=False):
        shares = [100 * point.share for point in points]
        axes.plot(shares, [point.nats for point in points], marker=marker, ms=4, color=colour, label=method)
    axes.axhline(study.nats, color="0.3", lw=1, ls="--", label="all kept")
    axes.axhline(study.nats_without, color="0.3", lw=1, ls=":", label="none kept")
    axes.set(xscale="log", xlabel="numbers kept (%)", ylabel="held-out nats a note")
    axes.set_title(f"Recurrent weights of {study.hidden} LSTM units, taken apart")
    axes.legend(fontsize=8)
