"""MusicXML and kern: small scores made here, and chorales that music21 ships."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from midigen.errors import SourceError
from midigen.formats.musicxml import read_score
from midigen.scores.score import Key, Metre, Part, Score, Tempo
from midigen.scores.time import bar_starts

FOUR_FOUR = "<divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"


def note(step: str = "C", length: int = 2, inside: str = "", *, chord: bool = False) -> str:
    """A note in octave 4, its length in eighths."""
    start = "<chord/>" if chord else ""
    return (
        f"<note>{start}<pitch><step>{step}</step><octave>4</octave></pitch><duration>{length}</duration>{inside}</note>"
    )


def attributes(inside: str) -> str:
    return f"<attributes>{inside}</attributes>"


def xml(*bars: str, part: str = "<part-name>Voice</part-name>") -> str:
    numbered = "".join(f'<measure number="{number}">{bar}</measure>' for number, bar in enumerate(bars, 1))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0"><part-list><score-part id="P1">{part}'
        f'</score-part></part-list><part id="P1">{numbered}</part></score-partwise>'
    )


def read(folder: Path, *bars: str, part: str = "<part-name>Voice</part-name>") -> Score:
    path = folder / "score.musicxml"
    path.write_text(xml(*bars, part=part))
    return read_score(path)


def bundled(name: str) -> Path:
    import music21

    return Path(music21.__file__).parent / "corpus" / name


def full(step: str = "C") -> str:
    return note(step, 8)


def test_ties_are_merged_and_chords_are_their_notes(tmp_path: Path) -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    first = attributes(FOUR_FOUR) + note("C", 8, start) + note("E", 8, chord=True)
    score = read(tmp_path, first, note("C", 8, stop + start), note("C", 2, stop) + note("C", 6))
    assert score.notes[:, :3].tolist() == [[0, 4320, 60], [0, 1920, 64], [4320, 1440, 60]]


def test_grace_notes_and_unpitched_percussion_are_left_out(tmp_path: Path) -> None:
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    drum = "<note><unpitched/><duration>4</duration></note>"
    score = read(tmp_path, attributes(FOUR_FOUR) + grace + note("C", 4) + drum)
    assert score.pitch.tolist() == [60]


def test_voices_sound_together(tmp_path: Path) -> None:
    back = "<backup><duration>8</duration></backup>"
    score = read(tmp_path, attributes(FOUR_FOUR) + note("C", 8) + back + note("E", 8, "<voice>2</voice>"), full())
    assert score.onset.tolist() == [0, 0, 1920]


def test_triplets_and_septuplets_leave_no_gap(tmp_path: Path) -> None:
    divisions = FOUR_FOUR.replace("<divisions>2", "<divisions>7")
    score = read(tmp_path, attributes(divisions) + note("C", 1) * 7 + note("D", 21))
    assert (score.onset + score.duration)[:-1].tolist() == score.onset[1:].tolist()
    assert score.onset[7] == 480


def test_transposing_instruments_sound_where_they_sound(tmp_path: Path) -> None:
    in_b_flat = "<key><fifths>2</fifths><mode>major</mode></key>" + FOUR_FOUR.removeprefix("<divisions>2</divisions>")
    transpose = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    score = read(tmp_path, attributes("<divisions>2</divisions>" + in_b_flat + transpose) + note("D", 8))
    assert score.pitch.tolist() == [60]
    assert score.keys == (Key(0, 0, "major"),)


def test_parts_have_their_name_and_program(tmp_path: Path) -> None:
    part = (
        '<part-name>Solo\nFlute</part-name><score-instrument id="I1"><instrument-name>Flute</instrument-name>'
        '</score-instrument><midi-instrument id="I1"><midi-program>74</midi-program></midi-instrument>'
    )
    assert read(tmp_path, attributes(FOUR_FOUR) + full(), part=part).parts == (Part("Solo Flute", 73),)


def test_metronome_marks_become_tempos_in_quarters(tmp_path: Path) -> None:
    mark = "<metronome><beat-unit>half</beat-unit><per-minute>60</per-minute></metronome>"
    direction = f"<direction><direction-type>{mark}</direction-type></direction>"
    score = read(tmp_path, attributes(FOUR_FOUR) + full(), direction + full())
    assert score.tempos == (Tempo(1920, 500_000),)


def test_a_key_without_mode_says_so(tmp_path: Path) -> None:
    score = read(tmp_path, attributes("<key><fifths>-3</fifths></key>" + FOUR_FOUR) + full())
    assert score.keys == (Key(0, -3, ""),)


def test_a_short_first_bar_is_the_pickup(tmp_path: Path) -> None:
    score = read(tmp_path, attributes(FOUR_FOUR) + note(), full(), full())
    assert (score.pickup, score.metres) == (480, (Metre(0),))
    assert bar_starts(score).tolist() == [0, 480, 2400]


def test_a_bar_split_in_two_needs_no_metre(tmp_path: Path) -> None:
    score = read(tmp_path, attributes(FOUR_FOUR) + full(), note("C", 6), note("C", 2), full())
    assert score.metres == (Metre(0),)


def test_a_bar_too_short_repeats_the_metre_at_the_next_full_bar(tmp_path: Path) -> None:
    score = read(tmp_path, attributes(FOUR_FOUR) + full(), note("C", 6), full(), full())
    assert score.metres == (Metre(0), Metre(3360))


def test_a_new_metre_begins_a_bar(tmp_path: Path) -> None:
    three_four = attributes("<time><beats>3</beats><beat-type>4</beat-type></time>")
    score = read(tmp_path, attributes(FOUR_FOUR) + full(), three_four + note("C", 6), note("C", 6))
    assert score.metres == (Metre(0), Metre(1920, 3, 4))


def test_signatures_that_no_one_can_mean_are_ignored(tmp_path: Path) -> None:
    time = "<time><beats>99</beats><beat-type>4</beat-type></time>"
    score = read(tmp_path, attributes("<divisions>2</divisions><key><fifths>9</fifths></key>" + time) + full(), full())
    assert (score.keys, score.metres, score.pickup) == ((), (), 0)


def test_a_fermata_counts_with_the_first_onset_of_a_tied_note(tmp_path: Path) -> None:
    fermata = '<tie type="stop"/><notations><fermata/></notations>'
    score = read(
        tmp_path, attributes(FOUR_FOUR) + note("C", 4) + note("C", 4, '<tie type="start"/>'), note("C", 8, fermata)
    )
    assert score.fermatas == (960,)


def test_repeats_are_not_played_out(tmp_path: Path) -> None:
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    assert len(read(tmp_path, attributes(FOUR_FOUR) + full() + repeat, full())) == 2


@pytest.mark.parametrize("name", ["bwv269", "bwv261", "bwv304", "bwv374", "bwv4.8", "bwv41.6"])
def test_every_full_bar_of_a_chorale_is_met_by_counting(name: str) -> None:
    from music21 import converter

    path = bundled(f"bach/{name}.mxl")
    score = read_score(path)
    bars = converter.parse(path, forceSource=True, storePickle=False).parts[0].getElementsByClass("Measure")
    starts = [round(bar.offset * 480) for bar in bars if bar.highestTime >= bar.barDuration.quarterLength]
    assert len(starts) > 8
    assert set(starts) <= set(bar_starts(score).tolist())


def test_a_chorale_keeps_its_voices_key_pickup_and_fermatas() -> None:
    score = read_score(bundled("bach/bwv269.mxl"))
    assert [part.name for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert (score.keys, score.metres, score.pickup) == ((Key(0, 1, "major"),), (Metre(0, 3, 4),), 480)
    assert len(score.fermatas) > 4
    assert set(score.fermatas) <= set(score.onset.tolist())


def test_kern_is_read() -> None:
    score = read_score(bundled("palestrina/Agnus_08.krn"))
    assert [part.name for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert score.metres == (Metre(0, 4, 2),)


def test_music21_keeps_no_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    read(tmp_path, attributes(FOUR_FOUR) + full())
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_a_zipped_score_is_read_if_its_suffix_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", xml(attributes(FOUR_FOUR) + full()))
    assert len(read_score(tmp_path / "a.mxl")) == 1
    (tmp_path / "a.mxl").rename(tmp_path / "a.musicxml")
    with pytest.raises(SourceError, match="rename it"):
        read_score(tmp_path / "a.musicxml")


def test_a_zip_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.mxl", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.xml", "w") as member,
    ):
        for _ in range(101):
            member.write(bytes(1_000_000))
    with pytest.raises(SourceError, match="unzips to more than 100 MB"):
        read_score(tmp_path / "bomb.mxl")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xml", "", "is empty"),
        ("a.xml", "<!DOCTYPE html><html><body></html>", "is not a score"),
        ("a.xml", "<note/>", "is not a score"),
        ("a.xml", '<score-partwise version="4.0"/>', "is not one score with parts"),
        ("a.musicxml", xml(attributes(FOUR_FOUR)), "holds no notes"),
        ("a.mxl", "PK\x03\x04", "is not a score"),
        ("a.krn", "**kern\n4c\tq\t?\n", "is not a score"),
    ],
)
def test_what_is_no_score_is_refused_in_one_sentence(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=sentence) as caught:
        read_score(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
        archive.writestr("score.xml", xml(attributes(FOUR_FOUR) + full()))
    data = bytearray((tmp_path / "a.mxl").read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "a.mxl").write_bytes(data)
    with pytest.raises(SourceError, match=r"is not a score: (BadZipFile|error)"):
        read_score(tmp_path / "a.mxl")
