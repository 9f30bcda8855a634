"""Presets: architectures and training settings that served best on two CPU cores, for a representation and a budget."""

from __future__ import annotations

from dataclasses import dataclass

from midigen.errors import UsageError
from midigen.models.sequence_model import ModelConfig
from midigen.training.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A named starting point for training; each setting can be overridden."""

    representation: str
    model: ModelConfig
    training: TrainConfig
    source: str
    """Where the recipe comes from."""


PRESETS = {
    "grid": Preset(
        "grid",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5),
        TrainConfig(minutes=5, batch_size=12, sequence_length=None, weight_decay=0.2, patience=40),
        "ours: AWD-LSTM regularisation on whole chorales",
    ),
    "grid-large": Preset(
        "grid",
        ModelConfig(layers=2, hidden_size=384, head_size=256, dropout=0.6),
        TrainConfig(minutes=30, batch_size=12, sequence_length=None, weight_decay=0.2, patience=60),
        "ours: as grid, wider and held back more, for half an hour",
    ),
    "notes": Preset(
        "notes",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5),
        TrainConfig(minutes=10, batch_size=16, sequence_length=128, weight_decay=0.1),
        "ours: streams with carried state",
    ),
    "chords": Preset(
        "chords",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5),
        TrainConfig(minutes=10, batch_size=16, sequence_length=128, weight_decay=0.1),
        "ours: as notes",
    ),
}


def find_preset(name: str) -> Preset:
    """Return the preset of that name; each representation has one of its own name, which is its default.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no preset called {name!r}; choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]
