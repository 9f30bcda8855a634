"""The plan of the four-voice grid: what is known of each sixteenth before a note is drawn.

Its columns: the position in the bar, the length of the bar, how many bars are left, and how many sixteenths it is to
the next fermata (0 under it), since a singer sees the end of the phrase coming. A plan is read off a score, or made
anew from the summary of a training piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from midigen.errors import RepresentationError
from midigen.fields import Field
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Score
from midigen.scores.time import bar_starts, metres_from_start, position_in_bar, quantise

QUANTUM = TICKS_PER_QUARTER // 4
LONGEST_BAR, MOST_BARS_LEFT, FARTHEST_FERMATA = 32, 15, 32
METRES = {16: (4, 4), 12: (3, 4), 8: (2, 4), 24: (3, 2), 32: (4, 2), 20: (5, 4), 28: (7, 4), 6: (3, 8), 4: (1, 4)}
PLAN_FIELDS = (
    Field("position", LONGEST_BAR + 1),
    Field("bar", LONGEST_BAR + 1),
    Field("bars left", MOST_BARS_LEFT + 1),
    Field("fermata", FARTHEST_FERMATA + 1),
)

Summary = tuple[int, int, int, tuple[int, ...]]
"""Pick-up, length of a bar, length of the piece and fermatas, all in sixteenths."""


def plan_of(score: Score, length: int) -> Ints:
    """Return the plan (length + 1, 4) of a score.

    Raises:
        RepresentationError: a bar is no whole number of sixteenths, or longer than two whole notes.
    """
    ticks = np.arange(length + 1) * QUANTUM
    # Bar lines go to the grid as the notes do.
    metres = tuple(replace(m, tick=_on_grid(m.tick)) for m in metres_from_start(score) if _on_grid(m.tick) < ticks[-1])
    score = replace(score, metres=metres, pickup=_on_grid(score.pickup))
    if any(m.bar_ticks % QUANTUM for m in metres):
        raise RepresentationError("a bar is not a whole number of sixteenths")
    if any(m.bar_ticks > LONGEST_BAR * QUANTUM for m in metres):
        raise RepresentationError("a bar is longer than two whole notes")
    starts = bar_starts(score, length * QUANTUM)
    bar = np.searchsorted(starts, ticks, side="right") - 1
    in_force = np.searchsorted([m.tick for m in metres], ticks, side="right") - 1
    bar_length = np.array([m.bar_ticks // QUANTUM for m in metres])[in_force]
    fermatas = np.unique(quantise(np.array(score.fermatas, np.int64), QUANTUM))
    position = position_in_bar(score, ticks) // QUANTUM
    return _assemble(position, bar_length, len(starts) - 1 - bar, fermatas[fermatas < length])


def _on_grid(tick: int) -> int:
    return int(quantise(np.array(tick), QUANTUM)) * QUANTUM


def _assemble(position: Ints, bar_length: Ints, bars_left: Ints, fermatas: Ints) -> Ints:
    """Put the columns of a plan together; the last row is the step after the end."""
    steps = np.arange(len(position))
    following = np.searchsorted(fermatas, steps)
    distance = np.append(fermatas, 2**31)[following] - steps
    return np.stack(
        [
            position,
            bar_length,
            np.append(np.clip(bars_left[:-1], 0, MOST_BARS_LEFT), 0),
            np.minimum(distance, FARTHEST_FERMATA),
        ],
        axis=1,
    )


def summarise(plan: Ints) -> Summary:
    """Return what a plan (T + 1, 4) comes down to if all its bars are like the first."""
    position, bar = int(plan[0, 0]), int(plan[0, 1])
    fermatas = tuple(int(step) for step in np.flatnonzero(plan[:-1, 3] == 0))
    return (bar - position) % bar, bar, len(plan) - 1, fermatas


def plan_table(pickup: int, bar: int, length: int, fermatas: Sequence[int]) -> Ints:
    """Return the plan (length + 1, 4) that a summary stands for."""
    steps = np.arange(length + 1)
    since_bar_line = steps - pickup + (bar if pickup else 0)
    last = since_bar_line[-2] // bar
    bars_left = last - since_bar_line // bar
    return _assemble(since_bar_line % bar, np.full(length + 1, bar), bars_left, np.array(fermatas, np.int64))


def phrase_ends(base: Summary, pickup: int, bar: int, length: int) -> tuple[int, ...]:
    """Return fermatas of a piece of some pick-up, bar and length: the phrases of ``base``, over again and again.

    Where no phrase ends in the last bar, that begins with a fermata, and the bar before has none.
    """
    *_, base_bar, base_length, fermatas = base
    period = -(-base_length // base_bar) * base_bar
    marks = [turn * period + step for turn in range(length // period + 1) for step in fermatas]
    marks = [step for step in marks if step < length]
    last = max(0, pickup + (length - 1 - pickup) // bar * bar)
    if fermatas and not any(step >= last for step in marks):
        marks = [*(step for step in marks if step < last - bar), last]
    return tuple(marks)


def bar_lines(plan: Ints) -> dict[str, Any]:
    """Return the pick-up and the metres that a plan stands for, as arguments of a Score."""
    pickup, bar, *_ = summarise(plan)
    metres = []
    begins = [0, *np.flatnonzero((plan[:-1, 0] == 0) & (np.arange(len(plan) - 1) > 0)).tolist()]
    expected, current = 0, 0
    for step in begins:
        bar = int(plan[step, 1])
        if bar != current or step != expected:
            metres.append(Metre(step * QUANTUM, *METRES.get(bar, (bar, 16))))
        current, expected = bar, step + bar - (int(plan[step, 0]) if step == 0 else 0)
    return {"pickup": pickup * QUANTUM, "metres": tuple(metres)}
