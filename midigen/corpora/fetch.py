"""Fetch: files to pieces, and a corpus of the catalogue to a store in the user's working folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import TypeVar

from filelock import FileLock

from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import CATALOGUE, Corpus, find_corpus
from midigen.corpora.extract import MAX_MEMBERS
from midigen.corpora.files import bring, downloaded, unpack
from midigen.corpora.store import Collection, LeftOut, Piece, load_pieces, save_pieces
from midigen.errors import MidigenError, SourceError
from midigen.formats.abc_notation import PlayedTune, read_tune, read_tunes, with_fields
from midigen.formats.jsb_json import read_voices
from midigen.formats.reading import ABC_SUFFIX, FILE_TIMEOUT_SECONDS, NEEDS_WORKER, read_piece
from midigen.formats.workers import map_in_workers
from midigen.scores.score import Score

Given = TypeVar("Given")
Made = TypeVar("Made")
Progress = Callable[[int, int], None]
"""Called with the number of files (of bytes for a download) done and of all."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought."""

    name: str
    pieces: int
    path: Path
    seconds: float
    left_out: tuple[LeftOut, ...]
    unread: str | None = None
    """Why the files were brought but not read."""


def no_progress(_done: int, _total: int) -> None:
    """Say nothing."""


def fetch(
    name: str,
    corpora: Path,
    progress: Progress = no_progress,
    *,
    given: str | None = None,
    unverified: bool = False,
    transfer: Progress = no_progress,
) -> Fetched:
    """Bring a corpus of the catalogue into ``corpora/<name>`` and read it, if it is not there yet.

    Args:
        name: of the corpus.
        corpora: the working folder.
        progress: of the reading, in files.
        given: a file, folder or address to take instead of what the catalogue names, for a corpus that is downloaded.
        unverified: take a file for which no checksum is known.
        transfer: progress of the download, in bytes.

    Raises:
        SourceError: there is no such corpus, its files cannot be had or read, or ``corpora`` not be written.
    """
    started = time.perf_counter()
    corpus, folder = find_corpus(name), corpora / name
    if corpus.downloads:
        try:
            bring(corpus, folder, given, unverified=unverified, progress=transfer)
        except OSError as error:
            raise SourceError(f"{folder} cannot be written ({error}); choose another folder", file=folder) from error
        unread = unread_reason(corpus)
        if unread is not None:
            return Fetched(name, 0, folder / "files", time.perf_counter() - started, (), unread)
    elif given is not None:
        raise SourceError(f"{name} comes with music21 and is not downloaded: leave --from out", file=given)
    collection = fetch_corpus(corpus, corpora, progress)
    seconds = time.perf_counter() - started
    return Fetched(name, len(collection.pieces), collection.path, seconds, collection.left_out)


def listing(corpora: Path) -> list[dict[str, object]]:
    """Describe every corpus of the catalogue; ``present`` says whether ``corpora`` holds it, ready to be used."""
    return [
        {
            "name": corpus.name,
            "pieces": corpus.pieces,
            "format": corpus.format,
            "bytes": corpus.bytes,
            "licence": corpus.licence,
            "present": _stored(corpora / corpus.name) is not None,
        }
        for corpus in CATALOGUE.values()
    ]


def fetch_corpus(corpus: Corpus, corpora: Path, progress: Progress = no_progress) -> Collection:
    """Return the pieces of a corpus from its store in ``corpora/<name>``, which is made the first time.

    Two processes may do so at once: the second waits for the first. One that is killed leaves no store.

    Raises:
        SourceError: the corpus cannot be read or ``corpora`` not be written.
    """
    require_readable(corpus)
    folder = corpora / corpus.name
    stored = _stored(folder)
    if stored is not None:
        return stored
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "pieces.lock"):
            stored = _stored(folder)
            if stored is None:
                stored = _read_corpus(corpus, folder, progress)
                save_pieces(folder, stored)
    except OSError as error:
        raise SourceError(f"{folder} cannot be written ({error}); choose another folder", file=folder) from error
    return stored


def require_readable(corpus: Corpus) -> None:
    """Raise a SourceError for a corpus that is not read yet."""
    reason = unread_reason(corpus)
    if reason is not None:
        raise SourceError(f"{corpus.name} is not read: {reason}", corpus.name)


def unread_reason(corpus: Corpus) -> str | None:
    """Say why a corpus is in the catalogue but cannot be read; None if it can."""
    if (corpus.pieces or 0) > MAX_MEMBERS:
        return f"an archive of more than {MAX_MEMBERS:,} files is not unpacked: do it by hand and name the folder"
    return None


def _stored(folder: Path) -> Collection | None:
    try:
        return load_pieces(folder)
    except SourceError:
        return None


def _read_corpus(corpus: Corpus, folder: Path, progress: Progress) -> Collection:
    pieces, left_out = _read_files_of(corpus, folder, progress)
    if corpus.header:
        pieces = [replace(piece, score=_with_fields(piece.score, corpus.header)) for piece in pieces]
    splits = _splits(corpus)
    kept = []
    for piece in pieces:
        misfit = _misfit(piece.score, corpus.voices)
        if misfit is None:
            kept.append(replace(piece, split=splits.get(piece.name, "train")) if splits else piece)
        else:
            left_out.append(LeftOut(piece.file, misfit))
    require_pieces(corpus.name, kept, left_out)
    return Collection(corpus.name, tuple(kept), tuple(sorted(left_out, key=lambda item: item.file)), corpus, folder)


def _with_fields(score: Score, names: str) -> Score:
    return read_tune(with_fields(score.tune, names)) if isinstance(score, PlayedTune) else score


def _read_files_of(corpus: Corpus, folder: Path, progress: Progress) -> tuple[list[Piece], list[LeftOut]]:
    if corpus.format == "json":
        return [piece for path in downloaded(corpus, folder) for piece in _read_voices(path)], []
    if corpus.downloads:
        with tempfile.TemporaryDirectory() as scratch:
            files, refused = unpack(corpus, folder, Path(scratch))
            pieces, left_out = read_files(files, progress)
            return pieces, [*left_out, *(LeftOut(*item) for item in refused)]
    paths = bundled_files(corpus)
    root = os.path.commonpath([path.parent for path in paths])
    return read_files({path.relative_to(root).as_posix(): path for path in paths}, progress)


def _read_voices(path: Path) -> Iterator[Piece]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for split, number, score in read_voices(path):
        yield Piece(f"{split}/{number:03}", score, path.name, digest, split)


def _splits(corpus: Corpus) -> dict[str, str]:
    """Return the split of each piece that does not train; nothing where the corpus has no splits."""
    if corpus.split is None:
        return {}
    table = json.loads(resources.files(__package__).joinpath(corpus.split).read_text(encoding="utf-8"))
    return {name: split for split, names in table.items() for name in names}


def _misfit(score: Score, voices: tuple[str, str, str, str] | None) -> str | None:
    """Say why the parts of a score are not these voices; None if they are, or if no voices are asked for."""
    names = tuple(" ".join(part.name.split()) for part in score.parts)
    if voices is None or names == voices:
        return None
    found = f"{len(names)} parts ({textwrap.shorten(', '.join(names), 60, placeholder=' ...')})"
    return f"{found}, not four voices" if len(names) != len(voices) else f"{found}, not {', '.join(voices)}"


def require_pieces(name: str, pieces: Sequence[Piece], left_out: Sequence[LeftOut]) -> None:
    """Raise a SourceError with the commonest reasons if nothing was read."""
    if pieces:
        return
    if len(left_out) == 1:
        raise SourceError(f"{left_out[0].file}: {left_out[0].reason}", file=left_out[0].file)
    commonest = Counter(item.reason for item in left_out).most_common(3)
    reasons = "; ".join(f"{count} x {reason}" for reason, count in commonest)
    raise SourceError(f"none of the {len(left_out)} files of {name} gave a piece: {reasons}", file=name)


def read_files(files: Mapping[str, Path], progress: Progress = no_progress) -> tuple[list[Piece], list[LeftOut]]:
    """Read files, given by the paths that they are called by, in their order and without copies of one file."""
    digests, reasons = _screen(files)
    scores: dict[str, dict[str, Score]] = {}
    finished = set(reasons)
    progress(len(finished), len(files))
    for label, place, result in _read_scores({label: path for label, path in files.items() if label not in reasons}):
        if isinstance(result, Score):
            scores.setdefault(label, {})[place] = result
        else:
            reasons[label + place] = str(result).removeprefix(str(files[label])).lstrip(" :")
        finished.add(label)
        progress(len(finished), len(files))
    pieces: dict[str, Piece] = {}
    for label in (label for label in files if label in scores):
        stem = str(PurePosixPath(label).with_suffix(""))
        first = next(iter(scores[label]))
        name = label if stem + first in pieces else stem
        for place, score in scores[label].items():
            pieces[name + place] = Piece(name + place, score, label, digests[label])
    return list(pieces.values()), [LeftOut(*item) for item in sorted(reasons.items())]


def _screen(files: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the sha256 of each file, and for those that need not be read the reason why."""
    digests: dict[str, str] = {}
    reasons: dict[str, str] = {}
    first: dict[str, str] = {}
    for label, path in files.items():
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            reasons[label] = f"cannot be opened: {error.strerror}"
            continue
        digests[label] = digest
        if first.setdefault(digest, label) != label:
            reasons[label] = f"the same file as {first[digest]}"
    return digests, reasons


def _read_scores(files: Mapping[str, Path]) -> Iterator[tuple[str, str, Score | MidigenError]]:
    """Read what is fast here and the rest in worker processes, as it comes.

    Yields the label of a file, the place in it (":" and a line for ABC, which may hold many tunes, else "") and what
    came of it.
    """
    slow = []
    for label, path in files.items():
        suffix = path.suffix.lower()
        if suffix in NEEDS_WORKER:
            slow.append(label)
        elif suffix == ABC_SUFFIX:
            yield from ((label, place, result) for place, result in _read_tunes(path))
        else:
            yield label, "", _result(read_piece, path)
    for index, result in map_in_workers(read_piece, [files[label] for label in slow], FILE_TIMEOUT_SECONDS):
        yield slow[index], "", result


def _read_tunes(path: Path) -> Iterator[tuple[str, Score | MidigenError]]:
    tunes = _result(read_tunes, path)
    if isinstance(tunes, MidigenError):
        yield "", tunes
        return
    for tune in tunes:
        yield f":{tune.line}", _result(read_tune, tune)


def _result(function: Callable[[Given], Made], given: Given) -> Made | MidigenError:
    try:
        return function(given)
    except MidigenError as error:
        return error
