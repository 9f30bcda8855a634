from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from midigen.checkpoints.run import Snapshot, save_checkpoint
from midigen.cli.app import app
from midigen.formats.midi import read_midi, write_midi
from midigen.scores.score import Part, Score
from tests import tiny

TUNE = "X:1\nM:4/4\nL:1/4\nK:G\nGABd|g2 f2|g4|\n"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a grid model that has learned nothing."""
    folder = tmp_path_factory.mktemp("models")
    data = tiny.hymns(folder / "data")
    model = tiny.network(data)
    config = {"name": "hymns", "representation": data.representation.to_json(), "model": asdict(model.config)}
    save_checkpoint(folder / "hymns", "epoch-0001", Snapshot(model.state_dict(), config, {}, {}), is_best=True)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDIGEN_CHECKPOINTS", str(checkpoints))
    Path("tune.abc").write_text(TUNE, "utf-8")
    write_midi(tiny.hymn(9), Path("hymn.mid"))
    return tmp_path


def midigen(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [command, "--particles", "3", *map(str, arguments)])


def test_a_tune_in_abc_gets_three_voices_as_midi_and_sound(here: Path) -> None:
    result = midigen("harmonize", "tune.abc", "--seed", 7)
    assert result.exit_code == 0, result.stderr
    assert {"tune-harmonized-7.mid", "tune-harmonized-7.wav"} <= {path.name for path in here.iterdir()}
    score = read_midi(Path("tune-harmonized-7.mid"))
    assert score.pitch[score.part == 0].tolist() == [67, 69, 71, 74, 79, 78, 79]
    assert len(set(score.part.tolist())) == 4
    assert "Kept: soprano." in result.stderr
    assert "Model hymns, seed 7;" in result.stderr


def test_without_a_model_named_the_newest_for_four_voices_composes(here: Path, checkpoints: Path) -> None:
    tiny.trained(here / "checkpoints", tiny.melodies(here / "data"), epochs=1)
    wishes = ("--no-wav", "--checkpoints", here / "checkpoints")
    ships = midigen("harmonize", "tune.abc", *wishes)
    assert "Composing with chorales, which comes with midigen: no model for grid tokens is trained here" in ships.stderr
    shutil.copytree(checkpoints / "hymns", here / "checkpoints" / "hymns", copy_function=shutil.copyfile)
    os.utime(here / "checkpoints" / "hymns" / "run.json", (1, 1))
    for command, *arguments in (("harmonize", "tune.abc"), ("inpaint", "hymn.mid", "--bars", 2)):
        mine = midigen(command, *arguments, *wishes)
        assert mine.exit_code == 0, mine.stderr
        assert "Composing with hymns, the newest model for grid tokens here." in mine.stderr


def test_json_says_what_was_written_kept_and_guessed() -> None:
    document = json.loads(midigen("harmonize", "tune.abc", "--seed", 7, "--count", 2, "--no-wav", "--json").stdout)
    assert list(document) == ["files", "model", "seed", "particles", "remarks", "seconds"]
    assert [Path(file["midi"]).name for file in document["files"]] == [
        "tune-harmonized-7-001.mid",
        "tune-harmonized-7-002.mid",
    ]
    assert document["remarks"][0] == "Kept: soprano."
    assert all(file["log_likelihood"] < 0 for file in document["files"])


def test_the_same_seed_writes_the_same_bytes() -> None:
    for name in ("a.mid", "b.mid"):
        midigen("harmonize", "hymn.mid", "--voices", "bass", "--seed", 5, "--no-wav", "--out", name)
    assert Path("a.mid").read_bytes() == Path("b.mid").read_bytes()


def test_inpaint_changes_the_bars_and_voices_that_are_named() -> None:
    result = midigen(
        "inpaint", "hymn.mid", "--bars", "2-3", "--voices", "alto,tenor", "--no-wav", "--out", "new.mid", "--seed", 2
    )
    assert result.exit_code == 0, result.stderr
    assert "Composed anew: alto, tenor in bars 2 to 3; all else is kept." in result.stderr
    old, new = read_midi(Path("hymn.mid")), read_midi(Path("new.mid"))
    for part in (0, 3):
        assert np.array_equal(old.notes[old.part == part], new.notes[new.part == part])
    first_bar = [score.notes[score.onset < 1920].tolist() for score in (old, new)]
    assert first_bar[0] == first_bar[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("harmonize", "five.mid"), "five.mid: The piece has 5 parts with notes: name one of at most four"),
        (("harmonize", "tune.abc", "--voices", "treble"), "--voices takes names of soprano, alto, tenor, bass"),
        (("harmonize", "hymn.mid"), "hymn.mid: The piece has all four voices: name those to keep"),
        (("harmonize", "tune.abc", "--temperature", "-1"), "A temperature lies between 0 and 100"),
        (("harmonize", "tune.abc", "--out", "tune.wav"), "--out tune.wav must end in .mid"),
        (("harmonize", "tune.abc", "--out", "hymn.mid/new.mid"), "hymn.mid is no folder that can be written to"),
        (("inpaint", "hymn.mid", "--bars", "one"), "--bars takes a bar, or the first and the last, such as 5-8"),
        (("inpaint", "hymn.mid", "--bars", "3-2"), "--bars takes a bar, or the first and the last, such as 5-8"),
        (("inpaint", "hymn.mid", "--bars", "3-4"), "hymn.mid: --bars 3-4: the piece has the bars 1 to 3."),
        (("inpaint", "tune.abc", "--bars", "1"), "tune.abc: The piece has 1 of the four voices"),
    ],
)
def test_a_wrong_option_ends_in_one_sentence(arguments: tuple[str, ...], sentence: str, here: Path) -> None:
    notes = [(0, 480, 40 + 5 * part, 80, part) for part in range(5)]
    write_midi(Score.from_notes(notes, parts=[Part(f"part {number}") for number in range(5)]), Path("five.mid"))
    before = sorted(here.iterdir())
    result = midigen(*arguments)
    assert (result.exit_code, sorted(here.iterdir())) == (2, before)
    assert sentence in " ".join(result.stderr.split())
    assert json.loads(midigen(*arguments, "--json").stdout)["error"].startswith(sentence)


def test_a_model_for_other_tokens_is_refused_by_name(here: Path) -> None:
    tiny.trained(here, tiny.melodies(here / "data"), epochs=1)
    result = midigen("harmonize", "tune.abc", "--model", here / "run")
    assert result.exit_code == 2
    assert "Error: run is a model for notes, not for four voices" in " ".join(result.stderr.split())


def test_what_is_no_score_is_said(here: Path) -> None:
    Path("song.mp3").touch()
    for name, words in (("song.mp3", "song.mp3 is no score that midigen reads"), (here, "is a folder: name one file")):
        result = midigen("harmonize", name)
        assert result.exit_code == 1
        assert words in " ".join(result.stderr.split())


def test_nothing_is_overwritten_unless_forced() -> None:
    Path("tune-harmonized-1.mid").touch()
    refused = midigen("harmonize", "tune.abc", "--seed", 1, "--no-wav")
    assert refused.exit_code == 2
    assert "tune-harmonized-1.mid is there already: give --force" in refused.stderr
    assert midigen("harmonize", "tune.abc", "--seed", 1, "--no-wav", "--force").exit_code == 0
