"""Originality: copies are found in any key and anywhere, new music is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Piece
from midigen.errors import CheckpointError
from midigen.evaluation.originality import (
    PASSAGE,
    Passages,
    Shared,
    TrainingMusic,
    known_passages,
    originality,
    passages,
    steps,
)
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


def test_hashed_passages_tell_the_same_as_the_music_itself(chorales: tuple[Piece, ...]) -> None:
    train = [piece.score for piece in chorales if piece.split == "train"]
    held_out = [piece.score for piece in chorales if piece.split != "train"]
    exact, hashed = TrainingMusic(train), Passages.of(train)
    for score in [*held_out[::4], moved(train[0], 2)]:
        piece, found = steps(score), hashed.shared(score)
        longest, (shared, whole) = exact.longest(piece), exact.share(piece, PASSAGE)
        assert found.longest == (longest if longest >= PASSAGE else 0)
        assert found.share == pytest.approx(shared / whole)
    assert hashed.shared(train[0]) == Shared(len(steps(train[0])), 1.0)


def test_no_chorale_that_is_held_out_stands_in_the_training_music(chorales: tuple[Piece, ...]) -> None:
    """BWV 140.7 and 176.6 would: they are pieces of the canonical validation split, or nearly so."""
    known = Passages.of(piece.score for piece in chorales if piece.split == "train")
    shares = {piece.name: known.shared(piece.score).share for piece in chorales if piece.split != "train"}
    assert {"bwv140.7", "bwv176.6"} <= shares.keys()
    assert max(shares.values()) < 0.3


def test_passages_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    for scores in ([], [tiny.melody(1, 8)], [tiny.melody(seed, 40) for seed in range(5)]):
        known = Passages.of(scores)
        known.save(tmp_path / "passages.npz")
        assert Passages.load(tmp_path / "passages.npz").hashes.tolist() == known.hashes.tolist()
    assert [file.name for file in tmp_path.iterdir()] == ["passages.npz"]


def test_a_piece_shorter_than_a_passage_shares_nothing() -> None:
    tune = tiny.melody(1, 7)
    assert Passages.of([tune]).shared(tune) == Shared(0, 0.0)


def test_damaged_passages_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "passages.npz"
    for content in (b"", b"PK\x03\x04 no archive", b"text"):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"passages\.npz cannot be read"):
            Passages.load(file)


def test_a_run_makes_its_passages_of_the_training_pieces_and_keeps_them(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path / "data")
    trained = tiny.trained(tmp_path, data, epochs=1)
    known = known_passages(trained)
    assert known is not None
    assert [known.shared(tiny.hymn(seed)).share for seed in range(4)] == [1, 1, 1, 0]
    assert (tmp_path / "run" / "passages.npz").is_file()
    shutil.rmtree(data.folder)
    kept = known_passages(trained)
    assert kept is not None
    assert kept.hashes.tolist() == known.hashes.tolist()
    (tmp_path / "run" / "passages.npz").write_bytes(b"damaged")
    assert known_passages(trained) is None
