from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.cli.options import TOKENS
from midigen.formats.midi import write_midi
from midigen.representations.representation import find_representation
from midigen.scores.score import Score

runner = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with three songs and a file that is none."""
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    for index in range(3):
        notes = [(480 * at, 480, 60 + at * index, 80, 0) for at in range(4)]
        write_midi(Score.from_notes(notes), Path("songs", f"{index}.mid"))
    Path("songs/text.mid").write_text("hello")


def test_parse_says_what_the_dataset_holds() -> None:
    result = runner.invoke(app, ["parse", "songs"])
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    words = dict(line for line in lines if len(line) == 2)
    assert words["pieces"] == "3: 1 train, 1 valid, 1 test"
    assert words["rows"] == "12"
    assert words["notes"] == "4 a piece"
    assert words["columns"].startswith("pitch ")
    assert words["left"] == "out  1: is not a MIDI file; it starts with 'hello' (1)"
    assert "manifest.json" in words["built"]


def test_parse_says_which_representation_it_took_and_why() -> None:
    assert "notes, because it suits any music" in runner.invoke(app, ["parse", "songs"]).stderr
    assert runner.invoke(app, ["parse", "songs", "--tokens", "notes"]).stderr == ""
    assert runner.invoke(app, ["-q", "parse", "songs"]).stderr == ""


def test_parse_finds_the_dataset_again() -> None:
    first, second = (json.loads(runner.invoke(app, ["parse", "songs", "--json"]).stdout) for _ in range(2))
    assert (first.pop("found"), second.pop("found")) == (False, True)
    assert first == second


def test_parse_gives_one_json_object() -> None:
    described = json.loads(runner.invoke(app, ["--json", "parse", "songs", "--quantum", "4"]).stdout)
    assert described["name"] == "songs"
    assert Path(described["folder"], "manifest.json").is_file()
    assert (described["representation"], described["pieces"], described["rows"]) == ("notes", 3, 12)
    assert described["splits"] == {"train": 1, "valid": 1, "test": 1}
    assert described["columns"].keys() >= {"pitch", "step", "duration"}
    assert [left["file"] for left in described["left_out"]] == ["text.mid"]


@pytest.mark.parametrize("arguments", [["nothere"], ["empty"], ["songs/text.mid"], ["lakh"]])
def test_what_cannot_be_parsed_is_one_sentence(arguments: list[str]) -> None:
    Path("empty").mkdir()
    result = runner.invoke(app, ["parse", *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", [["--tokens", "nix"], ["--quantum", "7"]])
def test_a_wrong_option_is_refused_with_exit_code_2(wrong: list[str]) -> None:
    result = runner.invoke(app, ["parse", "songs", *wrong])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_every_representation_that_is_offered_exists() -> None:
    assert [find_representation(name).fit([], {}).name for name in TOKENS] == list(TOKENS)
