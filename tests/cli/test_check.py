"""``midigen check``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.abc2midi import find_abc2midi

SOUND = "X:1\nT:Sound\nM:4/4\nL:1/8\nK:C\nCDEF GABc|\n"
FAULTY = "X:2\nT:Faulty\nM:4/4\nL:1/8\nK:C\nCDEF GABc|CDE|CDEF GABc|\n"

runner = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sound.abc").write_text(SOUND)
    Path("two.abc").write_text(f"{SOUND}\n{FAULTY}")


def test_a_sound_tune_is_said_to_be_one() -> None:
    result = runner.invoke(app, ["check", "sound.abc"])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr.startswith("1 of 1 tunes are without fault.\n")


def test_a_fault_is_named_by_file_line_and_column() -> None:
    result = runner.invoke(app, ["check", "sound.abc", "two.abc"])
    assert result.exit_code == 1
    (line,) = result.stdout.splitlines()
    assert line.startswith("two.abc:13:")
    assert "2 of 3" in result.stderr


def test_a_script_gets_the_same_as_json() -> None:
    found = json.loads(runner.invoke(app, ["check", "two.abc", "--json"]).stdout)
    assert (found["tunes"], found["without_fault"]) == (2, 1)
    assert [(fault["tune"], fault["line"]) for fault in found["faults"]] == [("Faulty", 13)]


@pytest.mark.skipif(find_abc2midi() is None, reason="symusic comes without abc2midi here")
def test_a_tune_without_fault_is_not_valid_if_abc2midi_finds_an_error() -> None:
    Path("three.abc").write_text(f'{SOUND}\n{FAULTY}\nX:3\nM:4/4\nL:1/8\nK:C\n"D.C."u"4"c8|\n')
    found = json.loads(runner.invoke(app, ["check", "three.abc", "--json"]).stdout)
    assert (found["tunes"], found["without_fault"], found["valid"]) == (3, 2, 1)
    assert {error["line"] for error in found["abc2midi_errors"]} == {19}
    assert "1 of these are valid" in runner.invoke(app, ["check", "three.abc"]).stderr
    assert "three.abc:19:" in runner.invoke(app, ["--verbose", "check", "three.abc"]).output


@pytest.mark.parametrize(("name", "words"), [("none.abc", "cannot be read"), ("empty.abc", "holds no ABC tune")])
def test_what_holds_no_tune_is_said_in_a_sentence(name: str, words: str) -> None:
    Path("empty.abc").write_text("hello\n")
    result = runner.invoke(app, ["check", name])
    assert result.exit_code == 1
    assert words in result.stderr


def test_one_unreadable_file_hides_nothing_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|\n")
    (tmp_path / "empty.abc").write_text("nothing")
    files = [str(tmp_path / name) for name in ("empty.abc", "good.abc")]
    result = CliRunner().invoke(app, ["--json", "check", *files])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["tunes"] == 1
    assert [refused["file"] for refused in document["files_refused"]] == files[:1]
