"""The opening of a network that reads windows: rows of a piece that was held out, as many as it reads."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint
from midigen.datasets.build import Dataset
from midigen.models.classic import ClassicConfig
from midigen.presets import PRESETS
from midigen.sampling.generate import Request, generate
from midigen.sampling.opening import held_out_opening
from midigen.training.config import TrainConfig
from midigen.training.job import Job
from tests import tiny


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return tiny.dataset(tmp_path, [tiny.melody(seed, 40) for seed in range(3)], splits="ttv")


@pytest.fixture
def checkpoint(tmp_path: Path, data: Dataset) -> Checkpoint:
    settings = {**asdict(PRESETS["classic-notes"].training), "epochs": 1, "batch_size": 8}
    tiny.run(Job("run", tmp_path / "run", data, ClassicConfig("notes"), TrainConfig(**settings)))
    return load_checkpoint(find_checkpoint("run", tmp_path))


def test_it_is_a_passage_of_a_held_out_piece(checkpoint: Checkpoint, data: Dataset) -> None:
    held_out = data.piece(2)[0][:, [0, 2]].tolist()
    openings = set()
    for seed in range(8):
        prompt = held_out_opening(checkpoint, seed)
        assert prompt is not None
        rows = data.representation.encode(prompt.score)[0][:, [0, 2]].tolist()
        assert len(rows) == 25
        (start,) = [s for s in range(16) if held_out[s : s + 25] == rows]
        openings.add(start)
    assert len(openings) > 1
    again = generate(checkpoint, Request(1, length=10, prompt=held_out_opening(checkpoint, 3)))
    assert len(again.scores[0]) == 35


def test_other_networks_and_lost_datasets_have_none(checkpoint: Checkpoint, data: Dataset, tmp_path: Path) -> None:
    assert held_out_opening(tiny.trained(tmp_path / "ours", data), 0) is None
    shutil.rmtree(data.folder)
    assert held_out_opening(checkpoint, 0) is None
