from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.scores.score import Metre, Part, Score, Tempo

Note = tuple[int, int, int, int, int]
PARTS = (Part("a"), Part("b"), Part("c"))
NOTES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(0, 127), st.just(80), st.integers(0, 2)), max_size=8
)


@given(NOTES.flatmap(lambda notes: st.tuples(st.just(notes), st.permutations(notes))))
def test_a_score_does_not_depend_on_the_order_of_its_notes(orders: tuple[list[Note], list[Note]]) -> None:
    first, second = (Score.from_notes(notes, parts=PARTS) for notes in orders)
    assert first == second


@given(NOTES)
def test_notes_are_sorted_by_onset_then_part_then_pitch(notes: list[Note]) -> None:
    table = Score.from_notes(notes, parts=PARTS).notes.tolist()
    assert table == sorted(table, key=lambda note: (note[0], note[4], note[2], note[1]))
    assert sorted(map(tuple, table)) == sorted(notes)


@given(NOTES)
def test_a_score_ends_with_its_last_sounding_note(notes: list[Note]) -> None:
    assert Score.from_notes(notes, parts=PARTS).end == max((onset + length for onset, length, *_ in notes), default=0)


def test_columns_cannot_be_changed() -> None:
    score = Score.from_notes([(0, 1, 60, 80, 0)])
    with pytest.raises(ValueError, match="read-only"):
        score.pitch[0] = 61


def test_the_columns_given_are_not_frozen() -> None:
    onset = np.zeros(1, np.int64)
    Score(onset, onset + 1, onset + 60, onset + 80, onset)
    onset[0] = 5
    assert onset[0] == 5


@pytest.mark.parametrize(
    ("note", "wrong"),
    [
        ((-1, 1, 60, 80, 0), "onset outside 0"),
        ((0, 0, 60, 80, 0), "duration outside 1"),
        ((0, 1, 128, 80, 0), "pitch outside 0 to 127"),
        ((0, 1, -1, 80, 0), "pitch outside 0 to 127"),
        ((0, 1, 60, 0, 0), "velocity outside 1 to 127"),
        ((0, 1, 60, 128, 0), "velocity outside 1 to 127"),
        ((0, 1, 60, 80, 1), "a part that does not exist"),
        ((0, 1, 60, 80, -1), "a part that does not exist"),
    ],
)
def test_a_note_that_cannot_be_is_refused(note: Note, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Score.from_notes([note])


def test_columns_of_different_length_are_refused() -> None:
    one, two = np.ones(1, np.int64), np.ones(2, np.int64)
    with pytest.raises(ValueError, match="one length"):
        Score(one, one, two, one, one)


@pytest.mark.parametrize(
    "other",
    [
        Score.from_notes([(0, 1, 61, 80, 0)]),
        Score.from_notes([(0, 1, 60, 80, 0)], pickup=1),
        Score.from_notes([(0, 1, 60, 80, 0)], tempos=(Tempo(0, 1),)),
        Score.from_notes([(0, 1, 60, 80, 0)], fermatas=(0,)),
        Score.from_notes([]),
        "a score",
    ],
)
def test_scores_that_differ_in_anything_are_not_equal(other: object) -> None:
    assert Score.from_notes([(0, 1, 60, 80, 0)]) != other


def test_where_keeps_all_but_the_notes() -> None:
    score = Score.from_notes([(0, 1, 60, 80, 0), (1, 1, 62, 80, 0)], metres=(Metre(0, 3, 4),), pickup=480)
    kept = score.where(score.pitch > 60)
    assert kept == Score.from_notes([(1, 1, 62, 80, 0)], metres=(Metre(0, 3, 4),), pickup=480)


def test_a_score_without_notes_is_empty_and_ends_at_once() -> None:
    empty = Score.from_notes([])
    assert (len(empty), empty.end, empty.notes.shape) == (0, 0, (0, 5))


@pytest.mark.parametrize(
    ("numerator", "denominator", "ticks"), [(4, 4, 1920), (3, 8, 720), (12, 8, 2880), (3, 2, 2880)]
)
def test_a_bar_has_the_ticks_of_its_metre(numerator: int, denominator: int, ticks: int) -> None:
    assert Metre(0, numerator, denominator).bar_ticks == ticks


@given(st.integers(4, 1000))
def test_a_tempo_survives_its_microseconds(bpm: int) -> None:
    assert round(Tempo.from_bpm(0, bpm).bpm) == bpm
