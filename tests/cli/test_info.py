"""``midigen info``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.midi import write_midi
from midigen.scores.score import Key, Score
from tests import tiny

runner = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with three songs, one of them a transposition, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    for index, (low, step) in enumerate([(60, 1), (60, 2), (65, 2)]):
        notes = [(480 * at, 480, low + step * at, 80, 0) for at in range(4)]
        write_midi(Score.from_notes(notes, keys=(Key(0, 1, "major"),)), Path("songs", f"{index}.mid"))
    Path("songs/text.mid").write_text("hello")


def test_a_folder_is_described() -> None:
    result = runner.invoke(app, ["info", "songs"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "songs",
        "  pieces      3 (duplicates 0, transposed duplicates 1)",
        "  notes       12, MIDI pitches 60 to 71",
        "  length      12 quarters, 0:00:06 at the tempos given",
        "  keys        G major (3)",
        "  metres      4/4 (3)",
        "  tempos      120 (3) (quarters a minute)",
        "  left out    1: is not a MIDI file; it starts with 'hello' (1)",
    ]


def test_a_script_gets_the_same_as_json() -> None:
    facts = json.loads(runner.invoke(app, ["info", "songs", "--tokens", "notes", "--json"]).stdout)
    assert (facts["files_read"], facts["pieces"], facts["notes"], facts["duration_quarters"]) == (3, 3, 12, 12.0)
    assert [refused["file"] for refused in facts["files_refused"]] == ["text.mid"]
    assert (facts["pitch_min"], facts["pitch_max"]) == (60, 71)
    assert (facts["duplicates"], facts["transposed_duplicates"]) == (0, 1)
    assert facts["keys"] == {"G major": 3}
    assert facts["tokens"] == 12
    assert facts["vocabulary"].keys() == {"pitch", "step", "duration"}


def test_one_file_is_a_source_too() -> None:
    assert json.loads(runner.invoke(app, ["info", "songs/0.mid", "--json"]).stdout)["notes"] == 4


@pytest.mark.parametrize("name", ["run", "checkpoints/run", "checkpoints/run/epoch-0001"])
def test_a_trained_model_is_described(tmp_path: Path, name: str) -> None:
    Path("checkpoints").mkdir()
    tiny.run(tiny.job(Path("checkpoints"), tiny.melodies(tmp_path), epochs=1))
    result = runner.invoke(app, ["info", name])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("run: a model of ")
    assert "nats per note after epoch 1" in result.stdout
    facts = json.loads(runner.invoke(app, ["info", name, "--json"]).stdout)
    assert facts["representation"] == "notes"
    assert facts["parameters"] > 0
    assert facts["pieces"]["train"] > 0


@pytest.mark.parametrize(("what", "words"), [("nothing", "nothing"), ("songs/text.mid", "not a MIDI file")])
def test_what_is_not_there_or_not_music_is_said_in_a_sentence(what: str, words: str) -> None:
    result = runner.invoke(app, ["info", what])
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
