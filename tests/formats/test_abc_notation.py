"""ABC: what a tune says is what is played, and what is wrong with it is named by line and column."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import SourceError
from midigen.formats.abc_fields import parse_key, parse_metre, parse_parts, parse_tempo
from midigen.formats.abc_notation import Tune, check_tune, read_tune, read_tunes, split_tunes, with_fields
from midigen.scores.score import Key, Metre

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71


def tune(music: str, key: str = "C", metre: str = "4/4", more: str = "") -> Tune:
    """A tune whose unit is an eighth; its music starts on line 5."""
    return Tune(f"X:1\nM:{metre}\nL:1/8\n{more}K:{key}\n{music}\n")


def pitches(music: str, key: str = "C", more: str = "") -> list[int]:
    return [int(pitch) for pitch in read_tune(tune(music, key, more=more)).pitch]


def lengths(music: str, metre: str = "4/4") -> list[Fraction]:
    """The lengths in eighths, after checking that the notes follow one another without a gap."""
    score = read_tune(tune(music, metre=metre))
    assert score.onset.tolist()[1:] == (score.onset + score.duration).tolist()[:-1]
    return [Fraction(ticks, 240) for ticks in score.duration.tolist()]


def test_letters_and_marks_name_pitches() -> None:
    assert pitches("C, C c c' ^C _D =C ^^C __D") == [48, 60, 72, 84, 61, 61, 60, 62, 60]


@pytest.mark.parametrize(
    ("key", "sharps"),
    {
        "G": 1,
        "F#m": 3,
        "Bb": -2,
        "D Mixolydian": 1,
        "Ador": 1,
        "E Phr": 0,
        "F lyd": 0,
        "B loc": 0,
        "Em": 1,
        "EM": 1,
        "A Minor": 0,
        "none": 0,
        "HP": 2,
        "G clef=treble": 1,
        "C ionian": 0,
        "D exp _b": 0,
        "": 0,
    }.items(),
)
def test_a_key_is_a_tonic_and_a_mode(key: str, sharps: int) -> None:
    assert parse_key(key).sharps == sharps


def test_a_key_may_alter_single_letters() -> None:
    assert parse_key("D =c").altered["C"] == parse_key("Dmix=c").altered["C"] == 0
    assert parse_key("D exp _b^f").altered == {**dict.fromkeys("CDEAG", 0), "F": 1, "B": -1}


def test_an_accidental_lasts_until_the_bar_line_in_every_octave() -> None:
    assert pitches("F ^F F f | F", "C") == [65, 66, 66, 78, 65]


def test_a_tie_carries_pitch_and_accidental_across_the_bar_line() -> None:
    score = read_tune(tune("^F4 ^F4-|F2 F6|"))
    assert score.pitch.tolist() == [66, 66, 65]
    assert score.duration.tolist() == [960, 1440, 1440]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C2 D/ E// F3/2 G/4", ["2", "1/2", "1/4", "3/2", "1/4"]),
        ("C>D E<F G>>A", ["3/2", "1/2", "1/2", "3/2", "7/4", "1/4"]),
        ("(3CDE F", ["2/3", "2/3", "2/3", "1"]),
        ("(3:2:2 C2 D E", ["4/3", "2/3", "1"]),
        ("(2CD (4CDEF", ["3/2", "3/2", "3/4", "3/4", "3/4", "3/4"]),
        ('"Am"~C .D !trill!E {gf}F (G +fermata+A)', ["1"] * 6),
        ("C- C D", ["2", "1"]),
        ("[L:1/4]C [L:1/16]D", ["2", "1/2"]),
    ],
)
def test_lengths(music: str, expected: list[str]) -> None:
    assert lengths(music) == [Fraction(length) for length in expected]


def test_a_tuplet_of_five_takes_three_in_a_compound_metre_and_two_otherwise() -> None:
    assert lengths("(5CDEFG", "6/8") == [Fraction(3, 5)] * 5
    assert lengths("(5CDEFG", "2/4") == [Fraction(2, 5)] * 5


def test_a_chord_sounds_together_and_lasts_as_its_first_note() -> None:
    score = read_tune(tune("[C2E2G2]2 D"))
    assert score.notes[:, :3].tolist() == [[0, 960, C], [0, 960, E], [0, 960, G], [960, 240, D]]


def test_rests_take_time() -> None:
    assert read_tune(tune("C z2 D x E | Z2 | F")).onset.tolist() == [0, 720, 1200, 1440 + 2 * 1920]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C | D :| E |", "CDCDE"),
        ("C | D || E :|", "CDECDE"),
        ("C :| D || E :|", "CCDEE"),
        ("C |: D || E :|", "CDEDE"),
        ("|: C :: D :|", "CCDD"),
        ("C |: D :| E", "CDDE"),
        ("|: C |1 D :|2 E |]", "CDCE"),
        ("C |1 D :|2 E || F", "CDCEF"),
        ("C |1 D :|2 E |: F :|", "CDCEFF"),
        ("C [|]:| D", "CCD"),
        ("|: C |: D :|", "CCDD"),
        # The next two are oddities of abc2midi, which ours follows.
        ("C |1 D :|2 E :| F", "CDCECF"),
        ("C [1 D :| [2 E |] F :|", "CDCEFCF"),
        ("|: C |1 D :| E", "CDCE"),
    ],
)
def test_repeats_and_endings_are_played_out(music: str, expected: str) -> None:
    assert pitches(music) == [globals()[letter] for letter in expected]


def test_parts_are_played_in_the_order_of_the_header() -> None:
    assert pitches("P:A\nC:|\nP:B\nD|", more="P:ABA\n") == [C, C, D, C, C]
    assert pitches("P:A\nC|\nP:B\nD|") == [C, D]
    assert parse_parts("A2.(BC)2") == "AABCBC"


def test_fields_become_marks_of_the_score() -> None:
    score = read_tune(tune("A|B4 c4|[M:3/4][K:D]d6|", "G", more='Q:"Slow" 3/8=80\n'))
    assert score.pickup == 240
    assert score.metres == (Metre(0, 4, 4), Metre(240 + 1920, 3, 4))
    assert score.keys == (Key(0, 1, "major"), Key(240 + 1920, 2, "major"))
    assert [round(tempo.bpm) for tempo in score.tempos] == [120]
    assert parse_tempo("100", Fraction(1, 8)) == 50
    assert parse_metre("(2+3)/8").bar == Fraction(5, 8)


def test_the_metre_gives_the_unit_where_it_is_missing() -> None:
    assert read_tune(Tune("X:1\nM:2/4\nK:C\nC\n")).duration.tolist() == [120]
    assert read_tune(Tune("X:1\nM:6/8\nK:C\nC\n")).duration.tolist() == [240]


def test_each_voice_is_a_part() -> None:
    score = read_tune(tune("V:1\nC2 D2\n[V:2]G4"))
    assert [part.name for part in score.parts] == ["1", "2"]
    assert score.notes[:, [0, 2, 4]].tolist() == [[0, C, 0], [0, G, 1], [480, D, 0]]


def test_comments_words_and_continued_lines_are_no_music() -> None:
    assert pitches("C % D\nw: la la\nN: E\nD \\\nE|!\nF`G") == [C, D, E, F, G]


def test_a_file_is_split_where_a_tune_ends(tmp_path: Path) -> None:
    path = tmp_path / "two.abc"
    path.write_bytes("% a book\r\n\r\nX:1\r\nT:Ä\r\nK:C\r\nC\r\n\r\nnot music\r\nX:2\r\nK:G\r\nD".encode("latin-1"))
    first, second = read_tunes(path)
    assert (first.line, first.title, second.line) == (3, "Ä", 9)
    assert read_tune(first).pitch.tolist() == [C]
    assert second.text == "X:2\nK:G\nD\n"


def test_what_is_no_tune_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "no.abc"
    path.write_text("hello\n", "utf-8")
    with pytest.raises(SourceError, match=r"no\.abc holds no ABC tune"):
        read_tunes(path)
    with pytest.raises(SourceError, match=r"\(line 7\) has no key"):
        read_tune(Tune("X:1\nCDE\n", 7))
    with pytest.raises(SourceError, match="no notes"):
        read_tune(tune("z4"))


@pytest.mark.parametrize(
    "music",
    [
        "G2|CDEFGABc|CDEFGAB:|",
        "|:CDEFGABc|1 C6:|2 C6 GF|]\n|:C8:|",
        "C8|D4:|\nE4|F8|G4||",
        "C8|D4:|:E4|F8:|",
        "Z4|(3CDE C6|",
        "|:CDEFGABc|C6|\n[1 GF|C8:|\n[2 GF|C8|]",
    ],
)
def test_a_sound_tune_has_no_diagnosis(music: str) -> None:
    assert check_tune(tune(music)) == []


@pytest.mark.parametrize(
    ("music", "line", "column", "message"),
    [
        ("C8|D4 D2|E8|", 5, 4, "lasts 3/4 of a whole note, not 1"),
        ("C8|\nD9|", 6, 1, "lasts 9/8"),
        ("C8|D4#D4|", 5, 6, "'#' has no meaning"),
        ("C8|:D8|", 5, 3, "never closed"),
        ("|:C8|:D8:|", 5, 1, "not closed before"),
        ("C8|2 D8|", 5, 3, "ending 2 has no ending 1"),
        (">C8|", 5, 1, "no note before"),
        ("C>D2 C5|", 5, 3, "different lengths"),
        ("[M:x/y]C8|", 5, 1, "no metre"),
        ("C,,,,,,,8|", 5, 1, "too low"),
        ("C8|(1D8|", 5, 4, "no tuplet"),
        ("[K:Gfoo]C8|", 5, 1, "no mode"),
    ],
)
def test_a_fault_is_named_with_line_and_column(music: str, line: int, column: int, message: str) -> None:
    (fault,) = check_tune(tune(music))
    assert (fault.line, fault.column) == (line, column)
    assert message in fault.message


@given(st.text("XKMLVPQ:|[]()123<>-/ABCdefgz^_=,'~{}\"!+&\n %\\", max_size=200))
def test_any_text_is_read_or_refused_and_can_be_checked(text: str) -> None:
    for found in split_tunes(f"X:1\nK:C\n{text}"):
        check_tune(found)
        try:
            score = read_tune(found)
        except SourceError:
            continue
        assert len(score)


@pytest.mark.parametrize("length", ["99999999", "9" * 5000, "1/0", "0"])
def test_no_length_is_too_odd_to_be_read(length: str) -> None:
    assert len(read_tune(tune(f"[L:{length}]C{length} (3:{length}:{length} D{length}")))


@given(st.lists(st.tuples(st.sampled_from("CDEFGABcdefgab"), st.integers(1, 16)), min_size=1))
def test_plain_notes_come_back_as_written(notes: list[tuple[str, int]]) -> None:
    score = read_tune(tune(" ".join(f"{letter}{length}" for letter, length in notes)))
    assert (score.duration // 240).tolist() == [length for _, length in notes]
    assert score.end == 240 * sum(length for _, length in notes)


def test_of_a_header_only_the_fields_named_are_left() -> None:
    text = "X:1\nT:A\n% by hand\nN:see K:\nM:3/4\nZ:me\nT:B\nK:D\nN:slow\nA3|\n"
    assert with_fields(Tune(text), "XTMK").text == "X:1\nT:A\nM:3/4\nT:B\nK:D\nN:slow\nA3|\n"
