"""Ranking: the best first, by style, by likelihood or by novelty, and a reason for all that is thrown away."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from midigen.errors import UsageError
from midigen.evaluation.evaluate import likelihood
from midigen.evaluation.originality import Passages
from midigen.evaluation.ranking import (
    Judge,
    Verdict,
    likelihood_of,
    nats_per_note,
    novelty_from,
    rank,
    require_fewer,
    style_of,
)
from midigen.scores.score import Score
from tests import tiny

NOTES = (3, 9, 5, 9)
SCORES = [tiny.melody(seed, notes) for seed, notes in enumerate(NOTES)]
NOTHING = [""] * len(SCORES)


def kept(verdicts: list[Verdict]) -> list[int]:
    return [verdict.piece for verdict in verdicts if not verdict.reason]


def test_the_pieces_nearest_to_the_best_figure_are_kept_and_equals_keep_their_order() -> None:
    assert kept(rank(SCORES, NOTHING, NOTHING, Judge("length", len, 100.0), 3)) == [1, 3, 2]
    assert kept(rank(SCORES, NOTHING, NOTHING, Judge("length", len, 4.5), 2)) == [2, 0]


def test_every_piece_that_is_thrown_away_has_its_reason() -> None:
    verdicts = rank(SCORES, ["", "copies", "", ""], ["", "", "", "loops"], Judge("length", len, 100.0), 1)
    assert [(verdict.piece, verdict.figure, verdict.reason) for verdict in verdicts] == [
        (2, 5, ""),
        (0, 3, "ranks lower"),
        (3, 9, "loops"),
        (1, 9, "copies"),
    ]


def test_a_flaw_puts_a_piece_behind_the_others_and_an_objection_out() -> None:
    flaws, objections = ["", "loops", "", ""], ["", "", "", "copies"]
    assert kept(rank(SCORES, objections, flaws, Judge("length", len, 100.0), 4)) == [2, 0, 1]


def test_without_a_judge_the_order_stays() -> None:
    assert kept(rank(SCORES, ["", "copies", "", ""], NOTHING, None, 4)) == [0, 2, 3]


def test_a_style_prefers_what_sounds_like_it() -> None:
    hymn = tiny.hymn(0, 8)
    rng = np.random.default_rng(0)
    noise = Score.from_notes((120 * i, 60, int(rng.integers(30, 100)), 80, 0) for i in range(200))
    assert kept(rank([noise, hymn], ["", ""], ["", ""], style_of("bach-chorales"), 1)) == [1]


def test_the_likelihood_of_a_piece_is_what_evaluation_measures(tmp_path: Path) -> None:
    trained = tiny.trained(tmp_path, data := tiny.hymns(tmp_path / "data"), epochs=1)
    (index,) = data.indices("valid")
    score = data.representation.decode(*data.piece(index))
    measured = likelihood(trained, data, "valid").nll_per_note
    judge = likelihood_of(trained)
    assert judge.measure(score) == pytest.approx(measured, rel=1e-5)
    assert judge.best == pytest.approx(measured, rel=1e-5)


def test_what_the_model_cannot_read_is_infinitely_unlikely(tmp_path: Path) -> None:
    trained = tiny.trained(tmp_path, tiny.hymns(tmp_path / "data"), epochs=1)
    assert nats_per_note(trained, tiny.melody(0)) == math.inf


def test_novelty_prefers_what_stands_nowhere() -> None:
    known, new = tiny.melody(1, 30), tiny.melody(2, 30)
    judge = novelty_from(Passages.of([known]))
    assert judge.measure(known) == 1
    assert kept(rank([known, new], ["", ""], ["", ""], judge, 1)) == [1]


def test_what_cannot_judge_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not know 'my-songs'.*Take --rank likelihood or novelty"):
        style_of("my-songs")
    with pytest.raises(UsageError, match="--keep must be between 1 and --count 1, not 2"):
        require_fewer(2, 1)
    trained = tiny.trained(tmp_path, tiny.melodies(tmp_path / "data"), epochs=1)
    with pytest.raises(UsageError, match="take --rank style or novelty"):
        likelihood_of(replace(trained, config={**trained.config, "metrics": {}}))
