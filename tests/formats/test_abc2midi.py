"""abc2midi, the second judge: its errors come with line and column, and it plays what our reader hears."""

from __future__ import annotations

import numpy as np
import pytest

from midigen.formats import abc2midi
from midigen.formats.abc2midi import abc2midi_errors, find_abc2midi, play_with_abc2midi, valid_tunes
from midigen.formats.abc_notation import Tune, read_tune

pytestmark = pytest.mark.skipif(find_abc2midi() is None, reason="symusic comes without abc2midi here")

SOUND = "X:1\nM:4/4\nL:1/8\nK:D\nA2|d2fd (3efg f>e|d4 z2 [df]2-|[df]6:|\n"


def test_it_plays_what_our_reader_hears() -> None:
    ours, theirs = read_tune(Tune(SOUND)), play_with_abc2midi(SOUND.replace("K:", "%%MIDI chordattack 0\nK:"))
    assert np.abs(ours.notes[:, :3] - theirs.notes[:, :3]).max() <= 2


def test_its_errors_count_from_the_first_line_of_the_file() -> None:
    assert [len(errors) for errors in abc2midi_errors([Tune(SOUND)] * 2)] == [0, 0]
    _, (error, *_) = abc2midi_errors([Tune(SOUND), Tune("X:1\nK:C\nC\x01D|\n", line=100)])
    assert error.line == 102
    assert error.message.startswith("abc2midi: ")


def test_an_unfinished_tuplet_does_not_spoil_the_next_tune() -> None:
    unfinished, next_one = Tune("X:1\nM:C\nL:1/8\nK:C\nC4 C2 (3CD|\n"), Tune("X:2\nM:C\nL:1/8\nK:C\n(3CDE C6|\n")
    assert abc2midi_errors([unfinished, next_one])[1] == []


def test_a_tune_is_valid_if_both_judges_find_nothing() -> None:
    too_short = Tune("X:1\nM:4/4\nL:1/8\nK:C\nC8|C6|C8|\n")
    assert valid_tunes([Tune(SOUND), too_short, Tune("X:1\nK:C\nC\x01D|\n")]) == [True, False, False]


def test_without_it_our_own_validator_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc2midi, "find_abc2midi", lambda: None)
    assert abc2midi_errors([Tune("X:1\nK:C\nC\x01D|\n")]) == [[]]
    assert valid_tunes([Tune(SOUND), Tune("X:1\nK:C\nC\x01D|\n")]) == [True, False]
