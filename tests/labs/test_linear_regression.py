"""Linear regression: descent finds the least squares, and leaves the ground where theory says so."""

from __future__ import annotations

import pytest
import torch

from midigen.labs.lab import Settings
from midigen.labs.linear_regression import CALM_RATE, fit_line, highest_stable_rate, least_squares, run, sample_points


def test_at_a_calm_rate_descent_comes_to_the_least_squares() -> None:
    x, y = sample_points(0)
    fit = fit_line(x, y, CALM_RATE)
    slope, intercept = least_squares(x, y)
    assert fit.slope == pytest.approx(slope, abs=0.02)
    assert fit.intercept == pytest.approx(intercept, abs=0.25)


def test_the_whole_data_as_one_batch_diverges_just_above_the_highest_stable_rate() -> None:
    x, y = sample_points(1)
    inputs = torch.cat([x, torch.ones_like(x)], 1)

    def descend(share: float) -> torch.Tensor:
        theta = torch.zeros(2, 1)
        for _ in range(2000):
            theta = theta - share * highest_stable_rate(x) * 2 * inputs.T @ (inputs @ theta - y) / len(x)
        return theta

    assert descend(0.98).flatten().tolist() == pytest.approx(least_squares(x, y), abs=1e-2)
    assert not descend(1.02).abs().max() < 1e6


def test_the_lab_shows_the_text_beside_ours() -> None:
    report = run(Settings(seed=3))
    by_name = {result.quantity: result for result in report.results}
    assert by_name["slope (rate 0.01)"].text == "2.9757"
    assert report.figure.axes[0].get_title() == "Loss"
