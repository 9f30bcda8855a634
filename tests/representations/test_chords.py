from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music21.pitch import Pitch

from midigen.errors import RepresentationError, UsageError
from midigen.representations.chords import LOWEST_NAMED, NAMES, Chords
from midigen.representations.notes import Notes
from midigen.representations.representation import representation_from_json
from midigen.scores.score import Ints, Metre, Part, Score

DUO = (Part("right"), Part("left"), Part("", is_drum=True))
KNOWN = Chords(((55, 60), (55, 60, 64), (57, 62)))
"""G3.C4, G3.C4.E4 and A3.D4 are the ids 128, 129 and 130."""


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Two parts and drums, with chords, unisons and gaps."""
    tick = st.sampled_from([0, 1, 120, 240, 480, 960])
    note = st.tuples(tick, st.integers(1, 960), st.integers(0, 127), st.integers(1, 127), st.integers(0, 2))
    return Score.from_notes(draw(st.lists(note, min_size=1, max_size=20)), parts=DUO)


@st.composite
def any_rows(draw: st.DrawFn) -> Ints:
    return np.array(draw(st.lists(st.integers(0, 130), min_size=1, max_size=20)))[:, None]


def piece(*notes: tuple[int, int, int]) -> Score:
    """Notes of (onset, pitch, part)."""
    return Score.from_notes([(onset, 480, pitch, 80, part) for onset, pitch, part in notes], parts=DUO)


def no_plan(rows: Ints) -> Ints:
    return np.zeros((len(rows) + 1, 0), np.int64)


def words(chords: Chords, score: Score) -> list[str]:
    """The elements of a score as the lab writes them."""
    rows, _ = chords.encode(score)
    return [".".join(NAMES[pitch] for pitch in chords.elements[index]) for index in rows[:, 0].tolist()]


def test_pitches_are_named_as_music21_names_them() -> None:
    assert " ".join(NAMES[60:72]) == "C4 C#4 D4 E-4 E4 F4 F#4 G4 G#4 A4 B-4 B4"
    assert [Pitch(midi=pitch).nameWithOctave for pitch in range(128)] == list(NAMES)
    assert [Pitch(name).midi for name in NAMES[LOWEST_NAMED:]] == list(range(LOWEST_NAMED, 128))


def test_notes_of_one_part_that_start_together_are_one_element_sorted_by_pitch() -> None:
    score = piece((0, 60, 0), (0, 55, 0), (0, 48, 1), (240, 82, 0))
    assert words(Chords.fit([score], {}), score) == ["G3.C4", "C3", "B-5"]


def test_elements_of_all_parts_run_in_order_of_onset() -> None:
    score = piece((0, 60, 1), (120, 62, 0), (240, 64, 1), (240, 65, 0))
    assert words(KNOWN, score) == ["C4", "D4", "F4", "E4"]


def test_a_pitch_counts_once_in_an_element() -> None:
    assert words(KNOWN, piece((0, 60, 0), (0, 60, 0))) == ["C4"]


def test_a_chord_that_training_lacks_is_spelled_note_by_note_from_below() -> None:
    assert words(KNOWN, piece((0, 64, 0), (0, 59, 0), (480, 55, 0), (480, 60, 0))) == ["B3", "E4", "G3.C4"]


def test_the_vocabulary_is_every_note_and_the_chords_of_the_training_pieces() -> None:
    fitted = Chords.fit([piece((0, 60, 0), (0, 55, 0), (0, 64, 1)), piece((0, 57, 0), (0, 62, 0))], {})
    assert fitted.chords == ((55, 60), (57, 62))
    assert [field.size for field in fitted.fields] == [130]
    assert (fitted.lowest, fitted.highest) == (55, 64)


def test_chords_below_the_names_that_are_unique_are_spelled_note_by_note() -> None:
    score = piece((0, 11, 0), (0, 60, 0))
    assert words(Chords.fit([score], {}), score) == ["B-1", "C4"]
    assert Chords.fit([score], {}).encode(score)[0].tolist() == [[11], [60]]


def test_drums_are_left_out() -> None:
    assert words(KNOWN, piece((0, 36, 2), (0, 60, 0))) == ["C4"]
    with pytest.raises(RepresentationError, match="there are no notes"):
        KNOWN.encode(piece((0, 36, 2)))


@given(st.lists(scores(), max_size=3), scores())
def test_every_piece_is_written_in_legal_ids(training: list[Score], score: Score) -> None:
    fitted = Chords.fit(training, {})
    if not (score.part < 2).any():
        return
    rows, plan = fitted.encode(score)
    assert rows.shape == (len(rows), 1)
    assert plan.shape == (len(rows) + 1, 0)
    assert 0 <= rows.min() <= rows.max() < fitted.fields[0].size
    pitches = [pitch for index in rows[:, 0].tolist() for pitch in fitted.elements[index]]
    sounding = {(onset, part, pitch) for onset, _, pitch, _, part in score.notes.tolist() if part < 2}
    assert sorted(pitches) == sorted(pitch for *_, pitch in sounding)


@given(any_rows(), st.sampled_from(["0.25", "0.5"]))
def test_what_is_decoded_at_a_fixed_offset_is_encoded_to_the_same(rows: Ints, offset: str) -> None:
    chords = replace(KNOWN, offset=offset)
    np.testing.assert_array_equal(chords.encode(chords.decode(rows, no_plan(rows)))[0], rows)


@pytest.mark.parametrize(("offset", "ticks"), [("0.25", 120), ("0.5", 240)])
def test_elements_last_a_quarter_and_follow_each_other_at_the_offset(offset: str, ticks: int) -> None:
    rows = np.array([[60], [62], [60]])
    score = Chords.fit([], {"offset": offset}).decode(rows, no_plan(rows))
    notes = [(0, 480, 60, 80, 0), (ticks, 480, 62, 80, 0), (2 * ticks, 480, 60, 80, 0)]
    assert score == Score.from_notes(notes, metres=(Metre(0, 4, 4),))


def test_sampled_offsets_are_distributed_as_in_the_training_pieces() -> None:
    training = piece(*((onset, 60, 0) for onset in (0, 120, 240, 360, 840)), (0, 48, 1))
    chords = Chords.fit([training], {"offset": "sampled"})
    assert chords.gaps == ((0, 1), (120, 3), (480, 1))
    onsets = chords.onset_ticks(np.random.default_rng(1).integers(0, 128, (5000, 1)))
    assert onsets[0] == 0
    gaps, counts = np.unique(np.diff(onsets), return_counts=True)
    assert gaps.tolist() == [0, 120, 480]
    np.testing.assert_allclose(counts / counts.sum(), [0.2, 0.6, 0.2], atol=0.03)


@given(any_rows(), st.integers(0, 20))
def test_the_beginning_of_a_piece_sounds_as_in_the_whole(rows: Ints, length: int) -> None:
    chords = replace(KNOWN, offset="sampled", gaps=((0, 2), (120, 1), (240, 1)))
    onsets = chords.onset_ticks(rows)
    np.testing.assert_array_equal(chords.onset_ticks(rows[:length]), onsets[:length])
    score = chords.decode(rows, no_plan(rows))
    assert set(score.onset.tolist()) == set(onsets.tolist())
    assert len({(onset, pitch) for onset, _, pitch, *_ in score.notes.tolist()}) == len(score)


def test_gaps_are_learned_whatever_the_offset_and_are_half_a_quarter_without_training_pieces() -> None:
    assert Chords.fit([piece((0, 60, 0), (120, 62, 0))], {"offset": "0.5"}).gaps == ((120, 1),)
    assert Chords.fit([], {"offset": "sampled"}).gaps == ((240, 1),)


@given(any_rows(), st.integers(-20, 20))
def test_transposition_moves_every_pitch_or_is_refused(rows: Ints, semitones: int) -> None:
    moved = KNOWN.transpose(rows, no_plan(rows), semitones)
    wanted = [tuple(p + semitones for p in KNOWN.elements[index]) for index in rows[:, 0].tolist()]
    if moved is None:
        assert not set(wanted) <= set(KNOWN.elements)
    else:
        assert moved[0].shape == rows.shape
        assert [KNOWN.elements[index] for index in moved[0][:, 0].tolist()] == wanted


def test_a_chord_moves_where_training_knows_the_chord_it_becomes() -> None:
    rows = np.array([[128], [60]])
    up = KNOWN.transpose(rows, no_plan(rows), 2)
    assert up is not None
    assert up[0].tolist() == [[130], [62]]
    assert KNOWN.transpose(rows, no_plan(rows), 1) is None


def test_shifts_stay_where_the_training_pieces_lie_and_within_half_an_octave() -> None:
    chords = replace(KNOWN, lowest=52, highest=67)
    assert chords.transpositions(np.array([[128], [64]])) == range(-3, 4)
    assert KNOWN.transpositions(np.array([[128], [64]])) == range(-6, 6)
    assert chords.transpositions(np.array([[40], [70]])) == range(1)


def test_a_new_piece_has_the_length_asked_for_or_500_elements() -> None:
    rng = np.random.default_rng(0)
    assert KNOWN.make_plan(None, 7, rng).shape == (8, 0)
    assert KNOWN.make_plan(None, None, rng).shape == (501, 0)
    assert KNOWN.make_plan(None, 7, rng, np.zeros((4, 0), np.int64)).shape == (11, 0)


@pytest.mark.parametrize(("offset", "in_bar"), [("0.5", 8), ("0.25", 16)])
def test_bars_are_of_four_quarters(offset: str, in_bar: int) -> None:
    chords = replace(KNOWN, offset=offset)
    assert len(chords.make_plan(4, None, np.random.default_rng(0))) > 4 * in_bar
    begun = [
        chords.bars_begun(np.full((rows, 1), 60), no_plan(np.zeros(rows, np.int64)))
        for rows in (0, 1, in_bar, in_bar + 1)
    ]
    assert begun == [0, 1, 1, 2]


def test_bars_are_those_of_the_metre_that_is_wanted() -> None:
    chords = replace(KNOWN, written=Metre(0, 3, 4))
    rows = np.full((7, 1), 60)
    assert [chords.bars_begun(rows[:count], no_plan(rows[:count])) for count in (6, 7)] == [1, 2]
    assert chords.decode(rows, no_plan(rows)).metres == (Metre(0, 3, 4),)
    assert Chords.from_json(json.loads(json.dumps(chords.to_json()))) == KNOWN


@pytest.mark.parametrize("offset", ["0.25", "0.5", "sampled"])
def test_the_step_to_an_element_is_known_before_it_is_drawn(offset: str) -> None:
    chords = replace(KNOWN, offset=offset, gaps=((120, 1), (240, 2), (960, 1)))
    rows = np.random.default_rng(0).integers(0, 128, (40, 1))
    onsets = chords.onset_ticks(rows)
    steps = [int(chords.steps(rows[:place])[row]) for place, (row,) in enumerate(rows.tolist())]
    assert np.cumsum(steps).tolist() == onsets.tolist()


def test_a_piece_has_one_bar_and_one_element_at_least() -> None:
    with pytest.raises(RepresentationError, match="at least one"):
        KNOWN.make_plan(0, None, np.random.default_rng(0))
    with pytest.raises(RepresentationError, match="at least one"):
        KNOWN.make_plan(None, 0, np.random.default_rng(0))


def test_the_context_is_empty_step_by_step_as_for_a_whole_piece() -> None:
    rows = np.array([[60], [128]])
    plan = no_plan(rows)
    first = KNOWN.first_context(plan[:1])
    assert KNOWN.context(rows, plan).shape == (3, 0)
    assert first.shape == KNOWN.next_context(first, rows[:1], plan[1:2]).shape == (1, 0)


def test_an_excerpt_is_its_elements() -> None:
    rows = np.array([[60], [128], [62]])
    part, plan = KNOWN.excerpt(rows, no_plan(rows), 1, 3)
    assert part.tolist() == [[128], [62]]
    assert plan.shape == (3, 0)


def test_the_ids_of_a_trained_model_are_adopted() -> None:
    mine = Chords(((50, 54), (55, 60)), offset="0.25", gaps=((120, 1),))
    adopted, said = mine.adopt(KNOWN)
    assert (adopted.chords, adopted.offset) == (KNOWN.chords, "0.25")
    assert said == "1 of 2 chords fit, the others are spelled note by note"
    with pytest.raises(RepresentationError, match="A model for notes cannot go on with chords"):
        mine.adopt(Notes())


@given(st.lists(scores(), max_size=3), st.sampled_from(["0.25", "0.5", "sampled"]))
def test_what_was_learned_comes_back_from_json(training: list[Score], offset: str) -> None:
    fitted = Chords.fit(training, {"offset": offset})
    assert representation_from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    assert Chords.fit(training, fitted.options) == fitted


def test_chords_are_stored_by_their_names() -> None:
    assert KNOWN.to_json()["chords"] == ["G3.C4", "G3.C4.E4", "A3.D4"]


@pytest.mark.parametrize(
    "damage",
    [{"chords": ["H4.C5"]}, {"chords": [1]}, {"gaps": [[1]]}, {"gaps": None}, {"lowest": "low"}, {"offset": "1"}],
)
def test_a_damaged_description_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(RepresentationError, match="damaged"):
        representation_from_json(KNOWN.to_json() | damage)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"offset": "1"}, "The offset is 0.25, 0.5 or sampled, not '1'."),
        ({"offset": 0.5}, "The offset is 0.25, 0.5 or sampled, not 0.5."),
        ({"clock": "seconds"}, "The representation chords has no option clock."),
    ],
)
def test_a_wrong_option_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Chords.fit([], options)
    assert str(caught.value) == said
