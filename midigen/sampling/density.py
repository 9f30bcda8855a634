"""Density: so many notes a quarter. The bias follows what came out, so that it comes right for every network.

See ``midigen.sampling.steering``; for tunes ``midigen.sampling.tune_density``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from midigen.errors import UsageError
from midigen.representations.chords import OFFSETS, SAMPLED, Chords
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import Notes
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import REST, SILENT, VoiceGrid
from midigen.sampling.lane import Lane
from midigen.sampling.rules import PitchTable, Rule
from midigen.scores.score import TICKS_PER_QUARTER, Ints

ROWS_A_QUARTER, HELD = 4, slice(-4, None)
LONGEST_STEP, GAIN, MOST_BIAS = 4.0, 0.3, 10.0
"""How many mean steps are long enough, how fast the bias follows, and how far."""


class Density(Rule):
    """What all densities share: the pressure, above 0 where notes are wanting."""

    def __init__(self, density: float) -> None:
        self._wanted = density
        self._pressures = dict[Lane, float]()

    def _press(self, lane: Lane, wanting: float) -> float:
        """Return the pressure after so many notes more were wanting."""
        pressure = self._pressures.get(lane, 0.0) + GAIN * wanting
        self._pressures[lane] = min(max(pressure, -MOST_BIAS), MOST_BIAS)
        return self._pressures[lane]

    def _against_time(self, pressure: float, ticks: Ints) -> Tensor:
        """Return the bias, (V,), on ids that lead on by so many ticks; in mean steps, so that it has one gain."""
        quarters = ticks / TICKS_PER_QUARTER
        if pressure <= 0:
            # What is sparse shall not become one long rest.
            quarters = np.minimum(quarters, LONGEST_STEP / self._wanted)
        # Where less than a note a quarter is wanted a quarter is step enough, or the bias would be too weak.
        return torch.from_numpy(-pressure * quarters * max(self._wanted, 1))


class NoteDensity(Density):
    """By the steps."""

    def __init__(self, notes: Notes, density: float) -> None:
        super().__init__(density)
        self._column = notes.step_column % len(notes.fields)
        self._ticks = np.arange(notes.fields[self._column].size) * notes.quantum_ticks

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if column == 0 and lane.count > lane.given:
            passed = self._ticks[lane.rows[-1, self._column]] / TICKS_PER_QUARTER
            self._press(lane, float(passed) * self._wanted - 1)
        return self._against_time(self._press(lane, 0), self._ticks) if column == self._column else None


class GridDensity(Density):
    """By how readily a voice begins a note."""

    def __init__(self, grid: VoiceGrid, density: float) -> None:
        super().__init__(density)
        self._table, self._size = PitchTable(grid), grid.fields[0].size
        self._onsets = dict[Lane, int]()

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor:  # noqa: ARG002
        """See Rule."""
        new = lane.count - lane.given
        if column == 0 and new:
            begun = (context[HELD] == 1) & (context[-8:-4] != SILENT)
            self._onsets[lane] = self._onsets.get(lane, 0) + int(begun.sum())
            # Once a quarter, so that the beat stays what it is.
            if new % ROWS_A_QUARTER == 0:
                self._press(lane, self._wanted - self._onsets.pop(lane))
        sounding = self._table.sounding(column, context)
        bias = torch.full((self._size,), self._press(lane, 0))
        # Neither to hold nor to rest begins a note.
        bias[[REST, REST if sounding is None else sounding]] = 0.0
        return bias


class ElementDensity(Density):
    """By the size of the chords, and by the gaps between them where those are sampled.

    Raises:
        UsageError: at the offset there are more notes than that if each stands alone.
    """

    def __init__(self, chords: Chords, density: float) -> None:
        super().__init__(density)
        least = 0.0 if chords.offset == SAMPLED else TICKS_PER_QUARTER / OFFSETS[chords.offset]
        if density < least:
            raise UsageError(
                f"--density is not possible here: with --offset {chords.offset} there are {least:g} notes a quarter "
                "at least; ask for more, or take --offset sampled."
            )
        self._chords, self._sizes = chords, np.array([len(element) for element in chords.elements])

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor:  # noqa: ARG002
        """See Rule."""
        if lane.count > lane.given:
            last = lane.rows[-1, 0]
            passed = int(self._chords.steps(lane.rows[:-1])[last]) / TICKS_PER_QUARTER
            self._press(lane, passed * self._wanted - float(self._sizes[last]))
        pressure = self._press(lane, 0)
        return pressure * torch.from_numpy(self._sizes) + self._against_time(pressure, self._chords.steps(lane.rows))


class TokenDensity(Density):
    """By the tokens that lead on in time."""

    def __init__(self, tokens: MidiTokTokens, density: float) -> None:
        super().__init__(density)
        self._tokens, self._ticks = tokens, dict[Lane, int]()

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        if column == 0:
            tick = lane.place(self._tokens).tick
            passed = (tick - self._ticks.get(lane, tick)) / TICKS_PER_QUARTER
            self._ticks[lane] = tick
            new = lane.rows[-1:] if lane.count > lane.given else lane.rows[:0]
            self._press(lane, passed * self._wanted - int(self._tokens.begin_notes(new).sum()))
        moves = self._tokens.moves(lane.place(self._tokens), column, drawn)
        return None if moves is None else self._against_time(self._press(lane, 0), np.maximum(moves, 0))


def density_rule(representation: Representation, density: float) -> Density:
    """Return the rule for a representation of rows."""
    if isinstance(representation, Chords):
        return ElementDensity(representation, density)
    if isinstance(representation, MidiTokTokens):
        return TokenDensity(representation, density)
    if isinstance(representation, VoiceGrid):
        return GridDensity(representation, density)
    assert isinstance(representation, Notes)  # noqa: S101  # there are no others
    return NoteDensity(representation, density)
