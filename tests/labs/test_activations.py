"""Activations and initial variances: equal to torch's, and to their own derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from midigen.labs.activations import (
    ACTIVATIONS,
    LEAK,
    Maxout,
    ParametricReLU,
    glorot,
    he,
    lecun,
    rectify,
    tanh,
    torch_linear,
)

TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": torch.relu,
    "absolute value": torch.abs,
    "leaky ReLU": nn.LeakyReLU(LEAK),
    "ELU": nn.ELU(),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
INPUTS = torch.cat([torch.linspace(-6, 6, 120), torch.tensor([-200.0, -30.0, 30.0, 200.0])])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation_and_its_derivative_equal_torchs(name: str) -> None:
    z = INPUTS.clone().requires_grad_()
    activation = ACTIVATIONS[name]
    theirs = TORCH[name](z)
    slope = torch.autograd.grad(theirs.sum(), z)[0]
    torch.testing.assert_close(activation.function(z), theirs)
    torch.testing.assert_close(activation.slope(z), slope)
    torch.testing.assert_close(torch.autograd.grad(activation.function(z).sum(), z)[0], slope)


def test_tanh_keeps_the_digits_of_the_smallest_signals() -> None:
    z = torch.tensor([1e-40, -1e-30], dtype=torch.float64)
    assert torch.equal(tanh(z), z)


def test_parametric_relu_equals_torchs_and_learns_its_alpha() -> None:
    ours, theirs = ParametricReLU(), nn.PReLU()
    torch.testing.assert_close(ours(INPUTS), theirs(INPUTS))
    ours(INPUTS).sum().backward()
    theirs(INPUTS).sum().backward()
    assert theirs.weight.grad is not None
    torch.testing.assert_close(ours.alpha.grad, theirs.weight.grad[0])


@given(alpha=st.floats(-2, 3), z=st.floats(-5, 5))
def test_the_form_with_a_maximum_is_leaky_relu_for_alpha_up_to_one_only(alpha: float, z: float) -> None:
    is_equal = math.isclose(rectify(torch.tensor(z), alpha).item(), max(alpha * z, z), rel_tol=1e-5, abs_tol=1e-30)
    assert is_equal or (alpha > 1 and z != 0)


@pytest.mark.parametrize("alpha", [0.0, LEAK, -1.0])
def test_maxout_holds_relu_leaky_relu_and_the_absolute_value(alpha: float) -> None:
    layer = Maxout(1, 1)
    for affine, weight in ((layer.first, 1.0), (layer.second, alpha)):
        nn.init.constant_(affine.weight, weight)
        nn.init.zeros_(affine.bias)
    torch.testing.assert_close(layer(INPUTS[:, None])[:, 0], rectify(INPUTS, alpha))


def test_the_variances_are_those_torch_draws_from() -> None:
    def draws(initialise: Callable[[Tensor], Tensor], variance: float) -> None:
        torch.manual_seed(0)
        theirs = initialise(torch.empty(30, 70))
        torch.manual_seed(0)
        torch.testing.assert_close(torch.empty(30, 70).normal_() * math.sqrt(variance), theirs)

    draws(nn.init.xavier_normal_, glorot(70, 30))
    draws(lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), lecun(70))
    draws(nn.init.kaiming_normal_, he(70))
    assert glorot(70, 70) == lecun(70)


def test_the_layer_of_torch_has_a_third_of_lecuns_variance() -> None:
    torch.manual_seed(0)
    assert nn.Linear(500, 500).weight.var().item() == pytest.approx(torch_linear(500), rel=0.01)
    assert torch_linear(500) == pytest.approx(lecun(500) / 3)
