"""Statistics: what scores hold, counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.scores.score import Key, Metre, Part, Score, Tempo
from midigen.scores.statistics import key_name, shape, summarise_scores

SCALE = Score.from_notes([(480 * at, 480, 60 + 2 * at, 80, 0) for at in range(4)])
DRUMS = Score.from_notes([(0, 480, 36, 80, 0)], parts=(Part(is_drum=True),))


def higher(score: Score, semitones: int) -> Score:
    return replace(score, pitch=score.pitch + semitones)


def test_notes_lengths_and_pitches_are_those_of_all_scores() -> None:
    summary = summarise_scores([SCALE, replace(SCALE, tempos=(Tempo.from_bpm(0, 60),))])
    assert (summary.notes, summary.duration_quarters) == (8, 8.0)
    assert summary.seconds == pytest.approx(2 + 4)
    assert (summary.pitch_min, summary.pitch_max) == (60, 66)


def test_drums_have_no_pitch() -> None:
    assert summarise_scores([DRUMS]).pitch_min is None
    assert summarise_scores([DRUMS, SCALE]).pitch_min == 60


def test_nothing_holds_nothing() -> None:
    assert summarise_scores([]).notes == 0
    assert summarise_scores([]).pitch_max is None


def test_a_score_counts_by_what_it_begins_with_and_by_the_standard_where_it_is_silent() -> None:
    told = replace(SCALE, keys=(Key(0, -3, "minor"), Key(960, 0, "major")), metres=(Metre(0, 6, 8),))
    summary = summarise_scores([SCALE, told, told])
    assert summary.keys == {"not said": 1, "C minor": 2}
    assert summary.metres == {"4/4": 1, "6/8": 2}
    assert summary.tempos == {"120": 3}


def test_duplicates_are_told_from_transposed_ones() -> None:
    scores = [SCALE, higher(SCALE, 5), higher(SCALE, 5), DRUMS, SCALE]
    summary = summarise_scores(scores)
    assert (summary.duplicates, summary.transposed_duplicates) == (2, 1)


@given(st.integers(0, 60), st.integers(0, 10_000))
def test_a_shape_knows_neither_key_nor_time(semitones: int, later: int) -> None:
    assert shape(replace(higher(SCALE, semitones), onset=SCALE.onset + later)) == shape(SCALE)


def test_a_shape_knows_rhythm_and_drums() -> None:
    longer = replace(SCALE, duration=SCALE.duration + np.array([0, 0, 0, 1]))
    other_drum = higher(DRUMS, 2)
    assert len({shape(score) for score in (SCALE, longer, DRUMS, other_drum)}) == 4


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Key(0, 0, "major"), "C major"),
        (Key(0, 0, "minor"), "A minor"),
        (Key(0, -7, "major"), "Cb major"),
        (Key(0, 7, "minor"), "A# minor"),
        (Key(0, 2), "2 sharps"),
        (Key(0, -1), "1 flat"),
        (Key(0, 0), "0 sharps"),
    ],
)
def test_keys_have_their_names(key: Key, name: str) -> None:
    assert key_name(key) == name
