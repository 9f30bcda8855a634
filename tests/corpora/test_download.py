from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora import download as module
from midigen.corpora.download import download, file_digest, require_safe
from midigen.errors import SourceError
from tests.corpora.conftest import CONTENT, SHA256, Server


def fetch(server: Server, folder: Path, checksum: str = SHA256, size: int | None = len(CONTENT)) -> bytes:
    target = folder / "file.zip"
    sha256 = download([server.address()], target, checksum, size, lambda _done, _total: None)
    assert sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert list(folder.iterdir()) == [target]
    return target.read_bytes()


def break_once(server: Server, folder: Path, *cuts: int) -> None:
    """Leave a part file: all three tries break, after so many bytes each."""
    server.cuts = list(cuts) or [1000, 1000, 1000]
    with pytest.raises(SourceError, match="the connection broke"):
        fetch(server, folder)
    server.ranges.clear()


def suffixes(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


def test_a_file_is_brought_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "file.zip"
    download([server.address()], target, SHA256, None, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_resets_in_the_middle_are_survived_where_ranges_are_honoured(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000]
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_broken_download_goes_on_the_next_time(server: Server, tmp_path: Path) -> None:
    break_once(server, tmp_path)
    assert suffixes(tmp_path) == {".part", ".validator"}
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == ["bytes=3000-"]


def test_a_server_that_ignores_ranges_sends_all_anew(server: Server, tmp_path: Path) -> None:
    break_once(server, tmp_path)
    server.knows_ranges = False
    assert fetch(server, tmp_path) == CONTENT


@pytest.mark.parametrize("checksum", [SHA256, ""])
def test_another_etag_begins_anew(server: Server, tmp_path: Path, checksum: str) -> None:
    server.cuts, server.content = [1000, 1000, 1000], bytes(300_000)
    with pytest.raises(SourceError, match="the connection broke"):
        fetch(server, tmp_path, checksum, None)
    server.etag, server.content = '"two"', CONTENT
    assert fetch(server, tmp_path, checksum, None) == CONTENT


def test_without_an_etag_a_broken_download_begins_anew(server: Server, tmp_path: Path) -> None:
    server.etag = ""
    break_once(server, tmp_path)
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None]


def complete_part(server: Server, folder: Path, content: bytes, checksum: str) -> None:
    """What a process leaves that is killed when all has come but not been checked."""
    name = hashlib.sha256(f"{server.address()} {checksum}".encode()).hexdigest()[:16]
    (folder / f"{name}.part").write_bytes(content)
    (folder / f"{name}.validator").write_text(server.etag)


@pytest.mark.parametrize("checksum", [SHA256, ""])
def test_a_part_file_that_is_whole_is_taken_after_416(server: Server, tmp_path: Path, checksum: str) -> None:
    complete_part(server, tmp_path, CONTENT, checksum)
    assert fetch(server, tmp_path, checksum) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("checksum", [SHA256, ""])
def test_a_part_file_that_is_wrong_is_brought_anew_after_416(server: Server, tmp_path: Path, checksum: str) -> None:
    complete_part(server, tmp_path, bytes(len(CONTENT) + 1), checksum)
    assert fetch(server, tmp_path, checksum) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 1}-", None]


def test_a_range_that_was_not_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    break_once(server, tmp_path)
    server.range_error = 7
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == ["bytes=3000-", None]


def test_a_length_that_the_catalogue_does_not_know_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="offers 300,000 bytes instead of 299,999"):
        fetch(server, tmp_path, size=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_promises_more_than_it_sends_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.excess, server.knows_ranges = 10, False
    with pytest.raises(SourceError, match="the connection broke"):
        fetch(server, tmp_path, size=None)
    assert not (tmp_path / "file.zip").exists()


def test_no_more_is_taken_than_the_limit(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    with pytest.raises(SourceError, match="sends more than 100,000 bytes"):
        fetch(server, tmp_path, "", None)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_100


def test_a_wrong_checksum_names_both_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(SourceError, match=f"sha256 is {SHA256[7:]} and should be 0{{64}}"):
        fetch(server, tmp_path, wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("sha256", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"),
        ("md5", "b1946ac92492d2347c6235b4d2611184"),
        ("git", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ],
)
def test_checksums_are_those_of_the_tools(server: Server, tmp_path: Path, kind: str, digest: str) -> None:
    # printf 'hello\n' | sha256sum; md5sum; git hash-object --stdin
    server.content = b"hello\n"
    assert fetch(server, tmp_path, f"{kind}:{digest}", 6) == b"hello\n"
    assert file_digest(tmp_path / "file.zip", kind) == digest


def test_a_missing_file_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404]
    with pytest.raises(
        SourceError, match=r"file\.zip cannot be downloaded \(127\.0\.0\.1:\d+: the server answers 404 Not"
    ):
        fetch(server, tmp_path)
    assert server.ranges == [None]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert fetch(server, tmp_path) == CONTENT


def test_the_next_mirror_is_taken(server: Server, tmp_path: Path) -> None:
    server.statuses = [404]
    addresses = [server.address("/gone"), server.address()]
    download(addresses, tmp_path / "file.zip", SHA256, len(CONTENT), lambda _done, _total: None)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_redirects_are_followed_with_their_range(server: Server, tmp_path: Path) -> None:
    server.redirects = {"/file.zip": "/elsewhere"}
    break_once(server, tmp_path)
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == ["bytes=3000-", "bytes=3000-"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:///etc/passwd", "answers 302"),
        ("ftp://example.org/a", "no web address"),
        ("http://example.org/a", "plain http"),
        ("/file.zip", "answers 302"),
    ],
)
def test_a_redirect_to_where_it_must_not_go_is_refused(
    server: Server, tmp_path: Path, target: str, message: str
) -> None:
    server.redirects = {"/file.zip": target}
    with pytest.raises(SourceError, match=message):
        fetch(server, tmp_path, "")


@pytest.mark.parametrize(
    ("address", "checksum", "before"),
    [
        ("http://example.org/a", "", ""),
        ("http://example.org/a", SHA256, "https://example.org/a"),
        ("http://127.0.0.1/a", SHA256, "https://example.org/a"),
        ("file:///etc/passwd", SHA256, ""),
        ("songs.zip", SHA256, ""),
        ("https:///a", SHA256, ""),
        ("https://[a/b", SHA256, ""),
    ],
)
def test_unsafe_addresses_are_refused(address: str, checksum: str, before: str) -> None:
    with pytest.raises(SourceError):
        require_safe(address, checksum, before)


@pytest.mark.parametrize("address", ["http://127.0.0.1:80/ä", "http://127.0.0.1:port/a", "http://localhost:1/a b"])
def test_an_address_that_cannot_be_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(module, "BACK_OFF_SECONDS", 0.0)
    with pytest.raises(SourceError, match="cannot be downloaded"):
        download([address], tmp_path / "a", SHA256, None, lambda _done, _total: None)


@pytest.mark.parametrize("address", ["https://example.org/a", "http://127.0.0.1:80/a", "http://localhost/a"])
def test_safe_addresses_are_not(address: str) -> None:
    require_safe(address, "")
    require_safe("http://example.org/a", SHA256)


def test_a_silent_server_is_left(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.1)
    server.pause = 0.3
    with pytest.raises(SourceError, match="the server is silent"):
        fetch(server, tmp_path)


def test_a_server_that_trickles_is_left(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    server.chunk, server.pause = 1, 0.05
    started = time.monotonic()
    with pytest.raises(SourceError, match="the server is silent"):
        fetch(server, tmp_path)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Sign in", b"\xef\xbb\xbf \n<HTML>"])
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/zip"])
def test_a_web_page_is_no_archive(server: Server, tmp_path: Path, page: bytes, content_type: str) -> None:
    server.content, server.content_type = page, content_type
    with pytest.raises(SourceError, match="a web page, not the file"):
        fetch(server, tmp_path, "", None)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "BACK_OFF_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match="Connection refused"):
        download([f"http://127.0.0.1:{port}/a"], tmp_path / "a", SHA256, None, lambda _done, _total: None)
    assert list(tmp_path.iterdir()) == []


@given(st.binary(min_size=1, max_size=2000))
def test_a_git_checksum_is_a_sha1_with_a_head(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "blob"
    path.write_bytes(data)
    expected = hashlib.sha1(b"blob " + str(len(data)).encode() + b"\0" + data, usedforsecurity=False).hexdigest()
    assert file_digest(path, "git") == expected
