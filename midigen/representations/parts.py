"""``parts``: notes of an ensemble whose parts stay apart, such as a string quartet. One row a note.

    part       counted from the bottom of the score
    pitch      MIDI number
    duration   length in quanta, less one
    velocity   MIDI velocity // 4, where the corpus has several
    step       gap to the onset that follows, in quanta; of the last note: to the end

Notes run in order of (onset, part, pitch), so that chords grow from the bass. As the step comes last, the network knows
where in the bar a note stands before it draws it. The past adds, for each part, its last pitch and how long that sounds
yet, or has been silent, and the key that the last notes suggest. The plan is the bar, and the place in it where
counting begins: at the first note and wherever the metre changes.

Quantisation is that of ``notes``, but for metres: each holds where it stands. Drums are left out. A score of as many
parts as the ensemble gives its own in their order; of another one each part goes where its mean pitch lies nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.representations.ensemble import (
    QUARTET,
    Ensemble,
    Player,
    ensemble_of,
    part_ids,
    score_parts,
    without_drums,
)
from midigen.representations.notes import LONGEST_BAR_QUARTERS, LOUDNESSES, PITCHES, Notes
from midigen.representations.recent_key import WINDOW, heard_before, keys_of
from midigen.representations.representation import Json, Representation, usual_shifts
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score, Tempo
from midigen.scores.time import metre_of, metres_from_start, pickup_ticks, quantise

AHEAD_QUARTERS = 4
"""So far a part's note is seen to sound on, or its rest to lie back, in the context."""
PART, PITCH, DURATION, STEP = 0, 1, 2, -1
MIDDLE_C = 60
BAR, PLACE = 0, 1
"""Columns of the plan."""


@dataclass(frozen=True)
class Parts(Notes):
    """Note events of an ensemble."""

    ensemble: Ensemble = QUARTET
    """From the bottom of the score; of no pieces that of a string quartet."""
    name: ClassVar[str] = "parts"
    pitch_column: ClassVar[int] = PITCH
    step_column: ClassVar[int] = STEP

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> Parts:
        """Learn what ``notes`` learns, and the ensemble: the commonest number of parts, its names and programs."""
        if unknown := options.keys() - {"clock", "quantum"}:
            raise UsageError(f"The representation parts has no option {', '.join(sorted(unknown))}.")
        pitched = [score for score in map(without_drums, scores) if len(score)]
        common = Notes.fit(pitched, options)
        known = {field.name: getattr(common, field.name) for field in fields(Notes)}
        return cls(**known) if not pitched else cls(**known, ensemble=ensemble_of(pitched))

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (
            Field("part", len(self.ensemble)),
            Field("pitch", PITCHES, PITCHES, relative_to=(*self._names("sounding"), "tonic"), chosen_by="part"),
            Field("duration", self.longest),
            *([Field("velocity", LOUDNESSES)] if self.velocities else []),
            Field("step", self.longest + 1),
        )

    @property
    def plan_fields(self) -> tuple[Field, ...]:
        """See Representation. The place is one more than the position; 0 where counting goes on."""
        most = LONGEST_BAR_QUARTERS * self.quantum + 1
        return (Field("bar", most), Field("place", most))

    @property
    def context_fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (
            *self.plan_fields,
            Field("place in the metre", LONGEST_BAR_QUARTERS * self.quantum),
            *(Field(name, PITCHES + 1, PITCHES) for name in self._names("sounding")),
            *(Field(name, 2 * self._ahead + 1) for name in self._names("left")),
            Field("tonic", PITCHES + 1, PITCHES),
            Field("mode", 2),
        )

    def _names(self, what: str) -> tuple[str, ...]:
        return tuple(f"part {part} {what}" for part in range(len(self.ensemble)))

    @property
    def _ahead(self) -> int:
        return AHEAD_QUARTERS * self.quantum

    def adopt(self, other: Representation) -> tuple[Parts, str]:
        """See Representation."""
        if not isinstance(other, Parts) or (other.clock, other.quantum) != (self.clock, self.quantum):
            raise RepresentationError(f"A model for {other.name} cannot go on with parts of this kind.")
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        known |= {"velocities": other.velocities, "ensemble": other.ensemble}
        return Parts(**known), f"{len(self.ensemble)} parts become the {len(other.ensemble)} of the model"

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        score = without_drums(score)
        if not len(score):
            raise RepresentationError("there are no notes")
        onset, duration = self.quantised(score)
        columns = np.stack([onset, part_ids(score, self.ensemble), score.pitch, -duration, score.velocity // 4], axis=1)
        columns = columns[np.lexsort(columns.T[::-1])]
        is_first = np.append(True, (columns[1:, :3] != columns[:-1, :3]).any(1))
        onset, part, pitch, negative_duration, velocity = columns[is_first].T
        end = int((onset - negative_duration).max())
        step = np.minimum(np.diff(onset, append=end), self.longest)
        rows = [part, pitch, -negative_duration - 1, *([velocity] if self.velocities else []), step]
        return np.stack(rows, axis=1), self._plan(score, onset)

    def _plan(self, score: Score, onset: Ints) -> Ints:
        """Return the bar that holds at each onset (T,) and where counting begins, (T + 1, 2)."""
        plan = np.zeros((len(onset) + 1, 2), np.int64)
        plan[:, BAR], plan[0, PLACE] = 1, 1
        if self.clock == "seconds":
            return plan
        metres = metres_from_start(score)
        most = LONGEST_BAR_QUARTERS * TICKS_PER_QUARTER
        bars = np.array([max(1, min(m.bar_ticks, most) * self.quantum // TICKS_PER_QUARTER) for m in metres])
        starts = quantise(np.array([metre.tick for metre in metres]), self.quantum_ticks)
        starts[0] = int(quantise(np.array(pickup_ticks(score)), self.quantum_ticks))
        starts[0] -= bars[0] * (starts[0] > 0)
        held = np.searchsorted(starts[1:], onset, side="right")
        position = (onset - starts[held]) % bars[held]
        begins = np.diff(held, prepend=-1) != 0
        plan[:-1, BAR], plan[:-1, PLACE] = bars[held], np.where(begins, position + 1, 0)
        plan[-1, BAR] = plan[-2, BAR]
        return plan

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation. It begins at its place in the bar."""
        part = plan[start : stop + 1].copy()
        part[0, PLACE] = self._positions(rows, plan)[start] + 1
        return rows[start:stop].copy(), part

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation."""
        first, *others = (np.append(True, plan[1 : len(rows), PLACE] > 0)).nonzero()[0].tolist()
        onset = self._onsets(rows) + max(int(plan[first, PLACE]) - 1, 0)
        metres = [metre_of(int(plan[0, BAR]) * self.quantum_ticks)]
        for row in others:
            tick = int(onset[row] - plan[row, PLACE] + 1) * self.quantum_ticks
            if tick > metres[-1].tick:
                metres.append(replace(metre_of(int(plan[row, BAR]) * self.quantum_ticks), tick=tick))
        return Score(
            onset * self.quantum_ticks,
            (rows[:, DURATION] + 1) * self.quantum_ticks,
            rows[:, PITCH],
            rows[:, 3] * 4 + 2 if self.velocities else np.full(len(rows), 80),
            len(self.ensemble) - 1 - rows[:, PART],
            parts=score_parts(self.ensemble),
            tempos=(Tempo.from_bpm(0, self.bpm),),
            metres=(self.written,) if self.clock == "seconds" else tuple(metres),
        )

    def _onsets(self, rows: Ints) -> Ints:
        """Return the quanta from the first onset to each, (T,)."""
        return np.cumsum(rows[:, STEP]) - rows[:, STEP]

    def _positions(self, rows: Ints, plan: Ints) -> Ints:
        """Return the place in the bar of each row, and of what follows the last, (T + 1,)."""
        return self.since_counting(rows, plan) % np.maximum(plan[: len(rows) + 1, BAR], 1)

    def since_counting(self, rows: Ints, plan: Ints) -> Ints:
        """Return the quanta from the bar line where counting began last to each row and the one to come, (T + 1,)."""
        plan = plan[: len(rows) + 1]
        now = np.append(0, np.cumsum(rows[:, STEP]))
        begun = np.maximum.accumulate(np.where(plan[:, PLACE] > 0, np.arange(len(plan)), 0))
        return np.asarray(now - now[begun] + np.maximum(plan[begun, PLACE] - 1, 0), np.int64)

    def first_context(self, plan: Ints) -> Ints:
        """See Representation. Behind it stand how long each part sounds yet, without a limit, and the last notes."""
        silent = np.full((len(plan), len(self.ensemble)), PITCHES)
        left = np.full_like(silent, -self._ahead)
        position = np.maximum(plan[:, [PLACE]] - 1, 0) % np.maximum(plan[:, [BAR]], 1)
        last = np.zeros((len(plan), WINDOW), np.int64)
        return np.concatenate([plan, position, silent, self._seen(left), _key(last), left, last], axis=1)

    def _seen(self, left: Ints) -> Ints:
        return np.clip(left, -self._ahead, self._ahead) + self._ahead

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        parts = len(self.ensemble)
        sounding, left = context[:, 3 : 3 + parts].copy(), context[:, -parts - WINDOW : -WINDOW].copy()
        lanes = np.arange(len(rows))
        sounding[lanes, rows[:, PART]] = rows[:, PITCH]
        left[lanes, rows[:, PART]] = rows[:, DURATION] + 1
        left = np.maximum(left - rows[:, [STEP]], -self._ahead)
        goes_on = (context[:, 2] + rows[:, STEP]) % np.maximum(plan[:, BAR], 1)
        begins = (plan[:, PLACE] - 1) % np.maximum(plan[:, BAR], 1)
        position = np.where(plan[:, PLACE] > 0, begins, goes_on)
        note = rows[:, PITCH] % 12 + 12 * (rows[:, DURATION] + 1)
        last = np.concatenate([context[:, 1 - WINDOW :], note[:, None]], axis=1)
        return np.concatenate([plan, position[:, None], sounding, self._seen(left), _key(last), left, last], axis=1)

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        parts = len(self.ensemble)
        steps, onset = np.arange(len(rows)), self._onsets(rows)
        is_own = rows[:, [PART]] == np.arange(parts)
        last = np.maximum.accumulate(np.where(is_own, steps[:, None], -1), axis=0)
        sounding = np.where(last < 0, PITCHES, rows[np.maximum(last, 0), PITCH])
        end = (onset + rows[:, DURATION] + 1)[np.maximum(last, 0)]
        left = np.where(last < 0, -self._ahead, end - (onset + rows[:, STEP])[:, None])
        first = self.first_context(plan[:1])[:, 3 : 3 + 2 * parts]
        derived = np.concatenate([first, np.concatenate([sounding, self._seen(left)], axis=1)])
        key = _tonic_and_mode(heard_before(rows[:, PITCH], rows[:, DURATION] + 1))
        return np.concatenate([plan, self._positions(rows, plan)[:, None], derived, key], axis=1)

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Notes. A new piece begins on a bar line; the bar of an opening's end goes on."""
        known = super().make_plan(bars, length, rng, None if opening is None else opening[-1:])
        if opening is None:
            plan = np.concatenate([known, np.zeros_like(known)], axis=1)
            plan[0, PLACE] = 1
            return plan
        return np.concatenate([opening, np.tile([[opening[-1, BAR], 0]], (len(known) - 1, 1))])

    def transpositions(self, rows: Ints) -> range:
        """See Representation. Each part stays where it lies in the training pieces."""
        shifts = [(0, 0)]
        for part, player in enumerate(self.ensemble):
            own = rows[rows[:, PART] == part, PITCH]
            if len(own):
                shifts.append((player.lowest - int(own.min()), player.highest - int(own.max())))
        downs, ups = zip(*shifts[1:] or shifts, strict=True)
        return usual_shifts(max(downs), min(ups))

    def in_range(self, part: int) -> NDArray[np.bool_]:
        """Return which pitches a part has in the training pieces, (PITCHES,)."""
        pitch, player = np.arange(PITCHES), self.ensemble[part]
        return (pitch >= player.lowest) & (pitch <= player.highest)

    def _pitched(self, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T,)
        return np.ones(len(rows), bool)

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation. The first note counts as the start."""
        return self._onsets(rows) * self.quantum_ticks

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation. They are counted from the last change of metre."""
        if not len(rows):
            return 0
        last = len(rows) - 1
        return int(self.since_counting(rows, plan)[last]) // self.bar_quanta(plan[last]) + 1

    def now(self, rows: Ints, plan: Ints) -> int:
        """See Notes."""
        return int(self.since_counting(rows, plan)[-1])

    @classmethod
    def from_json(cls, description: Json) -> Parts:
        """See Representation."""
        players = tuple(
            Player(str(name), int(program), int(lowest), int(highest), float(mean))
            for name, program, lowest, highest, mean in description["ensemble"]
        )
        known = super().from_json({key: value for key, value in description.items() if key != "ensemble"})
        return cls(**{field.name: getattr(known, field.name) for field in fields(Notes)}, ensemble=players)


def _key(last: Ints) -> Ints:
    """Return tonic and mode as the network sees them, (B, 2), from the last notes (B, WINDOW); 0 stands for none."""
    length = np.where(last[:, :, None] % 12 == np.arange(12), last[:, :, None] // 12, 0)
    return _tonic_and_mode(length.sum(1))


def _tonic_and_mode(heard: Ints) -> Ints:
    """Return the tonic in the octave of middle C, or no position before the first note, and the mode, (T, 2)."""
    tonic, mode = keys_of(heard).T
    is_silent = heard.sum(1) == 0
    return np.stack([np.where(is_silent, PITCHES, MIDDLE_C + tonic), np.where(is_silent, 0, mode)], axis=1)
