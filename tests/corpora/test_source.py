from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from midigen.corpora.catalogue import CATALOGUE
from midigen.corpora.source import Collection, LeftOut, Piece, fingerprint, read_source, source_folder
from midigen.corpora.store import save_pieces
from midigen.errors import SourceError
from midigen.formats.midi import write_midi
from midigen.scores.score import Score


def score(pitch: int = 60) -> Score:
    return Score.from_notes([(0, 480, pitch, 80, 0)])


def write_note(path: Path, pitch: int = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(score(pitch), path)
    return path


def store_corpus(corpora: Path, name: str = "quartets") -> Collection:
    piece = Piece("a", score(), "a.mxl", "0" * 64)
    saved = Collection(name, (piece,), (), CATALOGUE[name], corpora / name)
    save_pieces(saved.path, saved)
    return saved


def test_a_folder_is_read_with_its_folders_in_order(tmp_path: Path) -> None:
    for pitch, name in enumerate(["b.mid", "a/z.MID", "a/y.kar", "c.midi"], 60):
        write_note(tmp_path / "songs" / name, pitch)
    collection = read_source(str(tmp_path / "songs"), tmp_path / "corpora")
    assert [piece.file for piece in collection.pieces] == ["a/y.kar", "a/z.MID", "b.mid", "c.midi"]
    assert (collection.name, collection.corpus, collection.path) == ("songs", None, tmp_path / "songs")
    assert collection.pieces[2].score.pitch.tolist() == [60]


def test_hidden_files_and_other_kinds_are_ignored(tmp_path: Path) -> None:
    for pitch, name in enumerate([".a.mid", ".git/a.mid", "__MACOSX/a.mid", "a.mid"], 60):
        write_note(tmp_path / name, pitch)
    (tmp_path / "notes.txt").write_text("text", encoding="utf-8")
    collection = read_source(str(tmp_path), tmp_path / "corpora")
    assert [piece.file for piece in collection.pieces] == ["a.mid"]
    assert collection.left_out == ()


def test_a_loop_of_links_is_harmless(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    try:
        (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert len(read_source(str(tmp_path), tmp_path).pieces) == 1


def test_one_bad_file_is_left_out_with_its_reason(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    (tmp_path / "bad.mid").write_bytes(b"<!DOCTYPE html>")
    (tmp_path / "tune.abc").write_text("X:1\nT:No key", encoding="utf-8")
    bad, tune = read_source(str(tmp_path), tmp_path).left_out
    assert bad.file == "bad.mid"
    assert bad.reason.startswith("is not a MIDI file")
    assert tune == LeftOut("tune.abc:1", "the tune (line 1) has no key; end its header with a line such as K:G")


def test_every_tune_of_an_abc_file_is_a_piece_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "tunes.abc").write_text("X:1\nK:C\nCD|\n\nX:2\nK:G\n\nX:3\nK:G\nGA|\n", encoding="utf-8")
    write_note(tmp_path / "tunes.mid")
    found = read_source(str(tmp_path), tmp_path)
    assert [(piece.name, piece.file) for piece in found.pieces] == [
        ("tunes:1", "tunes.abc"),
        ("tunes:8", "tunes.abc"),
        ("tunes", "tunes.mid"),
    ]
    assert [piece.score.pitch.tolist() for piece in found.pieces[:2]] == [[60, 62], [67, 69]]
    assert found.left_out == (LeftOut("tunes.abc:5", "the tune (line 5) holds no notes"),)


def test_midi_and_scores_are_read_together(tmp_path: Path) -> None:
    write_note(tmp_path / "b.mid")
    (tmp_path / "a.krn").write_text("**kern\n4c\n4d\n*-\n", encoding="utf-8")
    pieces = read_source(str(tmp_path), tmp_path).pieces
    assert [(piece.name, piece.score.pitch.tolist()) for piece in pieces] == [("a", [60, 62]), ("b", [60])]


def test_a_single_file_is_read(tmp_path: Path) -> None:
    path = write_note(tmp_path / "a.mid")
    assert [piece.name for piece in read_source(str(path), tmp_path).pieces] == ["a"]


def test_a_single_bad_file_is_the_error(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"")
    with pytest.raises(SourceError, match=r"^a\.mid: is empty$"):
        read_source(str(tmp_path / "a.mid"), tmp_path)


def test_a_folder_of_bad_files_is_refused_with_the_commonest_reasons(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.mid").write_bytes(b"MThd" + name.encode())
        (tmp_path / f"{name}.abc").write_text(name, encoding="utf-8")
    with pytest.raises(
        SourceError,
        match=r"none of the 6 files of .* gave a piece: 3 x holds no ABC tune; a tune starts with a line such as X:1; ",
    ):
        read_source(str(tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["a.txt", ".", "a.zip"])
def test_a_source_without_music_names_the_suffixes(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").touch()
    zipfile.ZipFile(tmp_path / "a.zip", "w").close()
    with pytest.raises(SourceError, match=r"holds nothing to read: \.abc, \.kar, \.krn, \.mid, .* archive"):
        read_source(str(tmp_path / name), tmp_path)


def test_an_archive_is_read_safely(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        for name in ("x/a.mid", "../b.mid", "__MACOSX/x/._a.mid", "read.me"):
            archive.write(tmp_path / "a.mid", name)
    collection = read_source(str(tmp_path / "songs.zip"), tmp_path)
    assert [piece.file for piece in collection.pieces] == ["x/a.mid"]
    assert collection.left_out == (LeftOut("../b.mid", "its name leads out of the archive"),)
    assert collection.path == tmp_path / "songs.zip"


def test_a_reason_in_an_archive_names_no_temporary_folder(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    (tmp_path / "b.mid").touch()
    with tarfile.open(tmp_path / "songs.tar", "w") as archive:
        archive.add(tmp_path / "a.mid", "a.mid")
        archive.add(tmp_path / "b.mid", "b.mid")
    assert read_source(str(tmp_path / "songs.tar"), tmp_path).left_out == (LeftOut("b.mid", "is empty"),)


def test_a_corpus_is_loaded_from_its_store(tmp_path: Path) -> None:
    stored = store_corpus(tmp_path)
    assert read_source("quartets", tmp_path) == stored


def test_a_name_of_the_catalogue_wins_over_a_folder_but_not_over_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_note(tmp_path / "quartets" / "mine.mid")
    store_corpus(tmp_path / "corpora")
    assert read_source("quartets", tmp_path / "corpora").pieces[0].name == "a"
    assert read_source("./quartets", tmp_path / "corpora").pieces[0].name == "mine"
    assert source_folder("quartets", tmp_path) != source_folder("./quartets", tmp_path)


@pytest.mark.parametrize("source", ["bach-chorale", "no-such-thing", "x" * 5000])
def test_an_unknown_word_is_answered_with_the_names_of_the_catalogue(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceError, match=r"no file or folder here .* midigen knows bach-chorales"):
        read_source(source, tmp_path)


@pytest.mark.parametrize("source", ["no/such/thing", "./missing.mid", ""])
def test_a_missing_path_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceError, match=f"there is no file or folder '{source}'"):
        read_source(source, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only there are names bytes")
def test_a_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    (tmp_path / "a.mid").rename(tmp_path / os.fsdecode(b"F\xfcr.mid"))
    file = read_source(str(tmp_path), tmp_path).pieces[0].file
    assert file.encode() == b"F\\udcfcr.mid"


def test_the_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    song = write_note(tmp_path / "songs" / "a.mid")
    source, seen = str(tmp_path / "songs"), set[str]()
    for change in (lambda: None, lambda: os.utime(song, (1, 1)), lambda: write_note(song.with_name("b.mid"))):
        change()
        assert fingerprint(source) == fingerprint(source)
        seen.add(fingerprint(source))
    assert len(seen) == 3


def test_the_fingerprint_does_not_change_with_other_files(tmp_path: Path) -> None:
    write_note(tmp_path / "a.mid")
    before = fingerprint(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    assert fingerprint(str(tmp_path)) == before


def test_the_fingerprint_of_an_archive_changes_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"1")
    before = fingerprint(str(tmp_path / "a.zip"))
    (tmp_path / "a.zip").write_bytes(b"12")
    assert fingerprint(str(tmp_path / "a.zip")) != before


def test_each_corpus_has_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    assert len({fingerprint(name) for name in CATALOGUE}) == len(CATALOGUE)


def test_each_path_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = source_folder("x/songs", Path("corpora"))
    assert folder == source_folder(str(tmp_path / "x" / "songs"), Path("corpora"))
    assert folder != source_folder("y/songs", Path("corpora"))
    assert folder.parent == Path("corpora")
    assert folder.name.startswith("songs-")
    assert len(folder.name) == len("songs-") + 8


def test_a_corpus_has_the_folder_of_its_name() -> None:
    assert source_folder("quartets", Path("corpora")) == Path("corpora/quartets")


@pytest.mark.parametrize("source", ["+", "a++b", "a+", "+a"])
def test_a_plus_needs_a_source_on_both_sides(source: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lacks a source on one side of a plus: join them as in oneills"):
        read_source(source, tmp_path)


def test_sources_joined_by_a_plus_are_one(tmp_path: Path) -> None:
    for name, pitch in (("a", 60), ("b", 62)):
        write_note(tmp_path / f"{name}.mid", pitch)
    both = f"{tmp_path / 'a.mid'}+{tmp_path / 'b.mid'}"
    found = read_source(both, tmp_path)
    assert [(piece.name, piece.score.pitch.tolist()) for piece in found.pieces] == [
        ("a.mid/a", [60]),
        ("b.mid/b", [62]),
    ]
    assert found.name == "a.mid+b.mid"
    assert source_folder(both, tmp_path) == found.path
    before = fingerprint(both)
    write_note(tmp_path / "b.mid", 64)
    assert fingerprint(both) != before
    with pytest.raises(SourceError, match=r"a\.mid is named twice"):
        read_source(f"{tmp_path / 'a.mid'}+{tmp_path / 'a.mid'}", tmp_path)
