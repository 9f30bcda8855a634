"""Two bars in a few numbers (Hallman, Deep Learning, section 9.2).

An encoder f turns a phrase x into a code h = f(x), a decoder g turns the code into a reconstruction r = g(h), and both
are trained to make r like x: here to give high probability to the id of each step. As the code is smaller than the
phrase, what phrases have in common must go into the weights (Goodfellow, Bengio, Courville, Deep Learning, chapter 14).
With linear f and g and squared error the best code is that of principal component analysis (section 14.1): it is what
the network is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.lab import Report, Result, Settings
from midigen.labs.phrases import (
    IDS,
    STEPS,
    Phrases,
    draw_phrase,
    load_phrases,
    one_hot,
    step_log_frequencies,
    to_score,
)
from midigen.labs.regularisers import EarlyStopping

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CODES = (2, 4, 8, 16, 32, 64)
SHOWN = (2, 8, 64)
INPUTS, HIDDEN = STEPS * IDS, 256
EPOCHS, PATIENCE, BATCH, RATE, WEIGHT_DECAY = 40, 4, 128, 2e-3, 0.1


def encoder(outputs: int) -> nn.Sequential:
    """Return a network of two layers from one-hot phrases (B, 16, 39) to (B, outputs)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(INPUTS, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, outputs))


def decoder(code: int) -> nn.Sequential:
    """Return a network of two layers from codes (..., code) to the logits of each step's id (..., 16, 39)."""
    return nn.Sequential(nn.Linear(code, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, INPUTS), nn.Unflatten(-1, (STEPS, IDS)))


class Autoencoder(nn.Module):
    """A deterministic encoder and decoder with a code of so many numbers between them."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder(code), decoder(code)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, 16, 39) of the reconstruction of phrases (B, 16)."""
        logits: Tensor = self.decoder(self.encoder(one_hot(ids)))
        return logits

    def cost(self, ids: Tensor) -> Tensor:
        """Return the negative log likelihood of phrases (B, 16) given their codes, in nats a phrase."""
        return F.cross_entropy(self(ids).flatten(0, 1), ids.flatten(), reduction="sum") / len(ids)


def fit(
    network: nn.Module,
    cost: Callable[[Tensor], Tensor],
    phrases: Phrases,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> None:
    """Descend on the cost of the training phrases by AdamW, from torch's present random state.

    The weights are left as they were after the epoch with the least cost of the validation phrases; training stops
    where that has not fallen for some epochs.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    stopping = EarlyStopping(PATIENCE)
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.split(torch.randperm(len(phrases.train)), BATCH):
            optimizer.zero_grad()
            cost(phrases.train[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        progress(epoch, EPOCHS)
        with torch.no_grad():
            now = cost(phrases.valid).item()
        if stopping.is_over(now, network):
            break
    network.load_state_dict(stopping.best_weights)


class PrincipalComponents:
    """The linear code: the mean of one-hot phrases, and the directions in which they differ most."""

    def __init__(self, ids: Tensor) -> None:
        rows = one_hot(ids).flatten(1)
        self.mean = rows.mean(0)
        _, spreads, directions = torch.linalg.svd(rows - self.mean, full_matrices=False)
        self.variances, self.directions = spreads.square() / len(rows), directions.T

    def reconstruct(self, ids: Tensor, code: int) -> Tensor:
        """Return phrases (B, 16) as (B, 16, 39) real numbers, from their code of so many numbers."""
        kept = self.directions[:, :code]
        codes = (one_hot(ids).flatten(1) - self.mean) @ kept
        rows: Tensor = self.mean + codes @ kept.T
        return rows.view(-1, STEPS, IDS)


def right_steps(scores: Tensor, ids: Tensor) -> Tensor:
    """Return which ids of phrases (B, 16) have the highest of the scores (..., 16, 39)."""
    return scores.argmax(-1) == ids


def run(settings: Settings) -> Report:
    """Train an autoencoder for each size of the code, and compare it with principal components on held-out phrases."""
    phrases = load_phrases(settings)
    components = PrincipalComponents(phrases.train)
    reconstructed, right, right_linear = {}, {}, {}
    for number, code in enumerate(CODES):
        torch.manual_seed(settings.seed)
        network = Autoencoder(code)
        fit(network, network.cost, phrases)
        with torch.no_grad():
            logits = network(phrases.test)
        reconstructed[code] = logits.argmax(-1)
        right[code] = right_steps(logits, phrases.test)
        right_linear[code] = right_steps(components.reconstruct(phrases.test, code), phrases.test)
        settings.progress(number + 1, len(CODES))
    blind = right_steps(step_log_frequencies(phrases.train), phrases.test)
    sizes = f"{INPUTS} zeros and ones to {CODES[0]} and up to {CODES[-1]} numbers"
    return Report(
        (
            Result("code", "h = f(x)", sizes),
            Result("reconstruction", "r = g(x)", f"r = g(h): {STEPS} ids, each the likeliest of {IDS}"),
            Result("phrases to train, validate, test", "", ", ".join(str(len(side)) for side in phrases.sides)),
            Result("right without a code", "", _shares(blind)),
            *(
                Result(f"right with {name}", "", _shares(shares[code]))
                for code in CODES
                for name, shares in ((f"{code} numbers", right), (f"{code} principal components", right_linear))
            ),
        ),
        _draw(phrases.test[0], {c: reconstructed[c][0] for c in SHOWN}, [right, right_linear], blind),
        (
            "The text writes r = g(x): the reconstruction is a function of the code, r = g(h), or it could just copy.",
            "The text lets the reconstruction have fewer dimensions than the input: it is the code that has fewer.",
            "Chapter 6 of Multilayer Perceptrons (M. Bahng) is a heading without a text.",
            "In the picture grey is the phrase, blue what came back; the music holds it, then what each code gave.",
        ),
        {"reconstructions": to_score(torch.stack([phrases.test[0], *(reconstructed[code][0] for code in CODES)]))},
    )


def _shares(right: Tensor) -> str:
    return f"{right.float().mean():.1%} of steps, {right.all(-1).float().mean():.1%} of phrases"


def _draw(phrase: Tensor, reconstructed: dict[int, Tensor], rights: list[dict[int, Tensor]], blind: Tensor) -> Figure:
    """Draw the share of right steps against the size of the code, and one phrase beside its reconstructions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), dpi=120, layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    curves = left.subplots()
    for name, shares in zip(("autoencoder", "principal components"), rights, strict=True):
        curves.plot(CODES, [shares[code].float().mean() for code in CODES], marker="o", label=name)
    curves.axhline(blind.float().mean(), color="0.5", ls="--", label="no code")
    curves.set(xscale="log", ylim=(0, 1), xlabel="numbers in the code", ylabel="share of steps that come back")
    curves.set_xticks(CODES, [str(code) for code in CODES], minor=False)
    curves.set_xticks([], minor=True)
    curves.set_title("Held-out phrases")
    curves.legend()
    top, *rest = right.subplots(1 + len(reconstructed), 1)
    draw_phrase(top, phrase, "a held-out phrase of 16 steps", "0.5")
    for axes, (code, ids) in zip(rest, reconstructed.items(), strict=True):
        draw_phrase(axes, phrase, "", "0.8")
        draw_phrase(axes, ids, f"from {code} numbers: {(ids == phrase).sum()} of {STEPS} steps right")
    return figure
