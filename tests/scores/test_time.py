from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.scores.score import Metre, Score, Tempo
from midigen.scores.time import bar_starts, metres_from_start, pickup_ticks, position_in_bar, quantise, ticks_to_seconds

TEMPOS = st.lists(st.tuples(st.integers(0, 5000), st.integers(100_000, 2_000_000)), max_size=4).map(
    lambda pairs: tuple(Tempo(*pair) for pair in sorted({tick: (tick, speed) for tick, speed in pairs}.values()))
)


def score_with(*metres: Metre, pickup: int = 0, end: int = 6000) -> Score:
    return Score.from_notes([(0, end, 60, 80, 0)], metres=metres, pickup=pickup)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    ticks = sorted(draw(st.sets(st.integers(0, 9000), max_size=3)))
    metres = [Metre(t, draw(st.integers(1, 12)), draw(st.sampled_from([2, 4, 8, 16]))) for t in ticks]
    return score_with(*metres, pickup=draw(st.integers(0, 3000)), end=draw(st.integers(1, 12_000)))


@given(st.integers(0, 10**6), st.sampled_from([1, 5, 60, 120]))
def test_quantise_rounds_to_the_nearest_quantum_and_halves_up(tick: int, quantum: int) -> None:
    assert quantise(np.array(tick), quantum) == int(Fraction(tick, quantum) + Fraction(1, 2))


@given(TEMPOS, st.integers(0, 8000))
def test_seconds_add_up_tick_by_tick(tempos: tuple[Tempo, ...], tick: int) -> None:
    marks = [Tempo(0, 500_000), *tempos]
    elapsed = 0
    for mark, following in zip(marks, [*marks[1:], Tempo(10**9, 1)], strict=True):
        elapsed += max(0, min(tick, following.tick) - mark.tick) * mark.microseconds_per_quarter
    assert ticks_to_seconds(np.array([tick]), tempos)[0] == pytest.approx(elapsed / 480e6)


def test_seconds_keep_the_shape_of_the_ticks() -> None:
    assert ticks_to_seconds(np.array([[0, 480], [960, 1440]]), ()).tolist() == [[0.0, 0.5], [1.0, 1.5]]


def test_metres_start_with_four_four_where_the_first_comes_late() -> None:
    assert metres_from_start(score_with(Metre(960, 3, 4))) == (Metre(0, 4, 4), Metre(960, 3, 4))
    assert metres_from_start(score_with(Metre(0, 3, 4))) == (Metre(0, 3, 4),)


@pytest.mark.parametrize(
    ("metres", "pickup", "expected"),
    [
        ((), 0, [0, 1920, 3840, 5760]),
        ((Metre(0, 3, 4),), 480, [0, 480, 1920, 3360, 4800]),
        ((Metre(0, 3, 8),), 240, [0, 240, 960, 1680, 2400, 3120, 3840, 4560, 5280]),
        ((Metre(0, 12, 8),), 0, [0, 2880, 5760]),
        ((Metre(3840, 2, 4),), 0, [0, 1920, 3840, 4800, 5760]),
        ((Metre(0, 4, 4), Metre(2400, 4, 4)), 0, [0, 1920, 2400, 4320]),
        ((Metre(0, 4, 4), Metre(480, 3, 4)), 480, [0, 480, 1920, 3360, 4800]),
        ((Metre(0, 4, 4), Metre(9000, 3, 4)), 0, [0, 1920, 3840, 5760]),
    ],
)
def test_bars_begin_where_they_are_written(metres: tuple[Metre, ...], pickup: int, expected: list[int]) -> None:
    assert bar_starts(score_with(*metres, pickup=pickup)).tolist() == expected


@given(scores())
def test_bars_begin_at_0_go_up_and_end_before_the_end(score: Score) -> None:
    starts = bar_starts(score)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert starts[-1] < score.end


@given(scores())
def test_every_metre_before_the_end_begins_a_bar(score: Score) -> None:
    assert {metre.tick for metre in score.metres if metre.tick < score.end} <= set(bar_starts(score).tolist())


@given(scores())
def test_no_position_lies_outside_its_bar(score: Score) -> None:
    position = position_in_bar(score, np.arange(0, score.end, 7))
    assert position.min() >= 0
    assert position.max() < max(metre.bar_ticks for metre in metres_from_start(score))


@given(scores())
def test_every_bar_but_a_pick_up_begins_at_position_0(score: Score) -> None:
    starts = bar_starts(score)
    expected = [0] * len(starts)
    if pickup_ticks(score):
        expected[0] = metres_from_start(score)[0].bar_ticks - pickup_ticks(score)
    assert position_in_bar(score, starts).tolist() == expected


@given(scores())
def test_a_pick_up_is_shorter_than_a_bar(score: Score) -> None:
    assert 0 <= pickup_ticks(score) < metres_from_start(score)[0].bar_ticks


def test_a_pick_up_is_the_end_of_a_bar() -> None:
    score = score_with(pickup=480)
    assert position_in_bar(score, np.array([0, 240, 480, 960, 2400])).tolist() == [1440, 1680, 0, 480, 0]


def test_a_pick_up_longer_than_a_bar_loses_whole_bars() -> None:
    assert bar_starts(score_with(pickup=99_999 // 1920 * 1920 + 480), 3000).tolist() == [0, 480, 2400]


def test_a_score_without_notes_has_one_bar() -> None:
    assert bar_starts(Score.from_notes([])).tolist() == [0]


def test_positions_of_no_ticks_are_none() -> None:
    assert position_in_bar(score_with(), np.zeros(0, np.int64)).shape == (0,)
