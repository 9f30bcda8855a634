"""Batches: a dataset's pieces as padded tensors, whole or as streams that carry their state from batch to batch.

Every piece has one step more than rows: the end, a class of the first column. All that is random here (order and
transposition) follows from a generator that the caller seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.datasets.build import Dataset
from midigen.representations.representation import Representation
from midigen.scores.score import Ints

SORTED_TOGETHER = 8
"""Batches of whole pieces are cut from groups of so many, sorted by length, to pad little."""


class Batch(NamedTuple):
    """Padded steps of B pieces."""

    rows: Tensor
    """(B, T, K) ids to predict; the end is the class after the last id of the first column."""
    before: Tensor
    """(B, T, K) the row before each; the start id is the field's size."""
    context: Tensor
    """(B, T, C)"""
    is_row: Tensor
    """(B, T) true where there is a row."""
    is_end: Tensor
    """(B, T) true at the end of a piece."""
    fresh: Tensor
    """(B,) true where a piece begins, so that no state is carried over."""

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        return Batch(*(value.to(device) for value in self))

    def share(self, rank: int, world_size: int) -> Batch:
        """Return every world_size-th piece from ``rank`` on; a piece without any step where there are too few."""
        missing = max(0, world_size - len(self.rows))
        padded = (F.pad(value, (0, 0) * (value.dim() - 1) + (0, missing)) for value in self)
        return Batch(*(value[rank::world_size] for value in padded))


@dataclass(frozen=True)
class Steps:
    """One piece, prepared: arrays over its T + 1 steps."""

    rows: Ints
    before: Ints
    context: Ints

    def __len__(self) -> int:
        return len(self.rows)


def prepare_steps(representation: Representation, rows: Ints, plan: Ints) -> Steps:
    """Return rows (T, K) and plan (T + 1, P) as what is to predict, what came before and the context."""
    sizes = np.array([[field.size for field in representation.fields]])
    end = np.zeros_like(sizes)
    end[0, 0] = sizes[0, 0]
    targets, before = np.concatenate([rows, end]), np.concatenate([sizes, rows])
    return Steps(targets, before, representation.context(rows, plan))


def batches(
    dataset: Dataset,
    split: str,
    batch_size: int,
    sequence_length: int | None = None,
    rng: np.random.Generator | None = None,
) -> Iterator[Batch]:
    """Yield one pass over a split.

    Args:
        dataset: where the pieces are.
        split: "train", "valid" or "test".
        batch_size: pieces side by side.
        sequence_length: steps of a batch, the state being carried to the next one; None for whole pieces.
        rng: shuffles the pieces and transposes each at random within the training voices' ranges; None does neither.
    """
    indices = dataset.indices(split)
    order = np.arange(len(indices)) if rng is None else rng.permutation(len(indices))
    pieces = [indices[position] for position in order]

    def load(index: int) -> Steps:
        rows, plan = dataset.piece(index)
        if rng is not None:
            shifts = dataset.representation.transpositions(rows)
            shift = int(rng.integers(shifts.start, shifts.stop))
            rows, plan = dataset.representation.transpose(rows, plan, shift) or (rows, plan)
        return prepare_steps(dataset.representation, rows, plan)

    if sequence_length is not None:
        yield from _streams(map(load, pieces), batch_size, sequence_length)
        return
    groups = []
    for start in range(0, len(pieces), batch_size * SORTED_TOGETHER):
        group = sorted(
            pieces[start : start + batch_size * SORTED_TOGETHER], key=lambda i: dataset.manifest["pieces"][i]["rows"]
        )
        groups += [group[first : first + batch_size] for first in range(0, len(group), batch_size)]
    if rng is not None:
        rng.shuffle(groups)
    for group in groups:
        steps = [load(index) for index in group]
        yield collate(steps, [0] * len(steps), max(len(s) for s in steps))


def _streams(pieces: Iterator[Steps], lanes: int, length: int) -> Iterator[Batch]:
    """Cut pieces that lie behind each other in lanes into batches of so many steps.

    A lane changes pieces only between two batches: what is left of a batch after the end of a piece is padding.
    """
    current = list(islice(pieces, lanes))
    place = [0] * len(current)
    while current:
        yield collate(current, place, length)
        alive = []
        for lane, piece in enumerate(current):
            place[lane] += length
            if place[lane] >= len(piece) and (following := next(pieces, None)) is not None:
                current[lane], place[lane] = following, 0
            alive.append(place[lane] < len(current[lane]))
        if not any(alive):
            return


def collate(pieces: list[Steps], starts: list[int], length: int) -> Batch:
    """Put steps start to start + length of some pieces side by side, padded with zeros."""
    columns, context_columns = pieces[0].rows.shape[1], pieces[0].context.shape[1]
    used = max(1, min(length, max(len(p) - s for p, s in zip(pieces, starts, strict=True))))
    shape = (len(pieces), used)
    rows, before = np.zeros((*shape, columns), np.int64), np.zeros((*shape, columns), np.int64)
    context = np.zeros((*shape, context_columns), np.int64)
    is_row, is_end = np.zeros(shape, bool), np.zeros(shape, bool)
    for lane, (piece, start) in enumerate(zip(pieces, starts, strict=True)):
        stop = min(start + used, len(piece))
        count = max(stop - start, 0)
        rows[lane, :count], before[lane, :count] = piece.rows[start:stop], piece.before[start:stop]
        context[lane, :count] = piece.context[start:stop]
        is_row[lane, :count] = True
        if count and stop == len(piece):
            is_row[lane, count - 1], is_end[lane, count - 1] = False, True
    fresh = np.array(starts) == 0
    return Batch(*(torch.from_numpy(array) for array in (rows, before, context, is_row, is_end, fresh)))
