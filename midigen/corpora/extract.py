"""Extract: the only code that unpacks archives. It trusts nothing that an archive says about itself.

Names, kinds and sizes are checked one member at a time, bytes are counted while they are copied, and the folder appears
under its name only when all is done. ``extractall`` is never used: its filters have been bypassed more than once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from midigen.errors import SourceError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

MAX_MEMBERS = 50_000
MAX_FILE_BYTES = 64 << 20
MAX_TOTAL_BYTES = 2 << 30
MAX_RATIO = 200
"""Unpacked bytes for each byte of the archive."""
MAX_NAME = 200
MAX_DEPTH = 10

_CHUNK = 1 << 16
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_BAD_MEMBER = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_BAD_ARCHIVE = (*_BAD_MEMBER, tarfile.TarError, OSError, ValueError, OverflowError)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive that can be unpacked."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def extract(archive: Path, target: Path, suffixes: frozenset[str]) -> list[tuple[str, str]]:
    """Unpack the files of a zip or tar archive that end in one of ``suffixes``; pass over the others without a word.

    Args:
        archive: a .zip, or a .tar, plain or packed with gzip, bzip2 or xz.
        target: a folder that does not exist yet.
        suffixes: in lower case, with their dots.

    Returns:
        (name, reason) of each member with such a suffix that was not unpacked.

    Raises:
        SourceError: it is no archive, is damaged or holds too much, or the target exists; nothing is left behind.
    """
    if target.exists():
        raise SourceError(f"{target} is there already; remove it first", file=target)
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        skipped = _unpack(archive, part.resolve(), suffixes)
        os.replace(part, target)  # noqa: PTH105
    except _BAD_ARCHIVE as error:
        raise SourceError(f"{archive.name} cannot be unpacked as zip or tar: {error}", file=archive) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return skipped


class _Member(NamedTuple):
    name: str
    problem: str | None
    open: Callable[[], IO[bytes]]


def _unpack(archive: Path, root: Path, suffixes: frozenset[str]) -> list[tuple[str, str]]:
    size = archive.stat().st_size
    room = min(MAX_TOTAL_BYTES, MAX_RATIO * size)
    skipped: list[tuple[str, str]] = []
    seen: set[str] = set()
    with archive.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    members = _zip_members(archive) if is_zip else _tar_members(archive, size)
    for count, member in enumerate(members, 1):
        if count > MAX_MEMBERS:
            raise SourceError(f"{archive.name} holds more than {MAX_MEMBERS} files; unpack it by hand", file=archive)
        name = _plain(member.name)
        if PurePosixPath(name).suffix.lower() not in suffixes:
            continue
        problem = member.problem or _name_problem(member.name) or _copy_problem(name, root, seen)
        if problem is None:
            written, problem = _copy(member.open, root / name, room)
            room -= written
        if room < 0:
            limit = f"{MAX_TOTAL_BYTES >> 30} GB or {MAX_RATIO} times its size"
            raise SourceError(f"{archive.name} unpacks to more than {limit}; it is not trusted", file=archive)
        if problem is not None:
            shown = "".join(character if character.isprintable() else "_" for character in member.name)
            skipped.append((shown, problem))
    return skipped


def _plain(name: str) -> str:
    """Return a name that means the same on every system: no empty steps, dots at the end or undecodable bytes."""
    name = re.sub("[\ud800-\udfff]", "_", unicodedata.normalize("NFC", name))
    return "/".join(step.rstrip(". ") for step in name.split("/") if step.strip(". "))


def _name_problem(name: str) -> str | None:
    """Say why the name that an archive gives must not become a path, or None if it may."""
    steps = name.split("/")
    if "\\" in name or ":" in name or any(unicodedata.category(character) == "Cc" for character in name):
        return "its name holds a backslash, a colon or a control character"
    if name.startswith("/") or ".." in steps:
        return "its name leads out of the archive"
    if len(name) > MAX_NAME or len(steps) > MAX_DEPTH:
        return "its name is too long or too deep"
    if any(_RESERVED.fullmatch(step.rstrip(". ")) for step in steps):
        return "its name is reserved on some systems"
    return None


def _copy_problem(name: str, root: Path, seen: set[str]) -> str | None:
    """Say why a file cannot be made at ``root / name``, or make its folder and return None."""
    if name.casefold() in seen:
        return "another file has the same name, but for upper and lower case"
    seen.add(name.casefold())
    if not (root / name).resolve().is_relative_to(root):
        return "its name leads out of the archive"
    try:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"its folder cannot be made: {error.strerror}"
    return None


def _copy(source: Callable[[], IO[bytes]], path: Path, room: int) -> tuple[int, str | None]:
    """Copy a member until it ends, breaks its limit or exceeds ``room``; return bytes written and what went wrong."""
    written, problem = 0, None
    try:
        output = path.open("xb")
    except OSError as error:
        return 0, f"it cannot be made here: {error.strerror}"
    with output:
        try:
            with source() as stream:
                while chunk := stream.read(_CHUNK):
                    written += len(chunk)
                    if written > min(MAX_FILE_BYTES, room):
                        problem = f"it is larger than {MAX_FILE_BYTES >> 20} MB"
                        break
                    output.write(chunk)
        except _BAD_MEMBER as error:
            problem = f"it is damaged: {error}"
    if problem is not None:
        path.unlink()
    return written, problem


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            problem = None
            if kind not in {0, stat.S_IFREG}:
                problem = "it is a link or a device"
            elif info.flag_bits & 1:
                problem = "it is encrypted"
            if not info.is_dir():
                # filename ends at the first NUL: the name as it was written shows what is behind it.
                yield _Member(info.orig_filename, problem, partial(opened.open, info))


def _tar_members(archive: Path, size: int) -> Iterator[_Member]:
    openers: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
    with archive.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        unpacked = next((unpack(raw) for magic, unpack in openers.items() if head.startswith(magic)), raw)
        stream = _Counted(unpacked, MAX_RATIO * size)
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as opened:
            for info in opened:
                stream.until_next_header(info.size)
                problem = None if info.isreg() and not info.issparse() else "it is a link, a device or has holes"
                if not info.isdir():
                    source = cast("Callable[[], IO[bytes]]", partial(opened.extractfile, info))
                    yield _Member(info.name, problem, source)


class _Counted:
    """A stream that ends in an error where an archive asks for more than it may: tarfile reads headers of any size."""

    def __init__(self, stream: IO[bytes], total: int) -> None:
        self._stream = stream
        self._total = total
        self._allowed = MAX_FILE_BYTES

    def until_next_header(self, size: int) -> None:
        self._allowed = size + MAX_FILE_BYTES

    def read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise tarfile.ReadError(f"it is damaged or cut short ({error})") from error
        self._total -= len(data)
        self._allowed -= len(data)
        if self._total < 0 or self._allowed < 0:
            raise tarfile.ReadError("it unpacks to far more than its size says; it is not trusted")
        return data
