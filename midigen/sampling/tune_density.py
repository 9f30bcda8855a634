"""The rule of density for tunes in ABC characters. See ``midigen.sampling.steering``.

How long a note is stands behind it: figures make it longer, a stroke shorter. The grammar sees to it that bars hold
their metre all the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from midigen.representations.abc_context import CHORD, FREE, MUSIC, NOTES, REST_OF_CHORD, RESTS, WHOLE, Reading
from midigen.sampling.density import MOST_BIAS
from midigen.sampling.lane import Lane
from midigen.sampling.rules import Rule
from midigen.scores.score import Ints

LONGER, SHORTER = "23456789", "/"
GAIN = 2.0
"""Bias for each note that is missing or too many."""


class _Count:
    """Notes and quarters of a tune so far."""

    def __init__(self) -> None:
        self.reading, self.read, self.notes, self.quarters = Reading(), 0, 0, 0.0

    def add(self, character: str) -> None:
        """Read on."""
        before = self.reading.part
        self.reading.add(character)
        self.read += 1
        if self.reading.line == MUSIC and self.reading.inside in (FREE, CHORD, REST_OF_CHORD):
            self.notes += character in NOTES
            if self.reading.takes_length or character in "<>":
                self.quarters += 4 * (self.reading.part - before) / WHOLE


class TuneDensity(Rule):
    """So many notes a quarter, as written. The bias follows what came out."""

    def __init__(self, characters: str, density: float) -> None:
        self._characters, self._wanted = characters, density
        self._counts: dict[Lane, _Count] = {}
        ways = [(c in SHORTER) - (c in LONGER) for c in characters]
        self._lengths = torch.tensor(ways, dtype=torch.float64)
        self._rests = torch.tensor([-float(c in RESTS) for c in characters], dtype=torch.float64)

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        count = self._counts.setdefault(lane, _Count())
        for index in lane.rows[count.read :, 0].tolist():
            count.add(self._characters[index])
        if count.reading.line != MUSIC or count.reading.inside != FREE:
            return None
        missing = self._wanted * count.quarters - count.notes
        pressure = min(max(GAIN * missing, -MOST_BIAS), MOST_BIAS)
        return pressure * (self._lengths if count.reading.takes_length else self._rests)
