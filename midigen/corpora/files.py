"""Files: the downloaded files of a corpus, in ``files`` of its folder: brought there once, unpacked when they are read.

A file has its name there only once it is whole and checked. Beside it, FILE.json says where it came from, and its
sha256: for a file without a known checksum that is all there is to compare a later one with.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from midigen.corpora.corpus import Corpus, Download
from midigen.corpora.download import download, file_digest, verify
from midigen.corpora.extract import extract, is_archive
from midigen.errors import SourceError
from midigen.formats.reading import SUFFIXES

INSTEAD = "without a network, take one that is installed already: midigen fetch bach-chorales"


def bring(
    corpus: Corpus,
    folder: Path,
    given: str | None = None,
    *,
    unverified: bool = False,
    progress: Callable[[int, int], None],
) -> None:
    """Bring the files of a corpus into ``folder/files``: those that are missing, or all if they are given.

    Args:
        corpus: one with downloads.
        folder: of the corpus, in the working folder.
        given: a file, a folder with several, or an https address to take instead of the catalogue's.
        unverified: take a file for which no checksum is known.
        progress: called with the bytes that are there and those of the whole, file by file.

    Raises:
        SourceError: a file cannot be had or is not the right one; the sentence says what to do.
        OSError: the folder cannot be written.
    """
    files = folder / "files"
    missing = [item for item in corpus.downloads if given is not None or not (files / item.file).exists()]
    _require_allowed(corpus, missing, given, unverified=unverified)
    if not missing:
        return
    files.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "files.lock"):
        for item in missing:
            # Another process may have brought it while this one waited.
            if given is not None or not (files / item.file).exists():
                _bring_one(corpus, item, files, given, progress)
                _forget_what_was_made(folder)


def downloaded(corpus: Corpus, folder: Path) -> list[Path]:
    """List the downloaded files of a corpus.

    Raises:
        SourceError: one is missing.
    """
    paths = [folder / "files" / item.file for item in corpus.downloads]
    if not all(path.exists() for path in paths):
        raise SourceError(f"{corpus.name} is not here yet: midigen fetch {corpus.name}; {INSTEAD}", file=corpus.name)
    return paths


def unpack(corpus: Corpus, folder: Path, scratch: Path) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """Unpack the downloaded archives of a corpus into the empty folder ``scratch``.

    Returns:
        The files that can be read, by the paths that they are called by; and (name, reason) of each one refused.

    Raises:
        SourceError: a file is missing or cannot be unpacked.
    """
    files, refused = dict[str, Path](), list[tuple[str, str]]()
    for path in downloaded(corpus, folder):
        if not is_archive(path):
            files[path.name] = path
            continue
        root = scratch / path.name
        refused += extract(path, root, SUFFIXES)
        found = {file for pattern in corpus.patterns for file in root.glob(pattern) if file.is_file()}
        labels = {file.relative_to(root).as_posix(): file for file in sorted(found)}
        # What a Mac adds to an archive is no music.
        files |= {label: file for label, file in labels.items() if "__MACOSX" not in label and file.name[0] != "."}
    return files, refused


def _require_allowed(corpus: Corpus, missing: list[Download], given: str | None, *, unverified: bool) -> None:
    """Raise a SourceError for what cannot or should not be brought, before anything is."""
    if given is not None and len(corpus.downloads) > 1 and not Path(given).is_dir():
        names = ", ".join(item.file for item in corpus.downloads)
        raise SourceError(f"{corpus.name} has several files: give a folder that holds {names}", file=given)
    if missing and corpus.by_hand and given is None:
        raise SourceError(
            f"{corpus.name} can be downloaded by hand only, from {corpus.by_hand} (licence: {corpus.licence}); "
            f"then: midigen fetch {corpus.name} --from FILE --unverified",
            file=corpus.name,
        )
    unknown = [item.file for item in missing if not item.checksum]
    if unknown and not unverified:
        raise SourceError(
            f"no checksum is known for {', '.join(unknown)}, so nobody can tell whether what comes is what "
            f"{corpus.name} should be; to take it nevertheless: --unverified",
            file=corpus.name,
        )


def _bring_one(
    corpus: Corpus, item: Download, files: Path, given: str | None, progress: Callable[[int, int], None]
) -> None:
    target = files / item.file
    if given is not None and "://" not in given:
        source = _given_file(given, item)
        _write_record(target, str(source), _copy(source, target, item))
        return
    addresses = item.addresses if given is None else (given,)
    try:
        sha256 = download(addresses, target, item.checksum, item.bytes, progress)
    except SourceError as error:
        raise SourceError(
            f"{error}; bring it by hand: midigen fetch {corpus.name} --from FILE; or, {INSTEAD}", file=error.file
        ) from error
    _write_record(target, " ".join(addresses), sha256)


def _forget_what_was_made(folder: Path) -> None:
    """Remove the store and the datasets that were made of other files."""
    for path in folder.iterdir():
        if path.is_dir() and path.name != "files":
            shutil.rmtree(path)


def _given_file(given: str, item: Download) -> Path:
    path = Path(given).expanduser()
    path = path / item.file if path.is_dir() else path
    if not path.is_file():
        raise SourceError(f"there is no file {path}", file=path)
    return path


def _copy(source: Path, target: Path, item: Download) -> str:
    """Check a file and copy it, whole or not at all; return its sha256."""
    copy = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, copy)
        try:
            verify(copy, item.checksum, item.bytes)
        except SourceError as error:
            raise SourceError(f"{source} is not what it should be: {error}", file=source) from error
        os.replace(copy, target)  # noqa: PTH105
    finally:
        copy.unlink(missing_ok=True)
    return file_digest(target, "sha256")


def _write_record(target: Path, origin: str, sha256: str) -> None:
    record = {"from": origin, "sha256": sha256, "bytes": target.stat().st_size}
    part = target.with_name(target.name + ".json.part")
    part.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(part, target.with_name(target.name + ".json"))  # noqa: PTH105
