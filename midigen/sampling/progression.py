"""Progression: a chord for each bar. See ``midigen.sampling.steering``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from midigen.representations.chords import Chords
from midigen.representations.miditok_bars import Octuple
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import Notes
from midigen.representations.parts import Parts
from midigen.representations.representation import Representation
from midigen.sampling.lane import Lane
from midigen.sampling.rules import PitchTable, Rule
from midigen.sampling.steering_words import Classes
from midigen.scores.score import Ints

SOFT = -3.0
"""Bias on what a soft rule does not want: it becomes some twenty times less likely."""


class Progression(Rule):
    """Chords over and over. Soft: notes outside them are less likely, and may be held but into a bar."""

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
            return self._of_notes(self._representation, lane, column, drawn)
        if isinstance(self._representation, Chords):
            return self._of_elements(self._representation, lane)
        if isinstance(self._representation, Octuple):
            return self._of_octuple(self._representation, lane, column, drawn)
        if isinstance(self._representation, MidiTokTokens):
            bar = lane.place(self._representation).bar
            return self._biases[self._chord(bar)] if column in self._table.columns else None
        return self._of_a_voice(lane, column, context)

    def _of_a_voice(self, lane: Lane, column: int, context: Ints) -> Tensor:
        bar = int((lane.plan[: lane.count + 1, 0] == 0).sum()) - 1
        bias = self._table.struck_again(self._biases[self._chord(bar)], column, context)
        sounding = self._table.sounding(column, context)
        if sounding is not None and self._penalty > -np.inf and context[0] != 0:
            bias = bias.clone()
            bias[sounding] = 0.0
        return bias

    def _of_elements(self, chords: Chords, lane: Lane) -> Tensor:
        """Where gaps are sampled, the bar of an element follows from what it is."""
        now = int(chords.onset_ticks(lane.rows)[-1]) if lane.count else 0
        bars = (now + chords.steps(lane.rows)) // chords.written.bar_ticks
        biases = torch.stack([self._biases[chord] for chord in self._chords])
        return biases[torch.from_numpy(bars % len(self._chords)), torch.arange(len(bars))]

    def _of_notes(self, notes: Notes, lane: Lane, column: int, drawn: Ints) -> Tensor | None:
        """A pitch of this bar's chord or the next one's; then a step to where the pitch belongs.

        Where the step is drawn last, the bar of a pitch is known.
        """
        bar, now = notes.bar_quanta(lane.plan[lane.count]), notes.now(lane.rows, lane.plan)
        if isinstance(notes, Parts):
            return self._biases[self._chord(now // bar)] if column in self._table.columns else None
        if column == 0:
            return self._here_or_next(now // bar)
        if column != 1:
            return None
        return self._where_it_belongs((now + np.arange(notes.fields[1].size)) // bar, int(drawn[0]))

    def _of_octuple(self, octuple: Octuple, lane: Lane, column: int, drawn: Ints) -> Tensor | None:
        """As of notes; the position comes before the bar, and leads to the next one at least if it lies behind."""
        bar = lane.place(octuple).bar
        if column == 0:
            return self._here_or_next(bar)
        pitch = int(octuple.pitches[0][drawn[0]])
        if column > 2 or pitch < 0:
            return None
        if column == 1:
            if pitch % 12 in self._chord(bar + 1):
                return None
            return torch.from_numpy(np.where(octuple.bars_on(lane.place(octuple)), self._penalty, 0.0))
        return self._where_it_belongs(np.arange(octuple.fields[2].size) - 1, pitch)

    def _here_or_next(self, bar: int) -> Tensor:
        return self._biases[self._chord(bar) | self._chord(bar + 1)]

    def _where_it_belongs(self, bars: Ints, pitch: int) -> Tensor:
        """Return the bias, (V,), of ids that lead to some bars."""
        belongs = np.array([pitch % 12 in chord for chord in self._chords])
        return torch.from_numpy(np.where(belongs[bars % len(self._chords)], 0.0, self._penalty))
