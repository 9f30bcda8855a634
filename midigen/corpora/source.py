"""Source: what the user names, a corpus, folder, file or archive, to pieces and a list of what was left out and why."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from midigen import __version__
from midigen.corpora.catalogue import CATALOGUE, unknown_corpus
from midigen.corpora.extract import extract, is_archive
from midigen.corpora.fetch import Progress, fetch_corpus, no_progress, read_files, require_pieces
from midigen.corpora.store import FORMAT, Collection, LeftOut, Piece
from midigen.errors import SourceError
from midigen.formats.reading import ABC_SUFFIX, SUFFIXES

# The types of what is read are looked for here; the store below needs them too.
__all__ = ["Collection", "LeftOut", "Piece", "fingerprint", "is_abc", "joined", "read_source", "source_folder"]


def read_source(source: str, corpora: Path, progress: Progress = no_progress) -> Collection:
    """Read all pieces of a source.

    A name of the catalogue means that corpus, even where a file or folder of this name lies in the current folder:
    write ``./name`` for that. Everything else is a path. A folder is read with all folders below it, but for hidden
    ones, ``__MACOSX`` and those behind links. Files of other kinds are ignored.

    Args:
        source: a name of the catalogue, or a path of a folder, a file or an archive; or several joined by ``+``.
        corpora: the working folder, in which a corpus of the catalogue is kept once it has been read.
        progress: called with the number of files done and of all files.

    Returns:
        Pieces sorted by their path in the source; a file that is there twice is left out the second time.

    Raises:
        SourceError: the source does not exist, or gave no piece; the sentence says why.
    """
    parts = joined(source)
    if len(parts) > 1:
        return _together([read_source(part, corpora, progress) for part in parts], source_folder(source, corpora))
    if source in CATALOGUE:
        return fetch_corpus(CATALOGUE[source], corpora, progress)
    path = _find(source)
    if path.is_file() and is_archive(path):
        with tempfile.TemporaryDirectory() as scratch:
            unpacked = Path(scratch) / "unpacked"
            refused = [LeftOut(*item) for item in extract(path, unpacked, SUFFIXES)]
            return _read_path(path, unpacked, refused, progress)
    return _read_path(path, path, [], progress)


def joined(source: str) -> list[str]:
    """Return the sources that are joined by ``+``; one that is there under its whole name is one.

    Raises:
        SourceError: there is none on one side of a plus.
    """
    parts = source.split("+")
    with contextlib.suppress(OSError, RuntimeError):
        if Path(source).expanduser().exists():
            return [source]
    if len(parts) > 1 and "" in parts:
        raise SourceError(f"{source!r} lacks a source on one side of a plus: join them as in oneills+airds-airs")
    return parts


def _together(collections: list[Collection], path: Path) -> Collection:
    """Return the pieces of all, each called by its collection's name and its own."""
    pieces, left_out, names = list[Piece](), list[LeftOut](), list[str]()
    for found in collections:
        if found.name in names:
            raise SourceError(
                f"{found.name} is named twice: name each source once, and rename one of two that share it"
            )
        names.append(found.name)
        label = f"{found.name}/"
        pieces += [replace(piece, name=label + piece.name, file=label + piece.file) for piece in found.pieces]
        left_out += [LeftOut(label + item.file, item.reason) for item in found.left_out]
    return Collection("+".join(names), tuple(pieces), tuple(left_out), None, path)


def fingerprint(source: str) -> str:
    """Return a hash that changes when the files of a source do, from their names, sizes and times of change alone.

    Raises:
        SourceError: the source does not exist.
    """
    parts = joined(source)
    if len(parts) > 1:
        known = [fingerprint(part) for part in parts]
    elif source in CATALOGUE:
        known = [source, __version__, version("music21"), str(FORMAT)]
    else:
        path = _find(source)
        states = {label: file.stat() for label, file in _walk(path)[0].items()}
        known = [
            str(path),
            str(FORMAT),
            *(f"{label} {state.st_size} {state.st_mtime_ns}" for label, state in states.items()),
        ]
    return _hash("\n".join(known))


def is_abc(source: str) -> bool:
    """Say whether all that there is to read at a path, or in an archive, is files in ABC notation.

    Raises:
        SourceError: the path does not exist, or is an archive that is damaged.
    """
    path = _find(source)
    with tempfile.TemporaryDirectory() as scratch:
        root = path
        if path.is_file() and is_archive(path):
            root = Path(scratch) / "unpacked"
            extract(path, root, SUFFIXES)
        suffixes = {Path(label).suffix.lower() for label in _walk(root)[0]}
    return suffixes == {ABC_SUFFIX}


def source_folder(source: str, corpora: Path) -> Path:
    """Return the folder in ``corpora`` for what is made of a source: one for each name or absolute path."""
    if source in CATALOGUE:
        return corpora / source
    parts = joined(source)
    if len(parts) > 1:
        folders = [source_folder(part, corpora).name for part in parts]
        return corpora / f"joined-{_hash('+'.join(folders))[:8]}"
    path = Path(source).expanduser().resolve()
    return corpora / f"{path.stem}-{_hash(str(path))[:8]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _find(source: str) -> Path:
    """Return the absolute path of a source that is none of the catalogue's names."""
    path = Path(source)
    # A name that no system could hold does not exist, whatever the system says about it.
    with contextlib.suppress(OSError, RuntimeError):
        path = path.expanduser()
        if source and path.exists():
            return path.resolve()
    if not source or {"/", os.sep} & set(source):
        raise SourceError(f"there is no file or folder {source!r}", file=source)
    raise SourceError(f"no file or folder here is called {source!r}, and {unknown_corpus(source)}", file=source)


def _read_path(path: Path, root: Path, refused: list[LeftOut], progress: Progress) -> Collection:
    """Read what lies at ``root``: the path itself, or where it was unpacked."""
    files, closed = _walk(root)
    if not files and not refused and not closed:
        kinds = ", ".join(sorted(SUFFIXES))
        raise SourceError(f"{path} holds nothing to read: {kinds}, or an archive of them", file=path)
    pieces, left_out = read_files(files, progress)
    left_out = sorted([*left_out, *refused, *closed], key=lambda item: item.file)
    require_pieces(path.name, pieces, left_out)
    return Collection(path.name, tuple(pieces), tuple(left_out), None, path)


def _walk(root: Path) -> tuple[dict[str, Path], list[LeftOut]]:
    """List the files of the kinds we know by their paths below ``root``, sorted, and the folders that are closed."""
    if root.is_file():
        return ({root.name: root} if root.suffix.lower() in SUFFIXES or is_archive(root) else {}), []
    errors: list[OSError] = []
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(root, onerror=errors.append):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                files[_label(path, root)] = path
    closed = [LeftOut(_label(Path(error.filename), root), f"cannot be opened: {error.strerror}") for error in errors]
    return dict(sorted(files.items())), closed


def _label(path: Path, root: Path) -> str:
    """Return the path below ``root``; bytes that are no text are spelled out, so that it can be printed."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
