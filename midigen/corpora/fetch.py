"""Fetch: files to pieces, and a corpus of the catalogue to a store in the user's working folder."""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path, PurePosixPath

from filelock import FileLock

from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import CATALOGUE, Corpus, find_corpus
from midigen.corpora.store import Collection, LeftOut, Piece, load_pieces, save_pieces
from midigen.errors import MidigenError, SourceError
from midigen.formats.reading import FILE_TIMEOUT_SECONDS, NEEDS_WORKER, read_piece
from midigen.formats.workers import map_in_workers
from midigen.scores.score import Score

Progress = Callable[[int, int], None]
"""Called with the number of files done and of all files."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought."""

    name: str
    pieces: int
    path: Path
    seconds: float
    left_out: tuple[LeftOut, ...]


def no_progress(_done: int, _total: int) -> None:
    """Say nothing."""


def fetch(name: str, corpora: Path, progress: Progress = no_progress) -> Fetched:
    """Read a corpus of the catalogue into ``corpora/<name>``, if it is not there yet.

    Raises:
        SourceError: there is no such corpus, its format is not read yet, or its files are missing.
    """
    started = time.perf_counter()
    collection = fetch_corpus(find_corpus(name), corpora, progress)
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
    """Raise a SourceError for a corpus whose format is not read yet."""
    if corpus.format == "abc":
        readable = ", ".join(known.name for known in CATALOGUE.values() if known.format != "abc")
        raise SourceError(f"ABC collections are listed but not read yet; what can be fetched: {readable}", corpus.name)


def _stored(folder: Path) -> Collection | None:
    try:
        return load_pieces(folder)
    except SourceError:
        return None


def _read_corpus(corpus: Corpus, folder: Path, progress: Progress) -> Collection:
    paths = bundled_files(corpus)
    root = os.path.commonpath([path.parent for path in paths])
    pieces, left_out = read_files({path.relative_to(root).as_posix(): path for path in paths}, progress)
    splits = _splits(corpus)
    kept = []
    for piece in pieces:
        misfit = _misfit(piece.score, corpus.voices)
        if misfit is None:
            kept.append(replace(piece, split=splits.get(piece.name, "train") if splits else None))
        else:
            left_out.append(LeftOut(piece.file, misfit))
    require_pieces(corpus.name, kept, left_out)
    return Collection(corpus.name, tuple(kept), tuple(sorted(left_out, key=lambda item: item.file)), corpus, folder)


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
    scores: dict[str, Score] = {}
    done = len(reasons)
    progress(done, len(files))
    for label, result in _read_scores({label: path for label, path in files.items() if label not in reasons}):
        if isinstance(result, Score):
            scores[label] = result
        else:
            reasons[label] = str(result).removeprefix(str(files[label])).lstrip(" :")
        done += 1
        progress(done, len(files))
    pieces: dict[str, Piece] = {}
    for label in (label for label in files if label in scores):
        stem = str(PurePosixPath(label).with_suffix(""))
        name = label if stem in pieces else stem
        pieces[name] = Piece(name, scores[label], label, digests[label])
    return list(pieces.values()), [LeftOut(label, reasons[label]) for label in files if label in reasons]


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
        elif path.suffix.lower() == ".abc":
            reasons[label] = "ABC is not read yet"
    return digests, reasons


def _read_scores(files: Mapping[str, Path]) -> Iterator[tuple[str, Score | MidigenError]]:
    """Read what is fast here and the rest in worker processes, as it comes."""
    is_slow = {label: path.suffix.lower() in NEEDS_WORKER for label, path in files.items()}
    slow = [label for label in files if is_slow[label]]
    for label in (label for label in files if not is_slow[label]):
        try:
            yield label, read_piece(files[label])
        except MidigenError as error:
            yield label, error
    for index, result in map_in_workers(read_piece, [files[label] for label in slow], FILE_TIMEOUT_SECONDS):
        yield slow[index], result
