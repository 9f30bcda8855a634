"""Activations with their derivatives, and the variances of initialisation, each from its equation.

The lab ``activations_and_initialisation`` sends signals through them. Sources: Hallman, Deep Learning, chapter 4;
Bahng, Multilayer Perceptrons, sections 1.1 and 1.3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

LEAK = 0.01


def rectify(z: Tensor, alpha: float | Tensor = 0.0) -> Tensor:
    """Return max(0, z) + alpha min(0, z) (Hallman, equation 8).

    With alpha 0 it is ReLU, with -1 the absolute value, with a small positive number leaky ReLU.
    """
    return z.clamp(min=0) + alpha * z.clamp(max=0)


def rectify_slope(z: Tensor, alpha: float = 0.0) -> Tensor:
    """Return the derivative of ``rectify``: 1 above 0, else alpha. At 0, where there is none, alpha serves."""
    return torch.where(z > 0, 1.0, alpha)


class ParametricReLU(nn.Module):
    """``rectify`` with an alpha that is learned (He et al. 2015), from 1/4 on."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.25))

    def forward(self, z: Tensor) -> Tensor:
        """Return values of the same shape."""
        return rectify(z, self.alpha)


def elu(z: Tensor, alpha: float = 1.0) -> Tensor:
    """Return z above 0, else alpha (exp z - 1) (Bahng, example 1.6)."""
    return torch.where(z > 0, z, alpha * z.clamp(max=0).expm1())


def elu_slope(z: Tensor, alpha: float = 1.0) -> Tensor:
    """Return the derivative of ``elu``: 1 above 0, else alpha exp z."""
    return torch.where(z > 0, 1.0, alpha * z.clamp(max=0).exp())


def sigmoid(z: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-z)) (Hallman, equation 9)."""
    # Farther out exp overflows in 32 bits, and autograd would multiply 0 by infinity.
    return 1 / (1 + (-z).clamp(max=80).exp())


def sigmoid_slope(z: Tensor) -> Tensor:
    """Return the derivative of ``sigmoid``: s (1 - s), at most 1/4."""
    return sigmoid(z) * (1 - sigmoid(z))


def tanh(z: Tensor) -> Tensor:
    """Return (exp z - exp -z) / (exp z + exp -z) as e / (e + 2), where e = exp(2 z) - 1 keeps its digits near 0."""
    # Beyond 20 it is 1 to the last digit of 64 bits.
    e = (2 * z.clamp(max=20)).expm1()
    return e / (e + 2)


def tanh_slope(z: Tensor) -> Tensor:
    """Return the derivative of ``tanh``: 1 - tanh^2."""
    return 1 - tanh(z) ** 2


class Activation(NamedTuple):
    """An activation and its derivative, both elementwise."""

    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


ACTIVATIONS = {
    "ReLU": Activation(rectify, rectify_slope),
    "absolute value": Activation(partial(rectify, alpha=-1.0), partial(rectify_slope, alpha=-1.0)),
    "leaky ReLU": Activation(partial(rectify, alpha=LEAK), partial(rectify_slope, alpha=LEAK)),
    "ELU": Activation(elu, elu_slope),
    "sigmoid": Activation(sigmoid, sigmoid_slope),
    "tanh": Activation(tanh, tanh_slope),
}


class Dense(nn.Module):
    """An affine map (B, inputs) to (B, outputs), then an activation."""

    def __init__(self, inputs: int, outputs: int, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.affine, self.function = nn.Linear(inputs, outputs), function

    def forward(self, x: Tensor) -> Tensor:
        """Return g(W x + b), (B, outputs)."""
        return self.function(self.affine(x))


class Maxout(nn.Module):
    """The larger of two affine maps (B, inputs) to (B, outputs) (Bahng, example 1.7)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return max(w1 x + b1, w2 x + b2), (B, outputs)."""
        return torch.maximum(self.first(x), self.second(x))


def glorot(n_in: int, n_out: int) -> float:
    """Return the variance 2 / (n_in + n_out): the middle way between signal and gradient, for slopes near 1."""
    return 2 / (n_in + n_out)


def lecun(n_in: int) -> float:
    """Return the variance 1 / n_in, which keeps the signal where the slope is near 1."""
    return 1 / n_in


def he(n_in: int) -> float:
    """Return the variance 2 / n_in, which makes up for the half that ReLU cuts off."""
    return 2 / n_in


def torch_linear(n_in: int) -> float:
    """Return the variance 1 / (3 n_in) of nn.Linear's own weights, which are uniform between +-1 / sqrt(n_in)."""
    return 1 / (3 * n_in)
