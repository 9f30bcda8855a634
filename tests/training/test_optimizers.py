"""Optimizers by name; and those written from their equations, against torch's and against the papers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from midigen.checkpoints.run import find_checkpoint, load_weights
from midigen.errors import UsageError
from midigen.training.optimizers import (
    OPTIMIZERS,
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    LabOptimizer,
    Momentum,
    Nesterov,
    RMSProp,
    Velocity,
    find_optimizer,
)
from tests import tiny

Make = Callable[[Iterable[Tensor], float], Optimizer]
STEPS = 100
SAME_AS_TORCH: dict[str, tuple[Make, Make, float]] = {
    # The rates are low enough that none jumps to and fro: that is chaos, in which the last bit grows threefold a step.
    "sgd": (SGD, torch.optim.SGD, 0.1),
    "momentum": (Momentum, partial(torch.optim.SGD, momentum=0.9), 0.05),
    "velocity": (Velocity, partial(torch.optim.SGD, momentum=0.9), 0.05),
    "nesterov": (Nesterov, partial(torch.optim.SGD, momentum=0.9, nesterov=True), 0.05),
    "adagrad": (AdaGrad, torch.optim.Adagrad, 0.03),
    "rmsprop": (RMSProp, partial(torch.optim.RMSprop, alpha=0.9), 0.001),
    "adadelta": (Adadelta, torch.optim.Adadelta, 1.0),
    "adam": (Adam, torch.optim.Adam, 0.01),
}
RATE_OUTSIDE = [name for name in SAME_AS_TORCH if name not in {"velocity", "nesterov"}]
"""Those that take today's rate for all that they remember."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()


def descend(make: Make, rates: list[float], model: nn.Module | None = None) -> nn.Module:
    """Fit a small network to random answers, one step at each rate."""
    model = model or network()
    generator = torch.Generator().manual_seed(1)
    inputs, answers = (torch.randn(20, size, generator=generator, dtype=torch.float64) for size in (3, 2))
    optimizer = make(model.parameters(), rates[0])
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        (model(inputs) - answers).square().mean().backward()
        optimizer.step()
    return model


def gap(first: nn.Module, second: nn.Module) -> float:
    return max(
        float((a - b).detach().abs().max()) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_its_usual_rate(name: str) -> None:
    weight = nn.Parameter(torch.full((3,), 5.0))
    recipe = find_optimizer(name)
    optimizer = recipe.make([weight], recipe.learning_rate / 10, 0.0)
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert weight.abs().max().item() < 5.0


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no optimizer called 'lion'; choose one of: adamw, adam, .*, lab:adam\."):
        find_optimizer("lion")


@pytest.mark.parametrize("name", SAME_AS_TORCH)
def test_a_hundred_steps_are_those_of_torch(name: str) -> None:
    ours, theirs, rate = SAME_AS_TORCH[name]
    fitted = descend(ours, [rate] * STEPS)
    assert gap(fitted, descend(theirs, [rate] * STEPS)) < 1e-12
    assert gap(fitted, network()) > 0.05


@pytest.mark.parametrize("name", RATE_OUTSIDE)
def test_they_are_those_of_torch_under_a_schedule_too(name: str) -> None:
    ours, theirs, rate = SAME_AS_TORCH[name]
    falling = [rate * (1 - step / STEPS) for step in range(STEPS)]
    assert gap(descend(ours, falling), descend(theirs, falling)) < 1e-12


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if f"lab:{name}" in OPTIMIZERS])
def test_lab_and_a_name_is_what_is_meant_by_the_name(name: str) -> None:
    recipe, lab = find_optimizer(name), find_optimizer(f"lab:{name}")
    assert lab.learning_rate == recipe.learning_rate
    rates = [recipe.learning_rate] * 30
    assert gap(*(descend(lambda p, lr, r=r: r.make(p, lr, 0.0), rates) for r in (recipe, lab))) < 1e-9  # type: ignore[misc]


def test_the_two_forms_of_momentum_part_when_the_rate_changes() -> None:
    halved = [0.05] * 20 + [0.025] * 20
    assert gap(descend(Momentum, halved[:20]), descend(Velocity, halved[:20])) < 1e-12
    # The step at which it changes: the second form still goes at the old rate on what it remembers.
    assert gap(descend(Momentum, halved[:21]), descend(Velocity, halved[:21])) > 1e-3


def test_nesterov_holds_the_points_ahead_of_the_ones_in_the_equation() -> None:
    def gradient(theta: Tensor) -> Tensor:
        return torch.stack([theta[0] ** 3, 4 * theta[1]])

    theta, m = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    held = theta.clone().requires_grad_()
    optimizer = Nesterov([held], 0.02)
    for step in range(STEPS):
        rate = 0.02 if step < STEPS / 2 else 0.01
        m = 0.9 * m - rate * gradient(theta + 0.9 * m)
        theta = theta + m
        optimizer.param_groups[0]["lr"] = rate
        held.grad = gradient(held.detach())
        optimizer.step()
        torch.testing.assert_close(held.detach(), theta + 0.9 * m, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("optimizer", "first"), [(Adam, 0.01), (AdaGrad, 0.01), (RMSProp, 0.01 / 0.1**0.5)])
@pytest.mark.parametrize("gradient", [1e-3, -7.0, 1e4])
def test_the_first_step_of_those_with_a_root_does_not_depend_on_the_size_of_the_gradient(
    optimizer: type[LabOptimizer], first: float, gradient: float
) -> None:
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.full((1,), gradient)
    optimizer([weight], 0.01).step()
    assert weight.item() == pytest.approx(-first if gradient > 0 else first, rel=1e-4)


def test_a_closure_is_evaluated_and_parameters_without_gradient_stay() -> None:
    weight, idle = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = Adam([weight, idle], 0.1)

    def closure() -> float:
        loss = weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    assert optimizer.step(closure) == 1.0
    assert weight.item() == pytest.approx(0.9)
    assert idle.item() == 1.0
    assert idle not in optimizer.state


@pytest.mark.parametrize("name", SAME_AS_TORCH)
def test_what_is_remembered_can_be_kept_as_tensors(name: str) -> None:
    """The way of a checkpoint: through safetensors, by number of the parameter and name."""
    make, _, rate = SAME_AS_TORCH[name]
    kept: list[Optimizer] = []

    def going_on(parameters: Iterable[Tensor], lr: float) -> Optimizer:
        optimizer = make(parameters, lr)
        if kept:
            state = kept[-1].state_dict()["state"]
            data = save({f"{index}.{key}": value for index, values in state.items() for key, value in values.items()})
            moments: dict[int, dict[str, Tensor]] = {}
            for place, value in load(data).items():
                index, key = place.split(".")
                moments.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        kept.append(optimizer)
        return optimizer

    straight = descend(make, [rate] * 6)
    halves = descend(going_on, [rate] * 3, descend(going_on, [rate] * 3))
    assert gap(straight, halves) == 0


def test_four_epochs_are_two_and_two_more(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path, 4)
    stop = tiny.Listener(at_epoch=2, act=lambda: signal.raise_signal(signal.SIGINT))
    for name, listener in (("straight", None), ("halves", stop)):
        tiny.run(tiny.job(tmp_path, data, name=name, optimizer="lab:adam", epochs=4), listener)
    assert len(tiny.run(tiny.resume(tmp_path / "halves")).history) == 4
    straight, halves = (
        load_weights(find_checkpoint(str(tmp_path / name), tmp_path, "last")) for name in ("straight", "halves")
    )
    assert [name for name in straight if not torch.equal(straight[name], halves[name])] == []
