from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import RepresentationError, UsageError
from midigen.representations.ensemble import QUARTET
from midigen.representations.notes import Notes
from midigen.representations.parts import Parts
from midigen.scores.score import Ints, Metre, Part, Score, Tempo

STRINGS = (Part("Violin I", 40), Part("Violin II", 40), Part("Viola", 41), Part("Cello", 42))
LOUD = Parts(velocities=True)
PICKED_UP = Score.from_notes(
    [
        *((960 + 480 * beat, 480, 60 + beat, 80, 0) for beat in range(5)),
        *((1440 + 480 * beat, 480, 40 + beat, 80, 3) for beat in range(8)),
    ],
    parts=STRINGS,
    metres=(Metre(0, 3, 4), Metre(480 * 6, 2, 4)),
)
"""Begins with the third quarter of a bar in 3/4; from the seventh quarter on it stands in 2/4."""


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """A quartet on any ticks, in changing metres."""
    tick = draw(st.sampled_from([0, 60, 5000]))
    notes = [(tick, 60, 60, 80, part) for part in range(4)]
    for _ in range(draw(st.integers(0, 12))):
        tick += draw(st.sampled_from([0, 0, 29, 30, 31, 60, 480, 9000]))
        length = draw(st.sampled_from([1, 31, 60, 89, 240, 9000]))
        notes.append((tick, length, draw(st.integers(0, 127)), draw(st.integers(1, 127)), draw(st.integers(0, 3))))
    first = Metre(0, draw(st.integers(1, 12)), draw(st.sampled_from([2, 4, 8, 16])))
    second = Metre(draw(st.sampled_from([60, 700, 2000])), 3, 4)
    metres = draw(st.sampled_from([(), (first,), (first, second)]))
    return Score.from_notes(notes, parts=STRINGS, metres=metres, pickup=draw(st.sampled_from([0, 0, 240])))


@st.composite
def any_rows(draw: st.DrawFn, parts: Parts = LOUD) -> tuple[Ints, Ints]:
    """Rows of any ids, in any order; the bar changes only where counting begins anew."""
    row = st.tuples(*(st.integers(0, field.size - 1) for field in parts.fields))
    rows = np.array(draw(st.lists(row, min_size=1, max_size=12)))
    plan = np.zeros((len(rows) + 1, 2), np.int64)
    for step in range(len(plan)):
        begins = step == 0 or draw(st.booleans())
        bar = draw(st.integers(1, 64)) if begins else plan[step - 1, 0]
        plan[step] = bar, draw(st.integers(1, bar)) if begins else 0
    return rows, plan


def step_by_step(parts: Parts, rows: Ints, plan: Ints) -> Ints:
    contexts = [parts.first_context(plan[:1])]
    for step, row in enumerate(rows):
        contexts.append(parts.next_context(contexts[-1], row[None], plan[step + 1 : step + 2]))
    return np.concatenate(contexts)[:, : len(parts.context_fields)]


def columns(parts: Parts, rows: Ints, name: str) -> list[int]:
    found: list[int] = rows[:, [field.name for field in parts.fields].index(name)].tolist()
    return found


def context(parts: Parts, rows: Ints, plan: Ints, name: str) -> list[int]:
    place = [field.name for field in parts.context_fields].index(name)
    found: list[int] = parts.context(rows, plan)[:, place].tolist()
    return found


@given(scores())
def test_what_was_decoded_is_encoded_to_the_same(score: Score) -> None:
    parts = Parts.fit([score], {})
    rows, plan = parts.encode(score)
    again, plan_again = parts.encode(parts.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again[:, 0], plan[:, 0])


@given(any_rows())
def test_decode_gives_every_row_a_note(drawn: tuple[Ints, Ints]) -> None:
    decoded = LOUD.decode(*drawn)
    assert sorted(decoded.pitch.tolist()) == sorted(columns(LOUD, drawn[0], "pitch"))
    onsets = LOUD.onset_ticks(drawn[0])
    assert sorted((onsets - onsets[0]).tolist()) == (decoded.onset - decoded.onset[0]).tolist()


@given(any_rows())
def test_the_context_of_a_piece_is_that_of_its_steps(drawn: tuple[Ints, Ints]) -> None:
    np.testing.assert_array_equal(LOUD.context(*drawn), step_by_step(LOUD, *drawn))


@given(scores(), st.sampled_from(["quarters", "seconds"]))
def test_every_id_lies_within_its_field(score: Score, clock: str) -> None:
    parts = Parts.fit([score], {"clock": clock})
    rows, plan = parts.encode(score)
    for ids, fields in ((rows, parts.fields), (parts.context(rows, plan), parts.context_fields)):
        assert (ids >= 0).all()
        assert (ids < [field.size for field in fields]).all()


@given(scores())
def test_json_and_options_give_the_same_parts_again(score: Score) -> None:
    parts = Parts.fit([score], {"quantum": 12})
    assert Parts.from_json(json.loads(json.dumps(parts.to_json()))) == parts
    assert Parts.fit([score], parts.options) == parts


@given(any_rows(), st.integers(-20, 20))
def test_all_parts_are_transposed(drawn: tuple[Ints, Ints], semitones: int) -> None:
    moved = LOUD.transpose(*drawn, semitones)
    pitches = [pitch + semitones for pitch in columns(LOUD, drawn[0], "pitch")]
    if moved is None:
        assert min(pitches) < 0 or max(pitches) > 127
    else:
        assert columns(LOUD, moved[0], "pitch") == pitches
        assert columns(LOUD, moved[0], "part") == columns(LOUD, drawn[0], "part")


def test_notes_that_start_together_run_from_the_bottom_of_the_score() -> None:
    chord = Score.from_notes([(0, 480, 72 - 7 * part, 80, part) for part in range(4)], parts=STRINGS)
    rows, _ = Parts().encode(chord)
    assert columns(Parts(), rows, "part") == [0, 1, 2, 3]
    assert columns(Parts(), rows, "pitch") == [51, 58, 65, 72]
    assert columns(Parts(), rows, "step") == [0, 0, 0, 8]


def test_two_parts_on_one_pitch_stay_two_notes() -> None:
    unison = Score.from_notes([(0, 480, 60, 80, part) for part in range(4)], parts=STRINGS)
    assert len(Parts().encode(unison)[0]) == 4


def test_the_context_tells_where_in_the_bar_the_note_to_come_stands_through_all_metres() -> None:
    parts = Parts()
    rows, plan = parts.encode(PICKED_UP)
    onsets = 2 + parts.onset_ticks(rows) // 480
    in_the_bar = [8 * (beat % 3 if beat < 6 else beat % 2) for beat in onsets.tolist()]
    assert context(parts, rows, plan, "place in the metre")[:-1] == in_the_bar
    assert [metre.bar_ticks for metre in parts.decode(rows, plan).metres] == [1440, 960]


def test_the_context_tells_what_each_part_sounded_last_and_how_long_it_lasts_yet() -> None:
    parts = Parts()
    rows, plan = parts.encode(PICKED_UP)
    # A quarter in the violin alone; then the cello enters, then the violin's next note begins.
    assert context(parts, rows, plan, "part 3 sounding")[:4] == [128, 60, 60, 61]
    assert context(parts, rows, plan, "part 0 sounding")[:4] == [128, 128, 40, 40]
    silent, now = 0, 32
    assert context(parts, rows, plan, "part 3 left")[:4] == [silent, now, now, now]
    assert context(parts, rows, plan, "part 0 left")[:4] == [silent, silent, now + 8, now]


def test_fit_learns_the_ensemble_by_majority() -> None:
    pianos = tuple(Part(part.name, 0) for part in STRINGS)
    notes = [(0, 480, 72 - 7 * part, 80, part) for part in range(4)]
    quartets = [Score.from_notes(notes, parts=parts) for parts in (STRINGS, pianos, STRINGS)]
    duo = Score.from_notes(notes[:2], parts=STRINGS[:2])
    ensemble = Parts.fit([*quartets, duo], {}).ensemble
    assert [(player.name, player.program) for player in ensemble] == [
        ("Cello", 42),
        ("Viola", 41),
        ("Violin II", 40),
        ("Violin I", 40),
    ]
    assert [player.mean_pitch for player in ensemble] == [51, 58, 65, 72]


def test_what_is_decoded_has_the_instruments_of_the_ensemble() -> None:
    pianos = replace(PICKED_UP, parts=tuple(Part("", 0) for _ in range(4)))
    decoded = Parts().decode(*Parts().encode(pianos))
    assert [part.program for part in decoded.parts] == [40, 40, 41, 42]


def test_parts_of_another_scoring_go_where_they_lie() -> None:
    song = Score.from_notes(
        [(0, 480, 76, 80, 0), (0, 480, 52, 80, 1), (0, 480, 35, 80, 2)],
        parts=(Part("Voice"), Part("Bass"), Part("Kit", 0, is_drum=True)),
    )
    assert columns(Parts(), Parts().encode(song)[0], "part") == [0, 3]


def test_the_context_tells_the_key_that_the_past_suggests() -> None:
    parts = Parts()
    rows, plan = parts.encode(Score.from_notes([(480 * n, 480, 50 + p, 80, 0) for n, p in enumerate((0, 4, 7, 2, 0))]))
    assert context(parts, rows, plan, "tonic")[:2] == [128, 62]
    assert context(parts, rows, plan, "tonic")[-1] == 62
    assert context(parts, rows, plan, "mode")[-1] == 0


def test_each_part_stays_in_its_range_when_it_is_transposed() -> None:
    chord = [(0, 480, pitch, 80, part) for part, pitch in enumerate((76, 67, 57, 38))]
    rows, _ = Parts().encode(Score.from_notes(chord, parts=STRINGS))
    assert Parts().transpositions(rows) == range(-2, 6)
    on_the_low_string = [*chord[:2], (0, 480, 48, 80, 2), chord[3]]
    assert Parts().transpositions(Parts().encode(Score.from_notes(on_the_low_string, parts=STRINGS))[0]) == range(6)


def test_an_excerpt_begins_at_its_place_in_the_bar() -> None:
    parts = Parts()
    rows, plan = parts.encode(PICKED_UP)
    whole = parts.context(rows, plan)
    part, part_plan = parts.excerpt(rows, plan, 4, 9)
    position = [field.name for field in parts.context_fields].index("place in the metre")
    assert parts.context(part, part_plan)[:, position].tolist() == whole[4:10, position].tolist()


def test_bars_are_counted() -> None:
    parts = Parts()
    plan = parts.make_plan(2, None, np.random.default_rng(0))
    rows = np.array([[0, 60, 7, 8]] * 6)
    assert [parts.bars_begun(rows[:count], plan) for count in range(7)] == [0, 1, 1, 1, 1, 2, 2]


def test_a_plan_goes_on_behind_an_opening() -> None:
    parts = Parts()
    rows, opening = parts.encode(PICKED_UP)
    plan = parts.make_plan(None, 5, np.random.default_rng(0), opening)
    assert len(plan) == len(rows) + 5 + 1
    assert plan[len(rows) :].tolist() == [[16, 0]] * 6


def test_without_notes_a_piece_is_refused() -> None:
    drums = Score.from_notes([(0, 480, 38, 80, 0)], parts=(Part("", 0, is_drum=True),))
    with pytest.raises(RepresentationError, match="there are no notes"):
        Parts().encode(drums)


def test_seconds_follow_the_tempo() -> None:
    slow = Score.from_notes([(0, 480, 60, 80, 0), (480, 480, 62, 80, 0)], tempos=(Tempo.from_bpm(0, 60),))
    parts = Parts.fit([slow], {"clock": "seconds", "quantum": 10})
    assert columns(parts, parts.encode(slow)[0], "step") == [10, 10]


def test_an_option_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="The representation parts has no option merged"):
        Parts.fit([], {"merged": True})


def test_adopt_takes_over_the_ensemble() -> None:
    trio = Parts(ensemble=QUARTET[:3], velocities=True, lowest=40)
    adopted, words = trio.adopt(Parts())
    assert adopted == Parts(lowest=40)
    assert words == "3 parts become the 4 of the model"
    for other in (Notes(), Parts(quantum=12)):
        with pytest.raises(RepresentationError, match="cannot go on with parts"):
            trio.adopt(other)
