"""``midigen models``, as a user types it; and what can be done with the models that ship where nothing is trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from midigen.checkpoints.run import Checkpoint
from midigen.checkpoints.shipped import read_card, shipped_models
from midigen.cli.app import app
from midigen.evaluation.tune_form import tune_form
from midigen.formats.abc_notation import read_tune, read_tunes
from midigen.formats.midi import read_midi, write_midi
from tests import tiny

KEYS = {"name", "corpus", "representation", "parameters", "nll_per_note", "licence", "shipped"}
SHIPPED = shipped_models()


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, as right after installing."""
    monkeypatch.chdir(tmp_path)
    for name in ("MIDIGEN_CHECKPOINTS", "MIDIGEN_CORPORA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A run of someone's own, in a working folder elsewhere."""
    folder = tmp_path_factory.mktemp("mine")
    return tiny.trained(folder / "checkpoints", tiny.hymns(folder / "data"), epochs=1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_what_ships_is_listed_with_the_promised_keys() -> None:
    listed = json.loads(run("models", "--json").stdout)
    assert [row["name"] for row in listed] == sorted(SHIPPED)
    for row in listed:
        assert row.keys() == KEYS
        assert row["shipped"] is True
        assert row["nll_per_note"] == read_card(SHIPPED[row["name"]])["figures"]["bfloat16"]["valid"]
    assert "chorales" in run("models").stdout


def test_runs_are_listed_behind_what_ships_and_marked(trained: Checkpoint) -> None:
    where = ("--checkpoints", str(trained.run_folder.parent))
    row = json.loads(run("models", *where, "--json").stdout)[-1]
    assert row == {
        "name": "run",
        "corpus": "tiny",
        "representation": "grid",
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        "nll_per_note": trained.config["metrics"]["valid_loss"],
        "licence": None,
        "shipped": False,
    }
    assert ["run", "yours", "tiny", "grid"] in [line.split()[:4] for line in run("models", *where).stdout.splitlines()]


def test_the_table_fits_a_terminal_and_says_what_a_figure_is_of() -> None:
    shown = run("models").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "irish and 3 more" in shown
    assert "grid per voice and sixteenth, key, bars and whatever" in shown


def test_a_run_that_is_damaged_is_left_out_and_said(empty: Path, trained: Checkpoint) -> None:
    shutil.copytree(trained.run_folder, empty / "checkpoints" / "run")
    (empty / "checkpoints" / "run" / trained.folder.name / "config.json").write_text("{")
    result = run("models", "--json")
    assert [row["name"] for row in json.loads(result.stdout)] == sorted(SHIPPED)
    assert "Left out run: " in result.stderr


def test_listing_does_without_torch(trained: Checkpoint) -> None:
    listing = f"from midigen.cli.app import app; app(['models', '--checkpoints', {str(trained.run_folder.parent)!r}])"
    code = f"import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); {listing}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[: len(SHIPPED) + 2]] == ["model", *sorted(SHIPPED), "run"]
    assert lines[-1] == "False"


def test_a_card_is_shown() -> None:
    lines = run("models", "chorales").stdout.splitlines()
    card = read_card(SHIPPED["chorales"])
    assert lines[0] == f"chorales: {card['data']}"
    assert {line[:12].strip() for line in lines[1:]} >= {"credits", "licence", "pieces", "figures", "passages", "again"}
    assert json.loads(run("models", "chorales", "--json").stdout) == card


def test_a_name_without_a_card_is_answered_in_a_sentence(trained: Checkpoint) -> None:
    where = ("--checkpoints", str(trained.run_folder.parent))
    mine, none = run("models", "run", *where), run("models", "nothing", *where)
    assert (mine.exit_code, none.exit_code) == (2, 1)
    assert "has no card; midigen info run tells of it" in " ".join(mine.stderr.split())
    assert "with midigen come: " in " ".join(none.stderr.split())


def test_right_after_installing_generate_composes_a_chorale_and_says_so(empty: Path) -> None:
    result = run("generate", "--temperature", "0.8", "--bars", "2", "--seed", "3", "--no-wav")
    assert result.exit_code == 0, result.output
    assert "Composing with chorales, which comes with midigen: no model is trained here yet." in result.stderr
    assert [file.name for file in empty.iterdir()] == ["chorales-3.mid"]
    assert len(set(read_midi(empty / "chorales-3.mid").part.tolist())) == 4


def test_tunes_have_the_bars_that_are_wanted_in_parts_of_eight(empty: Path) -> None:
    result = run("generate", "folk-tunes", "--bars", "16", "--end", "--count", "4", "--seed", "3", "--no-wav", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["valid"] == 4
    form = tune_form([read_tune(tune) for file in sorted(empty.glob("*.abc")) for tune in read_tunes(file)])
    assert form is not None
    assert (form.eight_bars, form.ends_on_tonic) == (1.0, 1.0)
    refused = run("generate", "folk-tunes", "--bars", "16", "--no-constrain")
    assert refused.exit_code == 2
    assert "leave out --bars or --no-constrain" in " ".join(refused.stderr.split())


def test_a_model_that_ships_is_described_like_any_other() -> None:
    told = json.loads(run("info", "chorales", "--json").stdout)
    card = read_card(SHIPPED["chorales"])
    assert (told["parameters"], told["pieces"]) == (card["parameters"], card["split"])
    assert "nats per voice and sixteenth, key and bars given, after epoch" in run("info", "jsb-record").stdout


def test_training_goes_on_from_a_model_that_ships(empty: Path) -> None:
    for seed in range(3):
        write_midi(tiny.hymn(seed, 1), empty / f"{seed}.mid")
    result = run("train", str(empty), "--from", "chorales", "--epochs", "1", "--name", "mine", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epochs"] == 1
    assert json.loads(run("models", "--json").stdout)[-1]["name"] == "mine"
