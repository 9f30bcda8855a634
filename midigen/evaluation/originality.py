"""Originality: which passages of a piece stand in the training music, in any key.

A piece is a row of steps, one an onset: how long after the onset before, by how much the lowest pitch moved, and which
intervals stand above it. A passage of n steps is the same wherever it lies and whatever its key: its first step counts
only by its intervals. So the measure knows rhythm and harmony, but neither note lengths, nor parts, nor loudness.

``Passages`` is what is left of the training music beside a model: 32 bits of the hash of each of its passages of 8
steps, in the order of their numbers, from which no music can be read. The models that ship have it as a file; a run
makes it from its dataset when it is first asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midigen.checkpoints.run import Checkpoint, training_dataset
from midigen.errors import CheckpointError
from midigen.scores.score import TICKS_PER_QUARTER, Score
from midigen.scores.statistics import is_drum

Hashes = NDArray[np.uint64]

QUANTUM = TICKS_PER_QUARTER // 8
LENGTHS = (4, 8, 16)
PASSAGE = 8
"""Steps of a passage that is kept beside a model."""
PASSAGES = "passages.npz"
"""The file they are kept in."""
_KEPT_BITS = 32
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


@dataclass(frozen=True)
class Shared:
    """What a piece shares with the training music."""

    longest: int
    """Steps of the longest shared passage; 0 if it has fewer than 8."""
    share: float
    """Which share of the piece's passages of 8 steps is found; 0 for a shorter piece."""


@dataclass(frozen=True)
class Passages:
    """The training music as hashes of its passages of 8 steps.

    Two different passages have the same 32 bits by chance once in 2^32 pairs: of what is new, a share of about
    len(hashes) / 2^32 seems to be found.
    """

    hashes: NDArray[np.uint32]
    """Sorted, each once."""

    @classmethod
    def of(cls, scores: Iterable[Score]) -> Passages:
        """Take the passages of some pieces."""
        found = [_kept(steps(score)) for score in scores]
        return cls(np.unique(np.concatenate([np.zeros(0, np.uint32), *found])))

    def shared(self, score: Score) -> Shared:
        """Look for the passages of a piece.

        A longer passage is shared where passages of 8 steps are found one after the other, each a step later. Where
        they come from different places of the training music the passage is found longer than it is in any one.
        """
        found = np.isin(_kept(steps(score)), self.hashes).tolist()
        run = max((len(list(group)) for is_found, group in groupby(found) if is_found), default=0)
        return Shared(run + PASSAGE - 1 if run else 0, sum(found) / len(found) if found else 0.0)

    def save(self, file: Path) -> None:
        """Write the hashes as the gaps between them, which pack into half the bytes.

        Raises:
            OSError: the file cannot be written.
        """
        part = file.with_name(f".{file.name}.part.npz")
        np.savez_compressed(part, gaps=np.diff(self.hashes, prepend=np.uint32(0)))
        part.replace(file)

    @classmethod
    def load(cls, file: Path) -> Passages:
        """Read what ``save`` wrote.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
                return cls(np.cumsum(stored["gaps"], dtype=np.uint32))
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{file} cannot be read ({error}).", file) from error


def known_passages(checkpoint: Checkpoint) -> Passages | None:
    """Return the passages of the music that a model learned from; None where neither they nor the music are here.

    They lie beside the model, or are made from its dataset and kept in the run folder.
    """
    file = checkpoint.run_folder / PASSAGES
    with contextlib.suppress(CheckpointError):
        return Passages.load(file)
    dataset = training_dataset(checkpoint)
    if dataset is None:
        return None
    known = Passages.of(dataset.representation.decode(*dataset.piece(index)) for index in dataset.indices("train"))
    # Where it cannot be kept it is made again.
    with contextlib.suppress(OSError):
        known.save(file)
    return known


def _kept(piece: Steps) -> NDArray[np.uint32]:
    """Return the upper 32 bits of the hash of each passage of 8 steps: a product's lower bits are mixed less."""
    return (passages(piece, PASSAGE) >> np.uint64(64 - _KEPT_BITS)).astype(np.uint32)


def _hash(values: tuple[int, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=8).digest(), "little")
