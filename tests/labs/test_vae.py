"""Variational autoencoder: the bounds are bounds, and the closed forms are those of the distributions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from midigen.formats.midi import write_midi
from midigen.labs.autoencoder import fit
from midigen.labs.lab import Settings
from midigen.labs.phrases import IDS, STEPS, Phrases, step_log_frequencies
from midigen.labs.vae import (
    VariationalAutoencoder,
    divergence,
    draw,
    estimate_bounds,
    interpolate,
    log_density,
    log_likelihood,
    reparameterise,
    run,
)
from tests.tiny import melody

PHRASES = torch.randint(2, 8, (24, STEPS), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def narrow() -> VariationalAutoencoder:
    """A trained network with a code of one number, over which one can integrate."""
    torch.manual_seed(0)
    network = VariationalAutoencoder(code=1)
    fit(network, network.cost, Phrases(PHRASES, PHRASES, PHRASES))
    return network


def test_divergence_and_density_are_those_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_variance, value = torch.randn(3, 50)
    normal = Normal(mean, (log_variance / 2).exp())
    assert divergence(mean, log_variance).numpy() == pytest.approx(
        kl_divergence(normal, Normal(0, 1)).numpy(), abs=1e-5
    )
    expected = normal.log_prob(value)  # type: ignore[no-untyped-call]
    assert log_density(value, mean, log_variance).numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_codes_have_the_mean_and_the_variance_and_hand_gradients_to_both() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.tensor([[2.0]], requires_grad=True), torch.tensor([[0.5]], requires_grad=True)
    codes = reparameterise(mean, log_variance, 40_000)
    assert codes.mean().item() == pytest.approx(2, abs=0.03)
    assert codes.var().item() == pytest.approx(math.exp(0.5), rel=0.03)
    # E[z^2] = mean^2 + variance, whose derivatives are 2 mean and, by the log variance, the variance.
    codes.square().mean().backward()  # type: ignore[no-untyped-call]
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert mean.grad.item() == pytest.approx(4, rel=0.03)
    assert log_variance.grad.item() == pytest.approx(math.exp(0.5), rel=0.1)


def test_the_chances_of_all_phrases_sum_to_one_at_each_step() -> None:
    uniform = torch.zeros(1, STEPS, IDS)
    assert log_likelihood(uniform, PHRASES[:1]).item() == pytest.approx(-STEPS * math.log(IDS))


def test_the_bounds_lie_below_the_likelihood_in_order(narrow: VariationalAutoencoder) -> None:
    torch.manual_seed(1)
    bounds = estimate_bounds(narrow, PHRASES, samples=1024)
    codes = torch.linspace(-8, 8, 1001)[:, None, None].expand(-1, len(PHRASES), 1)
    with torch.no_grad():
        joint = narrow.log_likelihood(PHRASES, codes) + log_density(codes, torch.zeros(()), torch.zeros(())).sum(-1)
    exact = joint.logsumexp(0) + math.log(16 / 1000)
    few = bounds.log_weights.view(64, 16, -1).logsumexp(1).mean(0) - math.log(16)
    assert (bounds.evidence.mean() < few.mean() < exact.mean()).item()
    assert bounds.importance_weighted(1024).numpy() == pytest.approx(exact.numpy(), abs=0.1)
    # The mean of the logarithms is below the logarithm of the mean for each phrase, whatever was drawn.
    assert (bounds.log_weights.mean(0) <= bounds.importance_weighted(1024)).all()


def test_reconstruction_less_divergence_is_the_mean_log_weight(narrow: VariationalAutoencoder) -> None:
    torch.manual_seed(2)
    bounds = estimate_bounds(narrow, PHRASES, samples=1024)
    assert bounds.evidence.mean().item() == pytest.approx(bounds.log_weights.mean().item(), abs=0.1)
    with torch.no_grad():
        cost = torch.stack([narrow.cost(PHRASES) for _ in range(200)]).mean()
    assert -cost.item() == pytest.approx(bounds.evidence.mean().item(), abs=0.3)


def test_a_code_tells_more_than_the_frequencies_of_each_step(narrow: VariationalAutoencoder) -> None:
    alone = log_likelihood(step_log_frequencies(PHRASES).expand(len(PHRASES), -1, -1), PHRASES)
    assert estimate_bounds(narrow, PHRASES).evidence.mean() > alone.mean()


def test_the_way_from_a_phrase_to_another_begins_and_ends_at_their_reconstructions() -> None:
    torch.manual_seed(0)
    network = VariationalAutoencoder()
    way = interpolate(network, PHRASES[0], PHRASES[1])
    ends = network.decoder(network.encode(PHRASES[:2])[0]).argmax(-1)
    assert torch.equal(way[[0, -1]], ends)


def test_what_is_drawn_follows_from_the_seed() -> None:
    network = VariationalAutoencoder()
    drawn = [(torch.manual_seed(seed), draw(network, 3))[1] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_lab_reports_both_terms_and_writes_music(tmp_path: Path) -> None:
    for number in range(6):
        write_midi(melody(number, 40), tmp_path / f"{number}.mid")
    report = run(Settings(seed=1, corpora=tmp_path / "corpora", data=tmp_path))
    ours = {result.quantity: result.ours for result in report.results}
    reconstruction, told = (
        float(ours[name]) for name in ("reconstruction E[log p(x|z)], nats a phrase", "divergence KL(q || p)")
    )
    assert reconstruction - told == pytest.approx(float(ours["evidence lower bound"]), abs=0.02)
    assert set(report.scores) == {"interpolation", "samples"}
    assert report.results[0].text == "q(z|x) = N(z|mu, Sigma)"
