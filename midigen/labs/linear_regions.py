"""How many straight pieces a network of rectified linear units draws over one input, counted (Hallman, chapter 3).

With one input and L layers of n units, at least three, the most there can be is exactly (n + 1)^L (Serra,
Tjandraatmadja, Ramalingam, Bounding and Counting Linear Regions of Deep Neural Networks, 2018). ``zigzag`` reaches it.
Each of its layers folds the unit interval n times onto itself, so that whatever the next layer draws is drawn n + 1
times, there and back. Random weights come nowhere near (Hanin and Rolnick, Complexity of Linear Regions in Deep
Networks, 2019).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from midigen.labs.lab import Result
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS, LAYERS = 10, 5
RANDOM_NETWORKS = 20
WHOLE_LINE = (-1e6, 1e6)
"""Wide enough for the kinks of random units; those of ``zigzag`` lie between 0 and 1."""


class Affine(NamedTuple):
    """A layer before its activation, in double precision."""

    weight: Tensor
    """(out, in)"""
    bias: Tensor
    """(out,)"""


def count_regions(network: Sequence[Affine], low: float, high: float) -> int:
    """Return into how many pieces [low, high] falls on which the output is linear; one input, no activation at the end.

    The pieces are followed through the layers. On each, every unit is a straight line, and where a line crosses zero
    the piece is cut.
    """
    ends = torch.tensor([low, high], dtype=torch.float64)
    slope, offset = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)  # (pieces, units)
    for weight, bias in network[:-1]:
        slope, offset = slope @ weight.T, offset @ weight.T + bias
        crossings = -offset / slope
        is_inside = (crossings > ends[:-1, None]) & (crossings < ends[1:, None])
        cut: Tensor = torch.cat([ends, crossings[is_inside]]).unique()  # type: ignore[no-untyped-call]
        middles = (cut[:-1] + cut[1:]) / 2
        piece = torch.searchsorted(ends, middles) - 1
        is_active = slope[piece] * middles[:, None] + offset[piece] > 0
        ends, slope, offset = cut, slope[piece] * is_active, offset[piece] * is_active
    # Two pieces are one where all units that change between them have no say further up.
    slope = slope @ network[-1].weight.T
    return 1 + int((~torch.isclose(slope[1:], slope[:-1], rtol=1e-9, atol=0)).any(1).sum())


def zigzag(units: int, layers: int) -> list[Affine]:
    """Return a network with one input and one output that has (units + 1)^layers linear regions between 0 and 1.

    A layer goes up and down between 0 and 1 in units + 1 teeth, of equal width but for the fourth, of half of that. A
    unit adds the change of slope at its kink. The slope before all kinks must come from units that look to the left:
    the second and the third together have -1/w2 + 1/w4 = 1/w1, for widths w.

    Args:
        units: of each layer, at least 3.
        layers: at least 1.
    """
    widths = torch.full((units + 1,), 2.0, dtype=torch.float64)
    widths[3] = 1.0
    widths /= widths.sum()
    kinks = widths.cumsum(0)[:-1]
    slopes = (-1.0) ** torch.arange(units + 1) / widths
    facing = torch.ones(units, dtype=torch.float64)
    facing[1:3] = -1
    change = slopes.diff()
    level = -(change * torch.relu(-facing * kinks)).sum()
    first = Affine(facing[:, None], -facing * kinks)
    between = Affine(facing[:, None] * change, facing * (level - kinks))
    return [first, *[between] * (layers - 1), Affine(change[None], level[None])]


def random_network(units: int, layers: int) -> list[Affine]:
    """Return a network with one input and one output as PyTorch begins it, from torch's present random state."""
    linear = [nn.Linear(*sizes).double() for sizes in pairwise([1, *[units] * layers, 1])]
    return [Affine(layer.weight.detach(), layer.bias.detach()) for layer in linear]


def run_network(network: Sequence[Affine], x: Tensor) -> Tensor:
    """Return the output (B, out) for inputs (B, in) in double precision."""
    for weight, bias in network[:-1]:
        x = torch.relu(x @ weight.T + bias)
    return x @ network[-1].weight.T + network[-1].bias


def guaranteed_regions(inputs: int, units: int, layers: int) -> int:
    """Return how many regions the best weights have at least, for ``units`` >= ``inputs``.

    Source: Montufar, Pascanu, Cho, Bengio, On the Number of Linear Regions of Deep Neural Networks (2014).
    """
    folds: int = (units // inputs) ** (inputs * (layers - 1))
    return folds * sum(comb(units, dimension) for dimension in range(inputs + 1))


class Counts(NamedTuple):
    """Linear regions of networks with layers of ten units, for one layer, two and so on to five."""

    zigzag: list[int]
    random: list[list[int]]
    """Of several networks."""
    shallow: list[list[int]]
    """Of several random networks with as many units, all in one layer."""


def count(seed: int) -> Counts:
    """Count them."""
    torch.manual_seed(seed)
    depths = range(1, LAYERS + 1)

    def random(units: int, layers: int) -> list[int]:
        return [count_regions(random_network(units, layers), *WHOLE_LINE) for _ in range(RANDOM_NETWORKS)]

    return Counts(
        [count_regions(zigzag(UNITS, depth), *WHOLE_LINE) for depth in depths],
        [random(UNITS, depth) for depth in depths],
        [random(UNITS * depth, 1) for depth in depths],
    )


def region_results(counts: Counts) -> list[Result]:
    """Return what the text says of five layers of ten units, and what was counted."""
    shape = f"{LAYERS} layers of {UNITS}"
    single = f"one layer of {LAYERS * UNITS}"
    return [
        Result(f"linear regions, {shape}, weights that fold", "10^5", f"{counts.zigzag[-1]}"),
        Result(f"linear regions, {shape}, most there can be", "", f"{(UNITS + 1) ** LAYERS}"),
        Result(
            f"linear regions, {shape}, guaranteed for the best weights", "", f"{guaranteed_regions(1, UNITS, LAYERS)}"
        ),
        Result(f"linear regions, {shape}, random weights", "", _spread(counts.random[-1])),
        Result(f"linear regions, {single}, random weights", "", _spread(counts.shallow[-1])),
        Result("units of a single layer for 10^5 regions", "10^5", f"{10**5 - 1}"),
    ]


def _spread(counts: list[int]) -> str:
    return f"{min(counts)} to {max(counts)}, median {statistics.median(counts):g}"


def draw_teeth(axes: Axes) -> None:
    """Draw the zigzag of one layer and of two."""
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    for layers, colour, width in ((2, PALETTE[5], 0.7), (1, PALETTE[0], 1.8)):
        network = zigzag(UNITS, layers)
        label = f"{layers} x {UNITS} units: {count_regions(network, 0, 1)} pieces"
        axes.plot(x, run_network(network, x[:, None])[:, 0], color=colour, lw=width, label=label)
    axes.set(xlabel="input", ylabel="output", title="Folding", ylim=(-0.02, 1.2), yticks=[0, 0.5, 1])
    axes.legend(loc="upper right", ncols=2, fontsize=8)


def draw_regions(axes: Axes, counts: Counts) -> None:
    """Draw the numbers of regions over the number of layers."""
    depths = range(1, LAYERS + 1)
    axes.plot(depths, counts.zigzag, "o-", color=PALETTE[0], label="weights that fold: the most, 11^L")
    axes.plot(depths, [10**depth for depth in depths], ":", color="0.4", label="the text's 10^L")
    median = [statistics.median(several) for several in counts.random]
    reach = [
        (middle - min(several), max(several) - middle) for several, middle in zip(counts.random, median, strict=True)
    ]
    spread = list(zip(*reach, strict=True))
    axes.errorbar(
        depths,
        median,
        spread,
        fmt="s-",
        color=PALETTE[1],
        capsize=3,
        label=f"random weights, {RANDOM_NETWORKS} networks",
    )
    single = [statistics.median(several) for several in counts.shallow]
    axes.plot(depths, single, "^--", color=PALETTE[2], ms=10, mfc="none", label="as many units in one layer")
    axes.set(yscale="log", xticks=list(depths), xlabel="layers of ten units (L)", ylabel="linear regions")
    axes.set_title("Linear regions over one input")
    axes.legend(fontsize=8)
