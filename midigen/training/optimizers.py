"""Optimizers by name: torch.optim's, each with a learning rate that suits it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from midigen.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """How to make an optimizer from parameters, learning rate and weight decay; and its usual rate."""

    make: Callable[[Iterable[Tensor], float, float], Optimizer]
    learning_rate: float


OPTIMIZERS = {
    "adamw": Recipe(lambda p, lr, wd: torch.optim.AdamW(p, lr, betas=(0.9, 0.98), weight_decay=wd), 3e-3),
    "adam": Recipe(lambda p, lr, _: torch.optim.Adam(p, lr, betas=(0.9, 0.98)), 2e-3),
    "sgd": Recipe(lambda p, lr, _: torch.optim.SGD(p, lr), 1.0),
    "nesterov": Recipe(lambda p, lr, _: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True), 0.2),
    "rmsprop": Recipe(lambda p, lr, _: torch.optim.RMSprop(p, lr), 5e-4),
    "adagrad": Recipe(lambda p, lr, _: torch.optim.Adagrad(p, lr), 1e-2),
    "adadelta": Recipe(lambda p, lr, _: torch.optim.Adadelta(p, lr), 1.0),
}


def find_optimizer(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"There is no optimizer called {name!r}; choose one of: {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]
