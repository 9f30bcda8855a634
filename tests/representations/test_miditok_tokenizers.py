from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midigen.errors import RepresentationError, UsageError
from midigen.representations.miditok_bars import CPWord, Octuple
from midigen.representations.miditok_tokenizers import TOKENIZERS, MidiLike, Remi, Structured, find_tokenizer
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import DRUMS
from midigen.representations.representation import find_representation, representation_from_json
from midigen.representations.tokens import no_plan
from midigen.scores.score import Ints, Metre, Part, Score, Tempo
from midigen.scores.time import bar_starts

Event = tuple[int, int, int, int, int]
EVERY = pytest.mark.parametrize("kind", TOKENIZERS, ids=lambda kind: kind.name)
BAND = (Part("", 0), Part("", 73), Part("", 40), Part("", 16, is_drum=True), Part("", 0))
LOUDNESSES = np.linspace(0, 127, 33).astype(int)[:0:-1]
"""Loudest first, so that of two equally near the louder is taken."""


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """A few parts on any ticks, two of the same program; a key is not struck before it is let go."""
    notes, tick = [], 0
    free = dict[tuple[int, int], int]()
    for _ in range(draw(st.integers(1, 12))):
        tick += draw(st.sampled_from([0, 0, 29, 30, 31, 60, 480, 2500]))
        part, pitch = draw(st.integers(0, 4)), draw(st.integers(0, 127))
        length = draw(st.sampled_from([1, 31, 60, 89, 240, 9000]))
        if free.get((part % 4, pitch), 0) <= tick:
            notes.append((tick, length, pitch, draw(st.integers(1, 127)), part))
            free[part % 4, pitch] = tick + max(length, 60) + 60
    return Score.from_notes(notes, parts=BAND, metres=(Metre(0, *draw(st.sampled_from([(4, 4), (3, 4), (5, 4)]))),))


def events(score: Score) -> list[Event]:
    """Onset and length in eighths of a quarter, pitch, velocity, program (-1 for drums)."""
    programs = [-1 if part.is_drum else part.program for part in score.parts]
    return sorted(
        (onset // 60, length // 60, pitch, velocity, programs[part])
        for onset, length, pitch, velocity, part in score.notes.tolist()
    )


def quantised(score: Score, longest: int = 128) -> list[Event]:
    """What the module says that is kept."""
    grid = (score.onset + 30) // 60
    lengths = np.clip((score.duration + 30) // 60, 1, longest)
    loud = LOUDNESSES[np.abs(LOUDNESSES - score.velocity[:, None]).argmin(1)]
    return events(replace(score, onset=grid * 60, duration=lengths * 60, velocity=loud))


@EVERY
@settings(max_examples=8)
@given(score=scores())
def test_decode_gives_back_what_the_quantisation_keeps(kind: type[MidiTokTokens], score: Score) -> None:
    tokens = kind(velocities=True)
    decoded = tokens.decode(*tokens.encode(score))
    assert events(decoded) == quantised(score, 1000 if kind is MidiLike else 128)


@EVERY
@settings(max_examples=8)
@given(score=scores())
def test_what_was_decoded_is_encoded_to_the_same(kind: type[MidiTokTokens], score: Score) -> None:
    tokens = kind(velocities=True)
    rows, plan = tokens.encode(score)
    again, plan_again = tokens.encode(tokens.decode(rows, plan))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(plan_again, plan)


@EVERY
@settings(max_examples=8)
@given(data=st.data())
def test_any_ids_stand_for_a_piece_that_can_be_encoded(kind: type[MidiTokTokens], data: st.DataObject) -> None:
    tokens = kind(velocities=True)
    rows = data.draw(any_rows(tokens))
    decoded = tokens.decode(rows, no_plan(len(rows)))
    if len(decoded):
        once, plan = tokens.encode(decoded)
        again, _ = tokens.encode(tokens.decode(once, plan))
        np.testing.assert_array_equal(again, once)


@st.composite
def any_rows(draw: st.DrawFn, tokens: MidiTokTokens) -> Ints:
    """Rows of any ids; half of them of a band, so that there are notes among them."""
    # Positions behind the end of the last bar that Octuple counts would be in one that it does not.
    most = [200 if field.name == "bar" else field.size - 1 for field in tokens.fields]
    row = st.tuples(*(st.integers(0, size) for size in most))
    rows = draw(st.lists(st.one_of(row, st.sampled_from(tokens.encode(band())[0].tolist())), max_size=40))
    return np.array(rows, np.int64).reshape(-1, len(tokens.fields))


def band(bars: int = 2, **rest: Any) -> Score:  # noqa: ANN401  # fields of a score
    """A melody, a bass and drums in 3/4, in quarters."""
    notes = [(480 * beat, 480, 60 + beat, 60 + 4 * beat, 0) for beat in range(3 * bars)]
    notes += [(1440 * bar, 1440, 36, 80, 1) for bar in range(bars)]
    notes += [(480 * beat, 60, 42 if beat % 3 else 36, 90, 2) for beat in range(3 * bars)]
    parts = (Part("", 73), Part("", 33), Part("", 0, is_drum=True))
    return Score.from_notes(notes, **{"parts": parts, "metres": (Metre(0, 3, 4),), **rest})


@EVERY
def test_instruments_come_back_with_their_programs_and_drums_as_drums(kind: type[MidiTokTokens]) -> None:
    tokens = kind.fit([band()], {})
    decoded = tokens.decode(*tokens.encode(band()))
    assert {(part.program, part.is_drum) for part in decoded.parts} == {(73, False), (33, False), (0, True)}
    assert events(decoded) == quantised(band())


@EVERY
def test_pitches_move_and_drums_stay(kind: type[MidiTokTokens]) -> None:
    tokens = kind.fit([band()], {})
    rows, plan = tokens.encode(band())
    moved = tokens.transpose(rows, plan, 5)
    assert moved is not None
    higher = band()
    higher = replace(higher, pitch=np.where(higher.part == 2, higher.pitch, higher.pitch + 5))
    assert events(tokens.decode(*moved)) == quantised(higher)
    back = tokens.transpose(*moved, -5)
    assert back is not None
    np.testing.assert_array_equal(back[0], rows)
    assert tokens.transpose(rows, plan, 63) is None
    assert tokens.transpose(rows, plan, -37) is None


@EVERY
def test_transpositions_stay_where_the_training_pieces_lie(kind: type[MidiTokTokens]) -> None:
    rows, _ = kind().encode(band())
    assert kind(lowest=34, highest=68).transpositions(rows) == range(-2, 4)
    assert kind().transpositions(rows[:0]) == range(1)


@EVERY
def test_fit_learns_loudness_range_and_tempo(kind: type[MidiTokTokens]) -> None:
    soft = Score.from_notes([(0, 480, 100, 30, 0)], tempos=(Tempo.from_bpm(0, 90),))
    assert kind.fit([], {}) == kind(velocities=False, lowest=0, highest=0, bpm=120)
    assert kind.fit([soft], {}) == kind(velocities=False, lowest=100, highest=100, bpm=90)
    assert kind.fit([soft, soft, band()], {}) == kind(velocities=True, lowest=36, highest=100, bpm=90)
    assert kind.fit([soft], {}).decode(*kind().encode(band())).tempos == (Tempo.from_bpm(0, 90),)


@EVERY
def test_without_velocities_rows_have_none(kind: type[MidiTokTokens]) -> None:
    loud, plain = kind(velocities=True), kind()
    assert plain.encode(band())[0].size < loud.encode(band())[0].size
    same = replace(band(), velocity=np.full(len(band()), 100))
    assert [event[:3] for event in events(plain.decode(*plain.encode(band())))] == [e[:3] for e in quantised(same)]


@EVERY
def test_a_piece_comes_back_from_json(kind: type[MidiTokTokens]) -> None:
    fitted = kind.fit([band()], {})
    assert representation_from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


@EVERY
def test_a_kit_of_any_number_and_parts_of_one_program_become_one(kind: type[MidiTokTokens]) -> None:
    tokens = kind()
    parts = (Part("", 8, is_drum=True), Part("", 5), Part("", 5))
    score = Score.from_notes([(0, 480, 38, 80, 0), (0, 240, 60, 80, 1), (0, 480, 60, 80, 2)], parts=parts)
    decoded = tokens.decode(*tokens.encode(score))
    assert [event[:3] + event[4:] for event in events(decoded)] == [(0, 8, 38, -1), (0, 8, 60, 5)]


@EVERY
def test_a_pick_up_becomes_a_rest_in_a_whole_bar(kind: type[MidiTokTokens]) -> None:
    decoded = kind().decode(*kind().encode(band(pickup=480)))
    assert int(decoded.onset.min()) == 960


@pytest.mark.parametrize("kind", [k for k in TOKENIZERS if k not in {Structured, Octuple}])
def test_a_change_of_metre_comes_back(kind: type[MidiTokTokens]) -> None:
    changing = band(metres=(Metre(0, 3, 4), Metre(1440, 6, 8)))
    decoded = kind(velocities=True).decode(*kind(velocities=True).encode(changing))
    assert decoded.metres == changing.metres
    assert events(decoded) == quantised(changing)


@EVERY
def test_only_midi_like_ends_a_note_where_its_key_is_struck_again(kind: type[MidiTokTokens]) -> None:
    score = Score.from_notes([(0, 1440, 60, 80, 0), (480, 240, 60, 80, 0)])
    rows, plan = kind().encode(score)
    decoded = kind().decode(rows, plan)
    assert decoded.duration.tolist() == ([480, 240] if kind is MidiLike else [1440, 240])
    np.testing.assert_array_equal(kind().encode(decoded)[0], rows)


@EVERY
def test_only_structured_cuts_a_long_gap(kind: type[MidiTokTokens]) -> None:
    far = Score.from_notes([(0, 480, 60, 80, 0), (20 * 480, 480, 60, 80, 0)])
    decoded = kind().decode(*kind().encode(far))
    assert decoded.onset.tolist() == [0, (16 if kind is Structured else 20) * 480]


def test_octuple_keeps_the_metre_that_holds_longest() -> None:
    changing = band(4, metres=(Metre(0, 2, 4), Metre(960, 3, 4)))
    decoded = Octuple(velocities=True).decode(*Octuple(velocities=True).encode(changing))
    assert decoded.metres == (Metre(0, 3, 4),)
    assert events(decoded) == quantised(changing)


@EVERY
def test_a_piece_without_notes_is_refused(kind: type[MidiTokTokens]) -> None:
    with pytest.raises(RepresentationError, match="there are no notes"):
        kind().encode(Score.from_notes([]))


def test_a_metre_without_a_token_is_refused_where_it_matters() -> None:
    odd = band(metres=(Metre(0, 13, 4),))
    with pytest.raises(RepresentationError, match="the metre 13/4 has no token"):
        Remi().encode(odd)
    assert len(Structured().encode(odd)[0])


def test_octuple_refuses_what_it_cannot_count() -> None:
    last = Score.from_notes([(256 * 1920 - 31, 480, 60, 80, 0)])
    assert Octuple().decode(*Octuple().encode(last)).onset.tolist() == [256 * 1920 - 60]
    with pytest.raises(RepresentationError, match="more than 256 bars"):
        Octuple().encode(replace(last, onset=last.onset + 1))


@EVERY
@pytest.mark.parametrize("start", [0, 1, 3, 5, 12])
def test_an_excerpt_is_the_rest_of_a_piece_in_its_place(kind: type[MidiTokTokens], start: int) -> None:
    tokens = kind(velocities=True)
    rows, plan = tokens.encode(band(metres=(Metre(0, 3, 8),)))
    part, part_plan = tokens.excerpt(rows, plan, start, len(rows))
    assert len(part_plan) == len(part) + 1
    whole, rest = events(tokens.decode(rows, plan)), events(tokens.decode(part, part_plan))
    assert 0 < len(rest) <= len(whole)
    # All that is cut off is time before it, of whole bars where there are bars, and the instrument of a torn note.
    shift = whole[-1][0] - rest[-1][0]
    assert shift % 12 == 0 or tokens.name in {"miditok:TSD", "miditok:MIDILike", "miditok:Structured"}
    moved = [(onset + shift, *others[:3]) for onset, *others in rest]
    assert set(moved) <= {event[:4] for event in whole}


@EVERY
def test_bars_are_counted_and_planned(kind: type[MidiTokTokens]) -> None:
    tokens = kind()
    rows, plan = tokens.encode(band(4))
    bars = 3 if kind is Structured else 4  # of 4/4, for it keeps no metre
    assert tokens.bars_begun(rows, plan) == bars
    assert tokens.bars_begun(rows[:0], plan[:1]) == 0
    assert len(tokens.make_plan(3, None, np.random.default_rng(0))) > 3 * len(rows)
    assert len(tokens.make_plan(None, 7, np.random.default_rng(0), plan)) == len(rows) + 8


def ramble(tokens: MidiTokTokens, seed: int, count: int, begun: Ints | None = None) -> Ints:
    """Rows of legal ids, any as likely as another of its kind."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((0, len(tokens.fields)), np.int64) if begun is None else begun
    for _ in range(count):
        row = list[int]()
        for column in range(len(tokens.fields)):
            legal = np.flatnonzero(tokens.legal(rows, tokens.place(rows), column, np.array(row, np.int64)))
            kinds = tokens._kinds[column][legal]
            row.append(int(rng.choice(legal[kinds == rng.choice(np.unique(kinds))])))
        rows = np.append(rows, [row], axis=0)
    return rows


@EVERY
@settings(max_examples=8)
@given(score=scores(), change=st.booleans())
def test_what_is_encoded_is_legal(kind: type[MidiTokTokens], score: Score, change: bool) -> None:  # noqa: FBT001
    tokens = kind(velocities=True)
    later = (Metre(5 * 4 * 480 * 3, 6, 8),) if change and kind is not Octuple else ()
    rows, _ = tokens.encode(replace(score, metres=(*score.metres, *later)))
    for place, row in enumerate(rows):
        for column in range(len(row)):
            assert tokens.legal(rows[:place], tokens.place(rows[:place]), column, row[:column])[row[column]], (
                place,
                column,
            )


@EVERY
@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_what_is_legal_is_a_piece_without_torn_notes(kind: type[MidiTokTokens], seed: int) -> None:
    tokens = kind(velocities=True)
    rows = ramble(tokens, seed, 60)
    decoded = tokens.decode(rows, no_plan(len(rows)))
    starts = tokens.begin_notes(rows)
    onsets = tokens.onset_ticks(rows)
    assert (np.diff(onsets) >= 0).all()
    assert set(decoded.onset.tolist()) <= set(onsets[starts].tolist())
    if kind is not MidiLike:  # where a key may be held for so long that it was forgotten
        # The last note may not be written to its end.
        assert 0 <= starts.sum() - len(decoded) <= (len(tokens.fields) == 1)
        assert sorted(decoded.onset.tolist()) == onsets[starts].tolist()[: len(decoded)]


def test_what_is_cut_off_in_midi_like_sounds_to_the_end_of_its_bar() -> None:
    tokens = MidiLike()
    rows, _ = tokens.encode(Score.from_notes([(0, 960, 60, 80, 0), (480, 480, 64, 80, 0)], parts=BAND))
    cut = tokens.decode(rows[:-4], no_plan(len(rows) - 4))
    assert cut.notes[:, :3].tolist() == [[0, 1920, 60], [480, 1440, 64]]


@EVERY
@settings(max_examples=3)
@given(seed=st.integers(0, 1000))
def test_a_place_in_time_is_the_one_of_the_decoded_piece(kind: type[MidiTokTokens], seed: int) -> None:
    tokens = kind()
    rows = ramble(tokens, seed, 40)
    for stop in range(1, len(rows), 3):
        place = tokens.place(rows[:stop])
        decoded = tokens.decode(rows[:stop], no_plan(stop))
        assert place.tick == tokens.onset_ticks(rows[:stop])[-1]
        assert place.line <= place.tick
        if len(decoded) and "TimeSig" not in tokens._kinds[-1][rows[stop - 1, -1:]]:
            assert bar_starts(decoded, place.tick + 1).tolist()[place.bar :] == [place.line]


@EVERY
def test_a_kit_has_drums_and_nothing_else(kind: type[MidiTokTokens]) -> None:
    tokens = kind()
    rows, plan = tokens.encode(band())
    decoded = tokens.decode(*tokens.encode(tokens.decode(rows, plan)))
    drums = ramble(tokens, 3, 200, rows)
    parts = tokens.decode(drums, no_plan(len(drums)))
    assert {part.is_drum for part in decoded.parts} == {True, False}
    for place in np.flatnonzero(tokens.begin_notes(drums)).tolist():
        pitched = tokens.pitches[tokens.pitch_column][drums[place, tokens.pitch_column]] >= 0
        column, programs = tokens._numbers["program"]
        heard = programs[drums[: place + 1, column]]
        assert (heard[heard >= 0][-1] == DRUMS) != pitched
    assert len(parts)


@EVERY
def test_moves_are_the_time_that_a_row_passes(kind: type[MidiTokTokens]) -> None:
    tokens = kind()
    rows, _ = tokens.encode(band(3))
    for place in range(1, len(rows)):
        passed = tokens.place(rows[: place + 1]).tick - tokens.place(rows[:place]).tick
        moves = [
            tokens.moves(tokens.place(rows[:place]), column, rows[place, :column]) for column in range(rows.shape[1])
        ]
        moved = [int(ticks[rows[place, column]]) for column, ticks in enumerate(moves) if ticks is not None]
        assert (sum(moved[1:]) if kind is CPWord else sum(moved)) == passed


@pytest.mark.parametrize(("name", "columns"), [("REMI", 1), ("TSD", 1), ("MIDILike", 1), ("CPWord", 7), ("Octuple", 7)])
def test_compound_words_have_columns(name: str, columns: int) -> None:
    assert len(find_tokenizer(f"miditok:{name}")(velocities=True).fields) == columns


def test_the_columns_bear_the_names_of_what_they_hold() -> None:
    named = [field.name for field in Octuple(velocities=True).fields]
    assert named == ["pitch", "position", "bar", "velocity", "duration", "program", "metre"]


@EVERY
def test_adopt_takes_over_the_tokens(kind: type[MidiTokTokens]) -> None:
    adopted, words = kind(velocities=True, lowest=40).adopt(kind(lowest=30))
    assert (adopted, words) == (
        kind(velocities=False, lowest=40),
        "all tokens fit; the velocities of the new music are not used",
    )
    other = Remi if kind is Octuple else Octuple
    with pytest.raises(RepresentationError, match=f"A model for {other.name} cannot go on with {kind.name}"):
        kind().adopt(other.fit([], {}))


@pytest.mark.parametrize("name", ["miditok:remi", "miditok:Midi-Like", "miditok:CP_Word", "miditok:octuple"])
def test_case_and_hyphens_of_a_name_do_not_matter(name: str) -> None:
    assert find_representation(name) in TOKENIZERS


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("miditok", "Name a tokenizer of MidiTok; choose one of: miditok:REMI, .*, miditok:Octuple"),
        ("miditok:", "Name a tokenizer"),
        ("miditokREMI", "Name a tokenizer"),
        ("miditok:Foo", "MidiTok has no tokenizer 'Foo' that midigen serves; choose one of: miditok:REMI"),
        ("miditok:MMM", "one instrument after the other.*; choose one of"),
        ("miditok:MuMIDI", "knows no metre"),
        ("miditok:PerTok", "twelve quarters"),
        ("miditok:BEAT", "four steps a beat"),
    ],
)
def test_another_name_is_answered_with_those_there_are_and_what_it_lacks(name: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        find_representation(name)


@EVERY
def test_there_are_no_options(kind: type[MidiTokTokens]) -> None:
    with pytest.raises(UsageError, match=f"The representation {kind.name} has no option quantum"):
        kind.fit([], {"quantum": 8})


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miditok", None)
    with pytest.raises(RepresentationError, match=r'pip install "midigen-toolkit\[tokens\]"'):
        Remi.fit([], {})
