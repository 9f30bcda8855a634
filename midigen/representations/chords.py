"""``chords``: one row an element: a note (``C4``), or the notes of one part that start together (``G3.C4``).

Elements of all parts run in order of (onset, part). The ids: 0 to 127 are single notes, by their MIDI number; then come
the chords of the training pieces. Any other chord is spelled note by note, from below, so that every piece has a finite
likelihood. There is neither plan nor context.

Only the elements are kept. Decoded, each lasts a quarter, on one piano, at 120 quarters a minute; the next one starts a
fixed offset later, or one that is drawn from the gaps between the elements of the training pieces. Drums are left out.
So the lab on recurrent networks of "Foundations of Applied Mathematics" writes music, but that here a chord's notes
are sorted by pitch, each once.
"""

# ruff: noqa: ARG002  # a representation without plan and context has no use for some of what it is given

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.representations.representation import Json, Representation, usual_shifts
from midigen.representations.tokens import Tokens, no_plan
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Score
from midigen.scores.time import DEFAULT_METRE

PITCHES = 128
OFFSETS = {"0.25": TICKS_PER_QUARTER // 4, "0.5": TICKS_PER_QUARTER // 2}
"""Ticks from one element to the next."""
SAMPLED = "sampled"
PITCH_CLASSES = ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")
"""As music21 names a pitch that it knows only the number of."""
NAMES = tuple(f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}" for pitch in range(PITCHES))
LOWEST_NAMED = 12
"""C0. Below it names are not unique: B-1 is B flat in octave 1 and B in octave -1."""
PITCH_OF = {name: pitch for pitch, name in enumerate(NAMES) if pitch >= LOWEST_NAMED}
GOLDEN = (5**0.5 - 1) / 2

Element = tuple[int, ...]
"""Pitches, rising."""


@dataclass(frozen=True)
class Chords(Tokens):
    """Chord tokens with what they learned from the training pieces."""

    chords: tuple[Element, ...] = ()
    """Of two notes and more."""
    lowest: int = 0
    highest: int = PITCHES - 1
    offset: str = "0.5"
    """"0.25" or "0.5" quarters, or "sampled"."""
    gaps: tuple[tuple[int, int], ...] = ((OFFSETS["0.5"], 1),)
    """Ticks from an element to the next in the training pieces, and how often they occur: what "sampled" draws from."""
    written: Metre = DEFAULT_METRE
    """Of new pieces: elements tell no metre."""
    name: ClassVar[str] = "chords"
    note_unit: ClassVar[str] = "element"
    velocities: ClassVar[bool] = False
    new_piece_rows: ClassVar[int] = 500
    rows_in_bar: ClassVar[int] = 100

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> Chords:
        """Learn chords, pitch range and gaps.

        Options: ``offset`` ("0.25", "0.5" or "sampled"), the time from one decoded element to the next in quarters.
        """
        offset = options.get("offset", cls.offset)
        if unknown := options.keys() - {"offset"}:
            raise UsageError(f"The representation chords has no option {', '.join(sorted(unknown))}.")
        if offset not in (*OFFSETS, SAMPLED):
            raise UsageError(f"The offset is {', '.join(OFFSETS)} or {SAMPLED}, not {offset!r}.")
        known, gaps = set[Element](), Counter[int]()
        for score in scores:
            onsets, elements = _elements(score)
            known.update(elements)
            gaps.update(after - before for before, after in pairwise(onsets))
        return cls(
            tuple(sorted(e for e in known if len(e) > 1 and e[0] >= LOWEST_NAMED)),
            min((element[0] for element in known), default=cls.lowest),
            max((element[-1] for element in known), default=cls.highest),
            offset,
            tuple(sorted(gaps.items())) or cls.gaps,
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """See Representation."""
        return {"offset": self.offset}

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (Field("element", len(self.elements)),)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """What each id stands for."""
        return (*((pitch,) for pitch in range(PITCHES)), *self.chords)

    @cached_property
    def _ids(self) -> dict[Element, int]:
        return {element: index for index, element in enumerate(self.elements)}

    def adopt(self, other: Representation) -> tuple[Chords, str]:
        """See Representation."""
        if not isinstance(other, Chords):
            raise RepresentationError(f"A model for {other.name} cannot go on with chords.")
        fitting = len(set(self.chords) & set(other.chords))
        words = f"{fitting} of {len(self.chords)} chords fit, the others are spelled note by note"
        return replace(self, chords=other.chords), words

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        ids = list[int]()
        for element in _elements(score)[1]:
            # A note's id is its pitch.
            ids += [self._ids[element]] if element in self._ids else element
        if not ids:
            raise RepresentationError("there are no notes")
        return np.array(ids)[:, None], no_plan(len(ids))

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation."""
        elements = zip(self.onset_ticks(rows).tolist(), rows[:, 0].tolist(), strict=True)
        # Sampled elements that start together may share a pitch.
        notes = dict.fromkeys((onset, pitch) for onset, index in elements for pitch in self.elements[index])
        rows_of_notes = ((onset, TICKS_PER_QUARTER, pitch, 80, 0) for onset, pitch in notes)
        return Score.from_notes(rows_of_notes, metres=(self.written,))

    def transpositions(self, rows: Ints) -> range:
        """See Representation. ``transpose`` refuses those that need an unknown chord."""
        used = [self.elements[index] for index in np.unique(rows).tolist()]
        down = self.lowest - min((element[0] for element in used), default=self.lowest)
        up = self.highest - max((element[-1] for element in used), default=self.highest)
        return usual_shifts(down, up)

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """See Representation."""
        used, places = np.unique(rows, return_inverse=True)
        moved = [self._ids.get(tuple(pitch + semitones for pitch in self.elements[index])) for index in used.tolist()]
        return None if None in moved else (np.array(moved, np.int64)[places].reshape(rows.shape), plan)

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation. Sampled gaps follow from the rows so far, so that the same rows are the same piece."""
        if self.offset != SAMPLED:
            return np.arange(len(rows)) * OFFSETS[self.offset]
        uniform = np.random.default_rng(0).random(len(rows)) + GOLDEN * np.cumsum(rows[:, 0])
        gaps = self._gaps(uniform)
        return np.asarray(np.cumsum(gaps) - gaps[:1], np.int64)

    def steps(self, rows: Ints) -> Ints:
        """Return the ticks from the last row to the next one for each id that this may have, (V,)."""
        if not len(rows):
            return np.zeros(len(self.elements), np.int64)
        if self.offset != SAMPLED:
            return np.full(len(self.elements), OFFSETS[self.offset])
        uniform = np.random.default_rng(0).random(len(rows) + 1)[-1]
        return self._gaps(uniform + GOLDEN * (rows[:, 0].sum() + np.arange(len(self.elements))))

    def _gaps(self, uniform: NDArray[np.float64]) -> Ints:
        """Return a gap in ticks for each random number, which counts without its whole part."""
        ticks, counts = np.array(self.gaps).T
        return np.asarray(ticks[np.searchsorted(np.cumsum(counts) / counts.sum(), uniform % 1, side="right")])

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation. Elements are written in 4/4 unless another metre is wanted."""
        return int(self.onset_ticks(rows)[-1]) // self.written.bar_ticks + 1 if len(rows) else 0

    def to_json(self) -> Json:
        """See Representation. Chords are written by the names of their notes: ``G3.C4``."""
        return {
            "name": self.name,
            "chords": [".".join(NAMES[pitch] for pitch in chord) for chord in self.chords],
            "lowest": self.lowest,
            "highest": self.highest,
            "offset": self.offset,
            "gaps": self.gaps,
        }

    @classmethod
    def from_json(cls, description: Json) -> Chords:
        """See Representation."""
        chords = tuple(tuple(PITCH_OF[name] for name in str(chord).split(".")) for chord in description["chords"])
        gaps = tuple((int(ticks), int(count)) for ticks, count in description["gaps"])
        offset = description["offset"]
        if offset not in (*OFFSETS, SAMPLED):
            raise ValueError(f"offset {offset!r}")
        return cls(chords, int(description["lowest"]), int(description["highest"]), offset, gaps)


def _elements(score: Score) -> tuple[list[int], list[Element]]:
    """Return the onset in ticks of each element, and the elements, in order."""
    is_drum = np.array([part.is_drum for part in score.parts])
    notes = score.where(~is_drum[score.part]).notes[:, [0, 4, 2]].tolist()
    groups = [(onset, {pitch for *_, pitch in group}) for (onset, _), group in groupby(notes, lambda note: note[:2])]
    return [onset for onset, _ in groups], [tuple(sorted(pitches)) for _, pitches in groups]
