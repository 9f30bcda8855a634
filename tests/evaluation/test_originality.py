"""Originality: copies are found in any key and anywhere, new music is not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from midigen.evaluation.originality import TrainingMusic, originality, passages, steps
from midigen.scores.score import Score
from tests import tiny


def moved(score: Score, semitones: int = 0, ticks: int = 0) -> Score:
    return replace(score, onset=score.onset + ticks, pitch=score.pitch + semitones)


@given(st.integers(0, 99), st.integers(-12, 12), st.integers(0, 50), st.integers(1, 20))
def test_passages_are_the_same_in_any_key_and_at_any_time(seed: int, semitones: int, beats: int, length: int) -> None:
    tune = tiny.melody(seed, 20)
    own = passages(steps(tune), length)
    assert len(own) == max(0, len(steps(tune)) - length + 1)
    assert own.tolist() == passages(steps(moved(tune, semitones, 480 * beats)), length).tolist()


def test_a_copy_in_another_key_is_found_as_a_whole() -> None:
    tune = tiny.melody(3, 40)
    found = originality([moved(tune, 5, 960)], TrainingMusic([tiny.melody(8, 40), tune]))
    assert found.longest == 40
    assert found.shares == {4: 1.0, 8: 1.0, 16: 1.0}


def test_the_longest_passage_is_as_long_as_what_was_copied() -> None:
    known, new = tiny.melody(3, 40), tiny.melody(99, 30)
    piece = known.notes[10:22].copy()
    piece[:, 0] += 100_000 - piece[0, 0]
    quoting = Score.from_notes([tuple(row) for row in [*new.notes.tolist(), *piece.tolist()]])
    training = TrainingMusic([known])
    longest = training.longest(steps(quoting))
    assert 12 <= longest <= 14  # what stands around the quotation may happen to agree
    naive = [n for n in range(1, 41) if set(passages(steps(quoting), n).tolist()) & set(training.known(n).tolist())]
    assert longest == max(naive)


def test_chords_count_by_their_intervals_and_new_music_is_not_found() -> None:
    hymn = tiny.hymn(1, 4)
    other = originality([tiny.hymn(2, 4)], TrainingMusic([hymn]))
    assert other.shares[8] == other.shares[16] == 0
    assert originality([moved(hymn, 3)], TrainingMusic([hymn])).longest == len(steps(hymn)) == 16


def test_pieces_without_a_passage_count_as_original() -> None:
    found = originality([tiny.melody(0, 2)], TrainingMusic([]))
    assert (found.longest, found.shares) == (0, {4: 0.0, 8: 0.0, 16: 0.0})
