from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.scores.key_finding import find_key
from midigen.scores.score import Key, Score

MINUET = (74, 67, 69, 71, 72, 74, 67, 67, 76, 72, 74, 76, 78, 79, 67, 67)
"""Petzold's minuet in G major, its first bars."""
GREENSLEEVES = (69, 72, 74, 76, 77, 76, 74, 71, 67, 69, 71, 72, 69, 69, 68, 69, 71, 68, 64)
"""In A minor."""


def tune(pitches: tuple[int, ...], up: int = 0) -> Score:
    return Score.from_notes([(480 * i, 480, pitch + up, 80, 0) for i, pitch in enumerate(pitches)])


def tonic(key: Key) -> int:
    return (7 * key.sharps + 9 * (key.mode == "minor")) % 12


@pytest.mark.parametrize(("pitches", "key"), [(MINUET, Key(0, 1, "major")), (GREENSLEEVES, Key(0, 0, "minor"))])
def test_the_key_of_a_well_known_tune_is_found(pitches: tuple[int, ...], key: Key) -> None:
    assert find_key(tune(pitches)) == key


@given(st.integers(-12, 12))
def test_a_tune_moved_up_is_in_the_key_moved_up(semitones: int) -> None:
    key = find_key(tune(MINUET, semitones))
    assert key.mode == "major"
    assert (key.sharps - 1 - 7 * semitones) % 12 == 0
    assert -5 <= key.sharps <= 6


def test_of_two_likely_keys_it_is_the_one_whose_tonic_ends_the_tune() -> None:
    scale = (60, 62, 64, 65, 67, 69, 71, 72)
    assert find_key(tune((*scale, 69, 64, 60))) == Key(0, 0, "major")
    assert find_key(tune((*scale, 60, 64, 69))) == Key(0, 0, "minor")


def test_a_long_note_counts_for_more_than_a_short_one() -> None:
    short, long = (Score.from_notes([(0, 480, 60, 80, 0), (480, last, 67, 80, 0)]) for last in (120, 4800))
    assert (tonic(find_key(short)), tonic(find_key(long))) == (0, 7)


def test_a_known_signature_leaves_two_keys() -> None:
    assert find_key(tune(GREENSLEEVES), 0) == Key(0, 0, "minor")
    assert find_key(tune(MINUET), 0).sharps == 0
    assert find_key(tune(GREENSLEEVES), 7).sharps == 7
