"""``notes``: one row a note: pitch, step, duration, and velocity and program where the corpus has several.

    pitch      MIDI number
    step       gap to the onset before (of the first note: to the start), in quanta
    duration   length in quanta, less one
    velocity   MIDI velocity // 4
    program    index into the programs of the training pieces, drums apart

Notes of all parts run in order of (onset, program, pitch). The past adds: the position in the bar and the pitch of the
note before; the plan: the length of the bar.

Quantisation: onsets and lengths are rounded to the nearest quantum, lengths to at least one. Gaps and lengths beyond
``longest`` quanta are cut there. Of two notes of the same onset, program and pitch the longer stays. Parts of the same
program become one; drums are left out where the training pieces have none, other instruments where they have nothing
but drums. A pick-up becomes a rest in a whole bar. Of several metres the one that holds longest stands for all, its bar
cut to whole quanta and to eight quarters. Changes of tempo are not kept: with the clock "quarters" the piece keeps its
notated time, with "seconds" its performed time at 120 quarters a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.representations.representation import Json, Representation, refuse_below_one, usual_shifts
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Part, Score, Tempo
from midigen.scores.time import DEFAULT_METRE, metre_of, performed_ticks, pickup_ticks, quantise, usual_bar_ticks

PITCHES = 128
LOUDNESSES = 32
DRUMS = 128
"""Stands for the drum kit in a list of programs."""
LONGEST_BAR_QUARTERS = 8
NEW_PIECE_ROWS = 400
CLOCKS = {"quarters": 8, "seconds": 80}
"""Quanta in a quarter or in a second unless the user says otherwise."""


@dataclass(frozen=True)
class Notes:
    """Note events with what they learned from the training pieces."""

    clock: str = "quarters"
    quantum: int = CLOCKS["quarters"]
    """Quanta in a quarter or in a second."""
    velocities: bool = False
    programs: tuple[int, ...] = (0,)
    lowest: int = 0
    highest: int = PITCHES - 1
    bars: tuple[int, ...] = (4 * CLOCKS["quarters"],)
    """Lengths of a bar in the training pieces, in quanta, commonest first."""
    bpm: int = 120
    merged: bool = False
    """Whether all instruments play as one piano, without loudness: pitch, step and duration alone."""
    written: Metre = DEFAULT_METRE
    """Of new pieces where seconds are counted, which tell none; at 120 quarters a minute."""
    name: ClassVar[str] = "notes"
    notes_per_row: ClassVar[int] = 1
    note_unit: ClassVar[str] = "note"
    pitch_column: ClassVar[int] = 0
    step_column: ClassVar[int] = 1

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> Notes:
        """Learn pitch range, programs, bars and the usual tempo.

        Options: ``clock`` ("quarters" or "seconds"), ``quantum`` (quanta in a quarter or in a second) and ``merged``.
        """
        clock = options.get("clock", "quarters")
        if unknown := options.keys() - {"clock", "quantum", "merged"}:
            raise UsageError(f"The representation notes has no option {', '.join(sorted(unknown))}.")
        if clock not in CLOCKS:
            raise UsageError(f"The clock is quarters or seconds, not {clock!r}.")
        quantum = options.get("quantum", CLOCKS[clock])
        ticks_in_unit = TICKS_PER_QUARTER * (2 if clock == "seconds" else 1)
        if quantum not in (good := [q for q in range(1, 97) if ticks_in_unit % q == 0]):
            raise UsageError(f"The quantum is one of {', '.join(map(str, good))}, not {quantum!r}.")
        velocities, programs, bars, tempi = set[int](), set[int](), Counter[int](), Counter[int]()
        lowest, highest = PITCHES - 1, 0
        for score in scores:
            velocities.update(np.unique(score.velocity // 4).tolist())
            programs.update(programs_of(score).tolist())
            bars[_bar_quanta(score, clock, quantum)] += 1
            tempi[round(score.tempos[0].bpm) if score.tempos else 120] += 1
            pitched = score.pitch[programs_of(score) != DRUMS]
            if len(pitched):
                lowest, highest = min(lowest, int(pitched.min())), max(highest, int(pitched.max()))
        return cls(
            clock,
            quantum,
            len(velocities) > 1 and not options.get("merged"),
            (0,) if options.get("merged") or not programs else tuple(sorted(programs)),
            min(lowest, highest),
            highest,
            tuple(bar for bar, _ in bars.most_common()) or (4 * quantum,),
            120 if clock == "seconds" or not tempi else tempi.most_common(1)[0][0],
            bool(options.get("merged")),
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """See Representation."""
        return {"clock": self.clock, "quantum": self.quantum} | ({"merged": True} if self.merged else {})

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (
            Field("pitch", PITCHES, PITCHES, relative_to=("pitch before",)),
            Field("step", self.longest + 1),
            Field("duration", self.longest),
            *([Field("velocity", LOUDNESSES)] if self.velocities else []),
            *([Field("program", len(self.programs))] if len(self.programs) > 1 else []),
        )

    @property
    def plan_fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (Field("bar", LONGEST_BAR_QUARTERS * self.quantum + 1),)

    @property
    def context_fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (
            *self.plan_fields,
            Field("position", LONGEST_BAR_QUARTERS * self.quantum),
            Field("pitch before", PITCHES + 1, PITCHES),
        )

    @property
    def longest(self) -> int:
        """Largest gap and length in quanta: 16 quarters or 4 seconds."""
        return self.quantum * (16 if self.clock == "quarters" else 4)

    @property
    def quantum_ticks(self) -> int:
        """Ticks in a quantum; with the clock "seconds" at 120 quarters a minute."""
        return TICKS_PER_QUARTER * (2 if self.clock == "seconds" else 1) // self.quantum

    def adopt(self, other: Representation) -> tuple[Notes, str]:
        """See Representation."""
        if not isinstance(other, Notes) or (other.clock, other.quantum) != (self.clock, self.quantum):
            raise RepresentationError(f"A model for {_kind(other)} cannot go on with {_kind(self)}.")
        known = [program for program in self.programs if program in other.programs]
        words = f"{len(known)} of {len(self.programs)} programs fit, the others become the nearest"
        if self.velocities and not other.velocities:
            words += "; the velocities of the new music are not used"
        return replace(self, velocities=other.velocities, programs=other.programs), words

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        score = score.where(np.isin(programs_of(score) == DRUMS, [program == DRUMS for program in self.programs]))
        if not len(score):
            raise RepresentationError("there are no notes")
        pickup = 0 if self.clock == "seconds" else pickup_ticks(score)
        onset, duration = self.quantised(score, -pickup % usual_bar_ticks(score, LONGEST_BAR_QUARTERS))
        columns = np.stack([onset, self._program_ids(score), score.pitch, -duration, score.velocity // 4], axis=1)
        columns = columns[np.lexsort(columns.T[::-1])]
        is_first = np.append(True, (columns[1:, :3] != columns[:-1, :3]).any(1))
        onset, program, pitch, negative_duration, velocity = columns[is_first].T
        step = np.minimum(np.diff(onset, prepend=0), self.longest)
        rows = [pitch, step, -negative_duration - 1]
        rows += [velocity] if self.velocities else []
        rows += [program] if len(self.programs) > 1 else []
        return np.stack(rows, axis=1), np.full((len(pitch) + 1, 1), _bar_quanta(score, self.clock, self.quantum))

    def quantised(self, score: Score, shift: int = 0) -> tuple[Ints, Ints]:
        """Return onsets and lengths in quanta, (N,) each; all begins so many ticks later."""
        onset, end = performed_ticks(score) if self.clock == "seconds" else (score.onset, score.onset + score.duration)
        lengths = quantise(end - onset, self.quantum_ticks)
        return quantise(onset + shift, self.quantum_ticks), np.clip(lengths, 1, self.longest)

    def _program_ids(self, score: Score) -> Ints:
        """Return each note's index into the programs; an unknown instrument becomes the nearest in General MIDI."""
        wanted, known = programs_of(score)[:, None], np.array(self.programs)[None, :]
        other_kind = (wanted == DRUMS) != (known == DRUMS)
        return np.asarray(np.argmin(np.abs(known - wanted) + 1000 * other_kind, axis=1), np.int64)

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation. It begins with the bar that its first note lies in."""
        part = rows[start:stop].copy()
        part[0, 1] = min(int(rows[: start + 1, 1].sum()) % int(plan[0, 0]), self.longest)
        return part, plan[start : stop + 1]

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation."""
        names = [field.name for field in self.fields]
        column = {name: rows[:, index] for index, name in enumerate(names)}
        program = column.get("program", np.zeros(len(rows), np.int64))
        used = sorted(set(program.tolist())) or [0]
        return Score(
            self.onset_ticks(rows),
            (column["duration"] + 1) * self.quantum_ticks,
            column["pitch"],
            column["velocity"] * 4 + 2 if self.velocities else np.full(len(rows), 80),
            np.searchsorted(used, program),
            parts=tuple(Part("", 0 if p == DRUMS else p, p == DRUMS) for p in (self.programs[i] for i in used)),
            tempos=(Tempo.from_bpm(0, self.bpm),),
            metres=(self.written if self.clock == "seconds" else metre_of(int(plan[0, 0]) * self.quantum_ticks),),
        )

    def first_context(self, plan: Ints) -> Ints:
        """See Representation."""
        return np.concatenate([plan, np.zeros_like(plan), np.full_like(plan, PITCHES)], axis=1)

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        position = (context[:, 1] + rows[:, 1]) % np.maximum(plan[:, 0], 1)
        return np.stack([plan[:, 0], position, rows[:, 0]], axis=1)

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        position = np.cumsum(rows[:, 1]) % np.maximum(plan[1:, 0], 1)
        derived = np.stack([plan[1:, 0], position, rows[:, 0]], axis=1)
        return np.concatenate([self.first_context(plan[:1]), derived])

    def transpositions(self, rows: Ints) -> range:
        """See Representation."""
        pitch = rows[self._pitched(rows), self.pitch_column]
        down, up = (self.lowest - int(pitch.min()), self.highest - int(pitch.max())) if len(pitch) else (0, 0)
        return usual_shifts(down, up)

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """See Representation. Drums stay."""
        moved = rows.copy()
        moved[self._pitched(rows), self.pitch_column] += semitones
        pitch = moved[:, self.pitch_column]
        return None if len(rows) and (pitch.min() < 0 or pitch.max() >= PITCHES) else (moved, plan)

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """Take a bar of the training pieces, the commoner the likelier; a hundred rows a bar are always enough."""
        refuse_below_one(bars, length)
        weights = 1.0 / np.arange(1, len(self.bars) + 1)
        bar = int(rng.choice(self.bars, p=weights / weights.sum())) if opening is None else int(opening[0, 0])
        rows = length if length is not None else NEW_PIECE_ROWS if bars is None else 100 * bars
        return np.full((rows + (1 if opening is None else len(opening)), 1), bar)

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return self.now(rows, plan) // self.bar_quanta(plan[0]) + 1 if len(rows) else 0

    def bar_quanta(self, known: Ints) -> int:
        """Return the quanta of the bar that a row of the plan, (P,), stands in, or of one as it is written."""
        return self.written.bar_ticks // self.quantum_ticks if self.clock == "seconds" else int(known[0])

    def now(self, rows: Ints, plan: Ints) -> int:  # noqa: ARG002
        """Return the quanta from the bar line where counting began to where the next step begins."""
        return int(rows[:, 1].sum())

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation."""
        return np.cumsum(rows[:, 1]) * self.quantum_ticks

    def _pitched(self, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T,)
        if len(self.programs) == 1:
            return np.full(len(rows), self.programs[0] != DRUMS)
        return np.array(self.programs)[rows[:, -1]] != DRUMS

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, **{name: value for name, value in asdict(self).items() if name != "written"}}

    @classmethod
    def from_json(cls, description: Json) -> Notes:
        """See Representation."""
        values = dict(description, programs=tuple(description["programs"]), bars=tuple(description["bars"]))
        del values["name"]
        return cls(**values)


def _kind(representation: Representation) -> str:
    """Name a representation with its clock, for messages."""
    if isinstance(representation, Notes):
        return f"notes ({representation.quantum} quanta in {representation.clock.removesuffix('s')})"
    return representation.name


def programs_of(score: Score) -> Ints:
    """Return the program of each note, (N,), with DRUMS for drums."""
    return np.array([DRUMS if part.is_drum else part.program for part in score.parts], np.int64)[score.part]


def _bar_quanta(score: Score, clock: str, quantum: int) -> int:
    """Return the length of a bar in quanta; seconds know no bars, so that the position is always 0."""
    return (
        1 if clock == "seconds" else max(1, usual_bar_ticks(score, LONGEST_BAR_QUARTERS) * quantum // TICKS_PER_QUARTER)
    )
