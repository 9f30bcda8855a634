"""Field: one column of a row of ids, or one column of its context. Plain data, known to every floor above.

A network needs to know no music: it sees columns of ids, and that some of them lie on an axis (pitches) along which
distances mean something.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One column."""

    name: str
    size: int
    """Number of ids, 0 to ``size - 1``. A network adds a start id, a blank, and the end class of the first column."""
    axis: int = 0
    """Ids below this are neighbours on an axis, such as pitches; 0 if the ids have no order."""
    again: bool = False
    """Whether id ``axis`` means the last position on the axis once more (a pitch struck again)."""
    relative_to: tuple[str, ...] = ()
    """Names of context columns, or of columns drawn earlier in the row, that lie on the same axis. The first one is
    this column's own last position, where there is one."""
    chosen_by: str = ""
    """Name of a column drawn earlier in the row whose id says which one of ``relative_to`` is this column's own."""
