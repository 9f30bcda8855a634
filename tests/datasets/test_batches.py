from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Collection, Piece
from midigen.datasets.batches import LONGEST_STREAM, Batch, batches, prepare_steps
from midigen.datasets.build import SPLITS, Dataset, Target, build
from midigen.representations.notes import Notes
from midigen.scores.score import Part, Score
from tests import tiny

NOTES = Notes(lowest=0, highest=127)
START = [field.size for field in NOTES.fields]
END = [START[0], 0, 0]
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=20)
SIZES = st.integers(1, 6)
SEQUENCES = st.none() | st.integers(1, 8)
SEEDS = st.none() | st.integers(0, 99)


def dataset_of(lengths: Sequence[int], split: str = "train") -> Dataset:
    """Pieces whose rows name themselves: row ``step`` of piece ``piece`` has the ids (60, step, piece)."""
    blocks = [
        [*([60, step, piece, 32] for step in range(length)), [-1, -1, -1, 32]] for piece, length in enumerate(lengths)
    ]
    manifest = {"pieces": [{"rows": length, "split": split} for length in lengths]}
    offsets = np.cumsum([0, *(len(block) for block in blocks)])
    return Dataset(Path(), manifest, NOTES, np.concatenate(blocks).astype(np.int64), offsets)


def one_pass(
    lengths: Sequence[int], size: int, sequence_length: int | None = None, seed: int | None = None
) -> list[Batch]:
    rng = None if seed is None else np.random.default_rng(seed)
    return list(batches(dataset_of(lengths), "train", size, sequence_length, rng))


def names(rows: torch.Tensor) -> list[tuple[int, int]]:
    """The (piece, step) of rows (N, K)."""
    return [(piece, step) for _, step, piece in rows.tolist()]


@given(LENGTHS, SIZES, SEQUENCES, SEEDS)
def test_every_row_is_a_target_exactly_once(
    lengths: list[int], size: int, sequence_length: int | None, seed: int | None
) -> None:
    found = [
        name for batch in one_pass(lengths, size, sequence_length, seed) for name in names(batch.rows[batch.is_row])
    ]
    assert sorted(found) == [(piece, step) for piece, length in enumerate(lengths) for step in range(length)]


@given(LENGTHS, SIZES, SEQUENCES, SEEDS)
def test_every_piece_ends_exactly_once(
    lengths: list[int], size: int, sequence_length: int | None, seed: int | None
) -> None:
    ended = one_pass(lengths, size, sequence_length, seed)
    before = [name for batch in ended for name in names(batch.before[batch.is_end])]
    assert sorted(before) == [(piece, length - 1) for piece, length in enumerate(lengths)]
    assert all(row == END for batch in ended for row in batch.rows[batch.is_end].tolist())


@given(LENGTHS, SIZES, SEQUENCES)
def test_before_each_row_stands_the_one_before(lengths: list[int], size: int, sequence_length: int | None) -> None:
    for batch in one_pass(lengths, size, sequence_length):
        for row, before in zip(batch.rows[batch.is_row].tolist(), batch.before[batch.is_row].tolist(), strict=True):
            assert before == (START if row[1] == 0 else [60, row[1] - 1, row[2]])


@given(LENGTHS, SIZES, SEQUENCES)
def test_the_context_is_that_of_the_piece(lengths: list[int], size: int, sequence_length: int | None) -> None:
    dataset = dataset_of(lengths)
    contexts = [NOTES.context(*dataset.piece(piece)).tolist() for piece in range(len(lengths))]
    for batch in one_pass(lengths, size, sequence_length):
        found = zip(names(batch.rows[batch.is_row]), batch.context[batch.is_row].tolist(), strict=True)
        assert all(context == contexts[piece][step] for (piece, step), context in found)
        ends = zip(names(batch.before[batch.is_end]), batch.context[batch.is_end].tolist(), strict=True)
        assert all(context == contexts[piece][-1] for (piece, _), context in ends)


@given(LENGTHS, SIZES, SEQUENCES)
def test_padding_is_masked_and_zero(lengths: list[int], size: int, sequence_length: int | None) -> None:
    for batch in one_pass(lengths, size, sequence_length):
        padding = ~(batch.is_row | batch.is_end)
        assert not (batch.is_row & batch.is_end).any()
        assert not any(values[padding].any() for values in (batch.rows, batch.before, batch.context))
        assert not padding.all(dim=0).any()  # no step is padding in every lane


@given(LENGTHS, SIZES, st.integers(1, 8), SEEDS)
def test_a_lane_goes_through_its_pieces_without_gaps(
    lengths: list[int], size: int, sequence_length: int, seed: int | None
) -> None:
    passed = one_pass(lengths, size, sequence_length, seed)
    for lane in range(min(size, len(lengths))):
        expected: tuple[int, int] | None = None
        for batch in passed:
            steps = names(batch.rows[lane][batch.is_row[lane]])
            if bool(batch.fresh[lane]):
                assert expected is None
                expected = (steps[0][0], 0)
            for step in steps:
                assert step == expected
                expected = (step[0], step[1] + 1)
            if bool(batch.is_end[lane].any()):
                expected = None
        assert expected is None


@given(LENGTHS, SIZES, SEQUENCES)
def test_a_lane_is_fresh_exactly_where_a_piece_begins(
    lengths: list[int], size: int, sequence_length: int | None
) -> None:
    for batch in one_pass(lengths, size, sequence_length):
        begins = (batch.before[:, 0] == torch.tensor(START)).all(dim=-1)
        assert batch.fresh.tolist() == begins.tolist()


@given(LENGTHS, SIZES)
def test_streams_keep_their_number_of_lanes(lengths: list[int], size: int) -> None:
    assert {len(batch.rows) for batch in one_pass(lengths, size, 4)} == {min(size, len(lengths))}


@given(LENGTHS, SIZES, SEQUENCES, st.integers(1, 4))
def test_shares_partition_a_batch(lengths: list[int], size: int, sequence_length: int | None, ranks: int) -> None:
    for batch in one_pass(lengths, size, sequence_length):
        shares = [batch.share(rank, ranks) for rank in range(ranks)]
        for mask in ("is_row", "is_end"):
            found = [row for share in shares for row in share.before[getattr(share, mask)].tolist()]
            assert sorted(found) == sorted(batch.before[getattr(batch, mask)].tolist())
        assert sum(int(share.fresh.sum()) for share in shares) == int(batch.fresh.sum())


def test_a_rank_without_a_piece_gets_one_without_steps() -> None:
    (batch,) = one_pass([5], 1)
    empty = batch.share(1, 2)
    assert empty.rows.shape == batch.rows.shape
    assert not empty.is_row.any()
    assert not empty.is_end.any()
    assert not empty.fresh.any()


@given(LENGTHS, SIZES, SEQUENCES, st.integers(0, 99))
def test_the_same_seed_gives_the_same_batches(
    lengths: list[int], size: int, sequence_length: int | None, seed: int
) -> None:
    first, second = (one_pass(lengths, size, sequence_length, seed) for _ in range(2))
    assert len(first) == len(second)
    assert all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("sequence_length", [None, 4])
def test_another_seed_gives_another_order(sequence_length: int | None) -> None:
    orders = [
        [piece for batch in one_pass([4] * 20, 2, sequence_length, seed) for piece, _ in names(batch.rows[:, 0])]
        for seed in range(4)
    ]
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("sequence_length", [None, 4])
def test_without_a_generator_pieces_come_in_order_and_as_they_are(sequence_length: int | None) -> None:
    passed = one_pass([4] * 6, 2, sequence_length)
    begun = [piece for batch in passed for piece, _ in names(batch.rows[batch.fresh, 0])]
    assert begun == list(range(6))
    assert {row[0] for batch in passed for row in batch.rows[batch.is_row].tolist()} == {60}


def test_with_a_generator_a_piece_is_transposed_as_a_whole() -> None:
    pitches = set()
    for seed in range(30):
        for batch in one_pass([5, 5], 2, None, seed):
            for lane, is_row in zip(batch.rows, batch.is_row, strict=True):
                (pitch,) = set(lane[is_row][:, 0].tolist())
                pitches.add(pitch)
    assert pitches == set(range(54, 66))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_holds_only_its_own_pieces(split: str) -> None:
    passes = {other: list(batches(dataset_of([3, 3], split), other, 2)) for other in SPLITS}
    assert {other for other, passed in passes.items() if passed} == {split}


@pytest.mark.parametrize("sequence_length", [None, 4])
def test_an_empty_split_gives_no_batches(sequence_length: int | None) -> None:
    assert list(batches(dataset_of([3]), "test", 2, sequence_length)) == []


def test_whole_pieces_of_like_length_lie_together() -> None:
    padded = one_pass([2, 9] * 8, 8)
    assert [batch.rows.shape[1] for batch in padded] == [3, 10]


def test_prepare_steps_puts_the_start_before_and_the_end_behind() -> None:
    rows, plan = np.array([[60, 1, 2], [62, 3, 4]]), np.full((3, 1), 32)
    steps = prepare_steps(NOTES, rows, plan)
    assert len(steps) == 3
    assert steps.before.tolist() == [START, *rows.tolist()]
    assert steps.rows.tolist() == [*rows.tolist(), END]


def test_every_chorale_is_a_target_row_by_row(chorales: tuple[Piece, ...], tmp_path: Path) -> None:
    some = Collection("some", chorales[:40], (), None, tmp_path)
    dataset = build(some, "grid", {}, Target(tmp_path / "set", "mark"))
    for sequence_length in (None, 32):
        passed = list(batches(dataset, "train", 4, sequence_length))
        rows = sum(dataset.manifest["pieces"][index]["rows"] for index in dataset.indices("train"))
        assert sum(int(batch.is_row.sum()) for batch in passed) == rows
        assert sum(int(batch.is_end.sum()) for batch in passed) == len(dataset.indices("train"))


def test_behind_a_whole_number_of_stretches_there_is_only_the_end(tmp_path: Path) -> None:
    quavers = [(step * 240, 240, 60 - 5 * part, 80, part) for part in range(4) for step in range(LONGEST_STREAM // 2)]
    data = tiny.dataset(tmp_path, [Score.from_notes(quavers, parts=(Part(""),) * 4)], "grid", "t")
    assert len(data.piece(0)[0]) == LONGEST_STREAM
    passed = list(batches(data, "train", 2, 512, np.random.default_rng(0)))
    assert sum(int(batch.is_row.sum()) for batch in passed) == LONGEST_STREAM
    assert sum(int(batch.is_end.sum()) for batch in passed) == 1


def test_training_goes_along_a_long_piece_in_stretches_side_by_side() -> None:
    passed = one_pass([2 * LONGEST_STREAM + 10, 50], 4, 512, seed=0)
    assert len(passed) == LONGEST_STREAM // 512
    assert [int(batch.is_row.sum()) for batch in passed] == [1084, 1024]
    found = [name for batch in passed for name in names(batch.rows[batch.is_row])]
    assert len(set(found)) == len(found) == 2 * LONGEST_STREAM + 60
