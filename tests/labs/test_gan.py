"""Adversarial networks: the theory where it can be computed, and gradients that reach the forger."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from midigen.formats.midi import write_midi
from midigen.labs.gan import (
    Generator,
    best_discriminator,
    exact_payoff,
    fit_toy,
    judge,
    payoff,
    run,
    steepness,
    train,
)
from midigen.labs.lab import Settings
from midigen.labs.phrases import IDS, STEPS, Phrases
from tests.tiny import melody

weights = st.lists(st.floats(0.01, 1), min_size=5, max_size=5)


def distribution(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64) / sum(values)


@given(weights, weights, st.lists(st.floats(0.001, 0.999), min_size=5, max_size=5))
def test_no_discriminator_beats_the_best_one(data: list[float], model: list[float], other: list[float]) -> None:
    p, q = distribution(data), distribution(model)
    best = exact_payoff(best_discriminator(p, q), p, q)
    assert exact_payoff(torch.tensor(other, dtype=torch.float64), p, q) <= best + 1e-12


@given(weights, weights)
def test_the_best_payoff_is_twice_the_jensen_shannon_divergence_less_log_4(
    data: list[float], model: list[float]
) -> None:
    p, q = distribution(data), distribution(model)
    middle = (p + q) / 2
    divergence = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    best = exact_payoff(best_discriminator(p, q), p, q).item()
    assert best == pytest.approx(2 * divergence.item() - math.log(4))
    assert best >= -math.log(4) - 1e-12


def test_equal_distributions_leave_the_best_discriminator_at_a_half_and_minus_log_4() -> None:
    p = distribution([1, 2, 3, 4])
    assert best_discriminator(p, p).tolist() == [0.5] * 4
    assert exact_payoff(best_discriminator(p, p), p, p).item() == pytest.approx(-math.log(4))


def test_the_payoff_of_samples_is_that_of_their_distribution() -> None:
    probability = torch.tensor([0.2, 0.9, 0.6])
    real, drawn = torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 2, 2])
    p, q = (torch.bincount(x, minlength=3) / 4 for x in (real, drawn))
    odds = probability.logit()
    assert payoff(odds[real], odds[drawn]).item() == pytest.approx(exact_payoff(probability, p, q).item())


def test_a_network_learns_the_best_discriminator_where_there_is_something_to_see() -> None:
    torch.manual_seed(0)
    toy = fit_toy()
    seen = toy.data + toy.model > 1e-3
    best = best_discriminator(toy.data, toy.model)
    assert toy.learned[seen].numpy() == pytest.approx(best[seen].numpy(), abs=0.05)


def test_drawn_phrases_are_discrete_and_pass_gradients_on() -> None:
    generator = Generator()
    drawn = generator(4)
    assert drawn.shape == (4, STEPS, IDS)
    assert drawn.detach().sort(-1).values[..., -2:].unique().tolist() == pytest.approx([0, 1], abs=1e-6)
    (drawn * torch.randn(IDS)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.layers[-2].parameters())


def test_steepness_is_the_squared_length_of_a_linear_discriminators_weights() -> None:
    linear = nn.Linear(STEPS * IDS, 1)
    critic = nn.Sequential(nn.Flatten(), linear)
    found = steepness(critic, torch.rand(3, STEPS, IDS))
    assert found.item() == pytest.approx(linear.weight.square().sum().item(), rel=1e-5)
    found.backward()  # type: ignore[no-untyped-call]
    assert linear.weight.grad is not None
    assert linear.weight.grad.detach().numpy() == pytest.approx(2 * linear.weight.detach().numpy(), rel=1e-4)


def test_the_generator_learns_the_only_phrase_there_is() -> None:
    torch.manual_seed(0)
    phrase = torch.arange(STEPS) + 5
    generator = train(phrase.expand(512, -1), penalty=0.3, epochs=15).generator
    assert (generator.draw(200) == phrase).float().mean() > 0.8


def test_a_judge_tells_other_phrases_apart_and_not_phrases_of_the_same_kind() -> None:
    torch.manual_seed(0)
    sides = [torch.randint(2, 8, (300, STEPS)) for _ in range(3)]
    phrases = Phrases(*sides)
    value, right = judge(lambda count: torch.randint(10, 16, (count, STEPS)), phrases)
    assert right > 0.99
    assert value > -0.1
    value, right = judge(lambda count: torch.randint(2, 8, (count, STEPS)), phrases)
    assert right == pytest.approx(0.5, abs=0.1)
    assert value < -math.log(4) + 0.1


def test_the_lab_shows_theory_and_measures_and_writes_music(tmp_path: Path) -> None:
    for number in range(6):
        write_midi(melody(number, 40), tmp_path / f"{number}.mid")
    report = run(Settings(seed=1, corpora=tmp_path / "corpora", data=tmp_path))
    ours = {result.quantity: result.ours for result in report.results}
    assert ours["best v, bells that are equal"] == ours["-log 4"] == "-1.3863"
    assert float(ours["learned v, two bells"]) == pytest.approx(float(ours["best v, two bells"]), abs=0.01)
    assert ours["distinct phrases of 1000"].endswith("%")
    assert len(report.scores["samples"])
