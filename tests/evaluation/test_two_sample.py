"""The two-sample test: it cannot tell music of one kind apart, and can tell music of two kinds."""

from __future__ import annotations

from midigen.evaluation.two_sample import two_sample_test
from midigen.scores.score import Score
from tests import tiny


def tunes(first: int, count: int, *, short: bool = False) -> list[Score]:
    scores = [tiny.melody(seed, 60) for seed in range(first, first + count)]
    return [Score(s.onset, s.duration // (3 if short else 1), s.pitch, s.velocity, s.part) for s in scores]


def test_music_of_another_kind_is_told_apart_and_of_the_same_kind_is_not() -> None:
    other = two_sample_test(tunes(0, 15, short=True), tunes(50, 15), 0)
    same = two_sample_test(tunes(0, 15), tunes(50, 15), 0)
    assert other is not None
    assert same is not None
    assert other.accuracy > 0.9
    assert 0.3 < same.accuracy < 0.7
    assert other.excerpts == same.excerpts > 30


def test_a_test_repeats_with_its_seed() -> None:
    first, second = (two_sample_test(tunes(0, 10), tunes(20, 10), 5) for _ in range(2))
    assert first is not None
    assert first == second


def test_too_few_pieces_or_too_short_ones_tell_nothing() -> None:
    assert two_sample_test(tunes(0, 10), tunes(20, 4), 0) is None
    silent = [Score.from_notes([(0, 480, 60, 80, 0), (20 * 1920, 480, 60, 80, 0)])] * 9
    assert two_sample_test(tunes(0, 10), [*silent, tiny.melody(0, 4)], 0) is None
