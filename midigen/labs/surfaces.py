"""Walks over surfaces of two numbers, by an optimizer at many rates and from several starts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

Make = Callable[[Iterable[Tensor], Tensor], Optimizer]

RATES = torch.logspace(-4, 2, 31, dtype=torch.float64)
WALK, GOAL = 1000, 1e-3
"""Steps of a walk; the share of the height at its start below which it has to come, and to stay."""
STARTS, NEARNESS = 9, 0.1
"""Starts of walks over a surface, and how near they lie, as a share of their coordinates."""


@dataclass(frozen=True)
class Surface:
    """A function of x and y, where walks on it begin and should end, and the part of the plane to draw."""

    title: str
    height: Callable[[Tensor, Tensor], Tensor]
    start: tuple[float, float]
    end: tuple[float, float]
    """Where it is lowest."""
    window: tuple[float, float, float, float]
    """Left, right, bottom, top."""

    def above_end(self, places: Tensor) -> Tensor:
        """Return how much higher places (..., 2) are than the lowest, (...)."""
        return self.height(*places.unbind(-1)) - self.height(*places.new_tensor(self.end))


SURFACES = (
    Surface(
        "Rosenbrock's valley",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        (-1.2, 1.0),
        (1.0, 1.0),
        (-1.8, 2.2, -1, 3.2),
    ),
    Surface("Saddle", lambda x, y: 5 * x**2 + y**4 / 4 - y**2 / 2, (-1.0, 1e-3), (0.0, 1.0), (-1.3, 1.3, -0.4, 1.6)),
    # A hundred times as steep across as along, and askew: no rate for each coordinate can make it round.
    Surface(
        "Ravine", lambda x, y: (x + y) ** 2 / 4 + 25 * (x - y) ** 2, (-2.0, -1.2), (0.0, 0.0), (-2.3, 0.4, -2.2, 0.4)
    ),
)


class Walk(NamedTuple):
    """The rate that was best, in how many steps all starts settled at it, and the path from the first, (steps + 1, 2).

    The steps are one more than there are if some did not settle.
    """

    rate: float
    steps: int
    path: Tensor


def starts(surface: Surface, seed: int) -> Tensor:
    """Return the surface's own start and others near it, (STARTS, 2): a lucky leap from one is no merit."""
    noise = torch.randn(STARTS, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    noise[0] = 0
    return torch.tensor(surface.start, dtype=torch.float64) * (1 + NEARNESS * noise)


def walk(make: Make, surface: Surface, begin: Tensor, rates: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return the paths from R places (R, 2) at rates (R, 1), and the heights on them above the lowest.

    They are (steps + 1, R, 2) and (steps + 1, R).
    """
    # All equations are element by element: a column of rates is another walk in each row.
    place = begin.clone().requires_grad_()
    optimizer = make([place], rates)
    path, heights = [], []
    for _ in range(steps + 1):
        height = surface.above_end(place)
        path.append(place.detach().clone())
        heights.append(height.detach())
        optimizer.zero_grad()
        height.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return torch.stack(path), torch.stack(heights).nan_to_num(nan=torch.inf)


def steps_to_settle(heights: Tensor) -> Tensor:
    """Return after how many steps each of R walks, by its heights (steps + 1, R), stays below the goal: (R,)."""
    above = heights > GOAL * heights[0]
    return torch.where(above.any(0), len(heights) - above.flip(0).int().argmax(0), 0)


def best_walk(make: Make, surface: Surface, begin: Tensor, steps: int = WALK) -> Walk:
    """Return the walk at the rate at which the slowest start settles first, or, where none does, is lowest at last."""
    rates = RATES.repeat_interleave(len(begin))[:, None]
    path, heights = walk(make, surface, begin.repeat(len(RATES), 1), rates, steps)
    slowest = steps_to_settle(heights).view(len(RATES), -1).amax(1)
    highest = heights[-1].view(len(RATES), -1).amax(1)
    best = int(highest.argmin()) if slowest.min() > steps else int(slowest.argmin())
    return Walk(float(RATES[best]), int(slowest[best]), path[:, best * len(begin)])
