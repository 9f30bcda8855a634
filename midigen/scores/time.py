"""Ticks, seconds and bars: pure functions over the columns and marks of a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Score, Tempo

DEFAULT_TEMPO = Tempo(0, 500_000)
DEFAULT_METRE = Metre(0)


def quantise(ticks: Ints, quantum: int) -> Ints:
    """Round ticks to the nearest multiple of ``quantum``, halves upwards, counted in quanta."""
    return (np.asarray(ticks, np.int64) + quantum // 2) // quantum


def _tempo_map(tempos: Sequence[Tempo]) -> tuple[Ints, NDArray[np.float64], NDArray[np.float64]]:
    """Return for each stretch of constant tempo: first tick, seconds at it, seconds per tick."""
    marks = [*([] if tempos and tempos[0].tick <= 0 else [DEFAULT_TEMPO]), *tempos]
    ticks = np.array([max(t.tick, 0) for t in marks], np.int64)
    rate = np.array([t.microseconds_per_quarter for t in marks]) / 1e6 / TICKS_PER_QUARTER
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rate[:-1])])
    return ticks, seconds, rate


def ticks_to_seconds(ticks: Ints, tempos: Sequence[Tempo]) -> NDArray[np.float64]:
    """Convert ticks, any shape, to seconds under a tempo map."""
    first, seconds, rate = _tempo_map(tempos)
    index = np.searchsorted(first, ticks, side="right") - 1
    return np.asarray(seconds[index] + (ticks - first[index]) * rate[index], np.float64)


def performed_ticks(score: Score) -> tuple[Ints, Ints]:
    """Return when notes begin and end as they are played, (N,) each, in ticks at 120 quarters a minute."""
    onset, end = (
        np.rint(ticks_to_seconds(ticks, score.tempos) * 2 * TICKS_PER_QUARTER).astype(np.int64)
        for ticks in (score.onset, score.onset + score.duration)
    )
    return onset, end


def metre_of(bar_ticks: int) -> Metre:
    """Return a metre, from tick 0 on, whose bar has so many ticks; 4/4 if none has."""
    for denominator in (4, 8, 16, 32):
        if bar_ticks * denominator % (4 * TICKS_PER_QUARTER) == 0:
            return Metre(0, bar_ticks * denominator // (4 * TICKS_PER_QUARTER), denominator)
    return DEFAULT_METRE


def metres_from_start(score: Score) -> tuple[Metre, ...]:
    """Return the metres of a score, the first at tick 0."""
    return score.metres if score.metres and score.metres[0].tick <= 0 else (DEFAULT_METRE, *score.metres)


def pickup_ticks(score: Score) -> int:
    """Return the pick-up, 0 or more and shorter than a bar, whatever the file said.

    It ends at the latest where the second metre begins.
    """
    metres = metres_from_start(score)
    return min([score.pickup, *(m.tick for m in metres[1:2])]) % metres[0].bar_ticks


def usual_bar_ticks(score: Score, most_quarters: int) -> int:
    """Return the length of the bar that holds for the longest part of a piece, or so many quarters if it is longer."""
    metres = metres_from_start(score)
    lasting = Counter[int]()
    for metre, stop in zip(metres, [*(m.tick for m in metres[1:]), score.end], strict=True):
        lasting[metre.bar_ticks] += stop - metre.tick
    return min(lasting.most_common(1)[0][0], most_quarters * TICKS_PER_QUARTER)


def bar_starts(score: Score, end: int | None = None) -> Ints:
    """Return the ticks at which the bars begin, from the first (0) to the last that begins before ``end``.

    The pick-up is the first bar. ``end`` is the end of the last note unless given.
    """
    end = score.end if end is None else end
    metres, pickup = metres_from_start(score), pickup_ticks(score)
    stops = [*(m.tick for m in metres[1:]), end]
    starts: list[int] = []
    for index, (metre, stop) in enumerate(zip(metres, stops, strict=True)):
        tick = metre.tick
        if index == 0 and pickup:
            starts.append(0)
            tick = pickup
        starts.extend(range(tick, min(stop, end), metre.bar_ticks))
    return np.array(starts or [0], np.int64)


def position_in_bar(score: Score, ticks: Ints) -> Ints:
    """Return how far each tick lies behind the bar line that a full bar would have begun with.

    In a pick-up of one quarter in 4/4 the positions run from 1440: it is the end of a bar.
    """
    ticks = np.asarray(ticks, np.int64)
    starts = bar_starts(score, int(ticks.max()) + 1 if ticks.size else 1)
    position = ticks - starts[np.searchsorted(starts, ticks, side="right") - 1]
    pickup = pickup_ticks(score)
    return np.where(ticks < pickup, position + metres_from_start(score)[0].bar_ticks - pickup, position)
