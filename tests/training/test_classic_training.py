"""Published networks in the training loop: windows, iterations, exact resuming."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from midigen.checkpoints.run import find_checkpoint, load_checkpoint, load_weights, read_trainer
from midigen.errors import TrainingError
from midigen.models.classic import ClassicConfig, NoteNetwork
from midigen.presets import PRESETS
from midigen.training.config import TrainConfig
from midigen.training.job import Job, resumed_job
from tests import tiny


def weights(run: Path) -> dict[str, Tensor]:
    return load_weights(find_checkpoint(str(run), run.parent, "last"))


def classic(folder: Path, name: str = "run", **changes: Any) -> Job:  # noqa: ANN401  # settings of all types
    """Return a job for a published network on tunes of pitch, step and duration, read by windows of 25."""
    data = tiny.dataset(folder, [tiny.melody(seed, 40) for seed in range(3)], splits="ttv")
    settings = {**asdict(PRESETS["classic-notes"].training), "epochs": 2, "batch_size": 8, **changes}
    return Job(name, folder / name, data, ClassicConfig("notes"), TrainConfig(**settings))


def test_a_published_network_trains_on_windows_and_keeps_what_it_measured(tmp_path: Path) -> None:
    outcome = tiny.run(classic(tmp_path, epochs=3))
    assert len(outcome.history) == 3
    assert outcome.history[-1]["train_loss"] < outcome.history[0]["train_loss"]
    kept = load_checkpoint(find_checkpoint("run", tmp_path)).model
    assert isinstance(kept, NoteNetwork)
    assert not kept.squared_error.eq(1).any()  # type: ignore[operator]


def test_a_published_network_goes_on_as_if_it_never_stopped(tmp_path: Path) -> None:
    tiny.run(classic(tmp_path, "straight", epochs=4, patience=9))
    tiny.run(classic(tmp_path, "resumed", epochs=2, patience=9))
    tiny.run(resumed_job(find_checkpoint("resumed", tmp_path, "last"), {"epochs": 4}))
    expected = weights(tmp_path / "straight")
    for name, weight in weights(tmp_path / "resumed").items():
        assert torch.equal(weight, expected[name]), name


def test_iterations_end_training_and_checkpoints_come_between_epochs(tmp_path: Path) -> None:
    saved = classic(tmp_path, epochs=None, iterations=7, save_every=2, patience=9)
    tiny.run(replace(saved, keep_all=True))
    assert {"epoch-0000-batch-00002", "epoch-0001-batch-00001"} <= {f.name for f in saved.folder.iterdir()}
    assert read_trainer(find_checkpoint("run", tmp_path, "last"))["progress"]["optimizer_step"] == 7


def test_too_little_music_for_a_batch_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"too few or too short for one batch .*--batch-size"):
        tiny.run(classic(tmp_path, batch_size=64))
