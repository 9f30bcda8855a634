from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Piece
from midigen.errors import RepresentationError, UsageError
from midigen.representations.grid_plan import (
    AXIS,
    LOWEST,
    NO_TONIC,
    Summary,
    phrase_ends,
    plan_of,
    plan_table,
    summarise,
)
from midigen.representations.notes import Notes
from midigen.representations.voice_grid import AGAIN, REST, SCORE_ORDER, VoiceGrid
from midigen.scores.score import Ints, Key, Metre, Part, Score, Tempo
from midigen.scores.time import bar_starts, metres_from_start

PARTS = tuple(Part(name.title()) for name in SCORE_ORDER)
GRID = VoiceGrid(((0, AXIS - 1),) * 4, ())


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Four voices, each with one note at a time, on any tick."""
    notes = []
    for part in range(4):
        tick = 0
        for _ in range(draw(st.integers(1, 6))):
            tick += draw(st.sampled_from([0, 0, 0, 120, 133, 480]))
            length = draw(st.sampled_from([1, 60, 119, 120, 240, 480, 700]))
            notes.append((tick, length, draw(st.integers(33, 88)), 80, part))
            tick += length
        notes.append((tick, 240, 60, 80, part))
    first = draw(st.sampled_from([0, 0, 700]))
    ticks = sorted({first, *draw(st.sets(st.integers(first + 300, 4000), max_size=2))})
    metres = [Metre(tick, draw(st.integers(1, 7)), draw(st.sampled_from([4, 8, 16]))) for tick in ticks]
    return Score.from_notes(
        notes,
        parts=PARTS,
        metres=tuple(metres),
        # It ends before the next metre begins.
        pickup=draw(st.integers(0, min(metres[0].bar_ticks if first == 0 else first, first + 300) - 1)),
        fermatas=tuple(sorted(draw(st.sets(st.integers(0, 4000), max_size=3)))),
    )


KEYS = st.tuples(st.integers(1, 2), st.integers(0, 11)) | st.just((0, NO_TONIC))


@st.composite
def any_rows(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Rows of any ids, and the plan of a piece of that length."""
    ids = st.one_of(st.integers(0, AXIS + 1), st.sampled_from([20, 20, AGAIN, REST]))
    rows = draw(st.lists(st.lists(ids, min_size=4, max_size=4), min_size=1, max_size=25))
    bar = draw(st.integers(1, 32))
    fermatas = draw(st.sets(st.integers(0, len(rows) - 1), max_size=3))
    pickup, key = draw(st.integers(0, bar - 1)), draw(KEYS)
    return np.array(rows), plan_table(Summary(pickup, bar, len(rows), tuple(sorted(fermatas)), *key))


def sung(drawn: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """The same where nothing that is silent is struck again, and no voice is silent at the end."""
    rows, plan = drawn
    rows = rows.copy()
    rows[-1][rows[-1] == REST] = 20
    for step, column in np.argwhere(rows == AGAIN):
        if step == 0 or rows[step - 1, column] == REST:
            rows[step, column] = 30
    return rows, plan


def nearest(tick: int) -> int:
    return (tick + 60) // 120 * 120


def quantised(score: Score) -> list[tuple[int, int, int, int]]:
    ends = [(nearest(on), nearest(on + length), pitch, part) for on, length, pitch, _, part in score.notes.tolist()]
    return sorted(row for row in ends if row[0] < row[1])


def sounding(score: Score) -> list[tuple[int, int, int, int]]:
    return sorted((on, on + length, pitch, part) for on, length, pitch, _, part in score.notes.tolist())


def bars(score: Score) -> list[tuple[int, int]]:
    """Every bar line and the length of a full bar there, counted sixteenth by sixteenth, with all marks rounded."""
    metres = {nearest(metre.tick): metre.bar_ticks for metre in metres_from_start(score)}
    pickup, lines, length = nearest(score.pickup) % metres[0], [(0, metres[0])], metres[0]
    for tick in range(120, nearest(score.end), 120):
        length = metres.get(tick, length)
        if tick in metres or tick == pickup or (tick > pickup and tick - lines[-1][0] == length):
            lines.append((tick, length))
    return lines


def step_by_step(grid: VoiceGrid, rows: Ints, plan: Ints) -> Ints:
    contexts = [grid.first_context(plan[:1])]
    for step, row in enumerate(rows):
        contexts.append(grid.next_context(contexts[-1], row[None], plan[step + 1 : step + 2]))
    return np.concatenate(contexts)


@given(scores())
def test_decode_gives_back_the_notes_on_the_grid(score: Score) -> None:
    assert sounding(GRID.decode(*GRID.encode(score))) == quantised(score)


@given(scores())
def test_decode_gives_back_pick_up_bars_and_fermatas_on_the_grid(score: Score) -> None:
    decoded = GRID.decode(*GRID.encode(score))
    end = nearest(score.end)
    assert decoded.pickup == nearest(score.pickup) % metres_from_start(score)[0].bar_ticks
    assert bar_starts(decoded, end).tolist() == [tick for tick, _ in bars(score)]
    assert decoded.fermatas == tuple(sorted({nearest(tick) for tick in score.fermatas if nearest(tick) < end}))


@given(scores())
def test_the_plan_holds_the_length_of_every_bar(score: Score) -> None:
    _, plan = GRID.encode(score)
    assert [int(plan[tick // 120, 1]) for tick, _ in bars(score)] == [length // 120 for _, length in bars(score)]


@given(scores())
def test_what_was_decoded_is_encoded_to_the_same(score: Score) -> None:
    rows, plan = GRID.encode(score)
    again, plan_again = GRID.encode(GRID.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again, plan)


@given(any_rows().map(sung))
def test_encode_reverses_decode(drawn: tuple[Ints, Ints]) -> None:
    rows, plan = drawn
    rows_again, plan_again = GRID.encode(GRID.decode(rows, plan))
    np.testing.assert_array_equal(rows_again, rows)
    np.testing.assert_array_equal(plan_again, plan)


@given(any_rows())
def test_decode_gives_a_score_for_any_ids(drawn: tuple[Ints, Ints]) -> None:
    assert GRID.decode(*drawn).end <= 120 * len(drawn[0])


@given(any_rows())
def test_the_context_of_a_piece_is_that_of_its_steps(drawn: tuple[Ints, Ints]) -> None:
    np.testing.assert_array_equal(GRID.context(*drawn), step_by_step(GRID, *drawn))


@given(any_rows())
def test_every_id_lies_within_its_field(drawn: tuple[Ints, Ints]) -> None:
    context = GRID.context(*drawn)
    assert (context >= 0).all()
    assert (context < [field.size for field in GRID.context_fields]).all()


def test_again_has_nothing_to_repeat_at_the_start_and_after_a_rest() -> None:
    rows = np.array([[AGAIN, 20, REST, 9], [AGAIN, REST, REST, 9], [5, AGAIN, AGAIN, 9]])
    assert sounding(GRID.decode(rows, plan_table(Summary(0, 16, 3, ())))) == [
        (0, 120, 53, 3),
        (0, 360, 42, 2),
        (240, 360, 38, 0),
    ]


def test_a_note_struck_again_is_not_a_note_held() -> None:
    rows = np.array([[20] * 4, [20, AGAIN, AGAIN, 20], [20, 20, AGAIN, 20]])
    notes = sounding(GRID.decode(rows, plan_table(Summary(0, 16, 3, ()))))
    assert [sum(part == voice for *_, part in notes) for voice in range(4)] == [1, 3, 1, 2]
    assert GRID.context(rows, plan_table(Summary(0, 16, 3, ())))[:, -4:].tolist() == [
        [0] * 4,
        [1] * 4,
        [2, 1, 1, 2],
        [3, 2, 1, 3],
    ]


@given(any_rows(), st.integers(-60, 60))
def test_transposing_there_and_back_changes_nothing(drawn: tuple[Ints, Ints], semitones: int) -> None:
    rows, plan = drawn
    moved = GRID.transpose(rows, plan, semitones)
    pitches = rows[rows < AXIS] + semitones
    if moved is None:
        assert pitches.min() < 0 or pitches.max() >= AXIS
    else:
        assert moved[0][rows < AXIS].tolist() == pitches.tolist()
        back = GRID.transpose(*moved, -semitones)
        assert back is not None
        np.testing.assert_array_equal(back[0], rows)
        np.testing.assert_array_equal(back[1], plan)


@given(any_rows(), st.lists(st.tuples(st.integers(0, 20), st.integers(30, 55)), min_size=4, max_size=4))
def test_transpositions_can_be_made_and_stay_where_the_training_pieces_lie(
    drawn: tuple[Ints, Ints], ranges: list[tuple[int, int]]
) -> None:
    rows, plan = drawn
    shifts = VoiceGrid(tuple(ranges), ()).transpositions(rows)
    assert 0 in shifts
    for shift in set(shifts) - {0}:
        assert GRID.transpose(rows, plan, shift) is not None
        for column, (low, high) in enumerate(ranges):
            cells = rows[rows[:, column] < AXIS, column]
            if ((cells >= low) & (cells <= high)).all():
                assert ((cells + shift >= low) & (cells + shift <= high)).all()


@given(st.lists(scores(), max_size=3))
def test_json_gives_the_same_grid_again(pieces: list[Score]) -> None:
    grid = VoiceGrid.fit(pieces, {})
    assert VoiceGrid.from_json(json.loads(json.dumps(grid.to_json()))) == grid


@given(st.lists(scores(), min_size=1, max_size=3))
def test_fit_learns_ranges_in_which_all_pieces_lie(pieces: list[Score]) -> None:
    lows, highs = np.array(VoiceGrid.fit(pieces, {}).ranges).T
    rows = np.concatenate([GRID.encode(piece)[0] for piece in pieces])
    assert ((rows >= AXIS) | (rows >= lows) & (rows <= highs)).all()


def test_fit_of_no_pieces_lets_every_voice_sing_anything() -> None:
    assert VoiceGrid.fit([], {}) == VoiceGrid(((0, AXIS - 1),) * 4, (), 80)


def test_fit_takes_the_commonest_tempo() -> None:
    piece = GRID.decode(np.full((4, 4), 20), plan_table(Summary(0, 16, 4, ())))
    tempos = [(Tempo.from_bpm(0, bpm),) for bpm in (60, 96, 96)]
    pieces = [replace(piece, tempos=tempo) for tempo in tempos]
    assert VoiceGrid.fit(pieces, {}).bpm == 96


def four(**rest: object) -> Score:
    """Four voices that hold one chord for three bars of four quarters."""
    return Score.from_notes([(0, 5760, 60 - 5 * part, 80, part) for part in range(4)], **({"parts": PARTS} | rest))


@pytest.mark.parametrize(
    ("score", "wrong"),
    [
        (Score.from_notes([]), "no notes"),
        (Score.from_notes([(0, 59, 60, 80, 0)]), "no notes"),
        (Score.from_notes([(0, 480, 60, 80, 0)]), "1 part with notes, not four voices"),
        (Score.from_notes([(0, 480, 60, 80, p) for p in range(3)], parts=PARTS), "3 parts with notes"),
        (Score.from_notes([*four().notes.tolist(), (480, 99, 60, 80, 0)], parts=PARTS), "part Soprano holds more than"),
        (Score.from_notes([*four().notes.tolist(), (5760, 480, 89, 80, 1)], parts=PARTS), "part Alto leaves the range"),
        (Score.from_notes([*four().notes.tolist(), (5760, 480, 32, 80, 3)], parts=PARTS), "part Bass leaves the range"),
        (four(metres=(Metre(0, 9, 4),)), "longer than two whole notes"),
        (four(metres=(Metre(0, 1, 32),)), "not a whole number of sixteenths"),
        (four(metres=(Metre(0, 4, 4), Metre(1920, 5, 32))), "not a whole number of sixteenths"),
    ],
)
def test_a_piece_that_does_not_fit_is_refused_with_the_reason(score: Score, wrong: str) -> None:
    with pytest.raises(RepresentationError, match=wrong):
        GRID.encode(score)


def test_a_metre_behind_the_end_does_not_matter() -> None:
    assert GRID.encode(four(metres=(Metre(0, 4, 4), Metre(9600, 9, 4))))[1][:, 1].max() == 16


def test_drums_and_empty_parts_are_no_voices() -> None:
    drums = [(0, 9600, 38, 80, 4)]
    parts = (*PARTS, Part("Kit", is_drum=True), Part("Tacet"))
    rows, plan = GRID.encode(Score.from_notes([*four().notes.tolist(), *drums], parts=parts))
    np.testing.assert_array_equal(rows, GRID.encode(four())[0])
    assert len(plan) == 49


def test_unnamed_voices_are_ordered_by_where_they_lie() -> None:
    shuffled = [(0, 480, pitch, 80, part) for part, pitch in enumerate([50, 72, 60, 65])]
    rows, _ = GRID.encode(Score.from_notes(shuffled, parts=(Part(),) * 4))
    assert (rows[0] + 33).tolist() == [72, 50, 65, 60]


def test_named_voices_keep_their_names_where_they_cross() -> None:
    crossing = [(0, 480, pitch, 80, part) for part, pitch in enumerate([60, 72, 50, 65])]
    rows, _ = GRID.encode(Score.from_notes(crossing, parts=PARTS))
    assert (rows[0] + 33).tolist() == [60, 65, 72, 50]


def test_bars_of_six_eighths_come_back_as_three_quarters() -> None:
    assert GRID.decode(*GRID.encode(four(metres=(Metre(0, 6, 8),)))).metres == (Metre(0, 3, 4),)


def test_twelve_eighths_keep_the_length_of_their_bar() -> None:
    decoded = GRID.decode(*GRID.encode(four(metres=(Metre(0, 12, 8),))))
    assert [metre.bar_ticks for metre in decoded.metres] == [2880]


def test_the_pick_up_of_a_short_bar_survives() -> None:
    decoded = GRID.decode(*GRID.encode(four(metres=(Metre(0, 3, 8),), pickup=240)))
    assert (decoded.pickup, decoded.metres) == (240, (Metre(0, 3, 8),))


def test_a_pick_up_too_long_for_its_bar_is_cut_to_one() -> None:
    rows, plan = GRID.encode(four(pickup=2400))
    assert GRID.decode(rows, plan).pickup == 480
    assert plan[:, 0].min() >= 0


def test_there_are_no_options() -> None:
    with pytest.raises(UsageError, match="The representation grid has no option quantum"):
        VoiceGrid.fit([], {"quantum": 8})


def test_adopt_takes_any_grid_and_nothing_else() -> None:
    assert GRID.adopt(VoiceGrid(((3, 9),) * 4, ()))[0] == GRID
    with pytest.raises(RepresentationError, match="A model for notes cannot go on with grid"):
        GRID.adopt(Notes())


# Plans of new pieces

SUMMARIES = (
    st.integers(1, 32)
    .flatmap(
        lambda bar: st.tuples(
            st.integers(0, bar - 1),
            st.just(bar),
            st.integers(1, 100),
            st.just(()) | st.sets(st.integers(0, 99), max_size=4).map(lambda marks: tuple(sorted(marks))),
            KEYS,
        )
    )
    .map(lambda s: Summary(s[0], s[1], s[2], tuple(mark for mark in s[3] if mark < s[2]), *s[4]))
)


def planner(*plans: Summary) -> VoiceGrid:
    return VoiceGrid(GRID.ranges, plans)


@given(SUMMARIES)
def test_a_plan_without_wishes_is_that_of_a_training_piece(base: Summary) -> None:
    plan = planner(base).make_plan(None, None, np.random.default_rng(0))
    assert summarise(plan)[:3] == base[:3]
    assert set(base[3][:-1]) - set(summarise(plan)[3]) <= set(range(base[2] - 2 * base[1], base[2]))


@given(SUMMARIES, st.integers(1, 20))
def test_a_plan_has_as_many_bars_as_wished(base: Summary, bars: int) -> None:
    grid = planner(base)
    plan = grid.make_plan(bars, None, np.random.default_rng(0))
    assert len(plan) - 1 == bars * base[1]
    assert grid.bars_begun(np.zeros((len(plan) - 1, 4), np.int64), plan) == bars
    assert summarise(plan)[:2] == base[:2]


@given(SUMMARIES, st.integers(1, 200))
def test_a_plan_has_as_many_rows_as_wished(base: Summary, length: int) -> None:
    plan = planner(base).make_plan(None, length, np.random.default_rng(0))
    assert len(plan) - 1 == length


@given(SUMMARIES, st.none() | st.integers(1, 20), st.none() | st.integers(1, 200))
def test_a_plan_is_what_its_summary_says_and_ends_with_its_last_bar(
    base: Summary, bars: int | None, length: int | None
) -> None:
    plan = planner(base).make_plan(bars, length, np.random.default_rng(0))
    np.testing.assert_array_equal(plan, plan_table(summarise(plan)))
    assert (plan[:, 2] >= 0).all()
    assert plan[-2, 2] == 0
    assert (plan[:-1][plan[:-1, 3] == 0, 2] == 0).any() == bool(base[3])


@given(SUMMARIES.filter(lambda base: base[3]), st.integers(1, 100), st.integers(1, 10))
def test_a_plan_goes_on_where_the_opening_stops(base: Summary, given_rows: int, bars: int) -> None:
    opening = plan_table(Summary(*base[:2], given_rows, (0,)))
    plan = planner(base).make_plan(bars, None, np.random.default_rng(0), opening)
    np.testing.assert_array_equal(plan[:given_rows, [0, 1]], opening[:-1, [0, 1]])
    assert plan[0, 3] == 0
    assert len(plan) - 1 == (-(-given_rows // base[1]) + bars) * base[1]


def test_the_phrases_go_over_again_in_their_place_of_the_bar() -> None:
    assert phrase_ends(Summary(4, 16, 32, (12, 24)), 4, 16, 96) == (12, 24, 44, 56, 76, 88)


def test_where_a_phrase_is_cut_the_last_bar_begins_with_a_fermata() -> None:
    assert phrase_ends(Summary(0, 16, 64, (24, 40)), 0, 16, 64) == (24, 48)


def test_a_corpus_without_fermatas_gives_plans_without_them() -> None:
    assert phrase_ends(Summary(0, 16, 64, ()), 0, 16, 32) == ()


@pytest.mark.parametrize(("bars", "length"), [(0, None), (-1, None), (None, 0)])
def test_a_plan_of_nothing_is_refused(bars: int | None, length: int | None) -> None:
    with pytest.raises(RepresentationError, match="at least one bar or one row"):
        planner(Summary(0, 16, 64, ())).make_plan(bars, length, np.random.default_rng(0))


def test_a_grid_that_knows_no_piece_can_plan_none() -> None:
    with pytest.raises(RepresentationError, match="knows no training piece"):
        GRID.make_plan(4, None, np.random.default_rng(0))


def test_bars_left_count_down_to_the_last() -> None:
    plan = plan_of(four(pickup=480), 48)
    assert [int(plan[step, 2]) for step in (0, 3, 4, 20, 36, 47, 48)] == [3, 3, 2, 1, 0, 0, 0]


# Every real chorale


RoundTrip = tuple[Piece, Ints, Ints, Score]


@pytest.fixture(scope="module")
def round_trips(chorales: tuple[Piece, ...]) -> list[RoundTrip]:
    encoded = [(piece, *GRID.encode(piece.score)) for piece in chorales]
    return [(piece, rows, plan, GRID.decode(rows, plan)) for piece, rows, plan in encoded]


def test_every_chorale_comes_back_on_the_grid(round_trips: list[RoundTrip]) -> None:
    for piece, _, _, decoded in round_trips:
        assert sounding(decoded) == quantised(piece.score), piece.name


def test_all_but_three_chorales_come_back_note_by_note(round_trips: list[RoundTrip]) -> None:
    changed = [piece.name for piece, _, _, decoded in round_trips if sounding(decoded) != sounding(piece.score)]
    assert sorted(changed) == ["bwv248.64-s", "bwv36.4-2", "bwv432"]  # they have 32nds


def test_every_chorale_keeps_pick_up_bar_lines_and_fermatas(round_trips: list[RoundTrip]) -> None:
    for piece, _, _, decoded in round_trips:
        assert (decoded.pickup, decoded.fermatas) == (piece.score.pickup, piece.score.fermatas), piece.name
        assert bars(decoded) == bars(piece.score), piece.name
        assert bar_starts(decoded).tolist() == bar_starts(piece.score).tolist(), piece.name


def test_every_chorale_keeps_its_key(round_trips: list[RoundTrip]) -> None:
    for piece, _, _, decoded in round_trips:
        # A key signature that says again what holds already is written once.
        said = [
            key for i, key in enumerate(piece.score.keys) if i == 0 or spelled(key) != spelled(piece.score.keys[i - 1])
        ]
        assert [spelled(key) for key in decoded.keys] == [spelled(key) for key in said], piece.name


def spelled(key: Key) -> tuple[int, str]:
    """A key with at most six signs: C sharp major is D flat major."""
    return (key.sharps + 5) % 12 - 5, key.mode


@pytest.mark.parametrize(
    ("key", "tonic"),
    [(Key(0, 0, "major"), 60), (Key(0, 0, "minor"), 57), (Key(0, -3, "major"), 63), (Key(0, 6, ""), 66)],
)
def test_the_plan_knows_the_tonic(key: Key, tonic: int) -> None:
    plan = plan_of(four(keys=(key,)), 16)
    assert {int(place) % 12 for place in plan[:, 5]} == {(tonic - LOWEST) % 12}


def test_a_piece_without_a_key_has_no_tonic() -> None:
    assert plan_of(four(), 16)[:, 4:].tolist() == [[0, NO_TONIC]] * 17


def test_a_transposed_piece_is_in_the_transposed_key() -> None:
    rows, plan = GRID.encode(four(keys=(Key(0, 1, "minor"),)))
    moved = GRID.transpose(rows, plan, -2)
    assert moved is not None
    assert GRID.decode(*moved).keys == (Key(0, -1, "minor"),)


def test_every_chorale_is_its_own_fixed_point(round_trips: list[RoundTrip]) -> None:
    for piece, rows, plan, decoded in round_trips:
        rows_again, plan_again = GRID.encode(decoded)
        np.testing.assert_array_equal(rows_again, rows, piece.name)
        np.testing.assert_array_equal(plan_again, plan, piece.name)


def test_the_context_of_chorales_is_that_of_their_steps(chorales: tuple[Piece, ...]) -> None:
    for piece in chorales[::20]:
        rows, plan = GRID.encode(piece.score)
        np.testing.assert_array_equal(GRID.context(rows, plan), step_by_step(GRID, rows, plan), piece.name)


def test_every_chorale_can_be_moved_within_the_ranges_of_all(chorales: tuple[Piece, ...]) -> None:
    grid = VoiceGrid.fit([piece.score for piece in chorales], {})
    lows, highs = np.array(grid.ranges).T
    for piece in chorales:
        rows, plan = grid.encode(piece.score)
        for shift in grid.transpositions(rows):
            moved = grid.transpose(rows, plan, shift)
            assert moved is not None
            assert ((moved[0] >= AXIS) | (moved[0] >= lows) & (moved[0] <= highs)).all(), piece.name
