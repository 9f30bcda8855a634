from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.midi import write_midi
from midigen.scores.score import Score

runner = CliRunner()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    write_midi(Score.from_notes([(0, 240, 60, 80, 0)]), tmp_path / "song.mid")
    return tmp_path / "song.mid"


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a player that is silent and content on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "aplay").write_text(f"#!{sys.executable}\n")
    (folder / "aplay").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.skipif(os.name == "nt", reason="the player is a script for POSIX")
def test_play_says_how_it_played(song: Path, player: None) -> None:
    result = runner.invoke(app, ["play", str(song), "--engine", "sine"])
    assert result.stdout == f"{song}: rendered with sine; played with aplay\n"
    assert result.stderr == f"Playing {song}; Ctrl-C stops.\n"


@pytest.mark.skipif(os.name == "nt", reason="the player is a script for POSIX")
def test_play_gives_one_json_object(song: Path, player: None) -> None:
    result = runner.invoke(app, ["play", str(song), "--engine", "sine", "--json"])
    assert json.loads(result.stdout) == [{"file": str(song), "how": "rendered with sine; played with aplay"}]


def test_several_files_are_played_one_after_the_other(song: Path, player: None) -> None:
    result = runner.invoke(app, ["play", str(song), str(song), "--engine", "sine", "-q"])
    assert result.stdout.count("played with aplay") == 2


def test_a_missing_file_is_one_sentence() -> None:
    result = runner.invoke(app, ["-q", "play", "missing.mid"])
    assert (result.exit_code, result.stderr) == (1, "Error: There is no file missing.mid.\n")
