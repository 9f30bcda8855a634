from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import UsageError
from midigen.sampling.steering_words import (
    SCALES,
    Tonality,
    read_chords,
    read_key,
    read_metre,
    read_ranges,
    read_scale,
    tonality_of,
)
from midigen.scores.score import Key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("G", (7, "major")),
        ("G minor", (7, "minor")),
        ("Am", (9, "minor")),
        ("F# major", (6, "major")),
        ("Bbm", (10, "minor")),
        ("Cb", (11, "major")),
    ],
)
def test_keys_are_read_as_musicians_write_them(text: str, key: tuple[int, str]) -> None:
    assert read_key(text) == Tonality(*key)


def test_the_minor_key_holds_both_sixths_and_both_sevenths() -> None:
    assert read_key("Am").scale == frozenset({9, 11, 0, 2, 4, 5, 6, 7, 8})


@pytest.mark.parametrize(("sharps", "mode", "tonic"), [(0, "major", 0), (0, "minor", 9), (1, "major", 7), (-3, "", 3)])
def test_a_signature_has_a_tonic(sharps: int, mode: str, tonic: int) -> None:
    assert tonality_of(Key(0, sharps, mode)).tonic == tonic


def test_a_scale_stands_on_the_tonic_of_the_key_and_says_its_mode() -> None:
    assert read_scale("dorian", read_key("D")) == (frozenset({2, 4, 5, 7, 9, 11, 0}), Tonality(2, "minor"))
    assert read_scale("pentatonic", None) == (frozenset({0, 2, 4, 7, 9}), Tonality(0, "major"))


@pytest.mark.parametrize("text", ["A C D E G", "9,0,2,4,7", "a c d e g"])
def test_a_scale_is_also_a_list_of_pitch_classes_the_tonic_first(text: str) -> None:
    assert read_scale(text, None) == (frozenset({9, 0, 2, 4, 7}), Tonality(9, "minor"))


@given(st.sampled_from(sorted(SCALES)), st.integers(0, 11))
def test_a_scale_moves_with_its_tonic(name: str, tonic: int) -> None:
    at_c, _ = read_scale(name, None)
    moved, _ = read_scale(name, read_key("C")._replace(tonic=tonic))
    assert moved == {(pitch + tonic) % 12 for pitch in at_c}


def test_ranges_are_for_all_voices_or_by_voice() -> None:
    assert read_ranges("C4-C6") == {"": (60, 84)}
    assert read_ranges("soprano=C4-A5, bass=Eb2-C4") == {"soprano": (60, 81), "bass": (39, 60)}


def test_chords_are_symbols_one_a_bar() -> None:
    assert read_chords("C G7 | Am, F#dim") == tuple(map(frozenset, ({0, 4, 7}, {7, 11, 2, 5}, {9, 0, 4}, {6, 9, 0})))


def test_a_metre_has_a_bar() -> None:
    assert read_metre("6/8").bar_ticks == 1440


@pytest.mark.parametrize(
    ("read", "text", "match"),
    [
        (read_key, "H", "--key takes a key such as"),
        (lambda text: read_scale(text, None), "jazzy", "--scale takes .* dorian"),
        (lambda text: read_scale(text, None), "C H", "--scale takes"),
        (read_ranges, "C4", "--range takes C4-C6"),
        (read_ranges, "C6-C4", "from a lower to a higher"),
        (read_ranges, "viola=C4-C5", "--range takes"),
        (read_chords, "C Hm", "--chords takes symbols .* not 'Hm'"),
        (read_chords, "", "--chords takes"),
        (read_metre, "3", "--meter takes"),
        (read_metre, "3/5", "--meter takes"),
    ],
)
def test_what_is_not_understood_is_said_with_the_option(read, text: str, match: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(UsageError, match=match):
        read(text)


def test_a_chord_has_one_third_and_keeps_to_the_scale() -> None:
    minor = read_key("Cm")
    assert minor.triad == {0, 3, 4, 7}
    assert minor.triad_with([48, 55]) == {0, 3, 4, 7}
    assert minor.triad_with([48, 63]) == {0, 3, 7}
    assert minor.triad_with([64]) == {0, 4, 7}
    scale, key = read_scale("whole-tone", None)
    assert key._replace(within=scale).triad == {0, 4}
    assert Tonality(0, "major", frozenset({2, 4})).triad == {0, 4}
