"""Distributions compared: equal ones overlap, shifted ones do not, and the densities are those of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midigen.evaluation.comparison import compare, density, distances
from midigen.scores.features import FEATURES
from midigen.scores.score import Score
from tests import tiny

TABLES = arrays(np.float64, (5, 3), elements=st.floats(-5, 5))


@given(TABLES, TABLES)
def test_distances_are_euclidean(first: np.ndarray, second: np.ndarray) -> None:
    expected = [[np.linalg.norm(a - b) for b in second] for a in first]
    assert distances(first, second) == pytest.approx(np.array(expected), abs=1e-5)


def test_a_density_is_the_mean_of_gaussians_with_scotts_bandwidth() -> None:
    values = np.random.default_rng(0).normal(3, 1, 200)
    grid = np.linspace(-2, 8, 1000)
    width = values.std() * 200 ** (-1 / 5)
    expected = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).mean(1) / (width * np.sqrt(2 * np.pi))
    assert density(values, grid) == pytest.approx(expected, abs=2e-3)


def songs(first: int, count: int, shift: int = 0, slow: int = 1) -> list[Score]:
    tunes = [tiny.melody(seed, 24) for seed in range(first, first + count)]
    return [Score(t.onset * slow, t.duration * slow, t.pitch + shift, t.velocity, t.part) for t in tunes]


def test_music_of_the_same_kind_overlaps_up_to_the_noise_and_other_music_does_not() -> None:
    rng = np.random.default_rng(0)
    same = compare(songs(0, 30), songs(100, 30), songs(200, 30), rng)
    other = compare(songs(0, 30, slow=3), songs(100, 30), songs(200, 30), rng)
    assert same.keys() == other.keys() == FEATURES.keys()
    assert same["mean gap"].overlap.value > 0.8
    assert other["mean gap"].overlap.value < 0.4
    assert same["mean gap"].divergence.value < other["mean gap"].divergence.value
    assert other["pitch classes"].overlap.value > 0.8
    for row in same.values():
        for interval in (row.overlap, row.divergence, row.floor_overlap, row.floor_divergence):
            assert interval.low <= interval.high
    gap = other["mean gap"]
    assert gap.generated is not None
    assert gap.held_out is not None
    assert gap.generated.value == pytest.approx(3 * gap.held_out.value, rel=0.2)
    assert gap.generated.low > gap.held_out.high


def test_a_memoriser_overlaps_with_what_it_knows() -> None:
    real = songs(0, 20)
    rows = compare(real, real, real, np.random.default_rng(0))
    assert all(row.overlap.value == row.floor_overlap.value for row in rows.values())
