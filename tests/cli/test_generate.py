from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from midigen.checkpoints.run import Snapshot, save_checkpoint
from midigen.cli.app import app
from midigen.formats.abc_notation import Tune, read_tune, read_tunes
from midigen.formats.midi import read_midi, write_midi
from tests import tiny


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with two models that have learned nothing; all ids are the same to the older one, dull."""
    folder = tmp_path_factory.mktemp("models")
    data = tiny.melodies(folder / "data")
    model = tiny.network(data)
    weights = model.state_dict()
    for name, scale in (("tunes", 1), ("dull", 0)):
        config = {"name": name, "representation": data.representation.to_json(), "model": asdict(model.config)}
        scaled = {key: weight * scale for key, weight in weights.items()}
        save_checkpoint(folder / name, "epoch-0001", Snapshot(scaled, config, {}, {}), is_best=True)
    os.utime(folder / "dull" / "run.json", (1, 1))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDIGEN_CHECKPOINTS", str(checkpoints))
    return tmp_path


def generate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["generate", *map(str, arguments)])


def quick(*arguments: object) -> Result:
    """Without sound."""
    return generate("--no-wav", "--length", 12, *arguments)


def test_midi_and_sound_are_written_into_the_current_folder(here: Path) -> None:
    result = generate("--seed", 7, "--length", 12)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in here.iterdir()) == ["tunes-7.mid", "tunes-7.wav"]
    assert result.stdout.splitlines()[0].startswith("tunes-7.mid: 12 notes, ")
    assert "Composing with tunes, the newest model here." in result.stderr
    assert "Seed 7; 12 tokens at" in result.stderr


def test_json_is_one_document_with_the_promised_keys() -> None:
    document = json.loads(generate("tunes", "--seed", 7, "--length", 12, "--json").stdout)
    assert list(document) == ["files", "seed", "notes", "quarters", "seconds", "tokens_per_second", "warnings"]
    (file,) = document["files"]
    score = read_midi(Path(file["midi"]))
    assert (file["notes"], file["quarters"]) == (len(score), pytest.approx(score.end / 480))
    assert (document["notes"], document["quarters"], document["seed"]) == (file["notes"], file["quarters"], 7)
    assert Path(file["wav"]).read_bytes().startswith(b"RIFF")


def test_the_same_seed_writes_the_same_bytes() -> None:
    for name in ("a.mid", "b.mid"):
        quick("--seed", 5, "--out", name, "--temperature", 0.9)
    assert Path("a.mid").read_bytes() == Path("b.mid").read_bytes()


def test_without_a_seed_every_piece_is_another_and_tells_its_seed() -> None:
    first, second = (json.loads(quick("--json").stdout) for _ in range(2))
    assert first["seed"] != second["seed"]
    again = json.loads(quick("--seed", first["seed"], "--out", "again.mid", "--json").stdout)
    assert Path(again["files"][0]["midi"]).read_bytes() == Path(first["files"][0]["midi"]).read_bytes()


def test_the_file_says_how_it_was_made() -> None:
    quick("--seed", 5, "--out", "a.mid", "--temperature", "pitch=0.8,duration=1.2")
    assert b"midigen: model tunes, seed 5, temperature pitch=0.8,duration=1.2" in Path("a.mid").read_bytes()


def test_several_pieces_are_numbered() -> None:
    quick("--seed", 5, "--count", 3)
    assert sorted(path.name for path in Path().iterdir()) == [f"tunes-5-00{number}.mid" for number in (1, 2, 3)]


def test_several_pieces_go_to_a_folder_that_is_made() -> None:
    document = json.loads(quick("--seed", 5, "--count", 2, "--out", "new/songs", "--json").stdout)
    assert [file["midi"] for file in document["files"]] == [
        str(Path("new/songs", f"tunes-5-00{number}.mid")) for number in (1, 2)
    ]
    assert document["notes"] == sum(file["notes"] for file in document["files"]) == 24


@pytest.mark.parametrize(("out", "file"), [("song.mid", "song.mid"), ("new/song.MIDI", "new/song.MIDI")])
def test_one_piece_goes_to_a_file(out: str, file: str) -> None:
    assert quick("--out", out).exit_code == 0
    assert len(read_midi(Path(file))) == 12


def test_one_piece_goes_into_a_folder_that_is_there() -> None:
    Path("songs").mkdir()
    quick("--seed", 1, "--out", "songs")
    assert Path("songs/tunes-1.mid").is_file()


def test_nothing_is_overwritten_without_force() -> None:
    Path("tunes-1.wav").write_text("mine")
    result = generate("--seed", 1, "--length", 4)
    assert result.exit_code == 2
    assert "tunes-1.wav is there already: give --force" in result.stderr
    assert not Path("tunes-1.mid").exists()
    assert quick("--seed", 1).exit_code == 0
    assert generate("--seed", 1, "--length", 4, "--force").exit_code == 0
    assert Path("tunes-1.wav").read_bytes().startswith(b"RIFF")


def test_bars_tempo_and_program_reach_the_file() -> None:
    generate("--no-wav", "--seed", 1, "--bars", 20, "--tempo", 90, "--program", 19, "--out", "a.mid")
    score = read_midi(Path("a.mid"))
    assert score.onset.max() < 20 * 1920
    assert score.tempos[0].bpm == pytest.approx(90, abs=0.01)
    assert score.parts[0].program == 19


def test_a_prompt_is_gone_on_from() -> None:
    prompt = tiny.melody(3, 10)
    write_midi(prompt, Path("prompt.mid"))
    quick("--prompt", "prompt.mid", "--prompt-notes", 4, "--prompt-skip", 2, "--out", "with.mid")
    score = read_midi(Path("with.mid"))
    assert len(score) == 16
    assert score.pitch[:4].tolist() == prompt.pitch[2:6].tolist()
    quick("--prompt", "prompt.mid", "--without-prompt", "--out", "without.mid")
    assert len(read_midi(Path("without.mid"))) == 12


def test_a_column_has_a_temperature_of_its_own() -> None:
    quick("--temperature", "duration=0, step=0", "--out", "a.mid")
    assert len(set(read_midi(Path("a.mid")).duration.tolist())) < 12


def test_chord_tokens_follow_each_other_at_the_offset(tmp_path: Path) -> None:
    tiny.trained(tmp_path, tiny.chords(tmp_path / "data"), epochs=1)
    for offset, ticks in (("0.25", 120), ("0.5", 240)):
        assert quick("run", "--checkpoints", tmp_path, "--out", f"{offset}.mid", "--offset", offset).exit_code == 0
        assert set(np.diff(read_midi(Path(f"{offset}.mid")).onset).tolist()) <= {0, ticks}


def test_what_is_odd_is_said_on_stderr_and_in_json() -> None:
    arguments = ("dull", "--no-wav", "--length", 20, "--temperature", 0, "--out", "a.mid")
    plain, document = generate(*arguments), json.loads(generate(*arguments, "--force", "--json").stdout)
    assert "Warning: a.mid: It is one pitch, over and over" in plain.stderr
    assert len(document["warnings"]) == plain.stderr.count("Warning: a.mid: ") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--length", "5", "--bars", "2"], "Give --length or --bars, not both"),
        (["--temperature", "hot"], "--temperature takes a number such as 0.8"),
        (["--temperature", "pitch="], "--temperature takes"),
        (["--temperature", ""], "--temperature takes"),
        (["--temperature", "-1"], "between 0 and 100"),
        (["--temperature", "nan"], "between 0 and 100"),
        (["--top-k", "0"], "--top-k must be"),
        (["--top-p", "1.5"], "--top-p must be"),
        (["--min-p", "0"], "--min-p must be"),
        (["--count", "0"], "--count must be"),
        (["--seed", "-3"], "--seed must be"),
        (["--tempo", "1000"], "--tempo lies"),
        (["--program", "128"], "--program is"),
        (["--out", "song.wav"], "must end in .mid, or be a folder"),
        (["--out", "song.mid", "--count", "2"], "is a file, but several pieces need a folder"),
        (["--out", "text", "--count", "2"], "is a file, but several pieces need a folder"),
        (["--offset", "0.25"], "--offset is for chord tokens; tunes is a model for another representation"),
        (["--prompt-notes", "4"], "need a --prompt"),
        (["--prompt-skip", "4"], "need a --prompt"),
        (["--without-prompt"], "need a --prompt"),
        (["--temperature", "loudness=1"], "no column loudness"),
    ],
)
def test_wrong_options_are_refused_with_exit_code_2(arguments: list[str], words: str) -> None:
    Path("text").write_text("")
    result = generate(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert [path.name for path in Path().iterdir()] == ["text"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["other"], "There is no model at"),
        (["--prompt", "missing.mid"], "missing.mid"),
        (["--prompt", "text.mid"], "text.mid"),
        (["--prompt", "short.mid", "--prompt-skip", "9"], "The prompt has 3 rows"),
    ],
)
def test_what_fails_is_said_in_a_sentence_with_exit_code_1(arguments: list[str], words: str) -> None:
    Path("text.mid").write_text("not music")
    write_midi(tiny.melody(0, 3), Path("short.mid"))
    result = quick(*arguments)
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
    assert sorted(path.name for path in Path().iterdir()) == ["short.mid", "text.mid"]


def test_an_error_is_json_too() -> None:
    result = generate("nowhere", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout).keys() == {"error", "file"}


def test_the_best_of_many_are_kept_by_the_style_of_the_corpus(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path / "data")
    trained = tiny.trained(tmp_path, data)
    config = {**trained.config, "source": "bach-chorales"}
    (trained.folder / "config.json").write_text(json.dumps(config), "utf-8")
    arguments = ["generate", str(trained.folder), "--count", "4", "--no-wav", "--length", "32", "--seed", "1"]
    every = [*arguments, "--out", str(tmp_path / "all")]
    assert CliRunner().invoke(app, every).exit_code == 0
    kept = CliRunner().invoke(app, [*arguments, "--keep", "2", "--out", str(tmp_path / "best")])
    assert kept.exit_code == 0, kept.output
    marks = [float(line.split()[2]) for line in kept.stdout.splitlines()[1:3]]
    assert marks == sorted(marks, reverse=True)
    notes = [read_midi(file).notes.tolist() for file in sorted((tmp_path / "all").iterdir())]
    best = [read_midi(file).notes.tolist() for file in sorted((tmp_path / "best").iterdir())]
    assert len(best) == 2
    assert all(piece in notes for piece in best)


def test_what_cannot_be_ranked_is_refused_before_anything_is_composed(tmp_path: Path) -> None:
    trained = tiny.trained(tmp_path, tiny.melodies(tmp_path / "data"))
    for arguments, words in (
        (["--keep", "2"], "between 1 and --count 1"),
        (["--keep", "1", "--rank", "style"], "does not know 'tiny'"),
    ):
        refused = CliRunner().invoke(app, ["generate", str(trained.folder), *arguments])
        assert refused.exit_code == 2
        assert words in " ".join(refused.stderr.split())


def test_a_tune_is_written_as_text_too(tmp_path: Path) -> None:
    text = "X:1\nT:Tune\nM:4/4\nL:1/8\nK:G\nGA|B2c2 d4|(3efg f>e d4:|\n"
    data = tiny.dataset(tmp_path, [read_tune(Tune(text))] * 2, "abc", "tt")
    model = tiny.network(data)
    config = {"name": "abc", "representation": data.representation.to_json(), "model": asdict(model.config)}
    save_checkpoint(
        tmp_path / "models" / "abc", "epoch-0001", Snapshot(model.state_dict(), config, {}, {}), is_best=True
    )
    arguments = (
        "--checkpoints",
        tmp_path / "models",
        "--seed",
        3,
        "--length",
        300,
        "--prompt-text",
        "X:1",
        "--until-valid",
    )
    result = generate("abc", *arguments, "--no-wav", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    (file,) = document["files"]
    assert Path(file["abc"]).read_text().startswith("X:1")
    assert read_midi(Path(file["midi"])).pitch.tolist() == read_tune(read_tunes(Path(file["abc"]))[0]).pitch.tolist()
    assert document["valid"] == 1


def test_steering_reaches_the_file_and_is_counted() -> None:
    steered = ("--key", "D", "--scale", "pentatonic", "--range", "C4-C6", "--repeat-guard", 8)
    result = quick("tunes", "--seed", 1, "--out", "a.mid", "--json", *steered)
    assert "Steering moved " in result.stderr
    steering = json.loads(result.stdout)["steering"]
    assert list(steering) == ["draws", "mass_moved", "likeliest_changed", "passed_over"]
    assert 0 < steering["mass_moved"] < 1
    score = read_midi(Path("a.mid"))
    assert {pitch % 12 for pitch in score.pitch.tolist()} <= {2, 4, 6, 9, 11}
    assert (score.pitch.min() >= 60, score.pitch.max() <= 84) == (True, True)


def test_metre_and_close_reach_the_file() -> None:
    generate("tunes", "--no-wav", "--seed", 1, "--bars", 4, "--meter", "3/4", "--key", "G", "--end", "--out", "a.mid")
    score = read_midi(Path("a.mid"))
    assert [metre.bar_ticks for metre in score.metres] == [3 * 480]
    assert (score.onset[-1], score.pitch[-1] % 12) == (3 * 3 * 480, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key", "H"], "--key takes a key such as G"),
        (["--chords", "C X"], "--chords takes symbols"),
        (["--chords-strength", "hard"], "--chords-strength needs --chords"),
        (["--range", "soprano=C4-C5"], "--range by voice is for four voices on a grid"),
    ],
)
def test_a_wish_that_cannot_be_met_is_said(arguments: list[str], message: str) -> None:
    result = quick("tunes", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not list(Path().glob("*.mid"))
