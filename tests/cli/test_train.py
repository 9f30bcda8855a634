from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from midigen.checkpoints.run import find_checkpoint, load_checkpoint, read_config
from midigen.cli.app import app
from midigen.cli.console import Console
from midigen.cli.reporter import report_outcome
from midigen.formats.midi import write_midi
from midigen.training.loop import Outcome
from midigen.training.yardsticks import measure
from tests import tiny

TINY = ["--hidden-size", "8", "--layers", "1", "--batch-size", "2"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder for corpora, shared so that the songs are parsed once."""
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music") / "my songs (old)"
    folder.mkdir()
    for seed in range(6):
        write_midi(tiny.melody(seed, 12 + seed), folder / f"{seed}.mid")
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDIGEN_CORPORA", str(corpora))
    return tmp_path


def train(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_training_leaves_a_run_named_after_the_source(here: Path, songs: Path) -> None:
    result = train(songs, "--epochs", 2, *TINY)
    assert result.exit_code == 0, result.stderr
    run = here / "checkpoints" / "my-songs-old"
    assert {path.name for path in run.iterdir()} >= {"run.json", "metrics.csv", "curves.png"}
    assert "Compose with: midigen generate my-songs-old" in result.stderr
    assert "Counting alone: unigram " in result.stderr
    assert "epoch 1: loss" in result.stderr
    assert "  sample: loop rate " in result.stderr
    assert len(list((run / "samples").glob("*.mid"))) >= 2
    assert result.stdout.startswith("run ")
    assert load_checkpoint(find_checkpoint(None, here / "checkpoints")).config["model"]["hidden_size"] == 8


def test_a_second_run_gets_a_name_of_its_own(here: Path, songs: Path) -> None:
    for _ in range(2):
        train(songs, "--epochs", 1, *TINY)
    assert sorted(path.name for path in (here / "checkpoints").iterdir()) == ["my-songs-old", "my-songs-old-2"]


def test_json_is_one_document_with_the_promised_keys(here: Path, songs: Path) -> None:
    result = train(songs, "--epochs", 2, "--json", *TINY)
    document = json.loads(result.stdout)
    assert list(document) == [
        "checkpoint",
        "epochs",
        "parameters",
        "train_loss",
        "valid_loss",
        "tokens_per_second",
        "seconds",
        "stopped_because",
        "unigram",
        "ngram",
        "samples",
        "corpus",
        "diagnoses",
    ]
    assert document["epochs"] == 2
    assert document["stopped_because"] == "the budget is used up"
    assert 0 < document["ngram"] < document["unigram"] + 1
    assert document["samples"][0].keys() == {"epoch", *document["corpus"]}
    assert "Only 1 piece is held out" in document["diagnoses"][0]
    assert find_checkpoint(document["checkpoint"], here).is_dir()


def test_quiet_prints_the_result_only(here: Path, songs: Path) -> None:
    result = train(songs, "--epochs", 1, "--quiet", *TINY)
    assert result.stderr == ""
    assert result.stdout.startswith("run ")


def test_options_reach_the_run(here: Path, songs: Path) -> None:
    model = ("--model", "gru", "--tied", "--dropout", 0.1, "--quantum", 4, *TINY)
    limits = ("--minutes", 0.002, "--patience", 7, "--seed", 5, "--name", "mine")
    train(songs, *model, *limits, "--optimizer", "adam", "--learning-rate", 0.01, "--clip", 2)
    config = load_checkpoint(find_checkpoint("mine", here / "checkpoints")).config
    assert (config["model"]["cell"], config["model"]["tied"], config["model"]["dropout"]) == ("gru", True, 0.1)
    assert config["representation"]["quantum"] == 4
    wanted = {"optimizer": "adam", "minutes": 0.002, "epochs": None, "learning_rate": 0.01, "clip": 2, "patience": 7}
    assert {key: config["training"][key] for key in wanted} == wanted
    assert config["training"]["seed"] == 5


def test_all_checkpoints_are_kept_on_demand(here: Path, songs: Path) -> None:
    train(songs, "--epochs", 3, "--keep", "all", "--name", "run", *TINY)
    train("--resume", "--epochs", 4)
    assert len(list((here / "checkpoints" / "run").glob("epoch-*"))) == 4


def test_a_single_piece_is_learned_without_validation(here: Path, songs: Path) -> None:
    result = train(songs / "0.mid", "--epochs", 1, "--json", *TINY)
    assert "training stops once they are learned by heart" in result.stderr
    assert json.loads(result.stdout)["valid_loss"] is None


def test_a_run_goes_on_with_more_epochs_or_minutes(here: Path, songs: Path) -> None:
    train(songs, "--epochs", 2, "--name", "run", *TINY)
    longer = train("--resume", "--epochs", 3, "--json")
    assert json.loads(longer.stdout)["epochs"] == 3
    assert "Going on with run after" in longer.stderr
    minutes = json.loads(train("--resume", "--name", "run", "--minutes", 0.05, "--json").stdout)
    assert minutes["epochs"] > 3
    with (here / "checkpoints" / "run" / "metrics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == minutes["epochs"]


def test_a_run_that_is_done_says_so(here: Path, songs: Path) -> None:
    train(songs, "--epochs", 1, "--name", "run", *TINY)
    result = train("--resume", "--name", "run")
    assert result.exit_code == 0
    assert "the budget is used up" in result.stderr


def test_training_can_begin_with_another_models_weights(here: Path, songs: Path) -> None:
    train(songs, "--epochs", 1, "--name", "first", *TINY)
    result = train(songs, "--from", "first", "--epochs", 1, "--name", "second")
    assert result.exit_code == 0, result.stderr
    assert "Vocabulary: 1 of 1 programs fit" in result.stderr
    first, second = (load_checkpoint(find_checkpoint(name, here / "checkpoints")) for name in ("first", "second"))
    assert second.model.config == first.model.config


def test_a_published_network_goes_on_as_it_was_trained(here: Path) -> None:
    folder = here / "long songs"
    folder.mkdir()
    for seed in range(3):
        write_midi(tiny.melody(seed, 40), folder / f"{seed}.mid")
    usual = (folder, "--epochs", 1, "--batch-size", 8)
    assert train(*usual, "--preset", "classic-notes", "--name", "first").exit_code == 0
    result = train(*usual, "--from", "first", "--name", "second")
    assert result.exit_code == 0, result.stderr
    assert read_config(find_checkpoint("second", here / "checkpoints"))["training"]["cut"] == "windows"


def test_a_learning_rate_far_too_high_is_named(songs: Path) -> None:
    settings = ("--epochs", 4, "--learning-rate", 3, "--optimizer", "adam")
    result = train(songs, *settings, "--json", *TINY)
    assert "learning rate is too high" in " ".join(json.loads(result.stdout)["diagnoses"]), result.stdout
    assert "--learning-rate" in result.stderr


def test_check_reports_and_trains_nothing(here: Path, songs: Path) -> None:
    document = json.loads(train(songs, "--check", "--json", *TINY).stdout)
    assert set(document) == {"first_loss", "log_vocabulary", "last_loss", "accuracy", "steps", "update_ratio"}
    assert document["last_loss"] < document["first_loss"]
    assert not list(here.glob("checkpoints/*"))


def test_check_judges_each_figure_in_words(songs: Path) -> None:
    result = train(songs, "--check", "--learning-rate", 1e30, *TINY)
    assert result.exit_code == 0, result.stderr
    before, accuracy, update = result.stdout.splitlines()[1:]
    assert before.startswith("loss before training")
    assert before.endswith("good")
    assert accuracy.endswith("cannot learn by heart: try another learning rate or a larger model")
    assert update.endswith("raise or lower the learning rate")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume", "SONGS"], "--resume takes source, tokens, preset and model from the run"),
        (["--resume", "--layers", "2"], "--resume takes source"),
        (["--resume", "--seed", "2"], "leave out --seed"),
        (["SONGS", "--from", "first", "--tokens", "grid"], "--from takes the tokens from the model"),
        (["SONGS", "--from", "first", "--quantum", "4"], "--from takes the tokens from the model"),
        (["SONGS", "--from", "first", "--layers", "2"], "--from takes the architecture from the model"),
        (["SONGS", "--from", "first", "--preset", "classic-notes"], "another kind of network"),
        (["SONGS", "--preset", "grid", "--tokens", "notes"], "preset grid is for grid, but the tokens are notes"),
        (["SONGS", "--preset", "opera"], "no preset called 'opera'"),
        (["SONGS", "--tokens", "tablature"], "no representation called 'tablature'"),
        (["SONGS", "--quantum", "7"], "The quantum is one of"),
        (["SONGS", "--name", "first"], "There is a run first already"),
        (["SONGS", "--name", "a/b"], "letters, digits"),
        (["SONGS", "--optimizer", "lion"], "no optimizer called 'lion'"),
        (["SONGS", "--epochs", "0"], "The epochs must be above 0"),
        (["SONGS", "--minutes", "nan"], "The minutes must be above 0"),
        (["SONGS", "--dropout", "1"], "Dropout is a share"),
        (["SONGS", "--layers", "0"], "1 or more"),
        (["SONGS", "--model", "rnn"], "rnn"),
        (["SONGS", "--seed", "-1"], "--seed"),
        (["SONGS", "--devices", "0"], "--devices"),
    ],
)
def test_wrong_options_are_refused_with_exit_code_2(here: Path, songs: Path, arguments: list[str], words: str) -> None:
    train(songs, "--epochs", 1, "--name", "first", *TINY)
    result = train(*(str(songs) if argument == "SONGS" else argument for argument in arguments))
    assert result.exit_code == 2, result.stderr
    assert words in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], "there is no file or folder ''"),
        (["nowhere"], "no file or folder here is called 'nowhere'"),
        (["SONGS", "--from", "nothing"], "There is no model at"),
        (["--resume"], "There is no trained model"),
        (["SONGS", "--tokens", "grid"], "not four voices"),
        (["SONGS", "--preset", "grid-large"], "not four voices"),
        (["lakh"], "lakh is not read: an archive of more than 50,000 files"),
        (["SONGS", "--epochs", "1", "--learning-rate", "1e30"], "no longer a number"),
    ],
)
def test_what_fails_is_said_in_a_sentence_with_exit_code_1(
    here: Path, songs: Path, arguments: list[str], words: str
) -> None:
    result = train(*(str(songs) if argument == "SONGS" else argument for argument in arguments))
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("because", "code"), [("interrupted", 130), ("terminated", 143)])
def test_a_run_stopped_in_its_first_epoch_is_reported_too(
    here: Path, capsys: pytest.CaptureFixture[str], because: str, code: int
) -> None:
    console = Console()
    console.json = True
    job = tiny.job(here, tiny.melodies(here))
    yardsticks = measure(job)
    with pytest.raises(typer.Exit) as stopped:
        report_outcome(console, job, Outcome([], 0, 10, 1.5, because), yardsticks)
    assert stopped.value.exit_code == code
    document = json.loads(capsys.readouterr().out)
    assert (document["epochs"], document["train_loss"], document["tokens_per_second"]) == (0, None, None)


def midigen(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "midigen", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")
def test_ctrl_c_saves_and_resume_finishes(here: Path, songs: Path) -> None:
    run = here / "checkpoints" / "run"
    with midigen("train", songs, "--epochs", 100_000, "--name", "run", "--json", *TINY) as process:
        while process.poll() is None and not (run / "run.json").exists():
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Saved. Go on with: midigen train --resume --name run" in stderr
    assert not any(word in stderr for word in ("Traceback", "Warning", "lightning"))
    stopped = json.loads(stdout)
    assert stopped["stopped_because"] == "interrupted"
    result = train("--resume", "--name", "run", "--epochs", stopped["epochs"] + 1, "--json")
    assert json.loads(result.stdout)["epochs"] == stopped["epochs"] + 1
