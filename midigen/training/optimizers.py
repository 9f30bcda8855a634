"""Optimizers by name: torch.optim's, and ``lab:NAME``, written from their equations; each with a rate that suits it.

The equations are those of the papers. Hallman, Deep Learning, chapter 6, prints some of them differently; where, and
which one is meant, stands with each class. In all of them theta is a parameter, g its gradient, t the number of the
step from 1 on, products and roots are element by element, and what is remembered begins at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from midigen.errors import UsageError


class LabOptimizer(Optimizer):
    """An optimizer that is one equation: theta_t = theta_{t-1} + change_t.

    All its numbers stand in the parameter groups, ``lr`` among them, and all it remembers in the state, as tensors: it
    can be scheduled, saved and gone on with as torch's own. There is no weight decay: the equations have none.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    """Names of what is kept for each parameter, tensors of its shape."""

    def __init__(self, parameters: Iterable[Tensor], lr: float | Tensor, **numbers: float) -> None:
        super().__init__(parameters, {"lr": lr, **numbers})

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """Return what is added to a parameter, of its shape; ``state`` is brought up to date in place.

        ``numbers`` are the rate and the others that it was made with.
        """
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change all parameters that have a gradient; return what the closure, if there is one, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    # torch's load_state_dict leaves a tensor of this name as it is, and casts all others.
                    state["step"] = torch.tensor(0.0)
                    state.update({name: torch.zeros_like(parameter) for name in self.remembers})
                state["step"] += 1
                parameter.add_(self.change(parameter.grad, state, group))
        return loss


class SGD(LabOptimizer):
    """Gradient descent: change = -lr g (Robbins, Monro 1951)."""

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:  # noqa: ARG002
        """See LabOptimizer."""
        return -numbers["lr"] * gradient


class Momentum(LabOptimizer):
    """The text's first form: m_t = beta m_{t-1} + g_t, change = -lr m_t (Polyak 1964; torch's SGD with momentum).

    g_t is the gradient at theta_{t-1}; the text numbers it t-1 here and t in the second form.
    """

    remembers = ("m",)

    def __init__(self, parameters: Iterable[Tensor], lr: float | Tensor, beta: float = 0.9) -> None:
        super().__init__(parameters, lr, beta=beta)

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        return -numbers["lr"] * state["m"].mul_(numbers["beta"]).add_(gradient)


class Velocity(Momentum):
    """The text's second form of momentum: m_t = beta m_{t-1} - lr g_t, change = m_t (Sutskever et al. 2013).

    The text calls the two equivalent when m_1 = 0. It must be the value before the first step that is 0, and the rate
    must not change: this m keeps the rates that the gradients came with, that of the first form takes today's.
    """

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        return state["m"].mul_(numbers["beta"]).sub_(numbers["lr"] * gradient)


class Nesterov(Velocity):
    """As Velocity, but g_t is the gradient at theta_{t-1} + beta m_{t-1} (Nesterov 1983; Sutskever et al. 2013).

    The text dates the method from the second of these papers.

    The parameters held here are these points ahead, where the gradient is wanted, so that
    change = (theta_t + beta m_t) - (theta_{t-1} + beta m_{t-1}) = (1 + beta) m_t - beta m_{t-1}. torch does the same
    with the first form's m: equal as long as the rate does not change.
    """

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        beta = numbers["beta"]
        before = state["m"].clone()
        return (1 + beta) * super().change(gradient, state, numbers) - beta * before


class AdaGrad(LabOptimizer):
    """s_t = s_{t-1} + g_t^2, change = -lr g_t / (sqrt(s_t) + epsilon) (Duchi, Hazan, Singer 2011).

    The text takes the root of each g^2 and not of their sum, and calls the product of elements Kronecker's.
    """

    remembers = ("s",)

    def __init__(self, parameters: Iterable[Tensor], lr: float | Tensor, epsilon: float = 1e-10) -> None:
        super().__init__(parameters, lr, epsilon=epsilon)

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        s = state["s"].add_(gradient**2)
        return -numbers["lr"] * gradient / (s.sqrt() + numbers["epsilon"])


class RMSProp(LabOptimizer):
    """s_t = beta s_{t-1} + (1 - beta) g_t^2, change = -lr g_t / (sqrt(s_t) + epsilon) (Tieleman, Hinton 2012).

    The text divides by s_t without the root.
    """

    remembers: ClassVar[tuple[str, ...]] = ("s",)

    def __init__(
        self, parameters: Iterable[Tensor], lr: float | Tensor, beta: float = 0.9, epsilon: float = 1e-8
    ) -> None:
        super().__init__(parameters, lr, beta=beta, epsilon=epsilon)

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        s = state["s"].lerp_(gradient**2, 1 - numbers["beta"])
        return -numbers["lr"] * gradient / (s.sqrt() + numbers["epsilon"])


class Adadelta(RMSProp):
    """The rate of RMSProp times the usual size of the changes, so that it has the parameter's unit (Zeiler 2012).

    s_t as RMSProp's, d_t = -g_t sqrt(delta_{t-1} + epsilon) / sqrt(s_t + epsilon),
    delta_t = beta delta_{t-1} + (1 - beta) d_t^2, change = lr d_t; the paper has no lr, that is 1.

    The text divides by s_t without the root, leaves out the epsilon beside delta, without which nothing would ever
    begin to move, and averages delta's own square.
    """

    remembers = ("s", "delta")

    def __init__(
        self, parameters: Iterable[Tensor], lr: float | Tensor = 1.0, beta: float = 0.9, epsilon: float = 1e-6
    ) -> None:
        super().__init__(parameters, lr, beta, epsilon)

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        epsilon = numbers["epsilon"]
        s = state["s"].lerp_(gradient**2, 1 - numbers["beta"])
        d = -gradient * (state["delta"] + epsilon).sqrt() / (s + epsilon).sqrt()
        state["delta"].lerp_(d**2, 1 - numbers["beta"])
        return numbers["lr"] * d


class Adam(LabOptimizer):
    """Momentum and RMSProp, both corrected for their beginning at 0 (Kingma, Ba 2015).

    m_t = beta1 m_{t-1} + (1 - beta1) g_t, s_t = beta2 s_{t-1} + (1 - beta2) g_t^2,
    change = -lr m^ / (sqrt(s^) + epsilon) with m^ = m_t / (1 - beta1^t) and s^ = s_t / (1 - beta2^t).

    The text numbers the first gradient t-1, has a beta3 for one beta2, and in the last line neither the root nor what
    was just corrected.
    """

    remembers = ("m", "s")

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float | Tensor,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, lr, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def change(self, gradient: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Tensor:
        """See LabOptimizer."""
        t, beta1, beta2 = state["step"].item(), numbers["beta1"], numbers["beta2"]
        m = state["m"].lerp_(gradient, 1 - beta1) / (1 - beta1**t)
        s = state["s"].lerp_(gradient**2, 1 - beta2) / (1 - beta2**t)
        return -numbers["lr"] * m / (s.sqrt() + numbers["epsilon"])


@dataclass(frozen=True)
class Recipe:
    """How to make an optimizer from parameters, learning rate and weight decay; its usual rate.

    Only adamw and adam use the decay: the one beside the gradient, the other as a part of it, as published networks
    do. ``lab:NAME`` has the numbers of ``NAME``.
    """

    make: Callable[[Iterable[Tensor], float, float], Optimizer]
    learning_rate: float


OPTIMIZERS = {
    "adamw": Recipe(lambda p, lr, wd: torch.optim.AdamW(p, lr, betas=(0.9, 0.98), weight_decay=wd), 3e-3),
    "adam": Recipe(lambda p, lr, wd: torch.optim.Adam(p, lr, weight_decay=wd), 2e-3),
    "sgd": Recipe(lambda p, lr, _: torch.optim.SGD(p, lr), 1.0),
    "nesterov": Recipe(lambda p, lr, _: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True), 0.2),
    "rmsprop": Recipe(lambda p, lr, _: torch.optim.RMSprop(p, lr), 5e-4),
    "adagrad": Recipe(lambda p, lr, _: torch.optim.Adagrad(p, lr), 1e-2),
    "adadelta": Recipe(lambda p, lr, _: torch.optim.Adadelta(p, lr), 1.0),
    "lab:sgd": Recipe(lambda p, lr, _: SGD(p, lr), 1.0),
    "lab:momentum": Recipe(lambda p, lr, _: Momentum(p, lr), 0.2),
    "lab:velocity": Recipe(lambda p, lr, _: Velocity(p, lr), 0.2),
    "lab:nesterov": Recipe(lambda p, lr, _: Nesterov(p, lr), 0.2),
    "lab:adagrad": Recipe(lambda p, lr, _: AdaGrad(p, lr), 1e-2),
    "lab:rmsprop": Recipe(lambda p, lr, _: RMSProp(p, lr, beta=0.99), 5e-4),
    "lab:adadelta": Recipe(lambda p, lr, _: Adadelta(p, lr), 1.0),
    "lab:adam": Recipe(lambda p, lr, _: Adam(p, lr), 2e-3),
}


def find_optimizer(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"There is no optimizer called {name!r}; choose one of: {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]
