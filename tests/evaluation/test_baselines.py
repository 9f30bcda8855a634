"""Counting: probabilities that sum to 1, finite for what was never seen, and better the more of the past they know."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.evaluation.baselines import NGram, baselines
from midigen.scores.score import Score
from tests import tiny

IDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30)


@given(IDS, st.integers(0, 5), st.lists(st.integers(0, 3), max_size=5))
def test_probabilities_sum_to_1_after_any_past(rows: list[tuple[int, int]], order: int, past: list[int]) -> None:
    counts = NGram([4, 3], order)
    counts.learn(np.array(rows))
    for column, size in enumerate((4, 3)):
        chances = [counts.probability(column, past[:order], value) for value in range(size)]
        assert sum(chances) == pytest.approx(1)
        assert min(chances) > 0


def test_witten_and_bell_by_hand() -> None:
    counts = NGram([4], 1)
    counts.learn(np.array([[0], [1], [0], [2]]))
    # Nothing before: 4 ids, 3 kinds. After 0: a 1 and a 2.
    alone = (1 + 3 / 4) / (4 + 3)
    assert counts.probability(0, (), 1) == pytest.approx(alone)
    assert counts.probability(0, (0,), 1) == pytest.approx((1 + 2 * alone) / (2 + 2))
    assert counts.probability(0, (3,), 1) == pytest.approx(alone)


def test_columns_are_counted_by_themselves_and_know_those_before_them() -> None:
    rows = np.array([[0, 1], [1, 0]] * 50)
    counts = NGram([2, 2], 1)
    counts.learn(rows)
    unigram, bigram = counts.score(rows)
    assert unigram.nats / len(rows) == pytest.approx([math.log(2)] * 2, rel=1e-2)
    assert bigram.nats[1] < 0.1 * unigram.nats[1]
    assert bigram.accuracy > 0.95


def test_a_split_is_scored_by_counts_of_the_training_pieces_with_the_best_order(tmp_path: Path) -> None:
    scales = [
        Score.from_notes((480 * step, 480, (60, 62, 64, 65)[step % 4], 80, 0) for step in range(length))
        for length in (24, 12, 20)
    ]
    tune = tiny.dataset(tmp_path / "scales", scales, splits="tvt")
    known = baselines(tune, "valid")
    assert known is not None
    assert known.ngram.rows == 12
    assert known.ngram.nll_per_row < 0.3 * known.unigram.nll_per_row
    other = baselines(tiny.melodies(tmp_path / "other"), "valid")
    assert other is not None
    assert other.order < known.order
    assert baselines(tune, "test") is None


@given(IDS, st.integers(0, 40))
def test_rows_before_the_first_are_context_only(rows: list[tuple[int, int]], first: int) -> None:
    counts = NGram([4, 3], 2)
    counts.learn(np.array(rows))
    whole, rest = counts.score(np.array(rows)), counts.score(np.array(rows), first=first)
    opening = counts.score(np.array(rows[:first]).reshape(-1, 2))
    for parts in zip(whole, opening, rest, strict=True):
        assert parts[2].rows == max(len(rows) - first, 0)
        assert parts[1].nats + parts[2].nats == pytest.approx(parts[0].nats)


@given(IDS, IDS)
def test_each_order_costs_what_its_probabilities_say(
    rows: list[tuple[int, int]], held_out: list[tuple[int, int]]
) -> None:
    counts = NGram([4, 3], 3)
    counts.learn(np.array(rows))
    ids = [-1] * 3 + [value for row in held_out for value in row]
    for order, count in enumerate(counts.score(np.array(held_out))):
        chances = [
            counts.probability((place - 3) % 2, ids[place - order : place], ids[place]) for place in range(3, len(ids))
        ]
        assert count.nats.sum() == pytest.approx(-np.log(chances).sum())
