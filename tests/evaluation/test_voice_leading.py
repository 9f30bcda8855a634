from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midigen.evaluation.voice_leading import RESTING, chords, count_faults, pitches_at
from midigen.scores.score import Ints, Part, Score
from tests import tiny

# Of C major, where music21's spelling and semitones mean the same intervals.
WHITE = st.sampled_from([pitch for pitch in range(48, 77) if pitch % 12 in {0, 2, 4, 5, 7, 9, 11}])
INTERVAL = st.sampled_from([0, 7, 12, 19, 24, -7, -12, 4])


def two_voices(upper: tuple[int, int], lower: tuple[int, int]) -> Ints:
    """Two chords of a soprano and an alto alone."""
    return np.array([[first, second, RESTING, RESTING] for first, second in zip(upper, lower, strict=True)])


@settings(deadline=None, max_examples=60)
@given(WHITE, WHITE, INTERVAL, INTERVAL)
def test_parallels_and_crossings_are_those_that_music21_finds(first: int, second: int, before: int, after: int) -> None:
    from music21 import note, voiceLeading

    upper, lower = (first, second), (first - before, second - after)
    if any(pitch % 12 in {1, 3, 6, 8, 10} for pitch in lower):
        return
    quartet = voiceLeading.VoiceLeadingQuartet(*(note.Note(pitch) for pitch in (*upper, *lower)))
    found = count_faults(two_voices(upper, lower))
    assert found["parallel fifths"] == quartet.parallelFifth()
    assert found["parallel octaves"] == quartet.parallelUnisonOrOctave()
    assert bool(found["crossings"]) == quartet.voiceCrossing()


@pytest.mark.parametrize(
    ("upper", "lower", "fault"),
    [
        ((67, 69), (60, 62), "parallel fifths"),
        ((72, 74), (60, 62), "parallel octaves"),
        ((60, 62), (60, 62), "parallel octaves"),
        ((60, 60), (62, 60), "crossings"),
        ((74, 74), (60, 62), "wide spacing"),
    ],
)
def test_each_fault_by_an_example(upper: tuple[int, int], lower: tuple[int, int], fault: str) -> None:
    assert {name: count for name, count in count_faults(two_voices(upper, lower)).items() if count} == {fault: 1}


@pytest.mark.parametrize(
    ("upper", "lower"),
    [((67, 67), (60, 60)), ((67, 67), (60, 62)), ((67, 69), (60, 65)), ((66, 67), (60, 60)), ((64, 65), (60, 62))],
)
def test_notes_that_stay_and_other_intervals_are_no_faults(upper: tuple[int, int], lower: tuple[int, int]) -> None:
    assert not any(count_faults(two_voices(upper, lower)).values())


def test_tenor_and_bass_may_lie_far_apart_and_rests_lead_nowhere() -> None:
    assert not any(count_faults(np.array([[72, 67, 64, 36], [74, 69, 65, 34]])).values())
    rests = np.array([[67, 60, RESTING, RESTING], [RESTING] * 4, [69, 62, RESTING, RESTING]])
    assert not any(count_faults(rests).values())


def test_every_pair_of_voices_counts() -> None:
    up = np.array([[72, 60, 60, 48], [74, 62, 62, 50]])
    assert count_faults(up)["parallel octaves"] == 6


def test_a_chord_stands_wherever_a_note_begins() -> None:
    parts = tuple(map(Part, ("Soprano", "Alto", "Tenor", "Bass")))
    notes = [(0, 960, 72, 80, 0), (480, 480, 64, 80, 1), (0, 240, 48, 80, 3), (480, 480, 43, 80, 3)]
    score = Score.from_notes(notes, parts=parts)
    assert chords(score).tolist() == [[72, RESTING, RESTING, 48], [72, 64, RESTING, 43]]
    assert pitches_at(score, np.array([240, 960])).tolist() == [[72, RESTING, RESTING, RESTING], [RESTING] * 4]


def test_a_hymn_in_quarters_has_a_chord_a_quarter() -> None:
    assert chords(tiny.hymn(1)).shape == (12, 4)
