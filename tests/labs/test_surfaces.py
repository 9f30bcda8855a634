"""Surfaces: what a walk over a quadratic must do is known, and the surfaces are what they are called."""

from __future__ import annotations

import pytest
import torch

from midigen.labs.surfaces import GOAL, SURFACES, Surface, best_walk, starts, steps_to_settle, walk
from midigen.training.optimizers import SGD, Momentum

RAVINE = SURFACES[2]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.title)
def test_a_surface_is_flat_and_curved_upwards_where_a_walk_should_end(surface: Surface) -> None:
    end = torch.tensor(surface.end, dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(surface.above_end, end)  # type: ignore[no-untyped-call]
    hessian = torch.autograd.functional.hessian(surface.above_end, end)  # type: ignore[no-untyped-call]
    assert float(surface.above_end(end)) == 0
    assert float(gradient.norm()) < 1e-12
    assert float(torch.linalg.eigvalsh(hessian)[0]) > 0


def test_the_ravine_is_a_hundred_times_as_steep_across_as_along() -> None:
    hessian = torch.autograd.functional.hessian(RAVINE.above_end, torch.zeros(2))  # type: ignore[no-untyped-call]
    assert torch.linalg.eigvalsh(hessian).tolist() == pytest.approx([1, 100])


def test_each_row_is_a_walk_at_its_own_rate() -> None:
    begin = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    path, heights = walk(SGD, RAVINE, begin, torch.tensor([[0.01], [0.5]]), 10)
    # Along the ravine the curvature is 1: each step leaves 1 - rate of the way.
    torch.testing.assert_close(path[10], torch.stack([begin[0] * 0.99**10, begin[1] * 0.5**10]))
    torch.testing.assert_close(heights[:, 0], path[:, 0, 0] ** 2)


def test_settled_is_who_stays_below_the_goal() -> None:
    low = GOAL / 2
    heights = torch.tensor([[1, 1, 1, 1], [low, 1, low, 1], [low, low, 1, 1], [low, low, low, 1.0]])
    assert steps_to_settle(heights).tolist() == [1, 2, 3, 4]


def test_momentum_takes_a_ravine_in_fewer_steps_than_descent() -> None:
    begin = starts(RAVINE, seed=0)
    descent, momentum = (best_walk(make, RAVINE, begin, steps=300) for make in (SGD, Momentum))
    # Above 2 / 100 descent leaves the ravine.
    assert 0.01 < descent.rate < 0.02
    assert 2 * momentum.steps < descent.steps < 300


def test_the_first_start_is_the_one_that_is_drawn_and_the_others_follow_from_the_seed() -> None:
    first, same, other = (starts(RAVINE, seed) for seed in (1, 1, 2))
    assert first[0].tolist() == list(RAVINE.start)
    assert torch.equal(first, same)
    assert not torch.equal(first[1:], other[1:])
