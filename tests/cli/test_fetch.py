from __future__ import annotations

import hashlib
import json
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from midigen.cli.app import app
from midigen.corpora import download
from midigen.corpora.catalogue import CATALOGUE
from midigen.corpora.corpus import Download
from midigen.corpora.store import Collection, LeftOut, Piece, load_pieces, save_pieces
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
    assert [row.split()[0] for row in rows if row.split()[5] == "yes"] == ["quartets"]


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
    env = {"_MIDIGEN_COMPLETE": "complete_bash", "COMP_WORDS": "midigen fetch bach-c", "COMP_CWORD": "2"}
    assert runner.invoke(app, [], env=env, prog_name="midigen").stdout.split() == ["bach-chorales"]


NOTE = b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\r\0\x90\x3c\x50\x83\x60\x80\x3c\0\0\xff\x2f\0"
JSB = json.dumps({"train": [[[72, 67, 64, 48]] * 16], "valid": [[[71, 67, 62, 43]] * 16], "test": []})


def invoke(*arguments: object) -> Result:
    return runner.invoke(app, ["fetch", *map(str, arguments)])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zip with one MIDI file, which the catalogue takes for the Mozart sonatas."""
    path = tmp_path / "given.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("sonatas/a.mid", NOTE)
    data = path.read_bytes()
    item = Download("sonatas.zip", (), "sha256:" + hashlib.sha256(data).hexdigest(), len(data))
    monkeypatch.setitem(CATALOGUE, "mozart-sonatas", replace(CATALOGUE["mozart-sonatas"], downloads=(item,)))
    return path


def test_a_file_carried_by_hand_is_checked_unpacked_and_read(archive: Path, tmp_path: Path) -> None:
    result = invoke("mozart-sonatas", "--from", archive, "--corpora", tmp_path)
    assert result.stdout.startswith("mozart-sonatas: 1 pieces in ")
    assert result.stderr == f"mozart-sonatas: 0.4 MB, licence: {CATALOGUE['mozart-sonatas'].licence}\n"
    assert load_pieces(tmp_path / "mozart-sonatas").pieces[0].name == "sonatas/a"
    again = invoke("mozart-sonatas", "--corpora", tmp_path)
    assert again.stdout.startswith("mozart-sonatas: 1 pieces in ")


def test_a_wrong_file_carried_by_hand_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    result = invoke("mozart-sonatas", "--from", archive, "--corpora", tmp_path / "corpora")
    assert result.exit_code == 1
    assert "given.zip is not what it should be: the file's sha256 is" in " ".join(result.stderr.split())
    assert [path for path in (tmp_path / "corpora").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_file_that_is_not_there_is_named(archive: Path, tmp_path: Path) -> None:
    result = invoke("mozart-sonatas", "--from", tmp_path / "none.zip", "--corpora", tmp_path)
    assert result.exit_code == 1
    assert "there is no file" in result.stderr


def test_chorales_by_sixteenths_keep_their_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jsb.json").write_text(JSB)
    item = Download("jsb.json", (), "md5:" + hashlib.md5(JSB.encode(), usedforsecurity=False).hexdigest())
    monkeypatch.setitem(CATALOGUE, "jsb-chorales", replace(CATALOGUE["jsb-chorales"], downloads=(item,)))
    assert invoke("jsb-chorales", "--from", tmp_path / "jsb.json", "--corpora", tmp_path).exit_code == 0
    pieces = load_pieces(tmp_path / "jsb-chorales").pieces
    assert [(piece.name, piece.split) for piece in pieces] == [("train/000", "train"), ("valid/000", "valid")]


def test_what_has_no_checksum_is_taken_only_unverified_and_recorded(archive: Path, tmp_path: Path) -> None:
    arguments = ["lakh-clean", "--from", archive, "--corpora", tmp_path]
    refused = invoke(*arguments)
    assert refused.exit_code == 1
    assert "to take it nevertheless: --unverified" in " ".join(refused.stderr.split())
    assert not (tmp_path / "lakh-clean").exists()
    assert invoke(*arguments, "--unverified").exit_code == 0
    record = json.loads((tmp_path / "lakh-clean" / "files" / "clean_midi.tar.gz.json").read_text())
    assert record["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_other_files_replace_what_was_read(archive: Path, tmp_path: Path) -> None:
    arguments = ["--from", archive, "--corpora", tmp_path, "--unverified"]
    invoke("lakh-clean", *arguments)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("b.mid", NOTE.replace(b"\x3c", b"\x3d"))
    invoke("lakh-clean", *arguments)
    assert len(load_pieces(tmp_path / "lakh-clean").pieces) == 2


@pytest.mark.parametrize("name", ["giantmidi", "thesession"])
def test_what_is_had_by_hand_only_says_where_and_under_what_terms(tmp_path: Path, name: str) -> None:
    result = invoke(name, "--corpora", tmp_path)
    words = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert f"{name} can be downloaded by hand only, from {CATALOGUE[name].by_hand}" in words
    assert CATALOGUE[name].licence in words
    assert list(tmp_path.iterdir()) == []


def test_tunes_in_abc_are_kept_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.abc").write_text("X:1\nK:C\nC\n")
    monkeypatch.setitem(CATALOGUE, "irish", replace(CATALOGUE["irish"], downloads=(Download("irish.abc", ()),)))
    result = invoke("irish", "--from", tmp_path / "a.abc", "--corpora", tmp_path, "--unverified")
    assert result.exit_code == 0
    assert "irish: 1 pieces in" in result.stdout
    assert (tmp_path / "irish" / "files" / "irish.abc").read_text() == "X:1\nK:C\nC\n"


def test_several_files_are_given_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.abc").touch()
    result = invoke("nottingham", "--from", tmp_path / "a.abc", "--corpora", tmp_path)
    assert "give a folder that holds ashover.abc" in " ".join(result.stderr.split())


def test_a_bundled_corpus_is_not_given(archive: Path, tmp_path: Path) -> None:
    result = invoke("quartets", "--from", archive, "--corpora", tmp_path)
    assert "comes with music21 and is not downloaded" in " ".join(result.stderr.split())


def test_one_file_is_for_one_corpus(archive: Path, tmp_path: Path) -> None:
    result = invoke("maestro", "lakh", "--from", archive, "--corpora", tmp_path)
    assert result.exit_code == 2
    assert "--from takes one corpus" in result.stderr


def test_without_a_network_one_sentence_names_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.zip"
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 0.0)
    item = Download("a.zip", (address,), "md5:0")
    monkeypatch.setitem(CATALOGUE, "emopia", replace(CATALOGUE["emopia"], downloads=(item,)))
    result = invoke("emopia", "--corpora", tmp_path)
    assert result.exit_code == 1
    assert "without a network, take one that is installed already: midigen fetch bach-chorales" in result.stderr


def test_only_fetch_uses_the_network(tmp_path: Path) -> None:
    result = runner.invoke(app, ["parse", "maestro", "--corpora", str(tmp_path)])
    assert result.exit_code == 1
    assert "maestro is not here yet: midigen fetch maestro" in result.stderr
