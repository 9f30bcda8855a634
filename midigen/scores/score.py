"""Score: the neutral form of a piece that every format is read into and written from.

Notes are NumPy columns in integer ticks; seconds exist only through the tempos (``midigen.scores.time``). What a
representation needs of the notation stays: parts, tempos, metres, keys, the pick-up and the fermatas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

TICKS_PER_QUARTER = 480


@dataclass(frozen=True)
class Part:
    """One voice or instrument."""

    name: str = ""
    program: int = 0
    """General MIDI program, 0 to 127."""
    is_drum: bool = False


@dataclass(frozen=True)
class Tempo:
    """A tempo from a tick on."""

    tick: int
    microseconds_per_quarter: int

    @property
    def bpm(self) -> float:
        """Quarters per minute."""
        return 60e6 / self.microseconds_per_quarter

    @classmethod
    def from_bpm(cls, tick: int, bpm: float) -> Tempo:
        """Make a tempo from quarters per minute."""
        return cls(tick, round(60e6 / bpm))


@dataclass(frozen=True)
class Metre:
    """A time signature. A bar always begins at its tick, also where it repeats the metre that holds already."""

    tick: int
    numerator: int = 4
    denominator: int = 4

    @property
    def bar_ticks(self) -> int:
        """Length of a full bar in ticks."""
        return self.numerator * 4 * TICKS_PER_QUARTER // self.denominator


@dataclass(frozen=True)
class Key:
    """A key signature from a tick on: sharps are positive, flats negative; mode is "major", "minor" or ""."""

    tick: int
    sharps: int
    mode: str = ""


@dataclass(frozen=True, eq=False)
class Score:
    """A piece. The five note columns have shape (N,) and are sorted by (onset, part, pitch); they cannot be changed.

    Raises:
        ValueError: columns differ in length or hold values that no note can have.
    """

    onset: Ints
    """Ticks, 0 or more."""
    duration: Ints
    """Ticks, 1 or more."""
    pitch: Ints
    """MIDI number, 0 to 127."""
    velocity: Ints
    """1 to 127."""
    part: Ints
    """Index into ``parts``."""
    parts: tuple[Part, ...] = (Part(),)
    tempos: tuple[Tempo, ...] = ()
    """Sorted by tick; 120 quarters a minute before the first."""
    metres: tuple[Metre, ...] = ()
    """Sorted by tick; 4/4 before the first."""
    keys: tuple[Key, ...] = ()
    pickup: int = 0
    """Length in ticks of an incomplete first bar; 0 if the first bar is whole."""
    fermatas: tuple[int, ...] = field(default=())
    """Onsets in ticks of notes under a fermata, sorted."""

    def __post_init__(self) -> None:
        columns = [np.array(c, np.int64) for c in (self.onset, self.duration, self.pitch, self.velocity, self.part)]
        if any(c.shape != (len(columns[0]),) for c in columns):
            raise ValueError("the columns of a score must have one length")
        onset, duration, pitch, velocity, part = columns
        limits = [(onset, 0, 2**40), (duration, 1, 2**40), (pitch, 0, 127), (velocity, 1, 127)]
        for name, (column, low, high) in zip(("onset", "duration", "pitch", "velocity"), limits, strict=True):
            if len(column) and (column.min() < low or column.max() > high):
                raise ValueError(f"{name} outside {low} to {high}")
        if len(part) and (part.min() < 0 or part.max() >= len(self.parts)):
            raise ValueError("a note belongs to a part that does not exist")
        order = np.lexsort((duration, pitch, part, onset))
        for name, column in zip(("onset", "duration", "pitch", "velocity", "part"), columns, strict=True):
            ordered = column[order]
            ordered.flags.writeable = False
            object.__setattr__(self, name, ordered)

    @classmethod
    def from_notes(cls, notes: Iterable[tuple[int, int, int, int, int]], **rest: object) -> Self:
        """Build a score from (onset, duration, pitch, velocity, part) tuples and the other fields by name."""
        table = np.array(list(notes), np.int64).reshape(-1, 5)
        return cls(*table.T, **rest)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.onset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        return np.array_equal(self.notes, other.notes) and self._description == other._description

    __hash__ = None  # type: ignore[assignment]

    @property
    def _description(self) -> tuple[object, ...]:
        return self.parts, self.tempos, self.metres, self.keys, self.pickup, self.fermatas

    @property
    def notes(self) -> Ints:
        """All notes as one array of shape (N, 5): onset, duration, pitch, velocity, part."""
        return np.stack([self.onset, self.duration, self.pitch, self.velocity, self.part], axis=1)

    @property
    def end(self) -> int:
        """The tick at which the last note stops; 0 without notes."""
        return int((self.onset + self.duration).max()) if len(self) else 0

    def where(self, chosen: NDArray[np.bool_]) -> Score:
        """Keep the notes where ``chosen``, shape (N,), is true, and all else as it is."""
        onset, duration, pitch, velocity, part = self.notes[chosen].T
        return replace(self, onset=onset, duration=duration, pitch=pitch, velocity=velocity, part=part)
