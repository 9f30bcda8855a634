from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.corpora.catalogue import CATALOGUE
from midigen.corpora.store import Collection, LeftOut, Piece, save_pieces
from midigen.scores.score import Score

runner = CliRunner()

SCORE = Score.from_notes([(0, 480, 60, 80, 0)])
LEFT_OUT = (LeftOut("a.mxl", "5 parts (A), no"), LeftOut("b.mxl", "5 parts (B), no"), LeftOut("c.mxl", "[red]broken"))


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A working folder in which the quartets are there already, with one piece."""
    piece = Piece("one", SCORE, "one.mxl", "0" * 64)
    collection = Collection("quartets", (piece,), LEFT_OUT, CATALOGUE["quartets"], tmp_path)
    save_pieces(tmp_path / "quartets", collection)
    return tmp_path


def test_fetch_says_what_is_there_and_why_files_were_left_out(corpora: Path) -> None:
    result = runner.invoke(app, ["fetch", "quartets", "--corpora", str(corpora)])
    first, second = result.stdout.splitlines()
    assert first.startswith(f"quartets: 1 pieces in {corpora / 'quartets'} (0.")
    assert second == "  left out 3: 5 parts, no (2); [red]broken (1)"
    assert result.stderr == ""


def test_verbose_cites_the_corpus_and_names_the_files_on_stderr(corpora: Path) -> None:
    result = runner.invoke(app, ["-v", "fetch", "quartets", "--corpora", str(corpora)])
    about, *left_out = result.stderr.splitlines()
    assert about.startswith("  String quartets by Haydn, Mozart and Beethoven.")
    assert left_out == [f"  {left.file}: {left.reason}" for left in LEFT_OUT]


def test_fetch_gives_one_json_list(corpora: Path) -> None:
    result = runner.invoke(app, ["fetch", "quartets", "quartets", "--json"], env={"MIDIGEN_CORPORA": str(corpora)})
    first, second = json.loads(result.stdout)
    assert first.keys() == {"name", "pieces", "path", "seconds"}
    assert (second["name"], second["pieces"], second["path"]) == ("quartets", 1, str(corpora / "quartets"))


def test_a_wrong_name_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    result = runner.invoke(app, ["fetch", "quartets", "quartet", "--corpora", str(tmp_path)])
    assert result.exit_code == 1
    assert "did you mean quartets?" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_list_has_one_whole_line_a_corpus_in_a_pipe(corpora: Path) -> None:
    head, *rows = runner.invoke(app, ["fetch", "--list", "--corpora", str(corpora)]).stdout.splitlines()
    assert head.split() == ["name", "pieces", "format", "size", "present", "licence"]
    assert [row.split()[0] for row in rows] == list(CATALOGUE)
    assert all(row.endswith(corpus.licence) for row, corpus in zip(rows, CATALOGUE.values(), strict=True))
    assert [row.split()[5] for row in rows] == ["no", "yes", "no", "no", "no"]


def test_the_list_as_json(corpora: Path) -> None:
    rows = json.loads(runner.invoke(app, ["fetch", "--list", "--json", "--corpora", str(corpora)]).stdout)
    assert rows[1] == {
        "name": "quartets",
        "pieces": 46,
        "format": "musicxml",
        "bytes": 2_836_148,
        "licence": CATALOGUE["quartets"].licence,
        "present": True,
    }


def test_the_shell_is_offered_the_corpora() -> None:
    env = {"_MIDIGEN_COMPLETE": "complete_bash", "COMP_WORDS": "midigen fetch b", "COMP_CWORD": "2"}
    assert runner.invoke(app, [], env=env, prog_name="midigen").stdout.split() == ["bach-chorales"]
