"""TrainConfig: the settings of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from midigen.errors import UsageError


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Raises:
        UsageError: a value is out of range.
    """

    epochs: int | None = None
    """Passes over the training pieces; None for as many as the minutes allow."""
    minutes: float | None = 10.0
    """Time to train for; None for no limit."""
    iterations: int | None = None
    """Batches to train on in all; None for no limit."""
    batch_size: int = 16
    """Pieces side by side."""
    sequence_length: int | None = 128
    """Rows of a batch in truncated backpropagation through time; None for whole pieces."""
    cut: str = "streams"
    """How sequences are cut: "streams", "text" or "windows" (see ``midigen.datasets.batches``)."""
    split: str = "piece"
    """"piece"; or "window", which leaks, for comparisons with publications."""
    optimizer: str = "adamw"
    learning_rate: float | None = None
    """Highest rate of the schedule; None for the optimizer's usual one."""
    weight_decay: float = 0.1
    clip: float = 1.0
    """Largest norm of a gradient."""
    average: float = 0.997
    """Decay of the running average of the weights, which is what is validated and kept."""
    patience: int = 20
    """Epochs without a better validation loss, or training loss where nothing is held out, after which it stops."""
    schedule: str = "cosine"
    """"cosine": the learning rate rises, then falls to 0 by half a cosine; or "constant"."""
    warm_up: float = 0.1
    """Share of the budget in which it rises."""
    save_every: int | None = None
    """Batches after which a checkpoint is saved, beside the one of each epoch."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is None and self.minutes is None and self.iterations is None:
            raise UsageError("Training needs a number of epochs or of minutes.")
        if self.split == "window" and self.cut != "windows":
            raise UsageError("Only networks that read windows (classic-chords, classic-notes) have a --split window.")
        sizes = ("batch_size", "sequence_length", "learning_rate", "clip", "patience", "save_every")
        for name in ("epochs", "minutes", "iterations", *sizes):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError(f"The {name.replace('_', ' ')} must be above 0, not {value}.")

    def rate(self, progress: float) -> float:
        """Return the learning rate as a share of the highest at a share of the budget."""
        if self.schedule == "constant":
            return 1.0
        if progress < self.warm_up:
            return max(progress, 1e-3) / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - self.warm_up) / (1 - self.warm_up))))
