"""An option that would do nothing beside the others is refused in a sentence, before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.midi import write_midi
from tests import tiny


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("evaluate chorales --pieces 0 --temperature 0.8", "--temperature is to compose with"),
        ("fetch quartets --list", "--list fetches nothing: give it alone."),
        ("generate --prompt-notes 3", "need a --prompt."),
        ("generate --chords-strength hard", "--chords-strength needs --chords."),
        ("info chorales --tokens notes", "chorales is a model, which has its own tokens: leave out --tokens."),
        ("render a.mid --out a.png --engine sine", "--engine and --soundfont are for sound"),
        ("render a.mid --engine sine --soundfont a.sf2", "Sine waves take no SoundFont"),
        ("train a.mid --check --minutes 3", "--check takes its own time on one CPU"),
        ("train a.mid --check --keep all", "--check takes its own time on one CPU"),
        ("train a.mid --check --device cuda", "--check takes its own time on one CPU"),
        ("train --check --resume", "--check takes its own time on one CPU"),
    ],
)
def test_it_is_refused(line: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_midi(tiny.melody(0), Path("a.mid"))
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == (1 if "Sine" in sentence else 2)
    assert sentence in " ".join(result.stderr.split())
    assert [file.name for file in tmp_path.iterdir()] == ["a.mid"]
