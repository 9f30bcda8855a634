"""Held-out likelihood: what a network gives the pieces of a split."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from midigen.datasets.batches import Batch
from midigen.models.network import Loss, Network, State


def total_loss(network: Network, batches: Iterable[Batch], device: torch.device) -> Loss | None:
    """Return the sums over all batches, which may carry state from one to the next; None if there are none."""
    total: Loss | None = None
    state: State | None = None
    with torch.inference_mode():
        for batch in batches:
            # A lane without any step only fills up a share and has nothing to carry on either.
            carries = (~batch.fresh & (batch.is_row | batch.is_end).any(1)).any()
            loss, state = network.loss(batch.to(device), state if carries else None)
            total = loss if total is None else add(total, loss)
    return total


def add(first: Loss, second: Loss) -> Loss:
    """Add up two losses."""
    return Loss(*(one + other for one, other in zip(first, second, strict=True)))


def nll_per_note(loss: Loss, notes_per_row: int) -> float:
    """Return the negative log-likelihood in nats a note, all columns of a row summed; the end of a piece is apart."""
    return float((loss.columns.sum() / loss.rows).item()) / notes_per_row


def accuracy(loss: Loss) -> float:
    """Return the share of ids, over all columns, that had the highest probability."""
    return float((loss.correct.sum() / loss.rows).item()) / len(loss.correct)
