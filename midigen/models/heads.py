"""Heads: the logits of one column of a row, as the module ``midigen.models.sequence_model`` describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

if TYPE_CHECKING:
    from midigen.models.sequence_model import SequenceModel

INTERVAL_EMBEDDING = 24


class Head(nn.Module):
    """The logits of one column."""

    def __init__(self, model: SequenceModel, column: int) -> None:
        super().__init__()
        field, config = model.fields[column], model.config
        self.column, self.size = column, field.size + (column == 0)
        self.neighbours = [j for j in range(column) if field.axis and model.fields[j].axis == field.axis]
        size = config.hidden_size + model.input_size + column * config.embedding_size
        self.moves = nn.ModuleList(nn.Embedding(2 * field.axis, INTERVAL_EMBEDDING) for _ in self.neighbours)
        self.inner = nn.Linear(size + len(self.neighbours) * INTERVAL_EMBEDDING, config.head_size)
        self.absolute = nn.Linear(config.head_size, config.embedding_size if config.tied else self.size)
        self.bias = nn.Parameter(torch.zeros(self.size)) if config.tied else None
        self.chooser = model.choosers[column]
        self.anchors = len(field.relative_to) + (self.chooser is not None) + len(self.neighbours)
        distances = max(2 * field.axis - 1, 0)
        self.relative = nn.Linear(config.head_size, self.anchors * distances) if self.anchors else None

    def forward(self, model: SequenceModel, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:
        """Return logits (..., size); the first column's last class is the end of the piece."""
        field = model.fields[self.column]
        parts = [hidden, *(model.embeddings[j](drawn[..., j]) for j in range(self.column))]
        anchors = [self._position(model, name, context, drawn) for name in field.relative_to]
        if self.chooser is not None:
            chosen = drawn[..., [self.chooser]].clamp(max=len(anchors) - 1)  # the end of a piece chooses none
            anchors.append(torch.stack(anchors, dim=-1).gather(-1, chosen)[..., 0])
        for j, embedding in zip(self.neighbours, self.moves, strict=True):
            now = self._position(model, model.fields[j].name, context, drawn)
            before = self._position(model, model.fields[j].relative_to[0], context, drawn)
            parts.append(embedding(distance(now, before, field.axis)))
            anchors.append(parallel(anchors[0], before, now, field.axis))
        inner = F.dropout(F.gelu(self.inner(torch.cat(parts, dim=-1))), model.config.dropout, self.training)
        logits: Tensor = self.absolute(inner)
        if self.bias is not None:
            logits = F.linear(logits, model.embeddings[self.column].weight[: self.size], self.bias)  # type: ignore[index]
        if self.relative is not None:
            by_distance = self.relative(inner).unflatten(-1, (self.anchors, -1))
            part = by_position(by_distance, torch.stack(anchors, dim=-1), field.axis)
            logits = logits + F.pad(part, (0, self.size - field.axis))
        return logits

    def _position(self, model: SequenceModel, name: str, context: Tensor, drawn: Tensor) -> Tensor:
        """Return where a context column, or a column drawn, lies on the axis; the axis's length if nowhere."""
        if name in model.context_index:
            return context[..., model.context_index[name]]
        column = next(j for j, field in enumerate(model.fields) if field.name == name)
        field = model.fields[column]
        ids = drawn[..., column]
        if field.again:
            ids = torch.where(ids == field.axis, self._position(model, field.relative_to[0], context, drawn), ids)
        return torch.clamp(ids, max=field.axis)


def distance(first: Tensor, second: Tensor, axis: int) -> Tensor:
    """Return first - second as an index from 0 to 2 axis - 2, or 2 axis - 1 where either has no position."""
    return torch.where((first < axis) & (second < axis), first - second + axis - 1, 2 * axis - 1)


def parallel(own: Tensor, before: Tensor, now: Tensor, axis: int) -> Tensor:
    """Return where a column would go if it moved as another did, from ``before`` to ``now``; nowhere if that stayed.

    Whether to follow (in thirds) or not to (in fifths) is then one weight to learn, not one for each pair of pitches.
    """
    place = own + now - before
    is_move = (own < axis) & (before < axis) & (now < axis) & (now != before) & (place >= 0) & (place < axis)
    return torch.where(is_move, place, axis)


def by_position(by_distance: Tensor, anchors: Tensor, axis: int) -> Tensor:
    """Return logits of positions, (..., axis), from logits of distances (..., A, 2 axis - 1) to A anchors (..., A).

    An anchor that is nowhere adds nothing.
    """
    places = torch.arange(axis, device=anchors.device)
    index = places - anchors.clamp(max=axis - 1)[..., None] + axis - 1
    return (by_distance.gather(-1, index) * (anchors < axis)[..., None]).sum(-2)
