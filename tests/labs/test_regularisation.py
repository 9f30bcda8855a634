"""Regularisation: held-out pieces stay out, and each recipe does what it is for."""

from __future__ import annotations

import pytest
import torch

from midigen.datasets.build import Dataset
from midigen.labs import regularisation
from midigen.labs.lab import Settings
from midigen.labs.regularisation import EPOCHS, HIDDEN, RECIPES, Course, compare, read_examples, train
from tests import tiny


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    hymns = [tiny.hymn(seed, bars=8) for seed in range(4)]
    return tiny.dataset(tmp_path_factory.mktemp("hymns"), hymns, "grid", "ttve")


@pytest.fixture(scope="module")
def courses(dataset: Dataset) -> dict[str, Course]:
    data = read_examples(dataset, seed=0)
    outputs = sum(field.size for field in dataset.representation.fields)
    return {name: train(data, outputs, recipe, seed=0) for name, recipe in RECIPES.items()}


def test_examples_are_the_rows_of_a_split_with_the_one_hot_contexts_known_in_training(dataset: Dataset) -> None:
    data = read_examples(dataset, seed=0)
    assert data["train"].rows.shape == (2 * 8 * 16, 4)
    assert torch.equal(data["valid"].rows, torch.from_numpy(dataset.piece(2)[0]))
    assert torch.equal(data["test"].rows, torch.from_numpy(dataset.piece(3)[0]))
    assert (data["train"].features.sum(1) == len(dataset.representation.context_fields)).all()
    assert data["train"].features.any(0).all()
    assert data["test"].features.shape[1] == data["train"].features.shape[1]


def test_a_network_that_nothing_holds_back_learns_by_heart(courses: dict[str, Course]) -> None:
    free = courses["none"]
    on_train, on_valid = zip(*free.losses, strict=True)
    assert len(on_train) == EPOCHS
    assert free.on_train == on_train[-1] < on_train[0] / 4
    assert free.on_test > 2 * free.on_train
    assert on_valid[free.best_epoch - 1] == min(on_valid) < on_valid[-1]


def test_early_stopping_is_the_free_course_cut_short_with_its_best_weights(courses: dict[str, Course]) -> None:
    free, stopped, patience = courses["none"], courses["early stopping"], RECIPES["early stopping"].patience
    assert patience is not None
    assert stopped.losses == free.losses[: stopped.best_epoch + patience]
    assert stopped.on_train == stopped.losses[stopped.best_epoch - 1][0]
    assert stopped.on_test < free.on_test


def test_penalties_and_max_norm_keep_the_weights_small(courses: dict[str, Course]) -> None:
    free = courses["none"].weights
    assert free.shape[0] == HIDDEN
    assert (courses["L1"].weights.abs() < 1e-3).sum() > 5 * (free.abs() < 1e-3).sum()
    assert courses["L2"].weights.norm() < 0.9 * free.norm()
    assert courses["max-norm 1"].weights.norm(dim=1).max().item() <= 1 + 1e-6 < free.norm(dim=1).max().item()


def test_dropout_slows_learning_by_heart_and_batch_norm_speeds_it_up(courses: dict[str, Course]) -> None:
    in_the_end = [courses[name].on_train for name in ("none", "dropout 0.2", "dropout 0.5")]
    assert in_the_end == sorted(in_the_end)
    assert courses["batch norm"].losses[9][0] < courses["none"].losses[9][0]


def test_the_lab_shows_the_text_beside_ours(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularisation, "EPOCHS", regularisation.EARLY)
    report = compare(dataset, Settings())
    by_name = {result.quantity: result for result in report.results}
    assert by_name["0.3342, 0.8208 where dropout of a half keeps them"][1:] == ("0.6684, 1.6417", "0.6684, 1.6416")
    assert [axes.get_title() for axes in report.figure.axes][:2] == ["Training pieces", "Validation pieces"]
