from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import zipfile
from dataclasses import replace
from pathlib import Path

from midigen.corpora.catalogue import find_corpus
from midigen.corpora.corpus import Corpus, Download
from midigen.corpora.fetch import no_progress
from midigen.corpora.files import bring, unpack
from tests.corpora.conftest import Server

NAME = "archive.zip"


def packed(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, name)
        archive.writestr("filler.txt", bytes(200_000))
    return buffer.getvalue()


def serve(server: Server, *names: str) -> Corpus:
    server.content = packed(*names)
    item = Download(NAME, (server.address(),), "sha256:" + hashlib.sha256(server.content).hexdigest())
    return replace(find_corpus("musicnet"), downloads=(item,), patterns=("**/*",))


def bring_in_process(corpus: Corpus, folder: Path) -> None:
    bring(corpus, folder, progress=no_progress)


def test_a_file_is_brought_once_and_recorded(server: Server, tmp_path: Path) -> None:
    corpus = serve(server, "a.mid")
    for _ in range(2):
        bring(corpus, tmp_path, progress=no_progress)
    assert len(server.ranges) == 1
    record = json.loads((tmp_path / "files" / f"{NAME}.json").read_text())
    assert record == {
        "from": server.address(),
        "sha256": corpus.downloads[0].checksum[7:],
        "bytes": len(server.content),
    }


def test_another_address_may_be_given(server: Server, tmp_path: Path) -> None:
    corpus = serve(server, "a.mid")
    elsewhere = replace(corpus.downloads[0], addresses=("https://example.invalid/a.zip",))
    bring(replace(corpus, downloads=(elsewhere,)), tmp_path, server.address("/copy.zip"), progress=no_progress)
    assert (tmp_path / "files" / NAME).read_bytes() == server.content


def test_only_music_is_unpacked_and_only_what_matches(server: Server, tmp_path: Path) -> None:
    names = ("x/a.mid", "x/versions/b.mid", "x/._a.mid", "__MACOSX/x/a.mid", "readme.txt")
    corpus = replace(serve(server, *names), patterns=("x/*.mid", "__MACOSX/*/*.mid"))
    bring(corpus, tmp_path, progress=no_progress)
    files, refused = unpack(corpus, tmp_path, tmp_path / "scratch")
    assert (list(files), refused) == (["x/a.mid"], [])


def test_a_killed_fetch_leaves_only_what_can_be_gone_on_with(server: Server, tmp_path: Path) -> None:
    corpus = serve(server, "a.mid")
    server.chunk, server.pause = 1000, 0.01
    other = multiprocessing.get_context("spawn").Process(target=bring_in_process, args=(corpus, tmp_path))
    other.start()
    while not list(tmp_path.glob("files/*.part")) or next(tmp_path.glob("files/*.part")).stat().st_size == 0:
        other.join(0.05)
        assert other.is_alive()
    other.kill()
    other.join()
    assert {path.suffix for path in (tmp_path / "files").iterdir()} == {".part", ".validator"}
    server.pause = 0
    bring(corpus, tmp_path, progress=no_progress)
    assert server.ranges[-1] is not None
    assert {path.name for path in (tmp_path / "files").iterdir()} == {NAME, f"{NAME}.json"}
