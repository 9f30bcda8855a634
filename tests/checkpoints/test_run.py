from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from midigen.checkpoints.run import (
    Snapshot,
    find_checkpoint,
    load_checkpoint,
    load_trainer_tensors,
    read_trainer,
    save_checkpoint,
    write_metrics,
)
from midigen.checkpoints.shipped import shipped_models
from midigen.errors import CheckpointError
from tests import tiny


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    data = tiny.melodies(tmp_path_factory.mktemp("data"), velocities=True)
    model = tiny.network(data)
    config = {"name": "run", "representation": data.representation.to_json(), "model": asdict(model.config)}
    return Snapshot(model.state_dict(), config, {"state.0": torch.ones(2)}, {"epoch": 3})


@pytest.fixture
def folder(tmp_path: Path, snapshot: Snapshot) -> Path:
    """A run folder with one checkpoint."""
    save_checkpoint(tmp_path / "run", "epoch-0001", snapshot, is_best=True)
    return tmp_path / "run" / "epoch-0001"


def names(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir())


def test_loading_gives_back_weights_and_representation(folder: Path, snapshot: Snapshot) -> None:
    checkpoint = load_checkpoint(folder)
    assert checkpoint.name == "run"
    assert not checkpoint.model.training
    assert checkpoint.representation.to_json() == snapshot.config["representation"]
    for name, weight in checkpoint.model.state_dict().items():
        assert torch.equal(weight, snapshot.weights[name])


def test_loading_gives_back_where_training_stood(folder: Path) -> None:
    assert read_trainer(folder) == {"epoch": 3}
    assert torch.equal(load_trainer_tensors(folder)["state.0"], torch.ones(2))


def test_best_and_last_are_kept(tmp_path: Path, snapshot: Snapshot) -> None:
    for number in range(1, 5):
        save_checkpoint(tmp_path, f"epoch-{number:04d}", snapshot, is_best=number == 2)
    assert names(tmp_path) == ["epoch-0002", "epoch-0004", "run.json"]
    assert json.loads((tmp_path / "run.json").read_text()) == {"best": "epoch-0002", "last": "epoch-0004"}


def test_all_are_kept_on_demand(tmp_path: Path, snapshot: Snapshot) -> None:
    for number in range(1, 4):
        save_checkpoint(tmp_path, f"epoch-{number:04d}", snapshot, is_best=number == 1, keep_all=True)
    assert names(tmp_path) == ["epoch-0001", "epoch-0002", "epoch-0003", "run.json"]


def test_the_first_checkpoint_of_a_folder_is_the_best_so_far(tmp_path: Path, snapshot: Snapshot) -> None:
    save_checkpoint(tmp_path / "run", "epoch-0009", snapshot, is_best=False)
    assert find_checkpoint("run", tmp_path).name == "epoch-0009"


def test_a_checkpoint_can_be_written_again(folder: Path, snapshot: Snapshot) -> None:
    save_checkpoint(folder.parent, folder.name, snapshot, is_best=True)
    assert names(folder.parent) == ["epoch-0001", "run.json"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage"])
def test_what_is_damaged_is_refused(folder: Path, file: str, damage: str) -> None:
    path = folder / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "truncated": content[:-20], "garbage": b"\xff" * 100}[damage])
    with pytest.raises(CheckpointError, match=f"{file} cannot be read") as caught:
        load_checkpoint(folder)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("text", ["[1]", "7", "null", '"epoch-0001"'])
def test_json_of_another_kind_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    (folder.parent / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)
    with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
        find_checkpoint("run", folder.parents[1])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", 2, "has format 2, this midigen reads 1"),
        ("format", None, "has format None"),
        ("representation", {"name": "tablature"}, "tablature"),
        ("representation", None, "does not hold a model"),
        ("model", {"cell": "gru", "hidden_size": 9}, "does not hold a model that fits"),
        ("model", {"cell": "rnn"}, "lstm or gru"),
        ("model", {"wings": 2}, "wings"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder: Path, key: str, value: object, words: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)


class Bomb:
    """What a hostile pickle looks like: unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (str(self.marker), 0o700)


def test_a_pickle_in_disguise_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    for file in (folder / "model.safetensors", folder / "trainer.safetensors"):
        file.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_trainer_tensors(folder)
    assert not marker.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, snapshot: Snapshot) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "run", "epoch-0001", snapshot, is_best=True)


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from midigen.checkpoints.run import Snapshot, save_checkpoint
from midigen.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
weights = {"weight": torch.zeros(100_000)}
try:
    save_checkpoint(Path(sys.argv[1]), "epoch-0002", Snapshot(weights, {}, {}, {}), is_best=True)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_disk_that_is_full_leaves_the_earlier_checkpoint_whole(folder: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FULL_DISK, folder.parent], capture_output=True, text=True, check=True)
    assert "epoch-0002 cannot be written" in ended.stdout
    assert names(folder.parent) == ["epoch-0001", "run.json"]
    assert load_checkpoint(find_checkpoint("run", folder.parents[1])).folder == folder


def test_a_run_is_found_by_name_by_folder_and_by_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    save_checkpoint(folder.parent, "epoch-0002", snapshot, is_best=False)
    checkpoints = folder.parents[1]
    assert find_checkpoint("run", checkpoints) == folder
    assert find_checkpoint("run", checkpoints, "last").name == "epoch-0002"
    assert find_checkpoint(str(folder.parent), Path("elsewhere")) == folder
    assert find_checkpoint(str(folder), Path("elsewhere"), "last") == folder
    assert find_checkpoint("run/epoch-0002", checkpoints).name == "epoch-0002"


def test_without_a_name_the_newest_run_is_found(folder: Path, snapshot: Snapshot) -> None:
    checkpoints = folder.parents[1]
    save_checkpoint(checkpoints / "a newer one", "epoch-0001", snapshot, is_best=True)
    os.utime(folder.parent / "run.json", (1, 1))
    assert find_checkpoint(None, checkpoints).parent.name == "a newer one"


def test_without_a_name_runs_for_other_tokens_are_passed_over(tmp_path: Path) -> None:
    tiny.trained(tmp_path, tiny.hymns(tmp_path / "hymns"), name="hymns", epochs=1)
    tiny.trained(tmp_path, tiny.melodies(tmp_path / "tunes"), name="tunes", epochs=1)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    assert find_checkpoint(None, tmp_path, tokens="grid").parent.name == "hymns"
    assert find_checkpoint(None, tmp_path, tokens="notes").parent.name == "tunes"


def test_without_any_run_for_the_tokens_what_ships_is_found(tmp_path: Path) -> None:
    tiny.trained(tmp_path, tiny.melodies(tmp_path / "tunes"), epochs=1)
    assert find_checkpoint(None, tmp_path, tokens="grid") == shipped_models()["chorales"]


def test_where_there_is_nothing_to_go_on_with_the_error_says_how_to_train(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no trained model in .* midigen train"):
        find_checkpoint(None, tmp_path / "checkpoints", "last")


def test_an_unknown_name_is_answered_with_those_there_are(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model at .*other; trained here: run; with midigen come: "):
        find_checkpoint("other", folder.parents[1])


def test_a_checkpoint_that_was_deleted_by_hand_is_an_error(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        load_checkpoint(find_checkpoint("run", folder.parents[1]))


def test_metrics_are_a_line_an_epoch(tmp_path: Path) -> None:
    write_metrics(tmp_path, [{"epoch": 1.0, "train_loss": 2.5}, {"epoch": 2.0, "train_loss": 2.25}])
    assert (tmp_path / "metrics.csv").read_text() == "epoch,train_loss\n1.0,2.5\n2.0,2.25\n"
    assert names(tmp_path) == ["metrics.csv"]
