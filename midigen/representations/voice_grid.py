"""``grid``: four voices on a grid of sixteenths.

A row holds soprano, bass, alto and tenor, in this order: the outer voices are drawn first, as a musician would
harmonise. A cell is one of

    0 .. 55   a pitch, MIDI 33 to 88; equal to the cell before: the note is held
    56        the pitch before, struck again
    57        a rest

The plan of a step: its position in the bar, the length of the bar, how many bars are left, and how many sixteenths it
is to the next fermata (0 under it), since a singer sees the end of the phrase coming. The past adds, for each voice,
the pitch that sounds and for how long it has.

Quantisation: onsets and ends are rounded to the nearest sixteenth; notes that vanish are dropped. Metres are kept as
lengths of bars, so 6/8 comes back as 3/4. One tempo and no dynamics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from midigen.errors import RepresentationError
from midigen.fields import Field
from midigen.representations.representation import Json, Representation
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Part, Score, Tempo
from midigen.scores.time import bar_starts, position_in_bar, quantise

LOWEST, HIGHEST = 33, 88
AXIS = HIGHEST - LOWEST + 1
AGAIN, REST = AXIS, AXIS + 1
SILENT = AXIS
"""In the context: no pitch sounds."""
QUANTUM = TICKS_PER_QUARTER // 4
LONGEST_BAR, MOST_BARS_LEFT, LONGEST_HOLD, FARTHEST_FERMATA = 32, 15, 31, 32
VOICES = ("soprano", "bass", "alto", "tenor")
SCORE_ORDER = ("soprano", "alto", "tenor", "bass")
COLUMN = [VOICES.index(voice) for voice in SCORE_ORDER]
"""Column of a row for each part of a score, from the top."""
METRES = {16: (4, 4), 12: (3, 4), 8: (2, 4), 24: (3, 2), 32: (4, 2), 20: (5, 4), 28: (7, 4), 6: (3, 8), 4: (1, 4)}


@dataclass(frozen=True)
class VoiceGrid:
    """The four-voice grid with what it learned from the training pieces."""

    ranges: tuple[tuple[int, int], ...]
    """Lowest and highest id of each column."""
    plans: tuple[tuple[int, int, int, tuple[int, ...]], ...]
    """Of each training piece: pick-up, length of a bar, length of the piece, fermatas, all in sixteenths."""
    bpm: int = 80
    name: str = "grid"
    notes_per_row: int = 4

    fields = tuple(
        Field(voice, AXIS + 2, AXIS, again=True, relative_to=(f"{voice} sounding", *VOICES[:column]))
        for column, voice in enumerate(VOICES)
    )
    plan_fields = (
        Field("position", LONGEST_BAR + 1),
        Field("bar", LONGEST_BAR + 1),
        Field("bars left", MOST_BARS_LEFT + 1),
        Field("fermata", FARTHEST_FERMATA + 1),
    )
    context_fields = (
        *plan_fields,
        *(Field(f"{voice} sounding", AXIS + 1, AXIS) for voice in VOICES),
        *(Field(f"{voice} held", LONGEST_HOLD + 1) for voice in VOICES),
    )

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> VoiceGrid:
        """Learn the voices' ranges, the pieces' plans and the usual tempo. There are no options."""
        if options:
            raise RepresentationError(f"The representation grid has no option {', '.join(options)}.")
        lows, highs = np.full(4, AXIS), np.full(4, -1)
        plans, tempi = [], Counter[int]()
        blank = cls(((0, AXIS - 1),) * 4, ())
        for score in scores:
            try:
                rows, plan = blank.encode(score)
            except RepresentationError:
                continue
            pitched = rows < AXIS
            lows = np.minimum(lows, np.where(pitched, rows, AXIS).min(0))
            highs = np.maximum(highs, np.where(pitched, rows, -1).max(0))
            plans.append(_summary(plan))
            tempi.update(round(tempo.bpm) for tempo in score.tempos[:1])
        ranges = tuple((int(low), int(max(low, high))) for low, high in zip(lows, highs, strict=True))
        return cls(ranges, tuple(plans), tempi.most_common(1)[0][0] if tempi else cls.bpm)

    def adopt(self, other: Representation) -> tuple[VoiceGrid, str]:
        """See Representation. The ids are the same for every corpus."""
        if not isinstance(other, VoiceGrid):
            raise RepresentationError(f"A model for {other.name} cannot go on with grid.")
        return self, "all ids of the four voices fit"

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
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
        return rows, _plan_of(score, length)

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
            **_bars(plan),
            fermatas=tuple(int(step) * QUANTUM for step in np.flatnonzero(plan[: len(rows), 3] == 0)),
        )

    def first_context(self, plan: Ints) -> Ints:
        """See Representation."""
        batch = len(plan)
        return np.concatenate([plan, np.full((batch, 4), SILENT), np.zeros((batch, 4), np.int64)], axis=1)

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        before, held = context[:, 4:8], context[:, 8:12]
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
        first = self.first_context(plan[:1])[:, 4:]
        derived = np.concatenate([sounding, np.minimum(held, LONGEST_HOLD)], axis=1)
        return np.concatenate([plan, np.concatenate([first, derived])], axis=1)

    def transpositions(self, rows: Ints) -> range:
        """See Representation."""
        pitched = rows < AXIS
        lows, highs = np.where(pitched, rows, AXIS).min(0), np.where(pitched, rows, -1).max(0)
        down = max((low - int(bottom) for (low, _), bottom in zip(self.ranges, lows, strict=True)), default=0)
        up = min((high - int(top) for (_, high), top in zip(self.ranges, highs, strict=True) if top >= 0), default=0)
        return range(min(down, 0), max(up, 0) + 1)

    def transpose(self, rows: Ints, semitones: int) -> Ints | None:
        """See Representation."""
        pitched = rows < AXIS
        moved = np.where(pitched, rows + semitones, rows)
        return None if (moved[pitched] < 0).any() or (moved[pitched] >= AXIS).any() else moved

    def make_plan(self, bars: int | None, length: int | None, rng: np.random.Generator) -> Ints:
        """Take the plan of a training piece, at random; with ``bars`` its phrases, over again until they are full."""
        if not self.plans:
            raise RepresentationError("The grid knows no training piece to take a plan from.")
        plan = self.plans[int(rng.integers(len(self.plans)))]
        if length is not None:
            bars = max(1, -(-length // plan[1]))
        if bars is not None:
            plan = _with_bars(plan, bars)
        table = _plan_table(*plan)
        return table if length is None else np.concatenate([table[:length], table[-1:]])

    def rows_in_bars(self, rows: Ints, plan: Ints, bars: int) -> int:
        """See Representation."""
        first_bars = np.flatnonzero(plan[:, 0] == 0)
        return int(min(len(rows), first_bars[bars])) if bars < len(first_bars) else len(rows)

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, "ranges": self.ranges, "plans": self.plans, "bpm": self.bpm}

    @classmethod
    def from_json(cls, description: Json) -> VoiceGrid:
        """See Representation."""
        ranges = tuple((int(low), int(high)) for low, high in description["ranges"])
        plans = tuple((int(p), int(bar), int(end), tuple(fermatas)) for p, bar, end, fermatas in description["plans"])
        return cls(ranges, plans, int(description["bpm"]))


def _voices(score: Score) -> list[tuple[Ints, Ints, Ints]]:
    """Return onsets, ends and pitch ids of the four parts, highest part first, on the grid."""
    present = [index for index, part in enumerate(score.parts) if not part.is_drum and (score.part == index).any()]
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


def _plan_of(score: Score, length: int) -> Ints:
    """Return the plan (length + 1, 4) of a score."""
    steps = np.arange(length + 1)
    ticks = steps * QUANTUM
    starts = bar_starts(score, length * QUANTUM)
    bar = np.searchsorted(starts, ticks, side="right") - 1
    metres = [m for m in score.metres if m.tick < length * QUANTUM] or [Metre(0)]
    in_force = np.maximum(np.searchsorted([m.tick for m in metres], ticks, side="right") - 1, 0)
    bar_length = np.array([m.bar_ticks // QUANTUM for m in metres])[in_force]
    position = position_in_bar(score, ticks) // QUANTUM
    if bar_length.max() > LONGEST_BAR:
        raise RepresentationError("a bar is longer than two whole notes")
    fermatas = np.unique(quantise(np.array(score.fermatas, np.int64), QUANTUM))
    return _assemble(position, bar_length, len(starts) - 1 - bar, fermatas[fermatas < length])


def _assemble(position: Ints, bar_length: Ints, bars_left: Ints, fermatas: Ints) -> Ints:
    """Put the columns of a plan together; the last row is the step after the end."""
    steps = np.arange(len(position))
    following = np.searchsorted(fermatas, steps)
    distance = np.append(fermatas, 2**31)[following] - steps
    return np.stack(
        [
            position,
            bar_length,
            np.append(np.clip(bars_left[:-1], 0, MOST_BARS_LEFT), 0),
            np.minimum(distance, FARTHEST_FERMATA),
        ],
        axis=1,
    )


def _summary(plan: Ints) -> tuple[int, int, int, tuple[int, ...]]:
    """Return pick-up, bar length, length and fermatas of a plan, in sixteenths."""
    position, bar = int(plan[0, 0]), int(plan[0, 1])
    fermatas = tuple(int(step) for step in np.flatnonzero(plan[:-1, 3] == 0))
    return (bar - position) % bar, bar, len(plan) - 1, fermatas


def _plan_table(pickup: int, bar: int, length: int, fermatas: Sequence[int]) -> Ints:
    """Return the plan (length + 1, 4) that a summary stands for."""
    steps = np.arange(length + 1)
    since_bar_line = steps - pickup + (bar if pickup else 0)
    last = since_bar_line[-2] // bar
    bars_left = last - since_bar_line // bar
    return _assemble(since_bar_line % bar, np.full(length + 1, bar), bars_left, np.array(fermatas, np.int64))


def _with_bars(plan: tuple[int, int, int, tuple[int, ...]], bars: int) -> tuple[int, int, int, tuple[int, ...]]:
    """Cut a plan after some bars, or go through its phrases again until there are enough."""
    pickup, bar, length, fermatas = plan
    wanted = bars * bar  # with a pick-up, the last bar is short by it
    rounds = -(-wanted // max(length, 1))
    marks = [step + turn * length for turn in range(rounds) for step in fermatas]
    last = wanted - (bar - pickup)
    return pickup, bar, wanted, (*(step for step in marks if step < last - bar), last)


def _bars(plan: Ints) -> dict[str, Any]:
    """Return the pick-up and the metres that a plan stands for, as arguments of a Score."""
    pickup, bar, *_ = _summary(plan)
    metres = []
    begins = [0, *np.flatnonzero((plan[:-1, 0] == 0) & (np.arange(len(plan) - 1) > 0)).tolist()]
    expected, current = 0, 0
    for step in begins:
        bar = int(plan[step, 1])
        if bar != current or step != expected:
            metres.append(Metre(step * QUANTUM, *METRES.get(bar, (bar, 16))))
        current, expected = bar, step + bar - (int(plan[step, 0]) if step == 0 else 0)
    return {"pickup": pickup * QUANTUM, "metres": tuple(metres)}
