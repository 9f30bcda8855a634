from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from midigen.cli import options
from midigen.cli.app import app
from midigen.cli.render import choose_targets
from midigen.errors import UsageError
from midigen.formats.midi import write_midi
from midigen.rendering.synthesize import ENGINES
from midigen.scores.score import Score

runner = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with two songs."""
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    for name in ("a", "b"):
        write_midi(Score.from_notes([(0, 240, 60, 80, 0)]), Path("songs", f"{name}.mid"))


def test_sound_is_written_beside_the_file_and_the_engine_named() -> None:
    result = runner.invoke(app, ["render", "songs/a.mid", "--engine", "sine"])
    assert result.stdout == f"{Path('songs/a.wav')}: 0.2 s of sound; rendered with sine\n"
    assert Path("songs/a.wav").read_bytes().startswith(b"RIFF")


def test_several_files_go_to_a_folder() -> None:
    result = runner.invoke(app, ["render", "songs/a.mid", "songs/b.mid", "-o", "out/new", "--format", "png", "--json"])
    assert [row["out"] for row in json.loads(result.stdout)] == [str(Path("out/new/a.png")), str(Path("out/new/b.png"))]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in Path("out/new").iterdir())


def test_render_gives_one_json_list() -> None:
    result = runner.invoke(app, ["render", "songs/a.mid", "--engine", "sine", "--out", "x.flac", "--json"])
    (row,) = json.loads(result.stdout)
    assert row.pop("seconds") > 0
    assert row == {"file": str(Path("songs/a.mid")), "out": "x.flac", "engine": "sine"}


def test_a_bad_file_does_not_keep_the_others_from_being_rendered() -> None:
    Path("songs/bad.mid").write_text("no music")
    result = runner.invoke(app, ["render", "songs/bad.mid", "songs/b.mid", "--engine", "sine", "--json"])
    bad, good = json.loads(result.stdout)
    assert (result.exit_code, good["out"]) == (1, str(Path("songs/b.wav")))
    assert "not a MIDI file" in bad["error"]
    assert Path("songs/b.wav").exists()


def test_nothing_is_overwritten_without_force() -> None:
    Path("songs/b.wav").write_text("mine")
    result = runner.invoke(app, ["render", "songs/a.mid", "songs/b.mid", "--engine", "sine"])
    assert result.exit_code == 2
    assert "give --force to overwrite it" in result.stderr
    assert not Path("songs/a.wav").exists()
    assert runner.invoke(app, ["render", "songs/b.mid", "--engine", "sine", "--force"]).exit_code == 0
    assert Path("songs/b.wav").read_bytes().startswith(b"RIFF")


@pytest.mark.parametrize("name", ["missing.mid", "text.mid", "song.txt"])
def test_a_file_that_cannot_be_read_is_named_under_json(name: str) -> None:
    Path("text.mid").write_text("hello")
    result = runner.invoke(app, ["render", name, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["file"] == name


def test_out_is_a_file_for_one_input_or_a_folder_that_is_there() -> None:
    assert choose_targets([Path("a.mid")], Path("x.MP3"), None) == [Path("x.MP3")]
    assert choose_targets([Path("a.mid")], Path("songs"), "ogg") == [Path("songs/a.ogg")]
    assert choose_targets([Path("a.mid"), Path("b.mid")], Path("new"), None) == [Path("new/a.wav"), Path("new/b.wav")]


@pytest.mark.parametrize(
    ("files", "out", "sentence"),
    [
        (["a.mid"], "x.txt", "must end in .mp3"),
        (["a.mid"], "x.wav", "must end in .mp3"),
        (["a.mid", "b.mid"], "x.mp3", "names a file"),
        (["a.mid", "sub/a.mid"], "new", "would both become"),
    ],
)
def test_an_out_that_does_not_fit_is_refused(files: list[str], out: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose_targets([Path(file) for file in files], Path(out), "mp3")


def test_the_engines_offered_are_those_there_are() -> None:
    choices = get_args(get_args(options.Engine)[0])
    assert choices == ("auto", *ENGINES)
