"""The sanity procedure before a long training: is the first loss plausible, can the network learn a few bars by heart?

After the procedural summary (3.7) of the text "Multilayer perceptrons" that the project began with: the loss of fresh
weights should be near the logarithm of the number of classes; on a very small portion of the data, without
regularisation, accuracy should reach 100%; and the norm of an update should be about 0.001 to 0.01 of the weights'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from midigen.datasets.batches import Batch, collate, prepare_steps
from midigen.datasets.build import Dataset
from midigen.errors import TrainingError, UsageError
from midigen.evaluation.likelihood import accuracy, nll_per_note
from midigen.models.build import Architecture
from midigen.models.sequence_model import ModelConfig, SequenceModel
from midigen.training.config import TrainConfig
from midigen.training.optimizers import find_optimizer

PIECES, ROWS, MOST_STEPS, GOOD_ACCURACY = 4, 48, 400, 0.995


@dataclass(frozen=True)
class CheckReport:
    """What the procedure found; losses in nats a note."""

    first_loss: float
    log_vocabulary: float
    """What uniform guesses would cost."""
    last_loss: float
    accuracy: float
    steps: int
    update_ratio: float
    """Median over the steps of the norm of the update divided by that of the weights."""

    @property
    def first_loss_is_plausible(self) -> bool:
        """Whether fresh weights are within a fifth of uniform guesses."""
        return abs(self.first_loss - self.log_vocabulary) < 0.2 * self.log_vocabulary

    @property
    def learns_by_heart(self) -> bool:
        """Whether nearly every id came out right."""
        return self.accuracy >= GOOD_ACCURACY

    @property
    def update_is_moderate(self) -> bool:
        """Whether updates are neither idle nor violent: within a factor of three of 0.001 to 0.01."""
        return 3e-4 <= self.update_ratio <= 3e-2


def check(dataset: Dataset, model_config: Architecture, config: TrainConfig) -> CheckReport:
    """Overfit the beginnings of a few training pieces with these settings, without regularisation.

    Raises:
        TrainingError: there is no training piece.
        UsageError: the network is one of the published ones, whose regularisation is part of it.
    """
    if not isinstance(model_config, ModelConfig):
        raise UsageError("--check is for midigen's own networks; the published ones stay as they were published.")
    batch = _few_bars(dataset)
    representation = dataset.representation
    torch.manual_seed(config.seed)
    model = SequenceModel(representation.fields, representation.context_fields, replace(model_config, dropout=0.0))
    recipe = find_optimizer(config.optimizer)
    rate = recipe.learning_rate if config.learning_rate is None else config.learning_rate
    optimizer = recipe.make(model.parameters(), rate, 0.0)
    ratios, losses, reached = [], [], 0.0
    for _ in range(MOST_STEPS):
        loss, _ = model.loss(batch)
        losses.append(nll_per_note(loss, representation.notes_per_row))
        reached = accuracy(loss)
        if reached >= GOOD_ACCURACY or not math.isfinite(losses[-1]):
            break
        optimizer.zero_grad()
        (loss.columns.sum() / (loss.rows * len(loss.columns))).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        before = _flat(model)
        optimizer.step()
        ratios.append(float((_flat(model) - before).norm() / before.norm()))
    uniform = sum(math.log(field.size) for field in representation.fields) / representation.notes_per_row
    median = sorted(ratios)[len(ratios) // 2] if ratios else 0.0
    return CheckReport(losses[0], uniform, losses[-1], reached, len(losses) - 1, median)


def _few_bars(dataset: Dataset) -> Batch:
    """Return the first rows of some training pieces as a batch; not the very first, which nothing foretells."""
    indices = dataset.indices("train")[:PIECES]
    if not indices:
        raise TrainingError(f"{dataset.folder} holds no piece to train on.", dataset.folder)
    steps = [prepare_steps(dataset.representation, *dataset.piece(index)) for index in indices]
    batch = collate(steps, [0] * len(steps), ROWS)
    batch.is_row[:, 0] = False
    return batch


def _flat(model: SequenceModel) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
