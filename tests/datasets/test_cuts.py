"""The cuts of published networks: windows with one target, and one text of all pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from midigen.datasets.batches import batches
from midigen.datasets.build import Dataset
from tests.datasets.test_batches import END, START, dataset_of, names

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=12)
SIZES = st.integers(1, 6)


def windows(data: Dataset, split: str, dealt: str = "piece") -> list[tuple[int, int]]:
    """The (piece, step) of all targets of windows of three rows."""
    found = []
    for batch in batches(data, split, 4, 3, cut="windows", dealt=dealt):
        assert batch.is_row.sum(1).tolist() == [1] * len(batch.rows)
        for rows, before in zip(batch.rows, batch.before, strict=True):
            (target,) = names(rows[-1:])
            assert names(before) == [(target[0], step) for step in range(target[1] - 3, target[1])]
            found.append(target)
    return found


def split_in_three(lengths: Sequence[int]) -> Dataset:
    data = dataset_of(lengths)
    for index, piece in enumerate(data.manifest["pieces"]):
        piece["split"] = ("train", "valid", "test")[index % 3]
    return data


@given(LENGTHS)
def test_every_row_with_a_whole_window_before_it_is_a_target_once(lengths: list[int]) -> None:
    expected = [(piece, step) for piece, length in enumerate(lengths) for step in range(3, length)]
    assert windows(dataset_of(lengths), "train") == expected


@given(LENGTHS)
def test_windows_dealt_out_keep_the_test_pieces_apart(lengths: list[int]) -> None:
    data = split_in_three(lengths)
    train, valid, test = (windows(data, split, "window") for split in ("train", "valid", "test"))
    expected = [(i, step) for i, length in enumerate(lengths) if i % 3 < 2 for step in range(3, length)]
    assert sorted([*train, *valid]) == expected
    assert len(train) == int(0.8 * len(expected))
    assert {piece % 3 for piece, _ in test} <= {2}


def test_a_last_batch_that_is_not_full_is_dropped_while_training() -> None:
    data = dataset_of([14])
    sizes = [len(batch.rows) for batch in batches(data, "train", 4, 3, np.random.default_rng(0), cut="windows")]
    assert sizes == [4, 4]
    assert [len(batch.rows) for batch in batches(data, "train", 4, 3, cut="windows")] == [4, 4, 3]


@given(LENGTHS, SIZES, st.integers(1, 8))
def test_a_text_holds_all_pieces_one_behind_the_other(lengths: list[int], lanes: int, length: int) -> None:
    steps = [(piece, step) for piece, size in enumerate(lengths) for step in range(size + 1)]
    lanes_used = min(lanes, len(steps))
    share = len(steps) // lanes_used
    passed = list(batches(dataset_of(lengths), "train", lanes, length, cut="text"))
    assert [bool(batch.fresh.all()) for batch in passed] == [True, *[False] * (len(passed) - 1)]
    for lane in range(lanes_used):
        walked = [
            (row.tolist(), before.tolist(), bool(end))
            for batch in passed
            for row, before, end in zip(batch.rows[lane], batch.before[lane], batch.is_end[lane], strict=True)
        ]
        for (piece, step), (row, before, end) in zip(steps[lane * share : (lane + 1) * share], walked, strict=True):
            assert end == (step == lengths[piece])
            assert row == (END if end else [60, step, piece])
            assert before == ([60, step - 1, piece] if step else START)


def test_neither_windows_nor_a_text_are_transposed() -> None:
    for cut in ("windows", "text"):
        for seed in range(5):
            passed = batches(dataset_of([12, 12]), "train", 4, 3, np.random.default_rng(seed), cut=cut)
            assert {row[0] for batch in passed for row in batch.rows[batch.is_row].tolist()} == {60}
