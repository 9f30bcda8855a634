"""Rules of steering that bring a piece to a close on its tonic. See ``midigen.sampling.steering``.

On the grid the network's own plan tells that the end is near; here only the last chord is seen to. Chord tokens go on
until one of them closes. Notes look for a bar line: on it stands the last chord, as many notes as sound together in the
piece on average, all of the tonic triad, the tonic lowest. In an ensemble each part has one note of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midigen.representations.chords import Chords
from midigen.representations.grid_plan import FERMATA, QUANTUM
from midigen.representations.notes import PITCHES, Notes
from midigen.representations.parts import Parts
from midigen.representations.voice_grid import REST, VOICES, VoiceGrid
from midigen.sampling.lane import Lane
from midigen.sampling.rules import PitchTable, Rule, only
from midigen.sampling.steering_words import Tonality
from midigen.scores.score import TICKS_PER_QUARTER, Ints

SPARE_ROWS = 200
"""So many rows more than asked for may pass until a close is found."""
PULL, STRONG_PULL = 2.0, 6.0
"""Biases towards the tonic: in the last bar, and in its last quarter."""
MOST_TOGETHER = 8
"""Notes may begin together before the close: what stands still does not come to it."""
LAST_CHORD_ROWS = TICKS_PER_QUARTER // QUANTUM
"""Of the grid, where no fermata says where the last chord begins."""

Tonalities = Callable[[Lane], Tonality]
"""The key of a piece, from what there is of it."""


class GridClose(Rule):
    """The last chord: the tonic in the bass, its triad above."""

    def __init__(self, grid: VoiceGrid, tonality: Tonalities) -> None:
        self._table, self._tonality = PitchTable(grid), tonality
        self._found: dict[Lane, Tonality] = {}

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:
        """See Rule."""
        length = len(lane.plan) - 1
        fermatas = np.flatnonzero(lane.plan[:-1, FERMATA] == 0)
        last_bar = np.flatnonzero(lane.plan[:-1, 0] == 0)[-1:]
        marks = [step for step in fermatas if step >= (last_bar[0] if len(last_bar) else 0)]
        if lane.count < (marks[-1] if marks else length - LAST_CHORD_ROWS):
            return None
        if lane not in self._found:
            self._found[lane] = self._tonality(lane)
        tonality = self._found[lane]
        heard = [self._table.pitch(int(index), voice, context) for voice, index in enumerate(drawn)]
        wanted = frozenset({tonality.tonic}) if VOICES[column] == "bass" else tonality.triad_with(heard)
        bias = self._table.bias(lambda pitch: pitch % 12 in wanted)
        bias[REST] = -math.inf
        return self._table.struck_again(bias, column, context)


class ElementClose(Rule):
    """Ends with an element of the tonic triad, the tonic lowest: the first of the last bar, or one behind a length."""

    def __init__(self, chords: Chords, tonality: Tonalities, length: int | None) -> None:
        self._chords, self._tonality, self._length = chords, tonality, length
        self._found: dict[Lane, NDArray[np.bool_]] = {}

    def _closers(self, lane: Lane) -> NDArray[np.bool_]:
        if lane not in self._found:
            key = self._tonality(lane)
            self._found[lane] = np.array([_closes(key, element) for element in self._chords.elements])
        return self._found[lane]

    def _is_long_enough(self, lane: Lane, rows: int) -> bool:
        return self._length is not None and lane.count - lane.given >= rows

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if lane.last_bar is None:
            near = self._length is not None and self._is_long_enough(lane, self._length - 1)
            return torch.from_numpy(PULL * self._closers(lane)) if near else None
        now = int(self._chords.onset_ticks(lane.rows)[-1]) if lane.count else 0
        bars = (now + self._chords.steps(lane.rows)) // self._chords.written.bar_ticks + 1
        is_legal = (bars < lane.last_bar) | ((bars == lane.last_bar) & self._closers(lane))
        return only(is_legal)

    def is_over(self, lane: Lane) -> bool:
        """See Rule."""
        if lane.last_bar is not None:
            return self._chords.bars_begun(lane.rows, lane.plan) == lane.last_bar
        return self._is_long_enough(lane, self._length or 0) and bool(self._closers(lane)[lane.rows[-1, 0]])


class LineClose(Rule):
    """What ends on the bar line that begins the last bar, or on the first one behind as many rows as were asked for."""

    def __init__(self, tonality: Tonalities, length: int | None) -> None:
        self._tonality, self._length = tonality, length
        self._lines: dict[Lane, int] = {}
        self._keys: dict[Lane, Tonality] = {}

    def _line(self, lane: Lane, bar: int, now: int) -> int | None:
        """Return the quantum at which the last chord begins, once that is known.

        Args:
            lane: the piece so far.
            bar: quanta of a bar.
            now: quanta before what is to come.
        """
        if lane not in self._lines:
            if lane.last_bar is not None:
                self._lines[lane] = (lane.last_bar - 1) * bar
            elif self._length is not None and lane.count - lane.given >= self._length - 1:
                self._lines[lane] = (now // bar + 1) * bar
        return self._lines.get(lane)

    def _key(self, lane: Lane) -> Tonality:
        if lane not in self._keys:
            self._keys[lane] = self._tonality(lane)
        return self._keys[lane]


class NoteClose(LineClose):
    """Ends with as many notes as sound together in the piece on average."""

    def __init__(self, notes: Notes, tonality: Tonalities, length: int | None) -> None:
        super().__init__(tonality, length)
        self._notes, self._table, self._steps = notes, PitchTable(notes), np.arange(notes.fields[1].size)

    def _bar(self, lane: Lane) -> int:
        """Return the quanta of a bar."""
        return self._notes.bar_quanta(lane.plan[0])

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        now = int(lane.rows[:, 1].sum())
        line = self._line(lane, self._bar(lane), now)
        if line is None:
            return None
        left, name = line - now, self._notes.fields[column].name
        if name == "duration":
            return self._durations(lane, left, int(drawn[1]), column)
        if name not in ("pitch", "step") or (name == "pitch" and left > self._bar(lane)):
            return None
        is_piled = _standing_still(lane.rows[:, 1]) >= MOST_TOGETHER
        if left > self._bar(lane):
            return only((self._steps < left) & (self._steps >= is_piled))
        key = self._key(lane)
        if name == "pitch":
            return self._pitches(lane, key, left)
        may_land = int(drawn[0]) % 12 == key.tonic or left <= 0
        is_legal = ((self._steps < left) & (self._steps >= is_piled)) | (may_land & (self._steps == max(left, 0)))
        return torch.from_numpy(np.where(is_legal, 0.0, -math.inf) + PULL * (may_land & (self._steps == left)))

    def _durations(self, lane: Lane, left: int, step: int, column: int) -> Tensor:
        """What sounds before the last chord makes room for it; its notes last equally, half a bar at least."""
        quanta = np.arange(self._notes.fields[column].size) + 1
        half = min(max(self._bar(lane) // 2, 1), len(quanta))
        if left > 0:
            is_legal = quanta <= left - step if step < left else quanta >= half
        else:
            is_legal = quanta == lane.rows[-1, column] + 1
        return only(is_legal)

    def _pitches(self, lane: Lane, key: Tonality, left: int) -> Tensor:
        """Towards the tonic in the last bar; above it, of its triad, in the last chord."""
        if left <= 0:
            chord = lane.rows[-1 - _standing_still(lane.rows[:, 1]) :, 0].tolist()
            triad = key.triad_with(chord)
            return self._table.bias(lambda pitch: pitch % 12 in triad and pitch > chord[-1])
        pull = STRONG_PULL if left <= self._notes.quantum else PULL
        return self._table.bias(lambda pitch: pitch % 12 == key.tonic, -pull)

    def is_over(self, lane: Lane) -> bool:
        """See Rule."""
        line = self._lines.get(lane)
        if line is None or lane.rows[:, 1].sum() < line:
            return False
        together = round(lane.count / max(1, int((lane.rows[:, 1] > 0).sum())))
        last = int((np.cumsum(lane.rows[:, 1]) >= line).sum())
        return last >= together


class PartsClose(LineClose):
    """Ends with a chord of one note in each part, from below."""

    def __init__(self, parts: Parts, tonality: Tonalities, length: int | None) -> None:
        super().__init__(tonality, length)
        self._parts, self._table, self._names = parts, PitchTable(parts), [field.name for field in parts.fields]

    def _bar(self, lane: Lane) -> int:
        """As of NoteClose, for the row to come."""
        return self._parts.bar_quanta(lane.plan[lane.count])

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        now = self._parts.now(lane.rows, lane.plan)
        line, name = self._line(lane, self._bar(lane), now), self._names[column]
        if line is None or name == "velocity":
            return None
        left, ids = line - now, np.arange(self._parts.fields[column].size)
        if left > 0:
            # What sounds before the last chord makes room for it, and goes on towards it.
            is_piled = _standing_still(lane.rows[:, self._parts.step_column]) >= len(self._parts.ensemble) - 1
            return {"step": only((ids <= left) & (ids >= is_piled)), "duration": only(ids < left)}.get(name)
        if name == "pitch":
            return self._chord(lane, line, int(drawn[0]))
        if name == "part":
            return only(ids == self._sounding(lane, line))
        if name == "step":
            return only(ids == 0)
        half = min(self._bar(lane) // 2, len(ids))
        return only(ids + 1 >= half if drawn[0] == 0 else ids == lane.rows[-1, column])

    def _chord(self, lane: Lane, line: int, part: int) -> Tensor:
        """The tonic for the lowest part, its triad above that for the others."""
        key = self._key(lane)
        if part == 0:
            # The others need room above.
            return self._table.bias(lambda pitch: pitch % 12 == key.tonic and pitch < PITCHES - 12)
        chord = lane.rows[-self._sounding(lane, line) :, self._parts.pitch_column].tolist()
        triad = key.triad_with(chord)
        return self._table.bias(lambda pitch: pitch % 12 in triad and pitch > chord[0])

    def _sounding(self, lane: Lane, line: int) -> int:
        """Return how many notes the last chord has already: the last ones, for counting may have begun anew before."""
        since = self._parts.since_counting(lane.rows, lane.plan)[: lane.count]
        return int((since[::-1] == line).cumprod().sum())

    def is_over(self, lane: Lane) -> bool:
        """See Rule."""
        line = self._lines.get(lane)
        return line is not None and self._sounding(lane, line) == len(self._parts.ensemble)


def _standing_still(steps: Ints) -> int:
    """Return how many of the last steps are 0."""
    return int((steps[::-1] == 0).cumprod().sum())


def _closes(key: Tonality, chord: Sequence[int]) -> bool:
    """Return whether a chord, its pitches rising, is the tonic's, with the tonic below."""
    return chord[0] % 12 == key.tonic and all(p % 12 in key.triad_with(chord[:n]) for n, p in enumerate(chord))
