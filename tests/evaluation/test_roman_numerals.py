from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midigen.evaluation.roman_numerals import numeral, spell
from midigen.scores.score import Key

G_MAJOR, A_MINOR = Key(0, 1, "major"), Key(0, 0, "minor")


@pytest.mark.parametrize(
    ("pitches", "key", "expected"),
    [
        ((43, 62, 67, 71), G_MAJOR, ("I", 7, "major")),
        ((42, 62, 69, 72), G_MAJOR, ("V65", 2, "major")),
        ((43, 64, 69, 73), G_MAJOR, ("II6#42", 9, "major")),  # music21 knows no V42/V
        ((45, 60, 64, 69), A_MINOR, ("i", 9, "minor")),
        ((40, 56, 64, 71), A_MINOR, ("V", 4, "major")),
        ((44, 59, 62, 65), A_MINOR, ("viio7", 8, "diminished")),
    ],
)
def test_chords_are_named_as_a_student_of_harmony_would(
    pitches: tuple[int, ...], key: Key, expected: tuple[str, int, str]
) -> None:
    assert numeral(pitches, key) == expected


def test_the_same_sound_is_spelled_by_the_key() -> None:
    assert spell([61, 66, 70], Key(0, 0, "major")) == ["C#4", "F#4", "B-4"]
    assert spell([61, 66, 70], Key(0, -5, "major")) == ["D-4", "G-4", "B-4"]
    assert spell([59, 60, 63], Key(0, 4, "minor")) == ["B3", "B#3", "D#4"]


@settings(deadline=None, max_examples=30)
@given(st.integers(21, 108), st.integers(-6, 6), st.sampled_from(["major", "minor"]))
def test_a_name_is_that_of_its_pitch(pitch: int, sharps: int, mode: str) -> None:
    from music21 import pitch as pitches

    (name,) = spell([pitch], Key(0, sharps, mode))
    assert pitches.Pitch(name).midi == pitch
