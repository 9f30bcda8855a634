"""Comparison: are generated pieces distributed like real ones?

After Yang and Lerch (2018), On the evaluation of generative models in music. For each feature the distances between
real pieces (intra-set) and those between generated and real pieces (inter-set) are two distributions. Where the
generated pieces are like the real ones the two are the same: their overlap area is 1 and the Kullback-Leibler
divergence from the first to the second 0. How far real music falls short of that is the noise floor: the same for
pieces drawn from the training split in place of the generated ones.

Densities are Gaussian kernel estimates with Scott's bandwidth on one grid of 1,000 points for both; the authors' own
program lays the two divergences on different grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midigen.scores.features import FEATURES, Floats, features
from midigen.scores.score import Score

GRID, RESAMPLES = 1000, 100
LEAST_DENSITY = 1e-12


@dataclass(frozen=True)
class Interval:
    """A figure, and the middle 95% of it when the pieces are drawn anew with replacement."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """What one feature says."""

    generated: Interval | None
    """The mean of a feature that is one number; None for a histogram."""
    held_out: Interval | None
    overlap: Interval
    divergence: Interval
    floor_overlap: Interval
    """The same for training pieces in place of the generated ones."""
    floor_divergence: Interval


def compare(
    generated: Sequence[Score], held_out: Sequence[Score], training: Sequence[Score], rng: np.random.Generator
) -> dict[str, Comparison]:
    """Compare pieces by every feature.

    Args:
        generated: what is judged.
        held_out: at least three real pieces.
        training: as many pieces of the training split as there are generated ones.
        rng: draws the pieces anew for the intervals.
    """
    tables = [[features(score) for score in scores] for scores in (generated, held_out, training)]
    return {name: _compare([np.stack([row[name] for row in table]) for table in tables], rng) for name in FEATURES}


def _compare(tables: Sequence[Floats], rng: np.random.Generator) -> Comparison:
    generated, held_out, training = tables
    inside = distances(held_out, held_out)
    overlap, divergence = _similarity(inside, distances(generated, held_out), rng)
    floor_overlap, floor_divergence = _similarity(inside, distances(training, held_out), rng)
    means: list[Interval | None] = [None, None]
    if held_out.shape[1] == 1:
        means = [
            _interval([_drawn(table, rng).mean() for _ in range(RESAMPLES)], table.mean())
            for table in (generated, held_out)
        ]
    return Comparison(means[0], means[1], overlap, divergence, floor_overlap, floor_divergence)


def distances(first: Floats, second: Floats) -> Floats:
    """Return the Euclidean distances between the rows of two tables (N, F) and (M, F): (N, M)."""
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
    return np.asarray(np.sqrt(squared.clip(0)))


def _similarity(inside: Floats, across: Floats, rng: np.random.Generator) -> tuple[Interval, Interval]:
    """Return overlap and divergence of the distances inside (M, M) and across (N, M)."""
    values = _overlap_and_divergence(_pairs(inside), across.ravel())
    drawn = []
    for _ in range(RESAMPLES):
        columns = rng.integers(len(inside), size=len(inside))
        rows = rng.integers(len(across), size=len(across))
        # Each pair once; a piece drawn twice is at no distance from itself, which says nothing.
        different = np.triu(columns[:, None] != columns[None])
        if different.any():
            drawn.append(
                _overlap_and_divergence(
                    inside[np.ix_(columns, columns)][different], across[np.ix_(rows, columns)].ravel()
                )
            )
    return _interval([one for one, _ in drawn], values[0]), _interval([other for _, other in drawn], values[1])


def _overlap_and_divergence(inside: Floats, across: Floats) -> tuple[float, float]:
    top = max(inside.max(initial=0), across.max(initial=0))
    grid = np.linspace(-0.2 * top - 1e-6, 1.2 * top + 1e-6, GRID)
    one, other = density(inside, grid), density(across, grid)
    step = grid[1] - grid[0]
    divergence = (one * np.log(np.maximum(one, LEAST_DENSITY) / np.maximum(other, LEAST_DENSITY))).sum() * step
    return float(np.minimum(one, other).sum() * step), float(max(divergence, 0))


def density(values: Floats, grid: Floats) -> Floats:
    """Return a Gaussian kernel estimate with Scott's bandwidth on an even grid, with the area 1.

    The values are first counted into the cells of the grid, so that the sum of kernels is one convolution; the
    bandwidth is at least a cell.
    """
    step = grid[1] - grid[0]
    counts, _ = np.histogram(values, np.append(grid - step / 2, grid[-1] + step / 2))
    bandwidth = max(values.std() * len(values) ** (-1 / 5), step)
    reach = np.arange(-GRID + 1, GRID) * step
    smooth = np.convolve(counts, np.exp(-0.5 * (reach / bandwidth) ** 2), mode="valid")
    return np.asarray(smooth / max(smooth.sum() * step, LEAST_DENSITY))


def _pairs(square: Floats) -> Floats:
    """Return what lies above the diagonal: the distance of each pair once."""
    return square[np.triu_indices(len(square), 1)]


def _drawn(table: Floats, rng: np.random.Generator) -> Floats:
    return table[rng.integers(len(table), size=len(table))]


def _interval(drawn: Sequence[float], value: float) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
