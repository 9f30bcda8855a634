"""Rules of steering that bear on pitches, on loops and on density. See ``midigen.sampling.steering``.

A rule gives a bias, (V,), that is added to the logits of a column: minus infinity forbids an id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from midigen.representations.chords import Chords
from midigen.representations.grid_plan import LOWEST
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import Notes
from midigen.representations.parts import Parts
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import AGAIN, REST, SILENT, VOICES, VoiceGrid
from midigen.sampling.lane import Lane
from midigen.sampling.steering_words import Classes, Ranges
from midigen.scores.score import TICKS_PER_QUARTER, Ints

SOFT = -3.0
"""Bias on what a soft rule does not want: it becomes some twenty times less likely."""
ROUNDS = 3
"""So often in a row is a passage a loop; twice is music."""
LOOP_LENGTHS = {"grid": 32, "abc": 48}
LOOP_ROWS = 16
"""Rows that a loop lasts at least, unless LOOP_LENGTHS says otherwise."""
ROWS_A_QUARTER, HELD = 4, slice(-4, None)
LONGEST_STEP, GAIN, MOST_BIAS = 4.0, 0.3, 10.0
"""Of density: how many mean steps are long enough, how fast the bias follows, and how far."""


class Rule:
    """One wish. Rows that are given are not asked."""

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:
        """Return what to add to the logits (V,) of a column, None for nothing.

        Args:
            lane: the piece so far.
            column: of the row to be drawn.
            context: of this row, (C,).
            drawn: ids of the columns before, (column,).
        """
        raise NotImplementedError

    def may_end(self, lane: Lane) -> bool:  # noqa: ARG002  # most rules do not mind
        """Return whether the piece may end before the next row."""
        return True

    def is_over(self, lane: Lane) -> bool:  # noqa: ARG002
        """Return whether the piece must end behind the last row."""
        return False


def elements_of(representation: Representation) -> list[tuple[int, ...]]:
    """Return the pitches that each id of a pitch column stands for; none for rests and what is struck again."""
    if isinstance(representation, VoiceGrid):
        return [*((pitch + LOWEST,) for pitch in range(SILENT)), (), ()]
    if isinstance(representation, Chords):
        return list(representation.elements)
    column = pitch_column(representation)
    if isinstance(representation, MidiTokTokens):
        return [(pitch,) if pitch >= 0 else () for pitch in representation.pitches[column].tolist()]
    return [(pitch,) for pitch in range(representation.fields[column].size)]


def pitch_column(representation: Representation) -> int:
    """Return the first column that holds a pitch."""
    if isinstance(representation, MidiTokTokens):
        return next(column for column, pitches in enumerate(representation.pitches) if (pitches >= 0).any())
    return representation.pitch_column if isinstance(representation, Notes) else 0


class PitchTable:
    """Biases on the pitch columns of a representation."""

    def __init__(self, representation: Representation) -> None:
        self.is_grid = isinstance(representation, VoiceGrid)
        first = pitch_column(representation)
        self.columns = range(len(VOICES)) if self.is_grid else range(first, first + 1)
        self._elements = elements_of(representation)

    def bias(self, allows: Callable[[int], bool], penalty: float = -math.inf) -> Tensor:
        """Return (V,): the penalty for ids of which a pitch is not allowed."""
        return torch.tensor([0.0 if all(map(allows, element)) else penalty for element in self._elements])

    def sounding(self, column: int, context: Ints) -> int | None:
        """Return the id of the pitch that sounds in a voice of the grid."""
        return int(context[column - 8]) if self.is_grid and context[column - 8] != SILENT else None

    def struck_again(self, bias: Tensor, column: int, context: Ints) -> Tensor:
        """Return the bias with the pitch that may be struck again as its own name has it."""
        sounding = self.sounding(column, context)
        if sounding is None:
            return bias
        bias = bias.clone()
        bias[AGAIN] = bias[sounding]
        return bias


class PitchMask(Rule):
    """Only some pitch classes, only some ranges; the first row from some pitch classes, too."""

    def __init__(
        self, representation: Representation, scale: Classes | None, ranges: Ranges, opening: Classes | None
    ) -> None:
        self._table = PitchTable(representation)
        classes = scale if scale is not None else frozenset(range(12))
        self._opening = None if opening is None else self._table.bias(lambda pitch: pitch % 12 in opening)
        self._biases = []
        for place in range(len(self._table.columns)):
            low, high = ranges.get(VOICES[place], ranges.get("", (0, 127))) if ranges else (0, 127)
            self._biases.append(
                self._table.bias(lambda pitch, low=low, high=high: low <= pitch <= high and pitch % 12 in classes)  # type: ignore[misc]
            )

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if column not in self._table.columns:
            return None
        bias = self._biases[column - self._table.columns.start]
        if self._opening is not None and lane.count == 0:
            bias = bias + self._opening
        return self._table.struck_again(bias, column, context)


class Progression(Rule):
    """A chord for each bar, over and over. Soft: notes outside it are less likely, and may be held but into a bar."""

    def __init__(self, representation: Representation, chords: Sequence[Classes], penalty: float) -> None:
        self._representation, self._table = representation, PitchTable(representation)
        self._chords, self._penalty = chords, penalty
        self._biases = {
            pair: self._table.bias(lambda pitch, pair=pair: pitch % 12 in pair, penalty)  # type: ignore[misc]
            for pair in {chord | other for chord in chords for other in chords} | set(chords)
        }

    def _chord(self, bar: int) -> Classes:
        # A pick-up belongs to the first bar.
        return self._chords[max(bar, 0) % len(self._chords)]

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:
        """See Rule."""
        if isinstance(self._representation, Notes):
            return self._note(self._representation, lane, column, drawn)
        if isinstance(self._representation, Chords):
            ticks = int(self._representation.onset_ticks(np.zeros((lane.count + 1, 1), np.int64))[-1])
            return self._biases[self._chord(ticks // (4 * TICKS_PER_QUARTER))]
        if isinstance(self._representation, MidiTokTokens):
            bar = self._representation.bars_begun(lane.rows, lane.plan) - 1
            return self._biases[self._chord(bar)] if column in self._table.columns else None
        bar = int((lane.plan[: lane.count + 1, 0] == 0).sum()) - 1
        bias = self._table.struck_again(self._biases[self._chord(bar)], column, context)
        sounding = self._table.sounding(column, context)
        if sounding is not None and self._penalty > -math.inf and context[0] != 0:
            bias = bias.clone()
            bias[sounding] = 0.0
        return bias

    def _note(self, notes: Notes, lane: Lane, column: int, drawn: Ints) -> Tensor | None:
        """A pitch of this bar's chord or the next one's; then a step to where the pitch belongs.

        Where the step is drawn last, the bar of a pitch is known.
        """
        bar, now = int(lane.plan[lane.count, 0]), notes.now(lane.rows, lane.plan)
        if isinstance(notes, Parts):
            return self._biases[self._chord(now // bar)] if column in self._table.columns else None
        if column == 0:
            return self._biases[self._chord(now // bar) | self._chord(now // bar + 1)]
        if column != 1:
            return None
        bars = (now + np.arange(notes.fields[1].size)) // bar
        belongs = np.array([int(drawn[0]) % 12 in chord for chord in self._chords])
        return torch.from_numpy(np.where(belongs[bars % len(self._chords)], 0.0, self._penalty))


class Density(Rule):
    """So many notes a quarter. The bias follows what came out, so that it comes right for every network."""

    def __init__(self, representation: Representation, density: float) -> None:
        self._wanted, self._table = density, PitchTable(representation)
        self._pressure, self._onsets = dict[Lane, float](), dict[Lane, int]()
        self._size = representation.fields[0].size
        if isinstance(representation, Notes):
            self._step_column = representation.step_column % len(representation.fields)
            size = representation.fields[self._step_column].size
            quarters = np.arange(size) * representation.quantum_ticks / TICKS_PER_QUARTER
            # In mean steps, so that all densities have one gain.
            self._steps = quarters * density

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if self._table.is_grid:
            return self._of_a_voice(lane, column, context)
        if column == 0 and lane.count > lane.given:
            self._press(lane, float(self._steps[lane.rows[-1, self._step_column]]) - 1)
        pressure = self._pressure.get(lane, 0.0)
        # What is sparse shall not become one long rest.
        steps = self._steps if pressure > 0 else np.minimum(self._steps, LONGEST_STEP)
        return torch.from_numpy(-pressure * steps) if column == self._step_column else None

    def _of_a_voice(self, lane: Lane, column: int, context: Ints) -> Tensor:
        new = lane.count - lane.given
        if column == 0 and new:
            begun = (context[HELD] == 1) & (context[-8:-4] != SILENT)
            self._onsets[lane] = self._onsets.get(lane, 0) + int(begun.sum())
            # Once a quarter, so that the beat stays what it is.
            if new % ROWS_A_QUARTER == 0:
                self._press(lane, self._wanted - self._onsets.pop(lane))
        sounding = self._table.sounding(column, context)
        bias = torch.full((self._size,), self._pressure.get(lane, 0.0))
        # Neither to hold nor to rest begins a note.
        bias[[REST, REST if sounding is None else sounding]] = 0.0
        return bias

    def _press(self, lane: Lane, error: float) -> None:
        pressure = self._pressure.get(lane, 0.0) + GAIN * error
        self._pressure[lane] = min(max(pressure, -MOST_BIAS), MOST_BIAS)


class RepeatGuard(Rule):
    """Forbids what would begin a passage of at most so many rows once more that has come three times in a row."""

    def __init__(self, representation: Representation, most: int) -> None:
        self._table, self._most = PitchTable(representation), most
        self._least = LOOP_LENGTHS.get(representation.name, LOOP_ROWS)
        self._size = representation.fields[self._table.columns.start].size

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if column not in self._table.columns:
            return None
        period = loop_period(lane.rows, self._most, self._least)
        if period is None:
            return None
        following = lane.rows[-period]
        if self._table.is_grid:
            # What is held is no repetition: the first voice that would begin a note must do something else.
            begins = [int(voice) != self._table.sounding(place, context) for place, voice in enumerate(following)]
            begins = [begun and following[place] != REST for place, begun in enumerate(begins)]
            if True not in begins or begins.index(True) != column:
                return None
        bias = torch.zeros(self._size)
        bias[int(following[column])] = -math.inf
        return bias


def loop_period(rows: Ints, most: int, least: int) -> int | None:
    """Return the shortest period, at most ``most`` rows, with which the last rows have gone round three times.

    Args:
        rows: (T, K).
        most: longest period.
        least: rows that a loop lasts at least.
    """
    for period in range(1, most + 1):
        length = max(ROUNDS * period, least)
        last = rows[-length:]
        if len(last) == length and np.array_equal(last[period:], last[:-period]):
            return period
    return None
