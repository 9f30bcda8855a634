"""Lane: one piece in the making. Several are drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midigen.representations.miditok_time import Place
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.representation import Representation
from midigen.scores.score import Ints


class Lane:
    """The rows of a piece so far, and its plan."""

    def __init__(self, rng: np.random.Generator, plan: Ints, given: Ints, last_bar: int | None = None) -> None:
        """Begin with rows that are given.

        Args:
            rng: random numbers of its own.
            plan: (T + 1, P), for at most T rows.
            given: rows to begin with, (T, K).
            last_bar: number of the bar behind which the piece ends.
        """
        self.rng, self.plan, self.last_bar = rng, plan, last_bar
        self.given = self.count = len(given)
        self.table = np.concatenate([given, np.zeros((len(plan) - 1 - self.given, given.shape[1]), np.int64)])
        self.ended = False
        self._place = -1, Place()

    @property
    def rows(self) -> Ints:
        """The rows so far, (T, K)."""
        return self.table[: self.count]

    def place(self, tokens: MidiTokTokens) -> Place:
        """Return where the next row stands; it is asked for several times a row, and found once."""
        if self._place[0] != self.count:
            self._place = self.count, tokens.place(self.rows)
        return self._place[1]

    def add(self, row: Ints, representation: Representation) -> None:
        """Add a row; one that begins behind the bars that were asked for ends the piece and is left out."""
        self.table[self.count] = row
        self.count += 1
        if self.last_bar is not None and representation.bars_begun(self.rows, self.plan) > self.last_bar:
            self.count -= 1
            self.ended = True


def plans_side_by_side(lanes: Sequence[Lane]) -> Ints:
    """Return the plans as one array (B, T, P), the shorter ones going on with their last row."""
    longest = max(len(lane.plan) for lane in lanes)
    return np.stack([np.pad(lane.plan, ((0, longest - len(lane.plan)), (0, 0)), mode="edge") for lane in lanes])
