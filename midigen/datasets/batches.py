"""Batches: a dataset's pieces as padded tensors, cut in one of four ways.

- whole pieces
- streams that carry their state from batch to batch; a lane changes pieces between two batches
- one long text, cut into lanes of equal length that carry their state, whatever ends or begins in them
- windows of so many rows, all of them overlapping, whose only target is the row behind them

The last two are how published networks were trained. Every piece has one step more than rows: the end, a class of the
first column. All that is random here (order and transposition) follows from a generator that the caller seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.datasets.build import Dataset
from midigen.representations.representation import Representation
from midigen.scores.score import Ints

LONGEST_STREAM = 1024
"""Steps that a lane goes along one piece in training: with longer ones the other lanes would wait for it at the end."""
SORTED_TOGETHER = 8
"""Batches of whole pieces are cut from groups of so many, sorted by length, to pad little."""
WINDOW_SPLIT_SHARE = 0.8
"""Of the windows that are dealt out, for training."""


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
    is_end: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


def prepare_steps(representation: Representation, rows: Ints, plan: Ints) -> Steps:
    """Return rows (T, K) and plan (T + 1, P) as what is to predict, what came before and the context."""
    sizes = np.array([[field.size for field in representation.fields]])
    end = np.zeros_like(sizes)
    end[0, 0] = sizes[0, 0]
    targets, before = np.concatenate([rows, end]), np.concatenate([sizes, rows])
    is_end = np.arange(len(targets)) == len(rows)
    return Steps(targets, before, representation.context(rows, plan), is_end)


def batches(
    dataset: Dataset,
    split: str,
    batch_size: int,
    sequence_length: int | None = None,
    rng: np.random.Generator | None = None,
    cut: str = "streams",
    dealt: str = "piece",
) -> Iterator[Batch]:
    """Yield one pass over a split.

    Args:
        dataset: where the pieces are.
        split: "train", "valid" or "test".
        batch_size: pieces, lanes or windows side by side.
        sequence_length: steps of a batch, or rows of a window; None for whole pieces.
        rng: shuffles; cuts streamed pieces into stretches of LONGEST_STREAM steps; transposes each whole piece or
            stretch at random within the training voices' ranges; and drops a last batch of windows that is not full.
            None does nothing of that.
        cut: "streams", "text" or "windows".
        dealt: "piece", or "window": the windows of training and validation pieces are dealt out at random, four of
            five to training. They overlap, so that most of what is held out is known: for comparisons only.
    """
    indices = dataset.indices(split)
    in_stretches = rng is not None and cut == "streams" and sequence_length is not None
    order = np.arange(len(indices)) if rng is None or in_stretches else rng.permutation(len(indices))
    pieces = [indices[position] for position in order]

    def load(index: int, start: int = 0, stop: int | None = None) -> Steps:
        """Prepare a piece, transposed as the steps from start to stop can be; what follows them may be left out."""
        rows, plan = dataset.piece(index)
        if stop is not None:
            rows, plan = rows[:stop], plan[: stop + 1]
        if rng is not None and cut == "streams":
            shifts = dataset.representation.transpositions(rows[start:])
            shift = int(rng.integers(shifts.start, shifts.stop))
            rows, plan = dataset.representation.transpose(rows, plan, shift) or (rows, plan)
        return prepare_steps(dataset.representation, rows, plan)

    if sequence_length is None:
        yield from _whole(dataset, pieces, load, batch_size, rng)
    elif cut == "windows":
        is_dealt = dealt == "window" and split != "test"
        if is_dealt:
            pieces = sorted([*dataset.indices("train"), *dataset.indices("valid")])
        steps = [load(index) for index in pieces]
        places = [
            (piece, start) for piece, known in enumerate(steps) for start in range(1, len(known) - sequence_length)
        ]
        places = _dealt_out(places, split) if is_dealt else places
        yield from _windows(steps, places, batch_size, sequence_length, rng)
    elif cut == "text":
        yield from _text([load(index) for index in pieces], batch_size, sequence_length)
    elif rng is None:
        yield from _streams(map(load, pieces), batch_size, sequence_length)
    else:
        yield from _streams(_stretches(dataset, pieces, load, rng), batch_size, sequence_length)


def _stretches(
    dataset: Dataset, pieces: list[int], load: Callable[[int, int, int], Steps], rng: np.random.Generator
) -> Iterator[Steps]:
    """Yield all stretches of all pieces in random order."""
    lengths = {index: dataset.manifest["pieces"][index]["rows"] + 1 for index in pieces}
    places = [(index, start) for index in pieces for start in range(0, lengths[index], LONGEST_STREAM)]
    for place in rng.permutation(len(places)):
        index, start = places[place]
        stop = start + LONGEST_STREAM
        piece, part = load(index, start, stop), slice(start, stop)
        yield Steps(piece.rows[part], piece.before[part], piece.context[part], piece.is_end[part])


def _whole(
    dataset: Dataset,
    pieces: list[int],
    load: Callable[[int], Steps],
    batch_size: int,
    rng: np.random.Generator | None,
) -> Iterator[Batch]:
    """Put whole pieces of similar length side by side."""
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


def _dealt_out(places: list[tuple[int, int]], split: str) -> list[tuple[int, int]]:
    """Return a split's share of all windows, the same at every call."""
    order = np.random.default_rng(0).permutation(len(places))
    training = int(len(places) * WINDOW_SPLIT_SHARE)
    chosen = order[:training] if split == "train" else order[training:]
    return [places[index] for index in np.sort(chosen)]


def _windows(
    pieces: list[Steps],
    places: list[tuple[int, int]],
    batch_size: int,
    length: int,
    rng: np.random.Generator | None,
) -> Iterator[Batch]:
    """Yield windows of steps at (piece, first step), of which only the last is a target."""
    order = np.arange(len(places)) if rng is None else rng.permutation(len(places))
    for first in range(0, len(order), batch_size):
        chosen = [places[index] for index in order[first : first + batch_size]]
        if rng is not None and len(chosen) < batch_size:
            return
        batch = collate([pieces[piece] for piece, _ in chosen], [start for _, start in chosen], length)
        batch.is_row[:, :-1] = False
        yield batch


def _text(pieces: list[Steps], lanes: int, length: int) -> Iterator[Batch]:
    """Put all pieces one behind the other, cut that into lanes of equal length, and walk along them.

    What is left over when all lanes are equal is dropped, as is a lane without any step.
    """
    if not pieces:
        return
    columns = zip(*((p.rows, p.before, p.context, p.is_end) for p in pieces), strict=True)
    whole = [np.concatenate(parts) for parts in columns]
    lanes = min(lanes, len(whole[0]))
    share = len(whole[0]) // lanes
    steps = [Steps(*(part[lane * share : (lane + 1) * share] for part in whole)) for lane in range(lanes)]
    for start in range(0, share, length):
        yield collate(steps, [start] * lanes, length)


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
        is_end[lane, :count] = piece.is_end[start:stop]
        is_row[lane, :count] = ~is_end[lane, :count]
    fresh = np.array(starts) == 0
    return Batch(*(torch.from_numpy(array) for array in (rows, before, context, is_row, is_end, fresh)))
