"""Between two phrases: a variational autoencoder (Hallman, Deep Learning, section 9.2).

The encoder gives a distribution over codes, q(z|x) = N(z; mu(x), diag sigma(x)^2), and the decoder one over phrases,
p(x|z), each step on its own. With the prior p(z) = N(0, I) the log likelihood of a phrase has the evidence lower bound

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))       (Goodfellow, Bengio, Courville, Deep Learning, 20.10.3)

which is what is maximised. The expectation is taken over z = mu + sigma e, e ~ N(0, I), so that its gradient reaches mu
and sigma (Kingma and Welling 2014). With K codes for a phrase, log (1/K) sum_k p(x, z_k) / q(z_k|x) is a bound too,
which rises with K towards log p(x) (Burda, Grosse, Salakhutdinov 2016).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from midigen.labs.autoencoder import decoder, encoder, fit, right_steps
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.phrases import (
    Phrases,
    draw_phrase,
    load_phrases,
    measure,
    one_hot,
    step_log_frequencies,
    to_score,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CODE = 32
SAMPLES = 64
"""Codes for each phrase where the bounds are estimated."""
USED = 0.1
"""Nats that a number of the code must tell of a phrase on average to count as used."""
DRAWN, SHOWN = 1000, 6


class VariationalAutoencoder(nn.Module):
    """A Gaussian encoder and a decoder that gives each step's distribution."""

    def __init__(self, code: int = CODE) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder(2 * code), decoder(code)

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, each (B, code), of q(z|x) for phrases (B, 16)."""
        mean, log_variance = self.encoder(one_hot(ids)).chunk(2, dim=-1)
        return mean, log_variance

    def log_likelihood(self, ids: Tensor, codes: Tensor) -> Tensor:
        """Return log p(x|z), (..., B), of phrases (B, 16) under codes (..., B, code)."""
        return log_likelihood(self.decoder(codes), ids)

    def cost(self, ids: Tensor) -> Tensor:
        """Return the negative evidence lower bound of phrases (B, 16) with one code for each, in nats a phrase."""
        mean, log_variance = self.encode(ids)
        codes = reparameterise(mean, log_variance, 1)
        return (divergence(mean, log_variance).sum(-1) - self.log_likelihood(ids, codes)).mean()


def log_likelihood(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the log likelihood (..., B) of phrases (B, 16) whose steps are drawn from logits (..., B, 16, 39)."""
    indices = ids.expand(logits.shape[:-1]).unsqueeze(-1)
    return logits.log_softmax(-1).gather(-1, indices).sum((-1, -2))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)) of each number, in nats: (mean^2 + variance - log variance - 1) / 2.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def log_density(values: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the log density of values, (..., B, code), under normal distributions."""
    return -((values - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi)) / 2


def reparameterise(mean: Tensor, log_variance: Tensor, samples: int) -> Tensor:
    """Draw codes (samples, B, code) as mean + sigma e with e standard normal, so that gradients reach both."""
    return mean + (log_variance / 2).exp() * torch.randn(samples, *mean.shape)


class Bounds(NamedTuple):
    """What is known of the log likelihood of each phrase, in nats: (B,), but for the last two."""

    reconstruction: Tensor
    """E_q[log p(x|z)]."""
    divergence: Tensor
    """KL(q(z|x) || p(z)) of each number of the code, (B, code)."""
    log_weights: Tensor
    """log p(x, z) / q(z|x) for each code drawn, (samples, B)."""

    @property
    def evidence(self) -> Tensor:
        """The evidence lower bound (B,)."""
        return self.reconstruction - self.divergence.sum(-1)

    def importance_weighted(self, samples: int) -> Tensor:
        """Return the bound (B,) with the first so many codes: the log of the mean weight."""
        return self.log_weights[:samples].logsumexp(0) - math.log(samples)


@torch.no_grad()
def estimate_bounds(network: VariationalAutoencoder, ids: Tensor, samples: int = SAMPLES) -> Bounds:
    """Estimate the bounds of phrases (B, 16) with so many codes for each, from torch's present random state."""
    mean, log_variance = network.encode(ids)
    codes = reparameterise(mean, log_variance, samples)
    likelihood = network.log_likelihood(ids, codes)
    prior = log_density(codes, torch.zeros(()), torch.zeros(())).sum(-1)
    posterior = log_density(codes, mean, log_variance).sum(-1)
    return Bounds(likelihood.mean(0), divergence(mean, log_variance), likelihood + prior - posterior)


@torch.no_grad()
def interpolate(network: VariationalAutoencoder, first: Tensor, last: Tensor, steps: int = SHOWN) -> Tensor:
    """Return the likeliest phrases (steps, 16) along the line from the mean code of a phrase (16,) to another's."""
    ends, _ = network.encode(torch.stack([first, last]))
    codes = torch.stack([torch.lerp(ends[0], ends[1], step / (steps - 1)) for step in range(steps)])
    likeliest: Tensor = network.decoder(codes).argmax(-1)
    return likeliest


@torch.no_grad()
def draw(network: VariationalAutoencoder, count: int) -> Tensor:
    """Draw codes from the prior, and return the likeliest phrase (count, 16) of each."""
    likeliest: Tensor = network.decoder(torch.randn(count, CODE)).argmax(-1)
    return likeliest


def run(settings: Settings) -> Report:
    """Train on fiddle phrases; bound the likelihood of held-out ones, go from one to another, and draw new ones."""
    phrases = load_phrases(settings)
    torch.manual_seed(settings.seed)
    network = VariationalAutoencoder()
    fit(network, network.cost, phrases, settings.progress)
    bounds = estimate_bounds(network, phrases.test)
    with torch.no_grad():
        right = right_steps(network.decoder(network.encode(phrases.test)[0]), phrases.test)
    first, last = phrases.test[0], phrases.test[len(phrases.test) // 2]
    way = torch.cat([first[None], interpolate(network, first, last), last[None]])
    drawn = draw(network, DRAWN)
    return Report(
        (
            *_results(bounds, phrases),
            Result("steps right from the mean code", "", f"{right.float().mean():.1%}"),
            *measure(drawn, phrases),
        ),
        _draw(bounds, way, drawn),
        (
            "The text calls q(z|x) the posterior: it approximates it, and the bound misses log p(x) by its error.",
            "The text prints q(z|x) = N(z|mu, sum without its bracket: a covariance Sigma is meant, here a diagonal.",
            "A drawn phrase is the likeliest of its code; steps drawn one by one from p(x|z) would be rougher.",
            "With one code the bound is the evidence lower bound again, estimated anew: they differ by chance alone.",
            "The way, in the picture and in the music, begins and ends with the held-out phrases themselves (grey).",
        ),
        {"interpolation": to_score(way), "samples": to_score(drawn[: len(way)])},
    )


def _results(bounds: Bounds, phrases: Phrases) -> tuple[Result, ...]:
    told = bounds.divergence.mean(0)
    alone = log_likelihood(step_log_frequencies(phrases.train).expand(len(phrases.test), -1, -1), phrases.test)
    return (
        Result("encoder", "q(z|x) = N(z|mu, Sigma)", f"N(mu, diag sigma^2) of {CODE} numbers"),
        Result("phrases to train, validate, test", "", ", ".join(str(len(side)) for side in phrases.sides)),
        Result("reconstruction E[log p(x|z)], nats a phrase", "", f"{bounds.reconstruction.mean():.2f}"),
        Result("divergence KL(q || p)", "", f"{told.sum():.2f}"),
        Result("evidence lower bound", "", f"{bounds.evidence.mean():.2f}"),
        Result(f"bound with {SAMPLES} codes", "", f"{bounds.importance_weighted(SAMPLES).mean():.2f}"),
        Result("log likelihood without a code", "", f"{alone.mean():.2f}"),
        Result(f"numbers that tell more than {USED} nats", "", f"{(told > USED).sum()} of {len(told)}"),
    )


def _draw(bounds: Bounds, way: Tensor, drawn: Tensor) -> Figure:
    """Draw the bound against the number of codes, what each number of the code tells, and phrases."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), dpi=120, layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2, 3))[0]
    upper, lower = left.subplots(2, 1)
    counts = [2**power for power in range(SAMPLES.bit_length())]
    upper.plot(counts, [bounds.importance_weighted(count).mean() for count in counts], marker="o")
    upper.axhline(bounds.evidence.mean(), color="C1", ls="--", label="evidence lower bound")
    upper.set(xscale="log", xlabel="codes drawn for a phrase", ylabel="nats a phrase", title="Bounds, held-out phrases")
    upper.set_xticks(counts, [str(count) for count in counts])
    upper.set_xticks([], minor=True)
    upper.legend()
    told = sorted(bounds.divergence.mean(0).tolist(), reverse=True)
    lower.bar(range(1, len(told) + 1), told)
    lower.axhline(USED, color="0.5", ls="--", label="counts as used")
    lower.legend()
    lower.set(xlabel="numbers of the code, sorted", ylabel="divergence in nats", title="What each number tells")
    grid = right.subplots(len(way), 2)
    names = ["from a phrase", *(f"{step / (SHOWN - 1):.0%} of the way" for step in range(SHOWN)), "to another"]
    for (axes, other), ids, name, new in zip(grid, way, names, drawn, strict=False):
        draw_phrase(axes, ids, name, "0.5" if name in {names[0], names[-1]} else "C0")
        draw_phrase(other, new, "drawn from the prior", "C2")
    return figure
