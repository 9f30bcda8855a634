from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Piece
from midigen.errors import RepresentationError, UsageError
from midigen.representations.notes import DRUMS, Notes
from midigen.representations.voice_grid import VoiceGrid
from midigen.scores.score import Ints, Metre, Part, Score, Tempo
from midigen.scores.time import metres_from_start, pickup_ticks

Event = tuple[int, int, int, int, int]
"""Onset and end in quanta, pitch, velocity, program."""
BAND = (Part("", 0), Part("", 40), Part("", 40), Part("", 5, is_drum=True))
BANDS = Notes(velocities=True, programs=(0, 40, DRUMS), lowest=0, highest=127)


@st.composite
def scores(draw: st.DrawFn, parts: tuple[Part, ...] = BAND) -> Score:
    """A few parts on any ticks, with gaps and lengths beyond what a row can hold."""
    notes, tick = [], 0
    for _ in range(draw(st.integers(1, 12))):
        tick += draw(st.sampled_from([0, 0, 29, 30, 31, 60, 480, 9000]))
        length = draw(st.sampled_from([1, 31, 60, 89, 240, 9000]))
        notes.append((tick, length, draw(st.integers(0, 127)), draw(st.integers(1, 127)), draw(st.integers(0, 3))))
    notes = [(*note[:4], note[4] % len(parts)) for note in notes]
    metre = Metre(0, draw(st.integers(1, 12)), draw(st.sampled_from([2, 4, 8, 16, 32])))
    return Score.from_notes(
        notes,
        parts=parts,
        metres=draw(st.sampled_from([(), (metre,), (replace(metre, tick=700),), (metre, Metre(2000, 12, 2))])),
        pickup=draw(st.sampled_from([0, 0, 120, 480, 5000])),
    )


@st.composite
def any_rows(draw: st.DrawFn, notes: Notes = BANDS) -> tuple[Ints, Ints]:
    """Rows of any ids, in any order."""
    row = st.tuples(*(st.integers(0, field.size - 1) for field in notes.fields))
    rows = draw(st.lists(row, min_size=1, max_size=12))
    return np.array(rows), np.full((len(rows) + 1, 1), draw(st.integers(1, notes.plan_fields[0].size - 1)))


def in_order(drawn: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Rows of bands as a piece would give them: within one onset by program and pitch, each once."""
    rows, plan = drawn
    onset = np.cumsum(rows[:, 1])
    unique = {(at, row[4], row[0]): row for at, row in zip(onset.tolist(), rows.tolist(), strict=True)}
    kept = np.array([unique[key] for key in sorted(unique)])
    # Each onset's gap stands in its first row.
    kept[:, 1] = np.minimum(np.diff([0, *(key[0] for key in sorted(unique))]), BANDS.longest)
    return kept, plan[: len(kept) + 1]


def quantised(score: Score, notes: Notes) -> list[Event]:
    """What the module says that is kept, note by note; no drums, velocities or programs are left out here."""
    lengths: dict[tuple[int, int, int], tuple[int, int]] = {}
    shift = -pickup_ticks(score) % bar_ticks(score)
    quantum = 480 // notes.quantum
    for onset, length, pitch, velocity, part in score.notes.tolist():
        program = DRUMS if score.parts[part].is_drum else score.parts[part].program
        key = ((onset + shift + quantum // 2) // quantum, program, pitch)
        rounded = min(max((length + quantum // 2) // quantum, 1), notes.longest)
        longest = lengths.get(key, (0, 0))
        lengths[key] = max(longest, (rounded, -(velocity // 4)))
    events, at, before = [], 0, 0
    for (onset, program, pitch), (length, softness) in sorted(lengths.items()):
        at, before = at + min(onset - before, notes.longest), onset
        events.append((at, at + length, pitch, -softness * 4 + 2 if notes.velocities else 80, program))
    return sorted(events)


def bar_ticks(score: Score) -> int:
    """The bar that holds longest, at most eight quarters."""
    metres = metres_from_start(score)
    stops = [metre.tick for metre in metres[1:]] + [score.end]
    held = dict.fromkeys((metre.bar_ticks for metre in metres), 0)
    for metre, stop in zip(metres, stops, strict=True):
        held[metre.bar_ticks] += stop - metre.tick
    return min(max(held, key=lambda bar: held[bar]), 8 * 480)


def events(score: Score, notes: Notes) -> list[Event]:
    programs = [DRUMS if part.is_drum else part.program for part in score.parts]
    quantum = notes.quantum_ticks
    return sorted(
        (onset // quantum, (onset + length) // quantum, pitch, velocity, programs[part])
        for onset, length, pitch, velocity, part in score.notes.tolist()
    )


def step_by_step(notes: Notes, rows: Ints, plan: Ints) -> Ints:
    contexts = [notes.first_context(plan[:1])]
    for step, row in enumerate(rows):
        contexts.append(notes.next_context(contexts[-1], row[None], plan[step + 1 : step + 2]))
    return np.concatenate(contexts)


@given(scores(), st.sampled_from([1, 4, 5, 8, 12, 96]))
def test_decode_gives_back_what_the_quantisation_keeps(score: Score, quantum: int) -> None:
    notes = Notes.fit([score], {"quantum": quantum})
    assert events(notes.decode(*notes.encode(score)), notes) == quantised(score, notes)


@given(scores())
def test_what_was_decoded_is_encoded_to_the_same(score: Score) -> None:
    notes = Notes.fit([score], {})
    rows, plan = notes.encode(score)
    again, plan_again = notes.encode(notes.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again, plan)


@given(any_rows().map(in_order))
def test_encode_reverses_decode(drawn: tuple[Ints, Ints]) -> None:
    rows, plan = drawn
    again, plan_again = BANDS.encode(BANDS.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again, plan)


@given(any_rows())
def test_decode_gives_every_row_a_note(drawn: tuple[Ints, Ints]) -> None:
    rows, plan = drawn
    decoded = BANDS.decode(rows, plan)
    assert sorted(decoded.pitch.tolist()) == sorted(rows[:, 0].tolist())
    assert sorted(BANDS.onset_ticks(rows).tolist()) == decoded.onset.tolist()


@given(any_rows())
def test_the_context_of_a_piece_is_that_of_its_steps(drawn: tuple[Ints, Ints]) -> None:
    np.testing.assert_array_equal(BANDS.context(*drawn), step_by_step(BANDS, *drawn))


@given(scores(), st.sampled_from(["quarters", "seconds"]), st.sampled_from([1, 8, 80, 96]))
def test_every_id_lies_within_its_field(score: Score, clock: str, quantum: int) -> None:
    notes = Notes.fit([score], {"clock": clock, "quantum": quantum if clock == "quarters" and quantum != 80 else 8})
    rows, plan = notes.encode(score)
    for ids, fields in ((rows, notes.fields), (notes.context(rows, plan), notes.context_fields)):
        assert (ids >= 0).all()
        assert (ids < [field.size for field in fields]).all()


@given(any_rows(), st.integers(-130, 130))
def test_transposing_there_and_back_changes_nothing(drawn: tuple[Ints, Ints], semitones: int) -> None:
    rows, plan = drawn
    moved = BANDS.transpose(rows, plan, semitones)
    pitches = np.where(rows[:, 4] == 2, rows[:, 0], rows[:, 0] + semitones)
    if moved is None:
        assert pitches.min() < 0 or pitches.max() > 127
    else:
        assert moved[0][:, 0].tolist() == pitches.tolist()
        back = BANDS.transpose(*moved, -semitones)
        assert back is not None
        np.testing.assert_array_equal(back[0], rows)


@given(any_rows(), st.integers(0, 64), st.integers(64, 127))
def test_transpositions_can_be_made_and_stay_where_the_training_pieces_lie(
    drawn: tuple[Ints, Ints], lowest: int, highest: int
) -> None:
    rows, plan = drawn
    shifts = replace(BANDS, lowest=lowest, highest=highest).transpositions(rows)
    assert 0 in shifts
    pitches = rows[rows[:, 4] != 2, 0]
    for shift in set(shifts) - {0}:
        assert BANDS.transpose(rows, plan, shift) is not None
        if ((pitches >= lowest) & (pitches <= highest)).all():
            assert ((pitches + shift >= lowest) & (pitches + shift <= highest)).all()


@given(st.lists(scores(), max_size=3), st.sampled_from(["quarters", "seconds"]))
def test_json_gives_the_same_notes_again(pieces: list[Score], clock: str) -> None:
    notes = Notes.fit(pieces, {"clock": clock})
    assert Notes.from_json(json.loads(json.dumps(notes.to_json()))) == notes


@given(st.lists(scores(), max_size=3), st.sampled_from(["quarters", "seconds"]))
def test_its_options_give_the_same_notes_again(pieces: list[Score], clock: str) -> None:
    notes = Notes.fit(pieces, {"clock": clock})
    assert Notes.fit(pieces, notes.options) == notes


def melody(**rest: Any) -> Score:  # noqa: ANN401  # fields of a score
    return Score.from_notes([(480 * beat, 480, 60 + beat, 80, 0) for beat in range(16)], **rest)


def test_fit_of_no_pieces_is_a_piano_in_four_four() -> None:
    notes = Notes.fit([], {})
    assert (notes.programs, notes.bars, notes.velocities, notes.bpm) == ((0,), (32,), False, 120)


def test_fit_learns_what_the_pieces_have() -> None:
    violin = melody(parts=(Part("", 40),), metres=(Metre(0, 3, 4),), tempos=(Tempo.from_bpm(0, 90),))
    soft = Score.from_notes([(0, 480, 50, 30, 0)], metres=(Metre(0, 3, 4),), tempos=(Tempo.from_bpm(0, 90),))
    notes = Notes.fit([violin, soft, melody()], {})
    assert notes == Notes(
        "quarters", 8, velocities=True, programs=(0, 40), lowest=50, highest=75, bars=(24, 32), bpm=90
    )


def test_the_range_is_that_of_pitched_notes() -> None:
    band = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 35, 80, 3), (0, 480, 100, 80, 3)], parts=BAND)
    notes = Notes.fit([band], {})
    assert (notes.lowest, notes.highest) == (60, 60)


def test_the_bar_is_the_one_that_holds_longest() -> None:
    assert Notes.fit([melody(metres=(Metre(0, 3, 4), Metre(1440, 4, 4)))], {}).bars == (32,)
    assert Notes.fit([melody(metres=(Metre(7200, 3, 4),))], {}).bars == (32,)


@pytest.mark.parametrize(
    ("metre", "bar"), [((3, 8), 12), ((12, 8), 48), ((4, 2), 64), ((12, 4), 64), ((1, 32), 1), ((5, 16), 10)]
)
def test_a_bar_comes_back_up_to_eight_quarters(metre: tuple[int, int], bar: int) -> None:
    notes = Notes.fit([melody(metres=(Metre(0, *metre),))], {})
    assert notes.bars == (bar,)
    rows, plan = notes.encode(melody(metres=(Metre(0, *metre),)))
    assert notes.decode(rows, plan).metres[0].bar_ticks == bar * 60


def test_a_bar_shorter_than_a_quantum_counts_as_one() -> None:
    notes = Notes.fit([melody(metres=(Metre(0, 1, 32),))], {"quantum": 1})
    rows, plan = notes.encode(melody(metres=(Metre(0, 1, 32),)))
    assert (int(plan[0, 0]), notes.decode(rows, plan).metres) == (1, (Metre(0, 1, 4),))


@pytest.mark.parametrize(("metre", "pickup", "first"), [((3, 8), 240, 8), ((4, 4), 480, 24), ((4, 4), 4320, 24)])
def test_a_pick_up_becomes_a_rest_in_a_whole_bar(metre: tuple[int, int], pickup: int, first: int) -> None:
    rows, _ = Notes().encode(melody(metres=(Metre(0, *metre),), pickup=pickup))
    assert int(rows[0, 1]) == first


def test_a_pick_up_in_a_metre_that_does_not_last_fills_the_lasting_bar() -> None:
    rows, plan = Notes().encode(melody(metres=(Metre(0, 4, 4), Metre(1440, 2, 4)), pickup=1440))
    assert (int(rows[0, 1]), int(plan[0, 0])) == (8, 16)
    assert Notes().context(rows, plan)[1:5, 1].tolist() == [8, 0, 8, 0]


def test_the_first_rest_and_long_gaps_are_cut_at_the_longest() -> None:
    rows, _ = Notes().encode(Score.from_notes([(99_999, 99_999, 60, 80, 0), (999_999, 1, 60, 80, 0)]))
    assert rows[:, 1:].tolist() == [[128, 127], [128, 0]]


def test_seconds_follow_the_tempo() -> None:
    slow = melody(tempos=(Tempo.from_bpm(0, 60), Tempo.from_bpm(960, 120)))
    notes = Notes.fit([slow], {"clock": "seconds", "quantum": 10})
    rows, plan = notes.encode(slow)
    assert rows[:4, 1:].tolist() == [[0, 9], [10, 9], [10, 4], [5, 4]]
    assert notes.decode(rows, plan).onset[:4].tolist() == [0, 960, 1920, 2400]


@given(scores(), st.lists(st.tuples(st.integers(0, 9000), st.integers(200_000, 1_000_000)), max_size=3))
def test_seconds_come_back_as_seconds(score: Score, tempos: list[tuple[int, int]]) -> None:
    timed = replace(score, tempos=tuple(Tempo(*pair) for pair in sorted(dict(tempos).items())))
    notes = Notes.fit([timed], {"clock": "seconds"})
    rows, plan = notes.encode(timed)
    again, plan_again = notes.encode(notes.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again, plan)


def test_drums_are_left_out_where_the_training_pieces_have_none() -> None:
    band = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 38, 80, 3)], parts=BAND)
    assert Notes().encode(band)[0].tolist() == [[60, 0, 7]]


def test_other_instruments_are_left_out_where_there_are_only_drums() -> None:
    band = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 38, 80, 3)], parts=BAND)
    kit = Notes.fit([band.where(band.part == 3)], {})
    assert kit.encode(band)[0].tolist() == [[38, 0, 7]]
    assert kit.transpositions(kit.encode(band)[0]) == range(1)
    assert kit.decode(*kit.encode(band)).parts == (Part("", 0, is_drum=True),)


@pytest.mark.parametrize("parts", [(Part(),), (Part("", 0, is_drum=True),)])
def test_a_piece_with_nothing_the_model_knows_is_refused(parts: tuple[Part, ...]) -> None:
    known = Notes(programs=(0,) if parts[0].is_drum else (DRUMS,))
    with pytest.raises(RepresentationError, match="there are no notes"):
        known.encode(melody(parts=parts))


def test_an_unknown_instrument_becomes_the_nearest_but_never_a_drum() -> None:
    viola = Score.from_notes([(0, 480, 60, 80, 0)], parts=(Part("", 120),))
    assert BANDS.encode(viola)[0][0, 4] == 1


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"quantum": 7}, "The quantum is one of 1, 2, 3, .*, 96, not 7"),
        ({"quantum": 0}, "The quantum is one of"),
        ({"quantum": -8}, "The quantum is one of"),
        ({"quantum": "8"}, "The quantum is one of .* not '8'"),
        ({"quantum": 120}, "The quantum is one of"),
        ({"clock": "bars"}, "The clock is quarters or seconds, not 'bars'"),
        ({"clock": ""}, "The clock is quarters or seconds, not ''"),
        ({"voices": 4, "grid": 1}, "The representation notes has no option grid, voices"),
    ],
)
def test_a_bad_option_is_refused_in_one_sentence(options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        Notes.fit([], options)


def test_adopt_takes_over_columns_and_ids() -> None:
    new = replace(BANDS, programs=(0, 73), lowest=40, highest=80, bars=(24,))
    adopted, words = new.adopt(replace(BANDS, velocities=False))
    assert adopted == replace(BANDS, velocities=False, lowest=40, highest=80, bars=(24,))
    assert words.startswith("1 of 2 programs fit")
    assert "velocities of the new music are not used" in words


@pytest.mark.parametrize("other", [Notes(quantum=12), Notes(clock="seconds"), VoiceGrid(((0, 1),) * 4, ())])
def test_adopt_refuses_another_kind(other: Notes | VoiceGrid) -> None:
    with pytest.raises(RepresentationError, match=r"A model for .* cannot go on with notes \(8 quanta in quarter\)"):
        Notes().adopt(other)


# Plans of new pieces


@given(st.none() | st.integers(1, 20), st.none() | st.integers(1, 300), st.integers(0, 9))
def test_a_plan_holds_one_bar_of_the_training_pieces(bars: int | None, length: int | None, seed: int) -> None:
    plan = Notes(bars=(32, 24)).make_plan(bars, length, np.random.default_rng(seed))
    assert set(plan[:, 0].tolist()) in ({32}, {24})
    assert length is None or len(plan) == length + 1


def test_a_plan_goes_on_in_the_bar_of_the_opening() -> None:
    plan = Notes().make_plan(None, 10, np.random.default_rng(0), np.full((6, 1), 20))
    assert plan.tolist() == [[20]] * 16


@pytest.mark.parametrize(("bars", "length"), [(0, None), (None, 0), (None, -3)])
def test_a_plan_of_nothing_is_refused(bars: int | None, length: int | None) -> None:
    with pytest.raises(RepresentationError, match="at least one bar or one row"):
        Notes().make_plan(bars, length, np.random.default_rng(0))


def test_seconds_are_written_in_bars_at_120_quarters_a_minute() -> None:
    timed = Notes.fit([], {"clock": "seconds"})
    rows, plan = timed.encode(melody())
    # Two seconds are a bar of 4/4, one and a half of 3/4.
    seconds = np.cumsum(rows[:, 1]) / 80
    assert timed.bars_begun(rows, plan) == int(seconds[-1] // 2) + 1
    waltz = replace(timed, written=Metre(0, 3, 4))
    assert waltz.bars_begun(rows, plan) == int(seconds[-1] // 1.5) + 1
    assert waltz.decode(rows, plan).metres == (Metre(0, 3, 4),)
    assert Notes.from_json(waltz.to_json()) == timed
    assert len(timed.make_plan(4, None, np.random.default_rng(0))) == 401


def test_bars_are_counted_as_they_begin() -> None:
    rows, plan = Notes().encode(melody())
    assert [Notes().bars_begun(rows[:count], plan) for count in (0, 1, 4, 5, 8, 9, 16)] == [0, 1, 1, 2, 2, 3, 4]


# Every real chorale


def test_every_chorale_comes_back_as_the_quantisation_says(chorales: tuple[Piece, ...]) -> None:
    notes = Notes.fit([piece.score for piece in chorales], {})
    for piece in chorales:
        rows, plan = notes.encode(piece.score)
        decoded = notes.decode(rows, plan)
        assert events(decoded, notes) == quantised(piece.score, notes), piece.name
        np.testing.assert_array_equal(notes.encode(decoded)[0], rows, piece.name)
        np.testing.assert_array_equal(notes.context(rows, plan), step_by_step(notes, rows, plan), piece.name)
