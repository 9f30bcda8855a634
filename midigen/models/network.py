"""Network: what training and the sampler need of a network, whichever it is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from midigen.datasets.batches import Batch

State = tuple[Tensor, ...]
"""What a network carries from step to step; each tensor has the batch as its second dimension: (layers, B, H)."""


class Loss(NamedTuple):
    """Sums over a batch, in nats; K columns."""

    columns: Tensor
    """(K,) negative log-likelihood of the ids of each column."""
    end: Tensor
    """() negative log-likelihood of ending where pieces end and of going on where they do not; it is apart from
    ``columns``, so that the likelihood of notes has no part in it."""
    correct: Tensor
    """(K,) ids that had the highest probability."""
    rows: Tensor
    """() rows the sums are over."""
    objective: Tensor
    """() what training minimises, summed over the rows."""


class Network(Protocol):
    """A network over rows.

    p(piece) is the product over steps t and columns k of p(column k | rows before t, columns before k, context of t).
    """

    def start(self, batch_size: int) -> State:
        """Return the state before the first row: zeros."""

    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step: from the row before (B, K) and the context (B, C) to what the heads read, and the state."""

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:
        """Return the logits of a column, (B, size), the end class included, given the columns drawn, (B, column)."""

    def loss(self, batch: Batch, state: State | None) -> tuple[Loss, State]:
        """Return the loss of a batch and the state after it."""
