"""Decompositions: what has a low rank comes back whole, what has not loses what theory says, and music is asked."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.datasets.batches import batches
from midigen.errors import CheckpointError
from midigen.evaluation.likelihood import nll_per_note, total_loss
from midigen.labs.decompositions import (
    cp,
    newest,
    shapes,
    study,
    tensor_train,
    train_small,
    tucker,
)
from tests import tiny


def nothing(done: int, total: int) -> None:
    pass


def test_a_sum_of_two_outer_products_comes_back_from_cp_of_rank_2() -> None:
    factors = [np.random.default_rng(size).standard_normal((size, 2)) for size in (4, 6, 5)]
    tensor = np.einsum("ir,jr,kr->ijk", *factors)
    found = cp(tensor, 2)
    assert found.parameters == 2 * (4 + 6 + 5)
    assert np.linalg.norm(found.tensor - tensor) < 1e-2 * np.linalg.norm(tensor)


def test_a_small_core_comes_back_from_tucker() -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal((size, 2)) for size in (4, 6, 5)]
    tensor = np.einsum("abc,ia,jb,kc->ijk", rng.standard_normal((2, 2, 2)), *matrices)
    found = tucker(tensor, 2)
    assert found.parameters == 8 + 2 * (4 + 6 + 5)
    assert found.tensor == pytest.approx(tensor)


def test_matrices_chosen_by_indices_come_back_from_a_tensor_train() -> None:
    rng = np.random.default_rng(0)
    first, second, third = rng.standard_normal((4, 3)), rng.standard_normal((3, 6, 3)), rng.standard_normal((3, 5))
    tensor = np.einsum("ia,ajb,bk->ijk", first, second, third)
    found = tensor_train(tensor, 3)
    assert found.parameters == 4 * 3 + 3 * 6 * 3 + 3 * 5
    assert found.tensor == pytest.approx(tensor)


@given(rank=st.integers(1, 6), seed=st.integers(0, 100))
def test_a_train_of_two_is_the_truncated_singular_value_decomposition(rank: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((12, 6))
    lost = np.linalg.norm(tensor_train(matrix, rank).tensor - matrix)
    assert lost == pytest.approx(np.linalg.norm(np.linalg.svd(matrix, compute_uv=False)[rank:]), abs=1e-9)


@given(hidden=st.integers(1, 400))
def test_every_decomposition_sees_all_recurrent_weights(hidden: int) -> None:
    for _, shape in shapes(hidden).values():
        assert math.prod(shape) == 4 * hidden * hidden


def test_the_newest_network_is_taken_with_its_dataset(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path / "data")
    checkpoint = tiny.trained(tmp_path / "checkpoints", data)
    found = newest(tmp_path / "checkpoints")
    assert (found.name, found.dataset.folder) == ("run", data.folder)
    for ours, theirs in zip(found.model.parameters(), checkpoint.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_networks_that_will_not_do_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no network of your own"):
        newest(tmp_path / "none")
    tiny.trained(tmp_path / "chords", tiny.chords(tmp_path / "data-chords"))
    with pytest.raises(CheckpointError, match="no LSTM for grid or notes"):
        newest(tmp_path / "chords")
    data = tiny.dataset(tmp_path / "data", [tiny.melody(seed) for seed in range(2)], splits="tt")
    tiny.trained(tmp_path / "notes", data)
    with pytest.raises(CheckpointError, match="holds no piece out"):
        newest(tmp_path / "notes")


def test_a_study_weighs_size_against_held_out_likelihood(tmp_path: Path) -> None:
    trained = train_small(tiny.melodies(tmp_path), tiny.CONFIG, nothing)
    held_out = list(batches(trained.dataset, "valid", 1))
    weight = trained.model.recurrent[0].get_parameter("weight_hh_l0")
    before = weight.detach().clone()
    found = study(trained, 0, nothing)
    loss = total_loss(trained.model, held_out, weight.device)
    assert loss is not None
    assert torch.equal(weight, before)
    assert found.nats == pytest.approx(nll_per_note(loss, 1), rel=1e-5)
    for points in found.points.values():
        shares, errors = [point.share for point in points], [point.error for point in points]
        assert shares == sorted(set(shares))
        assert shares[-1] < 1
        assert errors == sorted(errors, reverse=True)
