from __future__ import annotations

import multiprocessing
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from filelock import FileLock

from midigen.corpora.catalogue import CATALOGUE, find_corpus
from midigen.corpora.fetch import fetch, fetch_corpus, listing, read_files
from midigen.corpora.store import Collection, LeftOut
from midigen.errors import SourceError
from midigen.formats.midi import write_midi
from midigen.scores.score import Score

# One for each split and one with a horn.
FEW = replace(
    find_corpus("bach-chorales"),
    patterns=("bach/bwv1.6.mxl", "bach/bwv10.7.mxl", "bach/bwv101.7.mxl", "bach/bwv102.7.mxl"),
)


@dataclass
class FirstFetch:
    corpora: Path
    collection: Collection
    progress: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstFetch:
    corpora, progress = tmp_path_factory.mktemp("corpora"), list[tuple[int, int]]()
    collection = fetch_corpus(FEW, corpora, lambda done, total: progress.append((done, total)))
    return FirstFetch(corpora, collection, progress)


def write_note(path: Path, pitch: int = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(Score.from_notes([(0, 480, pitch, 80, 0)]), path)
    return path


def fetch_in_process(corpora: Path) -> None:
    fetch_corpus(FEW, corpora)


def test_a_corpus_is_read_with_its_splits(first: FirstFetch) -> None:
    splits = {piece.name: piece.split for piece in first.collection.pieces}
    assert splits == {"bwv10.7": "valid", "bwv101.7": "train", "bwv102.7": "test"}
    assert all(len(piece.score.parts) == 4 for piece in first.collection.pieces)


def test_a_chorale_with_more_than_four_voices_is_left_out(first: FirstFetch) -> None:
    reason = "5 parts (Horn 2, Soprano, Alto, Tenor, Bass), not four voices"
    assert first.collection.left_out == (LeftOut("bwv1.6.mxl", reason),)


def test_progress_goes_from_nothing_to_all(first: FirstFetch) -> None:
    assert first.progress == [(done, 4) for done in range(5)]


def test_the_second_fetch_takes_the_store(first: FirstFetch) -> None:
    started = time.perf_counter()
    assert fetch_corpus(FEW, first.corpora) == replace(first.collection, corpus=CATALOGUE[FEW.name])
    assert time.perf_counter() - started < 0.5


def test_fetch_reports_what_it_brought(first: FirstFetch) -> None:
    fetched = fetch("bach-chorales", first.corpora)
    assert (fetched.name, fetched.pieces, fetched.path) == ("bach-chorales", 3, first.corpora / "bach-chorales")
    assert fetched.left_out == first.collection.left_out


def test_the_listing_says_what_is_present(first: FirstFetch) -> None:
    rows = {row["name"]: row for row in listing(first.corpora)}
    assert list(rows) == list(CATALOGUE)
    assert [name for name, row in rows.items() if row["present"]] == ["bach-chorales"]
    assert set(rows["oneills"]) == {"name", "pieces", "format", "bytes", "licence", "present"}


def test_listing_makes_no_folders(tmp_path: Path) -> None:
    listing(tmp_path / "corpora")
    assert not (tmp_path / "corpora").exists()


def test_a_fetch_waits_for_another_one(tmp_path: Path, first: FirstFetch) -> None:
    folder = tmp_path / FEW.name
    folder.mkdir()
    with FileLock(folder / "pieces.lock"):
        other = multiprocessing.get_context("spawn").Process(target=fetch_in_process, args=(tmp_path,))
        other.start()
        other.join(1)
        assert other.is_alive()
        shutil.copytree(first.collection.path / "pieces", folder / "pieces")
        written = (folder / "pieces" / "pieces.json").stat().st_mtime_ns
    other.join(20)
    assert other.exitcode == 0
    assert (folder / "pieces" / "pieces.json").stat().st_mtime_ns == written


def test_an_unknown_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="did you mean quartets"):
        fetch("quartet", tmp_path)


def test_a_working_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpora").touch()
    with pytest.raises(SourceError, match="cannot be written"):
        fetch("bach-chorales", tmp_path / "corpora")


def test_a_copy_of_a_file_is_left_out(tmp_path: Path) -> None:
    files = {name: write_note(tmp_path / name) for name in ("a.mid", "b.mid")}
    pieces, left_out = read_files(files)
    assert [piece.file for piece in pieces] == ["a.mid"]
    assert left_out == [LeftOut("b.mid", "the same file as a.mid")]


def test_pieces_of_one_stem_have_two_names(tmp_path: Path) -> None:
    files = {name: write_note(tmp_path / name, 60 + at) for at, name in enumerate(["x/a.kar", "x/a.mid"])}
    assert [piece.name for piece in read_files(files)[0]] == ["x/a", "x/a.mid"]


def test_a_file_that_vanished_is_left_out(tmp_path: Path) -> None:
    _, left_out = read_files({"a.mid": tmp_path / "a.mid"})
    assert left_out == [LeftOut("a.mid", "cannot be opened: No such file or directory")]


def test_reasons_do_not_repeat_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"")
    (tmp_path / "b.xml").write_bytes(b"<")
    _, left_out = read_files({name: tmp_path / name for name in ("a.mid", "b.xml")})
    assert left_out[0] == LeftOut("a.mid", "is empty")
    assert str(tmp_path) not in left_out[1].reason


def test_of_bundled_tunes_only_what_a_player_needs_is_kept_of_the_header(tmp_path: Path) -> None:
    oneills = fetch_corpus(replace(find_corpus("oneills"), patterns=("oneills1850/0001-0050.abc",)), tmp_path)
    headers = [piece.score.tune.text.partition("\nK:")[0] for piece in oneills.pieces]  # type: ignore[attr-defined]
    assert {line[:2] for header in headers for line in header.split("\n")} <= {f"{name}:" for name in "XTRMLQK"}
