"""midigen evaluate: figures beside those of counting, on the music a model was trained on or on other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.midi import write_midi
from tests import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tiny.dataset(tmp_path / "data", [tiny.melody(seed, 30) for seed in range(8)], splits="tttttvvv")
    tiny.trained(tmp_path / "checkpoints", data)
    return tmp_path


def evaluate(folder: Path, *arguments: str) -> str:
    places = ["--checkpoints", str(folder / "checkpoints"), "--corpora", str(folder / "corpora")]
    result = CliRunner().invoke(app, ["evaluate", *arguments, *places])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_model_stands_beside_counting_and_its_music_beside_real_music(folder: Path) -> None:
    shown = evaluate(folder, "--pieces", "4")
    for words in (
        "nats per note",
        "n-gram that looks back",
        "By column: pitch",
        "4 generated pieces beside 3 held-out",
    ):
        assert words in shown
    assert "scale consistency" in shown


def test_without_a_model_named_it_is_said_which_is_measured(folder: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--pieces", "0", "--checkpoints", str(folder / "checkpoints")])
    assert "Measuring run, the newest model here." in result.stderr


def test_json_is_one_document_and_repeats_with_its_seed(folder: Path) -> None:
    first, second = (json.loads(evaluate(folder, "--json", "--pieces", "4", "--seed", "3")) for _ in range(2))
    assert first == second
    assert first["split"] == "valid"
    assert first["statistics"]["pitch range"]["generated"]["value"] > 0


def test_any_music_can_be_judged_with_the_models_ids(folder: Path) -> None:
    (folder / "songs").mkdir()
    for seed in range(20, 26):
        write_midi(tiny.melody(seed, 30), folder / "songs" / f"{seed}.mid")
    found = json.loads(
        evaluate(folder, "--json", "--pieces", "0", "--source", str(folder / "songs"), "--split", "test")
    )
    assert (found["pieces"], found["statistics"]) == (1, None)


def test_it_is_said_what_a_grid_is_told_in_advance(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path / "data")
    tiny.trained(tmp_path / "checkpoints", data, epochs=1)
    assert json.loads(evaluate(tmp_path, "--pieces", "0", "--json"))["told"] == "key, bars, fermatas and length"
    assert "this model, key, bars, fermatas and length given" in evaluate(tmp_path, "--pieces", "0")
