"""The plan of the four-voice grid: what is known of each sixteenth before a note is drawn.

Its columns: the position in the bar, the length of the bar, how many bars are left, how many sixteenths it is to the
next fermata (0 under it), and the tonic and mode of the key, since a singer sees the key and the end of the phrase. A
plan is read off a score, or made anew from the summary of a training piece.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from midigen.errors import RepresentationError
from midigen.fields import Field
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Key, Metre, Score
from midigen.scores.time import bar_starts, metres_from_start, position_in_bar, quantise

QUANTUM = TICKS_PER_QUARTER // 4
LONGEST_BAR, MOST_BARS_LEFT, FARTHEST_FERMATA = 32, 15, 32
METRES = {16: (4, 4), 12: (3, 4), 8: (2, 4), 24: (3, 2), 32: (4, 2), 20: (5, 4), 28: (7, 4), 6: (3, 8), 4: (1, 4)}
LOWEST, HIGHEST = 33, 88
AXIS = HIGHEST - LOWEST + 1
"""Pitches of the grid, on which the tonic lies at the lowest place of its pitch class."""
NO_TONIC = AXIS
MODES = ("", "major", "minor")
PLAN_FIELDS = (
    Field("position", LONGEST_BAR + 1),
    Field("bar", LONGEST_BAR + 1),
    Field("bars left", MOST_BARS_LEFT + 1),
    Field("fermata", FARTHEST_FERMATA + 1),
    Field("mode", len(MODES)),
    Field("tonic", AXIS + 1, AXIS),
)
BARS_LEFT, FERMATA, MODE, TONIC = 2, 3, 4, 5
"""Columns of the plan."""


class Summary(NamedTuple):
    """What a plan comes down to if all its bars are like the first; times in sixteenths."""

    pickup: int
    bar: int
    length: int
    fermatas: tuple[int, ...]
    mode: int = 0
    tonic: int = NO_TONIC


def plan_of(score: Score, length: int) -> Ints:
    """Return the plan (length + 1, P) of a score.

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
    times = _assemble(position, bar_length, len(starts) - 1 - bar, fermatas[fermatas < length])
    return np.concatenate([times, _keys_of(score, ticks)], axis=1)


def _keys_of(score: Score, ticks: Ints) -> Ints:
    """Return mode and tonic at each tick, (T, 2); the first key holds from the start."""
    if not score.keys:
        return np.tile([0, NO_TONIC], (len(ticks), 1))
    keys = [[MODES.index(key.mode), (key.sharps * 7 + 9 * (key.mode == "minor") - LOWEST) % 12] for key in score.keys]
    in_force = np.searchsorted([_on_grid(key.tick) for key in score.keys], ticks, side="right") - 1
    return np.array(keys)[np.maximum(in_force, 0)]


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
    """Return what a plan (T + 1, P) comes down to."""
    position, bar, *_, mode, tonic = plan[0].tolist()
    fermatas = tuple(int(step) for step in np.flatnonzero(plan[:-1, FERMATA] == 0))
    return Summary((bar - position) % bar, bar, len(plan) - 1, fermatas, mode, tonic)


def plan_table(summary: Summary) -> Ints:
    """Return the plan (T + 1, P) that a summary stands for."""
    pickup, bar, length, fermatas, *key = summary
    steps = np.arange(length + 1)
    since_bar_line = steps - pickup + (bar if pickup else 0)
    last = since_bar_line[-2] // bar
    bars_left = last - since_bar_line // bar
    times = _assemble(since_bar_line % bar, np.full(length + 1, bar), bars_left, np.array(fermatas, np.int64))
    return np.concatenate([times, np.tile(key, (length + 1, 1))], axis=1)


def transpose_plan(plan: Ints, semitones: int) -> Ints:
    """Return the plan with the tonic moved."""
    tonic = plan[:, TONIC:]
    return np.concatenate([plan[:, :TONIC], np.where(tonic == NO_TONIC, tonic, (tonic + semitones) % 12)], axis=1)


def phrase_ends(base: Summary, pickup: int, bar: int, length: int) -> tuple[int, ...]:
    """Return fermatas of a piece of some pick-up, bar and length: the phrases of ``base``, over again and again.

    Where no phrase ends in the last bar, that begins with a fermata, and the bar before has none.
    """
    fermatas = base.fermatas
    period = -(-base.length // base.bar) * base.bar
    marks = [turn * period + step for turn in range(length // period + 1) for step in fermatas]
    marks = [step for step in marks if step < length]
    last = max(0, pickup + (length - 1 - pickup) // bar * bar)
    if fermatas and not any(step >= last for step in marks):
        marks = [*(step for step in marks if step < last - bar), last]
    return tuple(marks)


def notation(plan: Ints) -> dict[str, Any]:
    """Return what a plan (T + 1, P) stands for as arguments of a Score: pick-up, metres, keys and fermatas."""
    pickup, bar, _, fermatas, *_ = summarise(plan)
    metres = []
    begins = [0, *np.flatnonzero((plan[:-1, 0] == 0) & (np.arange(len(plan) - 1) > 0)).tolist()]
    expected, current = 0, 0
    for step in begins:
        bar = int(plan[step, 1])
        if bar != current or step != expected:
            metres.append(Metre(step * QUANTUM, *METRES.get(bar, (bar, 16))))
        current, expected = bar, step + bar - (int(plan[step, 0]) if step == 0 else 0)
    return {
        "pickup": pickup * QUANTUM,
        "metres": tuple(metres),
        "keys": tuple(_key_at(plan, step) for step in _changes(plan[:-1, MODE:]) if plan[step, TONIC] != NO_TONIC),
        "fermatas": tuple(step * QUANTUM for step in fermatas),
    }


def _changes(columns: Ints) -> list[int]:
    """Return the steps at which one of the columns (T, ...) is not what it was."""
    return [0, *(1 + np.flatnonzero((columns[1:] != columns[:-1]).any(1))).tolist()]


def _key_at(plan: Ints, step: int) -> Key:
    """Return the key of a step, spelled with at most six signs."""
    mode = MODES[int(plan[step, MODE])]
    major_tonic = int(plan[step, TONIC]) + LOWEST + 3 * (mode == "minor")
    return Key(step * QUANTUM, (major_tonic * 7 + 5) % 12 - 5, mode)
