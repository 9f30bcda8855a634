"""Ranking: the best first, by the probability of a style."""

from __future__ import annotations

import numpy as np
import pytest

from midigen.errors import UsageError
from midigen.evaluation.ranking import best, require_fewer, style_of
from midigen.scores.score import Score
from tests import tiny


def test_the_best_come_first_and_equals_keep_their_order() -> None:
    scores = [tiny.melody(seed, notes) for seed, notes in enumerate((3, 9, 5, 9))]
    assert best(scores, 3, len) == [(1, 9), (3, 9), (2, 5)]


def test_a_style_prefers_what_sounds_like_it() -> None:
    hymn = tiny.hymn(0, 8)
    rng = np.random.default_rng(0)
    noise = Score.from_notes((120 * i, 60, int(rng.integers(30, 100)), 80, 0) for i in range(200))
    judge = style_of("bach-chorales")
    assert best([noise, hymn], 1, judge)[0][0] == 1


def test_an_unknown_style_or_too_many_to_keep_are_errors() -> None:
    with pytest.raises(UsageError, match="does not know 'my-songs'"):
        style_of("my-songs")
    with pytest.raises(UsageError, match="--keep must be between 1 and --count 1, not 2"):
        require_fewer(2, 1)
