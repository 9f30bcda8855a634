"""Learning less by heart (Hallman, Deep Learning, chapter 5; Bahng, Multilayer Perceptrons, sections 3.1 to 3.4).

A dozen chorales, and a network of two hidden layers that knows them by heart after some fifty epochs: it reads what the
grid tells of a sixteenth before it is sung (place in the bar, key, phrase, what each voice sings and for how long) and
gives the probabilities of the next cell of each voice, each by itself. The same network is trained again with each
regulariser of the texts, and all are measured on chorales that none of them has seen. The strengths were chosen on
validation pieces; test pieces serve the last measurement only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.datasets.batches import prepare_steps
from midigen.datasets.build import SPLITS, Dataset, prepare
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.regularisers import BatchNorm, Dropout, EarlyStopping, l1_penalty, l2_penalty, limit_norms
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIECES = 12
"""Chorales of each split."""
HIDDEN, EPOCHS, BATCH, RATE = 128, 50, 64, 2e-3
EARLY = 3
"""The epoch after which the first progress is compared."""
TEXT_INPUTS = (0.3342, 0.8208)
MASKS = 10_000


@dataclass(frozen=True)
class Recipe:
    """How to hold a network back; as it stands, not at all."""

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    has_batch_norm: bool = False
    max_norm: float | None = None
    patience: int | None = None


RECIPES = {
    "none": Recipe(),
    "early stopping": Recipe(patience=5),
    "L1": Recipe(l1=2e-4),
    "L2": Recipe(l2=2e-3),
    "dropout 0.2": Recipe(dropout=0.2),
    "dropout 0.5": Recipe(dropout=0.5),
    "batch norm": Recipe(has_batch_norm=True),
    "max-norm 3": Recipe(max_norm=3.0),
    "max-norm 1": Recipe(max_norm=1.0),
}
CLAIMS = {"dropout 0.5": "'very excessive'", "max-norm 3": "typical: 3 to 4"}
COLOURS = dict(zip(RECIPES, (*PALETTE, "#000000"), strict=True))
REMARKS = (
    (
        "Hallman 5.3 has dropout set weights to zero after each step. It is units (Bahng 3.2 says so), in each pass "
        "forward. A half is called very excessive there; compare it here with a fifth."
    ),
    (
        "Hallman 5.1: only under plain gradient descent is the L2 penalty a decay of the weights in proportion, and L1 "
        "never is one; with Adam, as here, see Loshchilov and Hutter 2019."
    ),
    "Bahng 3.2: E[z] is p E[W a] + b; the printed one has lost its b.",
    "Bahng 3.2: p is the chance to be kept in the formulas, and to be dropped in PyTorch and here.",
    "Bahng 3.2: with inplace=True the layer would overwrite activations, not parameters.",
    "Bahng 3.4: batch normalisation is the identity for gamma = sqrt(Var + epsilon), not sqrt(Var).",
    "Bahng 3.4.1: a bound of 3 changes little here: units take a while until their weights are longer than that.",
    (
        "In the picture: batch normalisation learns fastest, by heart too. L1 makes most weights small and leaves some "
        "as they were, L2 makes all smaller; its weights at the left edge are mostly those of units that died."
    ),
)


class Examples(NamedTuple):
    """Cells to predict."""

    features: Tensor
    """(N, features) the context of each row, one-hot."""
    rows: Tensor
    """(N, voices) the ids."""


def read_examples(dataset: Dataset, seed: int) -> dict[str, Examples]:
    """Return the rows of PIECES pieces of each split, with those features that occur in training."""
    examples = {split: _read_split(dataset, split, seed) for split in SPLITS}
    occurs = examples["train"].features.any(0)
    return {split: Examples(features[:, occurs], rows) for split, (features, rows) in examples.items()}


def _read_split(dataset: Dataset, split: str, seed: int) -> Examples:
    """Return the rows of pieces that the seed chooses, or of all where there are not so many."""
    indices = dataset.indices(split)
    chosen = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))[:PIECES]
    pieces = [prepare_steps(dataset.representation, *dataset.piece(indices[number])) for number in chosen.tolist()]
    # The last step of a piece is its end.
    context = torch.cat([torch.from_numpy(piece.context[:-1]) for piece in pieces])
    rows = torch.cat([torch.from_numpy(piece.rows[:-1]) for piece in pieces])
    fields = dataset.representation.context_fields
    one_hot = [F.one_hot(context[:, column], field.size) for column, field in enumerate(fields)]
    return Examples(torch.cat(one_hot, dim=1).float(), rows)


def make_network(features: int, outputs: int, recipe: Recipe) -> nn.Sequential:
    """Return two hidden layers of ReLU, with what the recipe puts between them, and linear logits."""
    layers: list[nn.Module] = []
    for inputs in (features, HIDDEN):
        layers.append(nn.Linear(inputs, HIDDEN))
        if recipe.has_batch_norm:
            layers.append(BatchNorm(HIDDEN))
        layers.append(nn.ReLU())
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout))
    return nn.Sequential(*layers, nn.Linear(HIDDEN, outputs))


def nats_a_cell(network: nn.Module, examples: Examples) -> Tensor:
    """Return the mean negative log-likelihood of a voice's cell."""
    voices = examples.rows.shape[1]
    return F.cross_entropy(network(examples.features).unflatten(1, (voices, -1)).flatten(0, 1), examples.rows.flatten())


class Course(NamedTuple):
    """How a training went; losses in nats a cell."""

    losses: list[tuple[float, ...]]
    """On the training and the validation pieces, after each epoch."""
    best_epoch: int
    """The one with the lowest validation loss, counted from 1."""
    on_train: float
    """With the weights that are kept."""
    on_test: float
    weights: Tensor
    """(HIDDEN, features), of the first layer."""


def train(data: dict[str, Examples], outputs: int, recipe: Recipe, seed: int) -> Course:
    """Train a network of so many logits as the recipe says; the test pieces are measured once, at the end."""
    torch.manual_seed(seed)
    network = make_network(data["train"].features.shape[1], outputs, recipe)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    stopping = EarlyStopping(recipe.patience or EPOCHS)
    losses: list[tuple[float, ...]] = []
    for _ in range(EPOCHS):
        _train_epoch(network, optimizer, data["train"], recipe)
        losses.append(_measure(network, data["train"], data["valid"]))
        if stopping.is_over(losses[-1][1], network):
            break
    if recipe.patience is not None:
        network.load_state_dict(stopping.best_weights)
    on_train, on_test = _measure(network, data["train"], data["test"])
    return Course(losses, stopping.best_epoch, on_train, on_test, _weights(network)[0].detach())


def _weights(network: nn.Module) -> list[Tensor]:
    return [module.weight for module in network.modules() if isinstance(module, nn.Linear)]


def _train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, given: Examples, recipe: Recipe) -> None:
    network.train()
    weights = _weights(network)
    count = len(given.rows)
    for batch in torch.randperm(count).tensor_split(max(1, count // BATCH)):
        loss = nats_a_cell(network, Examples(given.features[batch], given.rows[batch]))
        if recipe.l1:
            loss = loss + l1_penalty(weights, recipe.l1)
        if recipe.l2:
            loss = loss + l2_penalty(weights, recipe.l2)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if recipe.max_norm is not None:
            for weight in weights[:-1]:
                limit_norms(weight, recipe.max_norm)


@torch.no_grad()
def _measure(network: nn.Module, *splits: Examples) -> tuple[float, ...]:
    network.eval()
    return tuple(nats_a_cell(network, examples).item() for examples in splits)


def run(settings: Settings) -> Report:
    """Train on a dozen chorales with each regulariser."""
    dataset, _ = prepare("bach-chorales", settings.corpora, "grid", progress=settings.progress)
    return compare(dataset, settings)


def compare(dataset: Dataset, settings: Settings) -> Report:
    """Train on pieces of a grid with each regulariser."""
    from matplotlib.figure import Figure

    data = read_examples(dataset, settings.seed)
    outputs = sum(field.size for field in dataset.representation.fields)
    courses: dict[str, Course] = {}
    for name, recipe in RECIPES.items():
        courses[name] = train(data, outputs, recipe, settings.seed)
        settings.progress(len(courses), len(RECIPES))

    figure = Figure(figsize=(12, 8), dpi=120, layout="constrained")
    training, validation, ends, weights = figure.subplots(2, 2).flat
    _draw_courses(training, validation, courses)
    _draw_ends(ends, courses)
    _draw_weights(weights, courses)
    return Report(
        (
            *(_nats(name, course) for name, course in courses.items()),
            *_compare_with_claims(courses),
            *_drop_the_texts_numbers(settings.seed),
        ),
        figure,
        REMARKS,
    )


def _nats(name: str, course: Course) -> Result:
    ours = f"{course.on_train:.2f}, {course.on_test:.2f}"
    return Result(f"{name}: nats a cell, training and test pieces", CLAIMS.get(name, ""), ours)


def _compare_with_claims(courses: dict[str, Course]) -> tuple[Result, ...]:
    free, normed = courses["none"], courses["batch norm"]
    valid = [loss for _, loss in free.losses]
    return (
        Result(
            "validation loss without any: first, lowest, last",
            "falls, then rises",
            f"{valid[0]:.2f}, {min(valid):.2f} (epoch {free.best_epoch}), {valid[-1]:.2f}",
        ),
        Result(
            f"training loss after {EARLY} epochs, without and with batch norm",
            "better convergence",
            f"{free.losses[EARLY - 1][0]:.2f}, {normed.losses[EARLY - 1][0]:.2f}",
        ),
        Result(
            "longest incoming weights, without max-norm and with 3",
            "at most 3",
            ", ".join(f"{courses[name].weights.norm(dim=1).max().item():.2f}" for name in ("none", "max-norm 3")),
        ),
        Result(
            "first weights below 0.001: none, L1, L2",
            "",
            ", ".join(f"{(courses[name].weights.abs() < 1e-3).float().mean():.0%}" for name in ("none", "L1", "L2")),
        ),
    )


def _drop_the_texts_numbers(seed: int) -> tuple[Result, ...]:
    """Put Bahng's input (section 3.2) through a dropout of one half, many times."""
    torch.manual_seed(seed)
    dropped = Dropout(0.5)(torch.tensor(TEXT_INPUTS).expand(MASKS, -1))
    kept, mean = dropped.amax(0).tolist(), dropped.mean(0).tolist()
    return (
        Result("0.3342, 0.8208 where dropout of a half keeps them", "0.6684, 1.6417", f"{kept[0]:.4f}, {kept[1]:.4f}"),
        Result(f"their mean over {MASKS} masks", "as without dropout", f"{mean[0]:.3f}, {mean[1]:.3f}"),
    )


def _draw_courses(training: Axes, validation: Axes, courses: dict[str, Course]) -> None:
    for name, course in courses.items():
        if name == "early stopping":
            # Its curves are those of "none", up to where it stops.
            best = (course.best_epoch, course.losses[course.best_epoch - 1][1])
            validation.plot(*best, color=COLOURS[name], marker="o", ls="", zorder=3, label="early stopping keeps this")
            continue
        for axes, losses in zip((training, validation), zip(*course.losses, strict=True), strict=True):
            axes.plot(range(1, len(losses) + 1), losses, color=COLOURS[name], label=name)
    for axes, title in ((training, "Training pieces"), (validation, "Validation pieces")):
        axes.set(title=title, xlabel="epoch", ylabel="nats a cell", ylim=(0, 2.6))
    training.legend(ncols=2)
    validation.legend(handles=[line for line in validation.lines if line.get_marker() == "o"], loc="lower right")


def _draw_ends(axes: Axes, courses: dict[str, Course]) -> None:
    places, colours = range(len(courses)), [COLOURS[name] for name in courses]
    axes.barh(places, [course.on_test for course in courses.values()], color=colours)
    axes.barh(places, [course.on_train for course in courses.values()], height=0.3, color="white", alpha=0.6)
    axes.set(title="In the end", xlabel="nats a cell: test pieces and, in white, training pieces")
    axes.set_yticks(places, list(courses))
    axes.invert_yaxis()


def _draw_weights(axes: Axes, courses: dict[str, Course]) -> None:
    bins = torch.linspace(-5, 1, 61).tolist()
    for name in ("none", "L1", "L2", "dropout 0.5"):
        sizes = courses[name].weights.abs().log10().clamp(min=-5).flatten()
        axes.hist(sizes, bins, histtype="step", color=COLOURS[name], label=name)
    axes.set(title="Weights of the first layer", xlabel="log10 of the absolute value", ylabel="how many")
    axes.legend(loc="upper left")
