"""From a description to a network: ours, or one of the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.classic import ChordNetwork, ClassicConfig, NoteNetwork, TextNetwork
from midigen.models.sequence_model import ModelConfig, SequenceModel

Model = SequenceModel | ChordNetwork | NoteNetwork | TextNetwork
Architecture = ModelConfig | ClassicConfig


class Columns(Protocol):
    """What a network needs to know of a representation."""

    @property
    def name(self) -> str:
        """See Representation."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""

    @property
    def context_fields(self) -> tuple[Field, ...]:
        """See Representation."""

    @property
    def options(self) -> Mapping[str, Any]:
        """See Representation."""


def make_network(representation: Columns, config: Architecture) -> Model:
    """Return a network with fresh weights for rows of this representation.

    Raises:
        UsageError: the published network is for other rows.
    """
    fields = representation.fields
    if isinstance(config, ModelConfig):
        return SequenceModel(fields, representation.context_fields, config)
    if config.classic == "notes":
        return NoteNetwork(fields, int(representation.options.get("quantum", 1)), config.cell)
    if len(fields) > 1:
        raise UsageError(f"This network is for tokens of one column, but {representation.name} has {len(fields)}.")
    if config.classic == "chords":
        return ChordNetwork(fields, config.cell)
    return TextNetwork(fields, getattr(representation, "separator", 0), config.cell)


def architecture_from_json(description: Mapping[str, Any]) -> Architecture:
    """Return the architecture that ``dataclasses.asdict`` described.

    Raises:
        TypeError: it describes none.
        UsageError: a value is out of range.
    """
    return ClassicConfig(**description) if "classic" in description else ModelConfig(**description)
