"""Cells: those of torch.nn on the same weights, the text's equations term by term, and the gradient by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from midigen.labs.cells import (
    Cell,
    GruCell,
    LstmCell,
    PlainCell,
    Recurrent,
    TorchGruCell,
    compare_with_torch,
    copy_torch,
    difference_both_ways,
    difference_to_torch,
    gradient_by_lag,
)


@pytest.mark.parametrize(("cell", "kind"), [(PlainCell, nn.RNN), (LstmCell, nn.LSTM), (TorchGruCell, nn.GRU)])
def test_two_layers_are_those_of_torch_on_the_same_weights(
    cell: type[Cell], kind: type[nn.RNN | nn.LSTM | nn.GRU]
) -> None:
    torch.manual_seed(0)
    assert difference_to_torch(cell, kind) < 1e-12


def test_the_text_s_gru_is_another_function_than_torch_s() -> None:
    torch.manual_seed(0)
    assert difference_to_torch(GruCell, nn.GRU) > 0.01


def test_both_grus_agree_where_the_reset_gate_is_open() -> None:
    torch.manual_seed(0)
    theirs = nn.GRU(3, 4, batch_first=True).double()
    with torch.no_grad():
        dict(theirs.named_parameters())["bias_ih_l0"][:4] = 100.0
    xs = torch.randn(2, 6, 3, dtype=torch.float64)
    ours = copy_torch(Recurrent(GruCell, 3, 4).double(), theirs)
    assert torch.allclose(ours(xs)[0], theirs(xs)[0])


def test_two_ways_are_torch_s_bidirectional_layer() -> None:
    torch.manual_seed(0)
    assert difference_both_ways() < 1e-12


def one_unit(cell: type[Cell]) -> Cell:
    """A cell of one input and one unit, whose weights are all 0.5 and biases 0.1."""
    made = cell(1, 1)
    for name, parameter in made.named_parameters():
        nn.init.constant_(parameter, 0.1 if name.endswith("b") else 0.5)
    return made


def test_one_step_of_an_lstm_by_hand() -> None:
    h, c = one_unit(LstmCell)(torch.tensor([[1.0]]), (torch.tensor([[0.2]]), torch.tensor([[0.4]])))
    # Each gate sees 0.5 * 1 + 0.5 * 0.2 + 0.1 = 0.7: sigmoid 0.66819, tanh 0.60437.
    assert c.item() == pytest.approx(0.66819 * 0.4 + 0.66819 * 0.60437, abs=1e-4)
    assert h.item() == pytest.approx(0.66819 * 0.58571, abs=1e-4)


def test_one_step_of_the_text_s_gru_by_hand() -> None:
    (h,) = one_unit(GruCell)(torch.tensor([[1.0]]), (torch.tensor([[0.2]]),))
    # The candidate sees 0.5 * 1 + 0.5 * (0.66819 * 0.2) + 0.1 = 0.66682: tanh 0.58287.
    assert h.item() == pytest.approx(0.66819 * 0.2 + 0.33181 * 0.58287, abs=1e-4)


def test_a_sequence_in_two_halves_is_the_whole() -> None:
    torch.manual_seed(0)
    layers = Recurrent(LstmCell, 3, 5, layers=2)
    xs = torch.randn(2, 9, 3)
    first, states = layers(xs[:, :4])
    second, _ = layers(xs[:, 4:], states)
    assert torch.allclose(torch.cat([first, second], dim=1), layers(xs)[0], atol=1e-6)


def plain_run(seed: int, steps: int) -> tuple[Recurrent, Tensor, Tensor]:
    """A plain layer, its inputs, and its hidden states from the zeros before the first step on."""
    torch.manual_seed(seed)
    layer = Recurrent(PlainCell, 3, 4).double()
    xs = torch.randn(2, steps, 3, dtype=torch.float64)
    return layer, xs, torch.cat([xs.new_zeros(2, 1, 4), layer(xs)[0].detach()], dim=1)


@given(st.integers(0, 99), st.integers(1, 12))
def test_the_parts_by_lag_add_up_to_the_gradient_of_autograd(seed: int, steps: int) -> None:
    layer, xs, h = plain_run(seed, steps)
    w, u, b = layer.parameters()
    automatic = torch.autograd.grad(layer(xs)[0].sin().sum(), (w, u, b))
    parts = gradient_by_lag(h, xs, h[:, 1:].cos(), w.detach())
    assert torch.allclose(parts.sum(0), torch.cat([*automatic[:2], automatic[2][:, None]], dim=1))


@pytest.mark.parametrize("window", [1, 3, 7])
def test_the_first_lags_are_what_autograd_gives_if_each_loss_reaches_back_so_far(window: int) -> None:
    layer, xs, h = plain_run(0, 7)
    w, *_ = layer.parameters()
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for end in range(1, 8):
        start = max(0, end - window)
        outputs, _ = layer(xs[:, start:end], [(h[:, start],)])
        expected += torch.autograd.grad(outputs[:, -1].sin().sum(), w)[0]
    parts = gradient_by_lag(h, xs, h[:, 1:].cos(), w.detach())
    assert torch.allclose(parts[:window].sum(0)[:, :4], expected)


def test_the_comparison_shows_the_text_s_sizes_and_the_same_function() -> None:
    torch.manual_seed(0)
    shown = {result.quantity: result for result in compare_with_torch()}
    assert shown["outputs and states of two layers, five steps"].text == "[5, 20], [2, 20]"
    assert shown["outputs and states of two layers, five steps"].ours == "[5, 20], [2, 20]"
    assert float(shown["difference to torch.nn: two layers of LSTM"].ours) < 1e-12
