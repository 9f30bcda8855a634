"""Originality: which passages of a piece stand in the training music, in any key.

A piece is a row of steps, one an onset: how long after the onset before, by how much the lowest pitch moved, and which
intervals stand above it. A passage of n steps is the same wherever it lies and whatever its key: its first step counts
only by its intervals. So the measure knows rhythm and harmony, but neither note lengths, nor parts, nor loudness.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midigen.scores.score import TICKS_PER_QUARTER, Score
from midigen.scores.statistics import is_drum

Hashes = NDArray[np.uint64]

QUANTUM = TICKS_PER_QUARTER // 8
LENGTHS = (4, 8, 16)
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Steps:
    """A piece's onsets as two rows of hashes, (T,): what a first step of a passage counts by, and what the others."""

    heads: Hashes
    moves: Hashes

    def __len__(self) -> int:
        return len(self.heads)


@dataclass(frozen=True)
class Originality:
    """How much of some pieces stands in the training music."""

    longest: int
    """Steps of the longest shared passage of any piece."""
    mean_longest: float
    """The mean over the pieces of their longest shared passage."""
    shares: dict[int, float]
    """For passages of 4, 8 and 16 steps: which share of them is found."""


def steps(score: Score) -> Steps:
    """Describe a piece by its onsets; drums are left out."""
    notes = score.where(~is_drum(score))
    onset = (notes.onset + QUANTUM // 2) // QUANTUM
    heads, moves = list[int](), list[int]()
    before: tuple[int, int] | None = None
    for time in np.unique(onset).tolist():
        pitches = np.unique(notes.pitch[onset == time]).tolist()
        lowest = pitches[0]
        chord = tuple(pitch - lowest for pitch in pitches)
        gap, move = (0, 0) if before is None else (time - before[0], lowest - before[1])
        heads.append(_hash(chord))
        moves.append(_hash((gap, move, *chord)))
        before = time, lowest
    return Steps(np.array(heads, np.uint64), np.array(moves, np.uint64))


def passages(piece: Steps, length: int) -> Hashes:
    """Return a hash for each passage of so many steps, (T - length + 1,), none for a shorter piece."""
    count = len(piece) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        hashes = piece.heads[:count].copy()
        for offset in range(1, length):
            # A polynomial modulo 2^64.
            hashes = hashes * _BASE + piece.moves[offset : offset + count]
    return hashes


class TrainingMusic:
    """The pieces that others are held against."""

    def __init__(self, scores: Iterable[Score]) -> None:
        self.pieces = [steps(score) for score in scores]
        self._known: dict[int, Hashes] = {}

    def known(self, length: int) -> Hashes:
        """Return the hashes of all passages of a length, sorted."""
        if length not in self._known:
            found = [passages(piece, length) for piece in self.pieces]
            self._known[length] = np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))
        return self._known[length]

    def share(self, piece: Steps, length: int) -> tuple[int, int]:
        """Return how many passages of a piece are found, and how many it has."""
        own = passages(piece, length)
        return int(np.isin(own, self.known(length)).sum()), len(own)

    def longest(self, piece: Steps) -> int:
        """Return the length of the longest passage of a piece that is found; 0 for none of one step.

        Part of a shared passage is shared, so that the length can be found by halving.
        """
        low, high = 0, len(piece)
        while low < high:
            middle = (low + high + 1) // 2
            if self.share(piece, middle)[0]:
                low = middle
            else:
                high = middle - 1
        return low


def originality(scores: Iterable[Score], training: TrainingMusic) -> Originality:
    """Hold pieces against the training music."""
    pieces = [steps(score) for score in scores]
    longest = [training.longest(piece) for piece in pieces]
    shares = {}
    for length in LENGTHS:
        found, whole = np.sum([(0, 0), *(training.share(piece, length) for piece in pieces)], axis=0).tolist()
        shares[length] = found / whole if whole else 0.0
    return Originality(max(longest, default=0), float(np.mean(longest)) if longest else 0.0, shares)


def _hash(values: tuple[int, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=8).digest(), "little")
