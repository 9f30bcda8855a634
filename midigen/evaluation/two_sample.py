"""The two-sample test: can a small network tell generated music from real music that nobody trained on?

Excerpts of eight bars of four quarters, drawn as piano rolls, are told apart by a convolutional network that is trained
for it (Lopez-Paz and Oquab 2017). Both sides have the same number of pieces, and these are split, never the excerpts:
in each of five rounds it learns from four fifths of the pieces and is asked about the rest. Half right is perfect: then
nothing that this network can see sets the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.evaluation.style import QUARTERS, images
from midigen.scores.score import Score

ROUNDS, EPOCHS, BATCH, RATE = 5, 30, 16, 2e-3
LEAST_PIECES = 10
LARGEST_SHIFT = 5


class TwoSample(NamedTuple):
    """How well the two are told apart."""

    accuracy: float
    """Of both sides in equal parts, over the excerpts that were not learned from; 0.5 is perfect."""
    deviation: float
    """Standard error of the accuracy over the rounds."""
    excerpts: int


def two_sample_test(generated: Sequence[Score], held_out: Sequence[Score], seed: int) -> TwoSample | None:
    """Train networks to tell generated from held-out excerpts; None if a side has fewer than ten pieces with any."""
    sides = [[piece for score in scores if len(piece := _excerpts(score))] for scores in (generated, held_out)]
    count = min(map(len, sides))
    if count < LEAST_PIECES:
        return None
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    chosen = [[side[index] for index in rng.permutation(len(side))[:count]] for side in sides]
    accuracies, excerpts = [], 0
    for turn in range(ROUNDS):
        learned = [_stack(side, [i for i in range(count) if i % ROUNDS != turn]) for side in chosen]
        asked = [_stack(side, range(turn, count, ROUNDS)) for side in chosen]
        network = _train(learned)
        with torch.inference_mode():
            right = [(network(x)[:, 0] > 0).float().mean() for x in asked]
        accuracies.append(0.5 * float(1 - right[0] + right[1]))
        excerpts += sum(map(len, asked))
    return TwoSample(float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / ROUNDS**0.5), excerpts)


def _excerpts(score: Score) -> Tensor:
    """Return the excerpts of eight bars of a piece, (E, 2, 64, 128), which begin four bars apart."""
    halves = torch.from_numpy(images(score, QUARTERS)).float()
    return torch.cat([halves[:-1], halves[1:]], dim=-1)


def _stack(pieces: Sequence[Tensor], indices: Sequence[int]) -> Tensor:
    return torch.cat([pieces[index] for index in indices])


def _train(sides: Sequence[Tensor]) -> nn.Module:
    """Train a network whose one logit is above 0 for the second side; both sides weigh the same."""
    excerpts = torch.cat(list(sides))
    targets = torch.cat([torch.zeros(len(sides[0])), torch.ones(len(sides[1]))])
    weights = torch.where(targets == 0, len(targets) / (2 * len(sides[0])), len(targets) / (2 * len(sides[1])))
    network = nn.Sequential(
        nn.Conv2d(2, 16, (5, 4), stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32, 1),
    )
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    for _ in range(EPOCHS):
        for index in torch.split(torch.randperm(len(excerpts)), BATCH):
            # In any key: the question is not which keys were chosen.
            shift = int(torch.randint(-LARGEST_SHIFT, LARGEST_SHIFT + 1, ()))
            logits = network(excerpts[index].roll(shift, dims=2))[:, 0]
            loss = F.binary_cross_entropy_with_logits(logits, targets[index], weights[index])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()
