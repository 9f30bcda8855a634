"""Tokens: what representations share whose rows have neither plan nor context."""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from typing import ClassVar, NoReturn

import numpy as np

from midigen.errors import RepresentationError
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
        """See Representation. There is nothing to plan but the length."""
        refuse_below_one(bars, length)
        if bars is not None:
            self._refuse_bars()
        rows = self.new_piece_rows if length is None else length
        return no_plan(rows + (0 if opening is None else len(opening) - 1))

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return self._refuse_bars()

    def _refuse_bars(self) -> NoReturn:
        raise RepresentationError(
            f"A model that draws {self.note_unit}s knows no bars; use --length instead of --bars."
        )


def no_plan(length: int) -> Ints:
    """Return the plan of so many rows, (length + 1, 0)."""
    return np.zeros((length + 1, 0), np.int64)
