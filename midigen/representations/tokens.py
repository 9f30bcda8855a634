"""Tokens: what representations share whose rows have neither plan nor context."""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from typing import ClassVar

import numpy as np

from midigen.fields import Field
from midigen.representations.representation import refuse_below_one
from midigen.scores.score import Ints


class Tokens:
    """Rows without plan and context. See Representation for what each method is for."""

    notes_per_row: ClassVar[int] = 1
    note_unit: ClassVar[str]
    plan_fields: ClassVar[tuple[Field, ...]] = ()
    context_fields: ClassVar[tuple[Field, ...]] = ()
    new_piece_rows: ClassVar[int]
    """Rows of a new piece, at most, where the user names no length."""
    rows_in_bar: ClassVar[int]
    """Enough for any bar."""

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation."""
        return rows[start:stop].copy(), plan[start : stop + 1]

    def first_context(self, plan: Ints) -> Ints:
        """See Representation."""
        return plan

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        return plan

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        return plan

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Representation. There is nothing to plan but the length, with room for the bars that are wanted."""
        refuse_below_one(bars, length)
        rows = length or self.rows_in_bar * (bars or 0) or self.new_piece_rows
        return no_plan(rows + (0 if opening is None else len(opening) - 1))


def no_plan(length: int) -> Ints:
    """Return the plan of so many rows, (length + 1, 0)."""
    return np.zeros((length + 1, 0), np.int64)
