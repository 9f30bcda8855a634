"""``grid``: four voices on a grid of sixteenths.

A row holds soprano, bass, alto and tenor, in this order: the outer voices are drawn first, as a musician would
harmonise. A cell is one of

    0 .. 55   a pitch, MIDI 33 to 88; equal to the cell before: the note is held
    56        the pitch before, struck again
    57        a rest

What is known in advance of each step stands in its plan (``grid_plan``). The past adds, for each voice, the pitch that
sounds and for how long it has.

Quantisation: onsets, ends and bar lines are rounded to the nearest sixteenth; notes that vanish are dropped. Metres are
kept as lengths of bars, so 6/8 comes back as 3/4. One tempo and no dynamics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.representations.grid_plan import (
    AXIS,
    BARS_LEFT,
    FARTHEST_FERMATA,
    FERMATA,
    LOWEST,
    PLAN_FIELDS,
    QUANTUM,
    Summary,
    notation,
    phrase_ends,
    plan_of,
    plan_table,
    summarise,
    transpose_plan,
)
from midigen.representations.representation import Json, Representation, refuse_below_one
from midigen.scores.score import Ints, Part, Score, Tempo
from midigen.scores.time import quantise

AGAIN, REST = AXIS, AXIS + 1
SILENT = AXIS
"""In the context: no pitch sounds."""
LONGEST_HOLD = 31
VOICES = ("soprano", "bass", "alto", "tenor")
SCORE_ORDER = ("soprano", "alto", "tenor", "bass")
COLUMN = [VOICES.index(voice) for voice in SCORE_ORDER]
"""Column of a row for each part of a score, from the top."""


@dataclass(frozen=True)
class VoiceGrid:
    """The four-voice grid with what it learned from the training pieces."""

    ranges: tuple[tuple[int, int], ...]
    """Lowest and highest id of each column."""
    plans: tuple[Summary, ...]
    """Of each training piece."""
    bpm: int = 80
    ahead: bool = True
    """Whether the plan tells of what is to come: how many bars are left, and the fermatas."""
    name: ClassVar[str] = "grid"
    notes_per_row: ClassVar[int] = 4
    note_unit: ClassVar[str] = "voice and sixteenth"
    velocities: ClassVar[bool] = False

    @property
    def options(self) -> Mapping[str, Any]:
        """See Representation."""
        return {} if self.ahead else {"ahead": False}

    fields = tuple(
        Field(voice, AXIS + 2, AXIS, again=True, relative_to=(f"{voice} sounding", *VOICES[:column], "tonic"))
        for column, voice in enumerate(VOICES)
    )
    plan_fields = PLAN_FIELDS
    context_fields = (
        *plan_fields,
        *(Field(f"{voice} sounding", AXIS + 1, AXIS) for voice in VOICES),
        *(Field(f"{voice} held", LONGEST_HOLD + 1) for voice in VOICES),
    )

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> VoiceGrid:
        """Learn the voices' ranges, the pieces' plans and the usual tempo. The option is ``ahead``."""
        if unknown := options.keys() - {"ahead"}:
            raise UsageError(f"The representation grid has no option {', '.join(unknown)}.")
        ahead = bool(options.get("ahead", cls.ahead))
        lows, highs = np.full(4, AXIS), np.full(4, -1)
        plans, tempi = [], Counter[int]()
        blank = cls(((0, AXIS - 1),) * 4, (), ahead=ahead)
        for score in scores:
            try:
                rows, plan = blank.encode(score)
            except RepresentationError:
                continue
            pitched = rows < AXIS
            lows = np.minimum(lows, np.where(pitched, rows, AXIS).min(0))
            highs = np.maximum(highs, np.where(pitched, rows, -1).max(0))
            plans.append(summarise(plan))
            tempi.update(round(tempo.bpm) for tempo in score.tempos[:1])
        # A voice that never sounds in training may sing anything.
        ranges = tuple((int(a), int(b)) if a <= b else (0, AXIS - 1) for a, b in zip(lows, highs, strict=True))
        return cls(ranges, tuple(plans), tempi.most_common(1)[0][0] if tempi else cls.bpm, ahead)

    def adopt(self, other: Representation) -> tuple[VoiceGrid, str]:
        """See Representation. The ids are the same for every corpus."""
        if not isinstance(other, VoiceGrid):
            raise RepresentationError(f"A model for {other.name} cannot go on with grid.")
        return self, "all ids of the four voices fit"

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        score = score.where(~np.array([part.is_drum for part in score.parts])[score.part])
        length = int(quantise(np.array(score.end), QUANTUM))
        if length == 0:
            raise RepresentationError("there are no notes")
        rows = np.full((length, 4), REST)
        for column, (onsets, ends, pitches) in zip(COLUMN, _voices(score), strict=True):
            before = (0, SILENT)
            for onset, end, pitch in zip(onsets.tolist(), ends.tolist(), pitches.tolist(), strict=True):
                rows[onset:end, column] = pitch
                if (onset, pitch) == before:
                    rows[onset, column] = AGAIN
                before = (end, pitch)
        return rows, self.told(plan_of(score, length))

    def told(self, plan: Ints) -> Ints:
        """Return a plan without what it may not tell."""
        if self.ahead:
            return plan
        plan = plan.copy()
        plan[:, BARS_LEFT], plan[:, FERMATA] = 0, FARTHEST_FERMATA
        return plan

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation. What was held or struck again begins here."""
        part = rows[start:stop].copy()
        sounding = self.context(rows[: start + 1], plan[: start + 2])[-1, -8:-4]
        part[0] = np.where(sounding == SILENT, REST, sounding)
        return part, plan[start : stop + 1]

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation."""
        notes = []
        for part, column in enumerate(COLUMN):
            onset, sounding = 0, SILENT
            for step, cell in enumerate([*rows[:, column].tolist(), REST]):
                pitch = sounding if cell == AGAIN else SILENT if cell == REST else cell
                if pitch != sounding or cell == AGAIN:
                    if sounding != SILENT:
                        notes.append((onset * QUANTUM, (step - onset) * QUANTUM, sounding + LOWEST, 80, part))
                    onset, sounding = step, pitch
        return Score.from_notes(
            notes,
            parts=tuple(Part(voice.title(), 52) for voice in SCORE_ORDER),
            tempos=(Tempo.from_bpm(0, self.bpm),),
            **notation(plan[: len(rows) + 1]),
        )

    def first_context(self, plan: Ints) -> Ints:
        """See Representation."""
        batch = len(plan)
        return np.concatenate([plan, np.full((batch, 4), SILENT), np.zeros((batch, 4), np.int64)], axis=1)

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        before, held = context[:, -8:-4], context[:, -4:]
        sounding = np.where(rows == AGAIN, before, np.minimum(rows, SILENT))
        goes_on = (sounding == before) & (rows != AGAIN)
        return np.concatenate([plan, sounding, np.where(goes_on, np.minimum(held + 1, LONGEST_HOLD), 1)], axis=1)

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        steps = np.arange(len(rows))[:, None]
        # A run of "again" takes its pitch from the last cell that is not one.
        last_named = np.maximum.accumulate(np.where(rows == AGAIN, -1, steps), axis=0)
        named = np.minimum(np.take_along_axis(rows, np.maximum(last_named, 0), axis=0), SILENT)
        sounding = np.where(last_named < 0, SILENT, named)
        before = np.concatenate([np.full((1, 4), SILENT), sounding[:-1]])
        begins = (sounding != before) | (rows == AGAIN)
        # Silence before the first note counts from the first step.
        held = steps - np.maximum.accumulate(np.where(begins, steps, 0), axis=0) + 1
        first = self.first_context(plan[:1])[:, -8:]
        derived = np.concatenate([sounding, np.minimum(held, LONGEST_HOLD)], axis=1)
        return np.concatenate([plan, np.concatenate([first, derived])], axis=1)

    def transpositions(self, rows: Ints) -> range:
        """See Representation."""
        pitched = rows < AXIS
        lows = np.where(pitched, rows, AXIS).min(0, initial=AXIS)
        highs = np.where(pitched, rows, -1).max(0, initial=-1)
        down = max((low - int(bottom) for (low, _), bottom in zip(self.ranges, lows, strict=True)), default=0)
        up = min((high - int(top) for (_, high), top in zip(self.ranges, highs, strict=True) if top >= 0), default=0)
        return range(min(down, 0), max(up, 0) + 1)

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """See Representation."""
        pitched = rows < AXIS
        moved = np.where(pitched, rows + semitones, rows)
        if (moved[pitched] < 0).any() or (moved[pitched] >= AXIS).any():
            return None
        return moved, transpose_plan(plan, semitones)

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Representation. Key, metre and phrases are a training piece's, at random, or go on from the opening."""
        refuse_below_one(bars, length)
        if not self.plans:
            raise RepresentationError("The grid knows no training piece to take a plan from.")
        given, start = (0, None) if opening is None else (len(opening) - 1, summarise(opening))
        alike = [plan for plan in self.plans if start is None or plan[:2] == start[:2]] or self.plans
        base = alike[int(rng.integers(len(alike)))]
        pickup, bar, _, _, *key = base if start is None else start
        if length is not None:
            total = given + length
        else:
            # As a piece with a pick-up ends with a bar that is short by it, whole bars have passed at its end.
            total = -(-given // bar) * bar + (base[2] if bars is None else bars * bar)
        fermatas = phrase_ends(base, pickup, bar, total)
        if start is not None:
            fermatas = (*start.fermatas, *(step for step in fermatas if step >= given))
        return self.told(plan_table(Summary(pickup, bar, total, fermatas, *key)))

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return int((plan[: len(rows), 0] == 0).sum())

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation."""
        return np.arange(len(rows)) * QUANTUM

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, "ranges": self.ranges, "plans": self.plans, "bpm": self.bpm, "ahead": self.ahead}

    @classmethod
    def from_json(cls, description: Json) -> VoiceGrid:
        """See Representation."""
        ranges = tuple((int(low), int(high)) for low, high in description["ranges"])
        plans = tuple(
            Summary(int(pickup), int(bar), int(length), tuple(fermatas), int(mode), int(tonic))
            for pickup, bar, length, fermatas, mode, tonic in description["plans"]
        )
        return cls(ranges, plans, int(description["bpm"]), bool(description.get("ahead", True)))


def _voices(score: Score) -> list[tuple[Ints, Ints, Ints]]:
    """Return onsets, ends and pitch ids of the four parts, highest part first, on the grid."""
    present = np.unique(score.part).tolist()
    if len(present) != 4:
        raise RepresentationError(f"{len(present)} part{'s' if len(present) != 1 else ''} with notes, not four voices")
    # Named voices (Soprano, Alto, ...) come in score order already; others are ordered by where they lie.
    names = [score.parts[index].name.strip().lower() for index in present]
    if sorted(names) == sorted(SCORE_ORDER):
        present.sort(key=lambda index: SCORE_ORDER.index(score.parts[index].name.strip().lower()))
    else:
        present.sort(key=lambda index: -float(score.pitch[score.part == index].mean()))
    voices = []
    for index in present:
        chosen = score.part == index
        onsets, ends = (quantise(t[chosen], QUANTUM) for t in (score.onset, score.onset + score.duration))
        pitches = score.pitch[chosen] - LOWEST
        kept = ends > onsets
        onsets, ends, pitches = onsets[kept], ends[kept], pitches[kept]
        if (onsets[1:] < ends[:-1]).any():
            raise RepresentationError(f"part {score.parts[index].name or index + 1} holds more than one note at a time")
        if ((pitches < 0) | (pitches >= AXIS)).any():
            raise RepresentationError(f"part {score.parts[index].name or index + 1} leaves the range of A1 to E6")
        voices.append((onsets, ends, pitches))
    return voices
