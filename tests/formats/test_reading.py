"""The table of readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from midigen.errors import SourceError
from midigen.formats.midi import write_midi
from midigen.formats.reading import NEEDS_WORKER, SUFFIXES, read_piece
from midigen.scores.score import Score


@pytest.mark.parametrize("name", ["a.mid", "a.MIDI", "a.Kar"])
def test_the_suffix_chooses_the_reader_in_any_case(tmp_path: Path, name: str) -> None:
    score = Score.from_notes([(0, 480, 60, 80, 0)])
    write_midi(score, tmp_path / name)
    assert read_piece(tmp_path / name) == score


def test_another_suffix_is_refused_with_those_that_work(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\.krn, \.mid,"):
        read_piece(tmp_path / "song.mp3")


def test_only_what_music21_reads_needs_a_worker() -> None:
    assert {".mid", ".midi", ".kar", ".abc"} == SUFFIXES - NEEDS_WORKER


def test_an_abc_file_that_is_to_be_one_piece_holds_one_tune(tmp_path: Path) -> None:
    path = tmp_path / "tune.abc"
    path.write_text("X:1\nK:C\nCD|\n")
    assert read_piece(path).pitch.tolist() == [60, 62]
    path.write_text("X:1\nK:C\nCD|\n\nX:2\nK:C\nCD|\n")
    with pytest.raises(SourceError, match=r"tune\.abc holds 2 tunes; keep the one you mean"):
        read_piece(path)
    path.write_text("X:1\n")
    with pytest.raises(SourceError, match=r"tune\.abc: the tune \(line 1\) has no key"):
        read_piece(path)
