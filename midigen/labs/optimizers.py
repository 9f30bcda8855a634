"""Ways downhill, from their equations (Hallman, Deep Learning, chapter 6).

The optimizers are those of ``midigen train --optimizer lab:NAME``. Here they walk over three surfaces of two numbers,
each at the rate that serves it best there, and train the same small network on the same batches, each at its usual
rate. The text prints four equations otherwise than the papers; these are walked as printed, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from midigen.datasets.batches import Batch, batches
from midigen.datasets.build import Dataset, prepare
from midigen.evaluation.likelihood import nll_per_note
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.surfaces import (
    GOAL,
    RATES,
    STARTS,
    SURFACES,
    WALK,
    Make,
    Surface,
    Walk,
    best_walk,
    starts,
)
from midigen.models.sequence_model import ModelConfig, SequenceModel
from midigen.training.optimizers import (
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Momentum,
    Nesterov,
    RMSProp,
    Velocity,
    find_optimizer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OPTIMIZERS: dict[str, Make] = {
    "SGD": SGD,
    "Momentum": Momentum,
    "Nesterov": Nesterov,
    "AdaGrad": AdaGrad,
    "RMSProp": RMSProp,
    "Adadelta": Adadelta,
    "Adam": Adam,
}
CHORALE_STEPS, LANES, LENGTH, LAST = 150, 8, 32, 30
"""Batches of the chorales, their pieces side by side and steps, and over how many at the end the loss is averaged."""
NETWORK = ModelConfig(layers=1, hidden_size=64, embedding_size=16, head_size=48, dropout=0.0)
CLIP = 1.0
SMOOTH = 10
"""Batches over which a curve is averaged."""


class PrintedAdaGrad(AdaGrad):
    """With the root of each square and not of their sum, as the text prints it."""

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        s = state["s"].add_((gradient * gradient).sqrt())
        return -numbers["lr"] / (numbers["epsilon"] + s) * gradient


class PrintedRMSProp(RMSProp):
    """Without the root, as the text prints it."""

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        s = state["s"].lerp_(gradient**2, 1 - numbers["beta"])
        return -numbers["lr"] / (numbers["epsilon"] + s) * gradient


class PrintedAdadelta(Adadelta):
    """Without the root below, without epsilon above, and delta fed with itself, as the text prints it."""

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        s, delta = state["s"].lerp_(gradient**2, 1 - numbers["beta"]), state["delta"]
        change = -numbers["lr"] * delta.sqrt() / (numbers["epsilon"] + s) * gradient
        delta.lerp_(delta**2, 1 - numbers["beta"])
        return change


class PrintedAdam(Adam):
    """Without the root and the correction, as the text prints its last line."""

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        m = state["m"].lerp_(gradient, 1 - numbers["beta1"])
        s = state["s"].lerp_(gradient**2, 1 - numbers["beta2"])
        return -numbers["lr"] / (numbers["epsilon"] + s) * m


PRINTED: dict[str, Make] = {
    "AdaGrad": PrintedAdaGrad,
    "RMSProp": PrintedRMSProp,
    "Adadelta": PrintedAdadelta,
    "Adam": PrintedAdam,
}


def gap_of_momentum_forms(rates: Sequence[float]) -> float:
    """Return how far the two forms of momentum come apart in the ravine, taking one step at each rate."""
    surface = SURFACES[-1]
    places = [torch.tensor([surface.start], dtype=torch.float64, requires_grad=True) for _ in range(2)]
    forms = [make([place], torch.tensor(rates[0])) for make, place in zip((Momentum, Velocity), places, strict=True)]
    gap = 0.0
    for rate in rates:
        for form, place in zip(forms, places, strict=True):
            form.param_groups[0]["lr"] = rate
            form.zero_grad()
            surface.above_end(place).sum().backward()  # type: ignore[no-untyped-call]
            form.step()
        gap = max(gap, float((places[0] - places[1]).detach().norm()))
    return gap


def chorale_batches(dataset: Dataset, seed: int, count: int = CHORALE_STEPS) -> list[Batch]:
    """Return the first batches of the training pieces in an order of the seed, again and again if there are few."""
    rng = np.random.default_rng(seed)
    epochs = (batches(dataset, "train", LANES, LENGTH, rng) for _ in range(count))
    return list(islice((batch for batch in chain.from_iterable(epochs) if batch.is_row.any()), count))


def learning_curve(dataset: Dataset, given: Sequence[Batch], name: str, seed: int) -> list[float]:
    """Train a small network with an optimizer, by its name for ``midigen train``, at its usual rate.

    Return the loss of each batch before the step on it, in nats a note.
    """
    torch.manual_seed(seed)
    representation = dataset.representation
    model = SequenceModel(representation.fields, representation.context_fields, NETWORK)
    recipe = find_optimizer(name)
    optimizer = recipe.make(model.parameters(), recipe.learning_rate, 0.0)
    losses, state = [], None
    for batch in given:
        loss, after = model.loss(batch, state)
        state = tuple(part.detach() for part in after)
        losses.append(nll_per_note(loss, representation.notes_per_row))
        optimizer.zero_grad()
        ((loss.columns.sum() + loss.end) / (loss.rows * len(loss.columns))).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    return losses


def run(settings: Settings) -> Report:
    """Walk over the surfaces, train on the chorales, and draw both."""
    dataset, _ = prepare("bach-chorales", settings.corpora, progress=settings.progress)
    given = chorale_batches(dataset, settings.seed)
    begins = [starts(surface, settings.seed) for surface in SURFACES]
    found: dict[str, list[Walk]] = {}
    curves: dict[str, list[float]] = {}
    results = []
    for number, (name, make) in enumerate(OPTIMIZERS.items()):
        found[name] = [best_walk(make, *where) for where in zip(SURFACES, begins, strict=True)]
        curves[name] = learning_curve(dataset, given, f"lab:{name.lower()}", settings.seed)
        printed = ""
        if name in PRINTED:
            as_printed = (best_walk(PRINTED[name], *where) for where in zip(SURFACES, begins, strict=True))
            printed = f"as printed: {_steps(as_printed)}"
        results.append(Result(f"{name}: steps in valley, from saddle, in ravine", printed, _steps(found[name])))
        settings.progress(number + 1, len(OPTIMIZERS))
    results += [
        Result(f"{name}: loss on the chorales, last {LAST} of {CHORALE_STEPS} batches", "", f"{_end(curve):.3f}")
        for name, curve in curves.items()
    ]
    return Report((*results, *_forms()), draw(found, curves), _remarks())


def _steps(found: Iterable[Walk]) -> str:
    return ", ".join(str(one.steps) if one.steps <= WALK else f"over {WALK}" for one in found)


def _end(curve: Sequence[float]) -> float:
    return sum(curve[-LAST:]) / LAST


def _forms() -> list[Result]:
    rate, steps = 0.005, 100
    constant = [rate] * steps
    falling = [rate * (1 - step / steps) for step in range(steps)]
    return [
        Result("gap of the two forms of momentum, rate constant", "0", f"{gap_of_momentum_forms(constant):.2g}"),
        Result("gap of the two forms of momentum, rate falling", "0", f"{gap_of_momentum_forms(falling):.2g}"),
    ]


def _remarks() -> tuple[str, ...]:
    slips = (
        "The text prints AdaGrad with the root of each square and not of their sum, RMSProp, Adadelta and Adam without "
        "the root of s, and Adam's last line without the correction just made; implemented is what the papers have."
    )
    rates = (
        f"Each surface is walked at the best of {len(RATES)} rates, by the slowest of {STARTS} starts near the one "
        f"drawn, until the height stays below {GOAL:g} of the first."
    )
    seen = (
        "In the picture SGD jumps between the walls of valley and ravine, momentum adds up what leads along them, and "
        "what divides by the size of the gradients leaves the saddle at once."
    )
    return (
        slips,
        "Adadelta as printed never moves: delta begins at 0, and no epsilon stands beside it.",
        "Without the root a step grows as one over the gradient: it is largest where the ground is flat.",
        "The two forms of momentum are one if both begin at 0 and the rate is constant; under a schedule they part.",
        rates,
        f"On the chorales each has its usual rate of midigen train; the order is that of {CHORALE_STEPS} batches.",
        seen,
    )


def draw(found: Mapping[str, Sequence[Walk]], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the paths over the heights of the surfaces, and the losses."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(11, 9.5), dpi=120, layout="constrained")
    *panels, last = figure.subplots(2, 2).flat
    colours = {name: f"C{number}" for number, name in enumerate(found)}
    for index, (surface, axes) in enumerate(zip(SURFACES, panels, strict=True)):
        _draw_surface(axes, surface)
        # The slow ones below and broad, so that none is hidden.
        slow_first = sorted(found, key=lambda name: -found[name][index].steps)
        for place, name in enumerate(slow_first):
            path = found[name][index].path[: found[name][index].steps + 1]
            axes.plot(*path.T, color=colours[name], lw=3.2 - 0.35 * place)
    for name, curve in curves.items():
        mean = np.convolve(curve, np.ones(SMOOTH) / SMOOTH, "valid")
        last.plot(np.arange(len(mean)) + SMOOTH, mean, color=colours[name], label=name)
    last.set(xlabel="step", ylabel="nats a voice and sixteenth", yscale="log", title="Loss of a small LSTM on chorales")
    last.yaxis.set_major_locator(LogLocator(subs=(0.5, 0.6, 0.8, 1, 1.5, 2, 3)))
    last.yaxis.set_major_formatter("{x:g}")
    last.yaxis.set_minor_locator(NullLocator())
    figure.legend(*last.get_legend_handles_labels(), loc="outside lower center", ncols=len(found))
    return figure


def _draw_surface(axes: Axes, surface: Surface) -> None:
    """Draw lines of the same height, on a logarithmic scale, and where walks begin and should end."""
    left, right, bottom, top = surface.window
    x, y = torch.meshgrid(torch.linspace(left, right, 300), torch.linspace(bottom, top, 300), indexing="xy")
    heights = surface.above_end(torch.stack([x, y], dim=-1))
    axes.contour(x, y, heights, levels=torch.logspace(-2, 3, 16), colors="0.8", linewidths=0.7)
    axes.plot(*surface.start, "ko", ms=6, zorder=4)
    axes.plot(*surface.end, "k*", ms=11, zorder=4)
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="x", ylabel="y", title=surface.title)
