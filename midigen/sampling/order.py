"""Order: rows that no piece could be encoded to are not drawn, whatever the network thinks of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import PITCHES, Notes
from midigen.representations.parts import PART, PITCH, STEP, Parts
from midigen.representations.representation import Representation
from midigen.sampling.lane import Lane
from midigen.scores.score import Ints

Mask = NDArray[np.bool_]


def legal_ids(
    representation: Representation, lane: Lane, column: int, drawn: Ints, *, any_range: bool = False
) -> Mask | None:
    """Return which ids of a column may follow, (V,); None for all.

    What begins together rises: in pitch, and before that in part or program. An ensemble's parts keep to their ranges.

    Args:
        representation: of the rows.
        lane: the piece so far.
        column: of the row to be drawn.
        drawn: ids of the columns before, (column,).
        any_range: whether parts may leave their ranges.
    """
    if isinstance(representation, MidiTokTokens):
        return representation.legal(lane.rows, lane.place(representation), column, drawn)
    if isinstance(representation, Parts):
        return _of_parts(representation, lane.rows, column, drawn, any_range=any_range)
    return _of_notes(representation, lane.rows, column, drawn) if isinstance(representation, Notes) else None


def _of_notes(notes: Notes, rows: Ints, column: int, drawn: Ints) -> Mask | None:
    """The step comes behind the pitch and before the program."""
    if not len(rows) or column not in (1, len(notes.fields) - 1):
        return None
    ids, programs = np.arange(notes.fields[column].size), len(notes.programs)
    rises, last = bool(drawn[0] > rows[-1, 0]), int(rows[-1, -1]) if programs > 1 else 0
    if column == 1:
        return ids >= (not rises and last == programs - 1)
    return ids >= last + (not rises) if programs > 1 and drawn[1] == 0 else None


def _of_parts(parts: Parts, rows: Ints, column: int, drawn: Ints, *, any_range: bool) -> Mask | None:
    """The step comes last: it tells when the next note begins."""
    part, pitch = rows[-1, [PART, PITCH]].tolist() if len(rows) and rows[-1, STEP] == 0 else (0, -1)
    if column == PART:
        return np.arange(len(parts.ensemble)) >= part
    if column != PITCH:
        return None
    rises = np.arange(PITCHES) > (pitch if drawn[PART] == part else -1)
    return rises if any_range else rises & parts.in_range(int(drawn[PART]))
