"""Activations and initialisation: which signals live through fifty layers, and which units die."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from midigen.labs import activations_and_initialisation as lab
from midigen.labs.activations import ACTIVATIONS, Dense, Maxout, he, lecun, rectify
from midigen.labs.activations_and_initialisation import (
    LAYERS,
    SAMPLES,
    WIDTH,
    dead_share,
    different_units,
    sample_triads,
    send_through,
    survive,
)
from midigen.labs.lab import Settings


def test_signal_and_gradient_are_autograds() -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = [WIDTH] * LAYERS + [SAMPLES] * 2
    *weights, x, gradient = [torch.randn(size, WIDTH, generator=generator, dtype=torch.float64) for size in sizes]
    signal = x.requires_grad_()
    for weight in weights:
        signal = torch.tanh(signal @ weight.T * 0.1)
    (back,) = torch.autograd.grad(signal, x, gradient)
    signals = send_through(ACTIVATIONS["tanh"], 0.1**2, seed=1)
    assert signals.forward[-1] == pytest.approx(signal.square().mean().sqrt().item())
    assert signals.backward[0] == pytest.approx(back.square().mean().sqrt().item())
    assert len(signals.forward) == len(signals.backward) == LAYERS + 1


def test_relu_halves_the_mean_square_at_every_layer_unless_the_variance_makes_up_for_it() -> None:
    for variance, growth in ((he(WIDTH), 1.0), (lecun(WIDTH), 2**-0.5), (2 * he(WIDTH), 2**0.5)):
        signals = send_through(ACTIVATIONS["ReLU"], variance, seed=0)
        for end in (signals.forward[-1], signals.backward[0]):
            assert end ** (1 / LAYERS) == pytest.approx(growth, rel=0.03)


def test_glorots_variance_does_not_save_the_sigmoid() -> None:
    gradient = send_through(ACTIVATIONS["sigmoid"], lecun(WIDTH), seed=0).backward[0]
    assert gradient ** (1 / LAYERS) < 1 / 4


def test_large_weights_saturate_tanh_but_make_its_gradient_explode() -> None:
    signals = send_through(ACTIVATIONS["tanh"], 1.0, seed=0)
    assert signals.forward[-1] > 0.95
    assert signals.backward[0] > 1e10


def test_a_label_names_the_loudest_pitch_classes() -> None:
    x, label = sample_triads(0)
    loudest = x.topk(3).indices.sort(1).values
    for row, name in zip(loudest.tolist(), label.tolist(), strict=True):
        root, third = name // 2, 3 if name % 2 else 4
        assert row == sorted({root, (root + third) % 12, (root + 7) % 12})


def test_a_relu_that_nothing_makes_positive_is_dead_and_others_are_not() -> None:
    x = torch.rand(20, 12)
    for hidden, share in ((Dense(12, 4, rectify), 0.25), (Maxout(12, 4), 0.0)):
        for affine in (module for module in hidden.modules() if isinstance(module, nn.Linear)):
            nn.init.ones_(affine.weight)
            nn.init.constant_(affine.bias[:1], -20.0)
        assert dead_share(hidden, x) == share


def test_too_high_a_rate_kills_relus_for_good_and_leaky_ones_recover() -> None:
    assert survive("ReLU", 8.0, seed=0).dead == 1
    leaky = survive("leaky ReLU", 8.0, seed=0)
    assert leaky.dead == 0
    assert leaky.accuracy > 0.5
    calm = survive("ReLU", 1.0, seed=0)
    assert calm.dead == 0
    assert calm.accuracy > 0.99


def test_units_that_begin_with_zeros_stay_the_same() -> None:
    assert different_units(0) == 1


def test_the_lab_shows_the_text_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "RATES", (8.0,))
    monkeypatch.setattr(lab, "SEEDS", 1)
    report = lab.run(Settings(seed=2))
    by_name = {result.quantity: result for result in report.results}
    relu = by_name["after rate 8: ReLU"]
    assert relu.text == "never activate, never update"
    assert relu.ours.startswith("100% of units dead")
    assert len(report.figure.axes) == 6
