from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from midigen.checkpoints.run import find_checkpoint, load_weights
from midigen.datasets.build import Dataset
from midigen.errors import CheckpointError, UsageError
from midigen.representations.notes import Notes
from tests import tiny


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return tiny.melodies(tmp_path)


def test_a_run_that_is_done_stays_as_it_is(tmp_path: Path, data: Dataset) -> None:
    before = tiny.run(tiny.job(tmp_path, data))
    after = tiny.run(tiny.resume(tmp_path / "run"))
    assert after.history == before.history
    assert after.stopped_because == "the budget is used up"


def test_a_run_that_is_done_goes_on_with_a_larger_budget(tmp_path: Path, data: Dataset) -> None:
    tiny.run(tiny.job(tmp_path, data, epochs=2))
    assert len(tiny.run(tiny.resume(tmp_path / "run", epochs=3)).history) == 3


@pytest.mark.parametrize("option", ["batch_size", "optimizer", "seed"])
def test_what_a_run_stands_on_cannot_be_changed_when_it_goes_on(tmp_path: Path, data: Dataset, option: str) -> None:
    tiny.run(tiny.job(tmp_path, data))
    with pytest.raises(UsageError, match=f"leave out --{option.replace('_', '-')}"):
        tiny.resume(tmp_path / "run", **{option: 3})


def test_a_run_that_goes_on_keeps_what_it_knew_of_ranges(tmp_path: Path, data: Dataset) -> None:
    assert isinstance(data.representation, Notes)
    own = replace(data, representation=replace(data.representation, lowest=50))
    tiny.run(tiny.job(tmp_path, own))
    assert tiny.resume(tmp_path / "run").dataset.representation == own.representation


def test_a_dataset_that_has_changed_cannot_be_gone_on_with(tmp_path: Path, data: Dataset) -> None:
    tiny.run(tiny.job(tmp_path, data))
    tiny.melodies(tmp_path, 4)
    with pytest.raises(CheckpointError, match=r"gone or has changed.*--from run"):
        tiny.resume(tmp_path / "run")


def test_fine_tuning_begins_with_the_weights_that_are_given(tmp_path: Path, data: Dataset) -> None:
    first = tiny.trained(tmp_path, data)
    given = {name: weight.clone() for name, weight in first.model.state_dict().items()}
    tiny.run(replace(tiny.job(tmp_path, data, name="tuned", epochs=1, learning_rate=1e-12), weights=given))
    for name, weight in load_weights(find_checkpoint("tuned", tmp_path)).items():
        torch.testing.assert_close(weight, given[name], rtol=0, atol=1e-7)
