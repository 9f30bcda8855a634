"""Presets: architectures and training settings that served best on two CPU cores, for a representation and a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.build import Architecture, make_network
from midigen.models.classic import ClassicConfig
from midigen.models.sequence_model import ModelConfig
from midigen.representations.representation import find_representation
from midigen.training.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A named starting point for training; each setting can be overridden."""

    representation: str
    model: Architecture
    training: TrainConfig
    source: str
    """Where the recipe comes from."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the representation, in place of its usual ones."""
    vocabulary: int | None = None
    """Number of tokens in the corpus that the recipe was made for, where they are learned from the corpus."""

    def training_with(self, settings: Mapping[str, Any]) -> TrainConfig:
        """Return the settings for training with some of them changed.

        Another optimizer comes with its usual rate and, but for AdamW, whose decay is apart from the gradient, none.
        """
        if settings.get("optimizer", self.training.optimizer) != self.training.optimizer:
            decay = {} if settings["optimizer"] == "adamw" else {"weight_decay": 0.0}
            settings = {"learning_rate": None, **decay, **settings}
        return replace(self.training, **settings)

    @property
    def network(self) -> str:
        """The kind of network in a few words."""
        if isinstance(self.model, ClassicConfig):
            return f"as published, {self.model.cell}"
        return f"{self.model.cell} {self.model.layers} x {self.model.hidden_size}"


PRESETS = {
    "grid": Preset(
        "grid",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5, small_start=False),
        TrainConfig(minutes=5, batch_size=12, sequence_length=None, weight_decay=0.2, patience=40),
        "ours: AWD-LSTM regularisation on whole chorales",
    ),
    "grid-large": Preset(
        "grid",
        ModelConfig(layers=2, hidden_size=384, head_size=224, dropout=0.6, small_start=False),
        TrainConfig(minutes=30, batch_size=12, sequence_length=None, weight_decay=0.2, patience=12),
        "ours: as grid, wider and held back more, for half an hour",
    ),
    "jsb-record": Preset(
        "grid",
        ModelConfig(layers=2, hidden_size=384, head_size=224, dropout=0.6, small_start=False),
        TrainConfig(epochs=150, minutes=None, batch_size=12, sequence_length=None, weight_decay=0.2, patience=8),
        "ours: as grid-large; neither fermatas nor length are told, key and bars only in training",
        options={"ahead": False},
    ),
    "notes": Preset(
        "notes",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.25),
        TrainConfig(minutes=10, batch_size=16, sequence_length=64, weight_decay=0.1, average=0.99),
        "ours: streams with carried state",
    ),
    "parts": Preset(
        "parts",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5),
        TrainConfig(minutes=10, batch_size=16, sequence_length=64, weight_decay=0.6, average=0.99),
        "ours: as notes, held back more",
    ),
    "chords": Preset(
        "chords",
        ModelConfig(layers=2, hidden_size=256, head_size=192, dropout=0.5),
        TrainConfig(minutes=10, batch_size=16, sequence_length=128, weight_decay=0.1),
        "ours: as notes, held back more",
        vocabulary=577,
    ),
    "abc": Preset(
        "abc",
        ModelConfig(layers=2, hidden_size=384, head_size=192, dropout=0.1),
        TrainConfig(minutes=10, batch_size=16, sequence_length=96, learning_rate=4e-3, weight_decay=0.02, average=0.99),
        "ours: streams with carried state, little held back",
        vocabulary=83,
    ),
    "classic-chords": Preset(
        "chords",
        ClassicConfig("chords"),
        TrainConfig(
            epochs=30,
            minutes=None,
            batch_size=128,
            sequence_length=100,
            cut="windows",
            optimizer="rmsprop",
            learning_rate=1e-3,
            weight_decay=0.0,
            clip=5.0,
            average=0.0,
            patience=30,
            schedule="constant",
        ),
        "Foundations of Applied Mathematics, volume 3, lab on recurrent neural networks",
        vocabulary=577,
    ),
    "classic-abc": Preset(
        "abc",
        ClassicConfig("text"),
        TrainConfig(
            minutes=None,
            iterations=3000,
            batch_size=32,
            sequence_length=100,
            cut="text",
            optimizer="adam",
            learning_rate=5e-3,
            weight_decay=0.0,
            clip=1e9,
            average=0.0,
            patience=3000,
            schedule="constant",
            save_every=100,
        ),
        "Machine Learning, Lab 2 (after the first lab of MIT 6.S191)",
        options={"form": False},
        vocabulary=83,
    ),
    "classic-notes": Preset(
        "notes",
        ClassicConfig("notes"),
        TrainConfig(
            epochs=20,
            minutes=None,
            batch_size=64,
            sequence_length=25,
            cut="windows",
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=1e-5,
            clip=1e9,
            average=0.0,
            patience=3,
            schedule="constant",
        ),
        "M. Hallman: Deep Learning, section 8.6",
        options={"quantum": 8, "merged": True},  # an eighth of whatever the clock counts
    ),
}


def find_preset(name: str) -> Preset:
    """Return the preset of that name; each family of representations has one of its own name, which is its default.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no preset called {name!r}; choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def family(representation: str) -> str:
    """Return whose presets serve a representation: its own, or those of notes for the tokenizers of MidiTok."""
    return "notes" if representation.startswith("miditok:") else representation


class _Example(NamedTuple):
    """The columns of rows, without a corpus."""

    name: str
    fields: tuple[Field, ...]
    context_fields: tuple[Field, ...]
    options: Mapping[str, Any]


def count_parameters(preset: Preset) -> int:
    """Return how many numbers the network learns, for the vocabulary of the corpus that the recipe was made for."""
    fitted = find_representation(preset.representation).fit((), preset.options)
    fields = fitted.fields if preset.vocabulary is None else (Field("token", preset.vocabulary),)
    network = make_network(_Example(fitted.name, fields, fitted.context_fields, fitted.options), preset.model)
    return sum(parameter.numel() for parameter in network.parameters())
