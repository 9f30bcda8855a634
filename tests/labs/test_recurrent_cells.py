"""Recurrent cells: how far gradients reach, what clipping and truncation do, and what the lab shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from midigen.labs.recurrent_cells import (
    LAGS,
    LAYERS,
    Recall,
    draw,
    exploding,
    gated,
    gradient_by_distance,
    melodies,
    plain,
    recall,
)
from midigen.labs.sequence_networks import MAX_NORM
from tests.tiny import melody


@pytest.fixture(scope="module")
def norms() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: gradient_by_distance(make(500)) for name, make in LAYERS.items()}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_as_torch_begins_them_all_cells_lose_the_gradient(norms: dict[str, torch.Tensor], name: str) -> None:
    assert norms[name][100] < 1e-10 * norms[name][0]


@pytest.mark.parametrize("name", ["LSTM, open gates", "GRU, open gates"])
def test_open_gates_carry_the_gradient_over_five_hundred_steps(norms: dict[str, torch.Tensor], name: str) -> None:
    assert norms[name][499] > 1e-4 * norms[name][0]


def test_large_recurrent_weights_make_the_gradient_explode(norms: dict[str, torch.Tensor]) -> None:
    assert norms["RNN, 2 x orthogonal W"][499] > 1e10


def test_the_gradient_by_distance_is_that_of_the_input_so_many_steps_back() -> None:
    torch.manual_seed(0)
    layer = plain(1.0)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name != "weight_hh_l0":
                parameter.mul_(1e-6)
    # Near zero tanh is the identity and W turns without stretching: nothing is lost.
    norm = gradient_by_distance(layer)
    assert norm[0] > 0
    assert norm[400] == pytest.approx(norm[0].item(), rel=0.2)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_open_gates_forget_in_as_many_steps_as_asked_for(kind: type[nn.LSTM | nn.GRU]) -> None:
    torch.manual_seed(0)
    biases = dict(gated(kind, 50).named_parameters())["bias_ih_l0"].chunk(4 if kind is nn.LSTM else 3)
    spans = 1 / (1 - biases[1].sigmoid())
    assert 2 <= spans.min() < spans.max() <= 50
    assert spans.max() > 30


def test_a_tone_is_named_only_if_the_gradient_reaches_back_to_it() -> None:
    torch.manual_seed(0)
    assert recall(gated(nn.GRU, 24), 24, MAX_NORM).right == 1
    assert recall(gated(nn.GRU, 24), 24, MAX_NORM, window=6).right < 0.9


def test_descent_with_momentum_needs_clipping() -> None:
    torch.manual_seed(0)
    clipped, free = (int(share.rstrip("%")) for share in exploding().ours.split(", "))
    assert clipped > 2 * free


def test_melodies_are_the_first_steps_of_tunes_that_are_long_enough() -> None:
    steps = melodies([melody(0, 50), melody(1, 150), melody(2, 102)])
    assert steps.shape == (2, 101)
    assert steps[1].tolist() == (np.diff(melody(2, 102).pitch) + 12).tolist()


def test_the_picture_has_a_panel_for_each_experiment(norms: dict[str, torch.Tensor]) -> None:
    found = [Recall(1.0, 2.0)] * len(LAGS)
    share = torch.logspace(0, -8, 100)
    figure = draw(norms, {"LSTM": [found, found]}, {"fresh": share}, {"composer named": ([2, 3], [0.5, 0.7])})
    assert [len(axes.lines) for axes in figure.axes] == [len(LAYERS), 3, 2, 1]
    assert np.allclose(np.asarray(figure.axes[2].lines[0].get_ydata()), share[:-1])
