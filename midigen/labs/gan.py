"""A forger and a critic: a generative adversarial network (Hallman, Deep Learning, section 9.1).

A generator g turns noise z into phrases, a discriminator d gives the probability that a phrase is real. The payoff

    v(g, d) = E_data[log d(x)] + E_model[log(1 - d(x))],    g* = argmin_g max_d v(g, d)

is from Goodfellow, Bengio, Courville, Deep Learning, 20.10.4. Against a fixed generator the best discriminator is
d* = p_data / (p_data + p_model), with v = 2 JSD(p_data, p_model) - log 4, so that v = -log 4 where the two are equal
(Goodfellow and others, Generative Adversarial Nets, 2014, proposition 1 and theorem 1).

In practice (the same paper, section 3) the generator does not descend on v, which is flat where d is sure, but ascends
on E[log d(g(z))]. The ids of a phrase are discrete: they are drawn by straight-through Gumbel softmax, which hands on
one-hot vectors but takes the gradient of their soft form (Jang, Gu, Poole 2017). The discriminator pays for steep
log odds at real phrases (Mescheder, Geiger, Nowozin 2018), or it would soon be too sure to teach anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.autoencoder import fit
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.phrases import (
    IDS,
    STEPS,
    Phrases,
    draw_phrase,
    draw_steps,
    load_phrases,
    measure,
    one_hot,
    pitch_classes,
    step_log_frequencies,
    to_score,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISE, HIDDEN = 32, 256
EPOCHS, FREE_EPOCHS, BATCH = 24, 8, 64
RATE, BETAS = 2e-3, (0.5, 0.99)
PENALTY = 0.3
DRAWN, SHOWN, WRITTEN = 1000, 4, 8
TOY_STEPS = 400


def payoff(real: Tensor, drawn: Tensor) -> Tensor:
    """Return v from the discriminator's log odds of real phrases and of drawn ones, any shapes."""
    return F.logsigmoid(real).mean() + F.logsigmoid(-drawn).mean()


def exact_payoff(probability: Tensor, data: Tensor, model: Tensor) -> Tensor:
    """Return v where x is one of N things: d(x), p_data(x) and p_model(x), each (N,)."""
    return torch.xlogy(data, probability).sum() + torch.xlogy(model, 1 - probability).sum()


def best_discriminator(data: Tensor, model: Tensor) -> Tensor:
    """Return d* (N,) of p_data and p_model, each (N,): the probability that makes v greatest."""
    return data / (data + model)


class Generator(nn.Module):
    """From noise to the logits of each step's id."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(NOISE, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()),
            *(nn.Linear(HIDDEN, STEPS * IDS), nn.Unflatten(-1, (STEPS, IDS))),
        )

    def forward(self, count: int) -> Tensor:
        """Draw phrases as one-hot vectors (count, 16, 39) through which gradients go."""
        drawn: Tensor = F.gumbel_softmax(self.layers(torch.randn(count, NOISE)), hard=True)
        return drawn

    @torch.no_grad()
    def draw(self, count: int) -> Tensor:
        """Draw the ids of phrases (count, 16)."""
        ids: Tensor = self(count).argmax(-1)
        return ids


def discriminator() -> nn.Sequential:
    """Return a network from one-hot phrases (B, 16, 39) to log d / (1 - d), (B, 1)."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(STEPS * IDS, HIDDEN), nn.LeakyReLU(0.2)),
        *(nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1)),
    )


def steepness(critic: nn.Module, real: Tensor) -> Tensor:
    """Return the mean squared norm of the gradient of the log odds at real phrases (B, 16, 39)."""
    real = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2)).mean()


@dataclass(frozen=True)
class Duel:
    """A trained generator, and the payoff of its discriminator after each epoch (the mean of its batches)."""

    generator: Generator
    payoffs: list[float]


def train(
    ids: Tensor, penalty: float, epochs: int, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Duel:
    """Let a generator and a discriminator learn in turn on phrases (N, 16), from torch's present random state."""
    generator, critic = Generator(), discriminator()
    forging = torch.optim.Adam(generator.parameters(), RATE, BETAS)
    judging = torch.optim.Adam(critic.parameters(), RATE, BETAS)
    payoffs = []
    for epoch in range(epochs):
        values = []
        for batch in torch.split(torch.randperm(len(ids)), BATCH):
            real, drawn = one_hot(ids[batch]), generator(BATCH)
            value = payoff(critic(real), critic(drawn.detach()))
            loss = -value + penalty / 2 * steepness(critic, real) if penalty else -value
            judging.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            judging.step()
            forging.zero_grad()
            (-F.logsigmoid(critic(drawn)).mean()).backward()  # type: ignore[no-untyped-call]
            forging.step()
            values.append(value.item())
        payoffs.append(sum(values) / len(values))
        progress(epoch + 1, epochs)
    return Duel(generator.eval(), payoffs)


def judge(draw: Callable[[int], Tensor], phrases: Phrases) -> tuple[float, float]:
    """Train a new discriminator on phrases that ``draw(count)`` gives, and try it on held-out and newly drawn ones.

    Returns:
        Its payoff, and the share of phrases that it tells apart rightly. In expectation its payoff is at most
        2 JSD - log 4.
    """
    critic = discriminator()

    def log_odds(ids: Tensor) -> tuple[Tensor, Tensor]:
        return critic(one_hot(ids)), critic(one_hot(draw(len(ids))))

    fit(critic, lambda ids: -payoff(*log_odds(ids)), phrases)
    with torch.no_grad():
        real, drawn = log_odds(phrases.test)
    return payoff(real, drawn).item(), torch.cat([real > 0, drawn <= 0]).float().mean().item()


@dataclass(frozen=True)
class Toy:
    """Two distributions over N points of a line, and a discriminator trained on their exact payoff, each (N,)."""

    points: Tensor
    data: Tensor
    model: Tensor
    learned: Tensor


def fit_toy(steps: int = TOY_STEPS) -> Toy:
    """Train a small discriminator between two bells, from torch's present random state."""
    # Where one of the two is next to nothing, d* is 1 in single precision, and log(1 - d*) minus infinity.
    points = torch.linspace(-4, 5, 181, dtype=torch.float64)
    data = (-points.square() / 2).softmax(0)
    model = (-((points - 1.5) / 0.7).square() / 2).softmax(0)
    critic = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0)).double()
    optimizer = torch.optim.Adam(critic.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        odds = critic(points[:, None])
        loss = -(data * F.logsigmoid(odds) + model * F.logsigmoid(-odds)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return Toy(points, data, model, critic(points[:, None]).detach().sigmoid())


def run(settings: Settings) -> Report:
    """Check the theory between two bells; then forge fiddle phrases, and say how good the forgeries are."""
    phrases = load_phrases(settings)
    torch.manual_seed(settings.seed)
    toy = fit_toy()
    free = train(phrases.train, 0, FREE_EPOCHS)
    duel = train(phrases.train, PENALTY, EPOCHS, settings.progress)
    drawn = duel.generator.draw(DRAWN)
    value, told_apart = judge(duel.generator.draw, phrases)
    alone_value, alone_apart = judge(partial(draw_steps, step_log_frequencies(phrases.train)), phrases)
    best = best_discriminator(toy.data, toy.model)
    equal = best_discriminator(toy.data, toy.data)
    return Report(
        (
            Result("payoff", "v = E[log d(x)] + E[log(1 - d(x))]", "the same"),
            Result("generator", "g* = argmin_g max_d v(g, d)", "ascends on E[log d(g(z))]"),
            Result("best v, bells that are equal", "", f"{exact_payoff(equal, toy.data, toy.data):.4f}"),
            Result("-log 4", "", f"{-math.log(4):.4f}"),
            Result("best v, two bells", "", f"{exact_payoff(best, toy.data, toy.model):.4f}"),
            Result("learned v, two bells", "", f"{exact_payoff(toy.learned, toy.data, toy.model):.4f}"),
            Result("v while learning from phrases, last epoch", "", f"{duel.payoffs[-1]:.4f}"),
            Result(f"the same without a penalty, {FREE_EPOCHS} epochs", "", f"{free.payoffs[-1]:.4f}"),
            Result(
                "v of a new discriminator, held-out phrases", "", f"{value:.4f}, {alone_value:.4f} steps drawn alone"
            ),
            Result(
                "what it tells apart rightly",
                "",
                f"{told_apart:.1%}, {alone_apart:.1%} steps drawn alone; chance is 50%",
            ),
            *measure(drawn, phrases),
        ),
        _draw(toy, (duel, free), drawn, phrases.test),
        (
            "The text's payoff lacks a bracket and two signs: x ~ p_data in the first term, x ~ p_model in the second.",
            "The text sets d below 'max v'; it belongs below the max: argmin over g of the maximum over d of v(g, d).",
            "At the right of the toy, where next to nothing lies, d* rises: there is nothing to learn it from.",
            "The penalty holds v near -log 4 in training: a new discriminator says how good the forgeries are.",
            "Steps that two phrases share, far above those of held-out ones, would be a sign of mode collapse.",
            "Chapter 7 of Multilayer Perceptrons (M. Bahng) is a heading without a text.",
        ),
        {"samples": to_score(drawn[:WRITTEN])},
    )


def _draw(toy: Toy, duels: tuple[Duel, Duel], drawn: Tensor, real: Tensor) -> Figure:
    """Draw the two bells and their discriminators, the payoffs, the pitch classes, and phrases of both kinds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), dpi=120, layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
    theory, learning, histogram = upper.subplots(1, 3)
    for density, name in ((toy.data, "data"), (toy.model, "model")):
        theory.fill_between(toy.points, density / toy.data.max() / 2, alpha=0.3, label=name)
    theory.plot(toy.points, toy.learned, "C0", lw=3, label="d, learned")
    theory.plot(toy.points, best_discriminator(toy.data, toy.model), "k--", label="d*, from the formula")
    theory.set(title="A toy: two bells", xlabel="x", ylabel="probability of being real")
    theory.legend(fontsize=8)
    for duel, name in zip(duels, ("with a penalty", "without"), strict=True):
        learning.plot(range(1, len(duel.payoffs) + 1), duel.payoffs, label=name)
    learning.axhline(-math.log(4), color="0.5", ls="--", label="-log 4")
    learning.set(title="Payoff of the discriminator", xlabel="epoch", ylabel="v")
    learning.legend(fontsize=8)
    for shift, (ids, name) in zip((-0.2, 0.2), ((real, "held out"), (drawn, "drawn")), strict=True):
        histogram.bar([place + shift for place in range(12)], pitch_classes(ids).tolist(), 0.4, label=name)
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    histogram.set_xticks(range(12), names, size=8)
    histogram.set(title="Pitch classes", ylabel="share of notes")
    histogram.legend(fontsize=8)
    for row, ids, name, colour in zip(
        lower.subplots(2, SHOWN),
        (real[torch.randperm(len(real))], drawn),
        ("held out", "drawn"),
        ("0.5", "C1"),
        strict=True,
    ):
        for axes, phrase in zip(row, ids, strict=False):
            draw_phrase(axes, phrase, name, colour)
    return figure
