"""Rules of steering that bear on pitches and on loops; what a rule is. See ``midigen.sampling.steering``.

A rule gives a bias, (V,), that is added to the logits of a column: minus infinity forbids an id.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midigen.representations.chords import Chords
from midigen.representations.grid_plan import LOWEST
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import Notes
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import AGAIN, REST, SILENT, VOICES, VoiceGrid
from midigen.sampling.lane import Lane
from midigen.sampling.steering_words import Classes, Ranges
from midigen.scores.score import Ints, Score

ROUNDS = 3
"""So often in a row is a passage a loop; twice is music."""
LOOP_LENGTHS = {"grid": 32, "abc": 48}
LOOP_ROWS = 16
"""Rows that a loop lasts at least, unless LOOP_LENGTHS says otherwise."""


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

    def finish(self, lane: Lane, score: Score) -> Score:  # noqa: ARG002
        """Return the piece as it is decoded with what is written, not drawn."""
        return score


def only(is_legal: NDArray[np.bool_]) -> Tensor:
    """Return the bias, (V,), that forbids all other ids."""
    return torch.from_numpy(np.where(is_legal, 0.0, -math.inf))


def elements_of(representation: Representation) -> list[tuple[int, ...]]:
    """Return the pitches that each id of a pitch column stands for; none for rests and what is struck again."""
    if isinstance(representation, VoiceGrid):
        return [*((pitch + LOWEST,) for pitch in range(SILENT)), (), ()]
    if isinstance(representation, Chords):
        return list(representation.elements)
    column = pitch_column(representation)
    if isinstance(representation, MidiTokTokens):
        return [(pitch,) if pitch >= 0 else () for pitch in representation.begun.tolist()]
    return [(pitch,) for pitch in range(representation.fields[column].size)]


def pitch_column(representation: Representation) -> int:
    """Return the first column that holds a pitch."""
    return representation.pitch_column if isinstance(representation, (MidiTokTokens, Notes)) else 0


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

    def pitch(self, index: int, voice: int, context: Ints) -> int:
        """Return the pitch that an id of a voice of the grid stands for, where it is no rest."""
        sounding = self.sounding(voice, context)
        return self._elements[sounding if index == AGAIN and sounding is not None else index][0]

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
