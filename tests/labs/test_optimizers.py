"""The lab of optimizers: what the text's formulas do as they are printed, and how the real ones learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midigen.labs.optimizers import (
    OPTIMIZERS,
    PRINTED,
    chorale_batches,
    draw,
    gap_of_momentum_forms,
    learning_curve,
)
from midigen.labs.surfaces import SURFACES, best_walk, starts, walk
from tests import tiny

STEPS = 20


def test_adadelta_as_printed_never_moves() -> None:
    begin = starts(SURFACES[2], seed=0)
    path, _ = walk(PRINTED["Adadelta"], SURFACES[2], begin, torch.ones(len(begin), 1), STEPS)
    assert torch.equal(path[-1], begin)


@pytest.mark.parametrize("name", ["RMSProp", "Adam"])
def test_without_the_root_a_flatter_place_gets_a_larger_first_step(name: str) -> None:
    begin = torch.tensor([[1.0, 1.0], [0.1, 0.1]], dtype=torch.float64)
    rates = torch.full((2, 1), 0.001)
    printed, real = (
        (path[1] - path[0]).norm(dim=1)
        for path, _ in (walk(make[name], SURFACES[2], begin, rates, 1) for make in (PRINTED, OPTIMIZERS))
    )
    assert float(printed[1] / printed[0]) == pytest.approx(10, rel=1e-3)
    assert float(real[1] / real[0]) == pytest.approx(1, rel=1e-3)


def test_adagrad_as_printed_slows_down_more() -> None:
    # Far from the end the gradient is nearly constant, and steps shrink as 1 / t rather than as 1 / sqrt(t).
    begin = torch.tensor([[1000.0, 1000.0]], dtype=torch.float64)
    for make, share in ((PRINTED["AdaGrad"], 1 / 16), (OPTIMIZERS["AdaGrad"], 1 / 4)):
        path, _ = walk(make, SURFACES[2], begin, torch.ones(1, 1), 16)
        moved = (path[1:] - path[:-1]).norm(dim=-1)
        assert float(moved[15] / moved[0]) == pytest.approx(share, rel=0.02)


def test_the_forms_of_momentum_agree_at_a_constant_rate_only() -> None:
    assert gap_of_momentum_forms([0.005] * STEPS) < 1e-12
    assert gap_of_momentum_forms([0.005] * STEPS + [0.001]) > 1e-3


def test_every_optimizer_learns_from_the_same_beginning(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    given = chorale_batches(data, 0, 12)
    curves = [learning_curve(data, given, f"lab:{name.lower()}", 0) for name in OPTIMIZERS]
    assert len({curve[0] for curve in curves}) == 1
    assert all(len(curve) == 12 and curve[-1] < 0.8 * curve[0] for curve in curves)
    assert learning_curve(data, given, "lab:adam", 1)[0] != curves[0][0]


def test_the_picture_has_a_panel_a_surface_and_one_for_the_losses() -> None:
    walks = [best_walk(OPTIMIZERS["Adam"], surface, starts(surface, 0), STEPS) for surface in SURFACES]
    figure = draw({"Adam": walks}, {"Adam": [1.0] * STEPS})
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [*(surface.title for surface in SURFACES), "Loss of a small LSTM on chorales"]
