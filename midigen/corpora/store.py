"""Store: pieces in memory, and the folder that keeps them so that a corpus is read once.

A store holds ``notes.npy``, the notes of all pieces below one another, and ``pieces.json``, which says all else. It is
written whole or not at all, and read only if every part of it fits: whoever gets a SourceError reads the corpus anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, astuple, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen import __version__
from midigen.corpora.catalogue import CATALOGUE, Corpus
from midigen.errors import SourceError
from midigen.formats.abc_notation import PlayedTune, Tune
from midigen.scores.score import Key, Metre, Part, Score, Tempo

FORMAT = 4
"""Raised when a store is written, or a corpus read or split, otherwise."""


@dataclass(frozen=True)
class Piece:
    """A score and where it comes from."""

    name: str
    """Unique in its collection."""
    score: Score
    """A PlayedTune where it was read from ABC."""
    file: str
    """Path inside the source, with forward slashes."""
    sha256: str
    """Of the file's bytes, in hexadecimal."""
    split: str | None = None
    """"train", "valid" or "test" where the corpus says so."""


@dataclass(frozen=True)
class LeftOut:
    """A file that gave no piece."""

    file: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """All that was read from a source, and what was not."""

    name: str
    pieces: tuple[Piece, ...]
    left_out: tuple[LeftOut, ...]
    corpus: Corpus | None
    """The catalogue's record, if the source is a name in it."""
    path: Path


def _versions() -> dict[str, object]:
    return {"format": FORMAT, "midigen": __version__, "music21": version("music21")}


def save_pieces(folder: Path, collection: Collection) -> None:
    """Write a collection into ``folder/pieces``, in place of what that held.

    Raises:
        SourceError: a note lies beyond 2^31 ticks.
        OSError: the folder cannot be written.
    """
    tables = [piece.score.notes for piece in collection.pieces]
    table = np.concatenate(tables) if tables else np.zeros((0, 5), np.int64)
    if table.size and table.max() > np.iinfo(np.int32).max:
        raise SourceError(f"{collection.name} holds a note beyond 2^31 ticks, which a store cannot hold", file=folder)
    ends = np.cumsum([len(t) for t in tables], dtype=np.int64).tolist()
    target, part = folder / "pieces", folder / "pieces.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    np.save(part / "notes.npy", table.astype(np.int32), allow_pickle=False)
    rows = zip(collection.pieces, [0, *ends], ends, strict=False)
    description = _versions() | {
        "corpus": collection.name,
        "pieces": [_to_json(piece, first, last) for piece, first, last in rows],
        "left_out": [asdict(item) for item in collection.left_out],
    }
    description["checksum"] = _checksum(description, part / "notes.npy")
    (part / "pieces.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)  # noqa: PTH105


def load_pieces(folder: Path) -> Collection:
    """Read a collection back from ``folder/pieces``; its path is then ``folder``.

    Raises:
        SourceError: there is none, it is damaged, or another version of midigen or music21 wrote it.
    """
    try:
        description = json.loads((folder / "pieces" / "pieces.json").read_text(encoding="utf-8"))
        if any(description[name] != value for name, value in _versions().items()):
            raise SourceError(f"the pieces in {folder} were read by another version", file=folder)
        if description.pop("checksum") != _checksum(description, folder / "pieces" / "notes.npy"):
            raise SourceError(f"the pieces in {folder} are damaged", file=folder)
        table = np.load(folder / "pieces" / "notes.npy", allow_pickle=False)
        return Collection(
            description["corpus"],
            tuple(_from_json(row, table) for row in description["pieces"]),
            tuple(LeftOut(**row) for row in description["left_out"]),
            CATALOGUE.get(description["corpus"]),
            folder,
        )
    except FileNotFoundError as error:
        raise SourceError(f"{folder} holds no pieces", file=folder) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SourceError(f"the pieces in {folder} are damaged ({error})", file=folder) from error


def _checksum(description: dict[str, object], notes: Path) -> str:
    """Return one sha256 over all that a store says."""
    digest = hashlib.sha256(json.dumps(description).encode())
    digest.update(notes.read_bytes())
    return digest.hexdigest()


def _to_json(piece: Piece, first: int, last: int) -> dict[str, object]:
    score = piece.score
    return {
        "name": piece.name,
        "file": piece.file,
        "sha256": piece.sha256,
        "split": piece.split,
        "first": first,
        "last": last,
        "parts": [astuple(part) for part in score.parts],
        "tempos": [astuple(tempo) for tempo in score.tempos],
        "metres": [astuple(metre) for metre in score.metres],
        "keys": [astuple(key) for key in score.keys],
        "pickup": score.pickup,
        "fermatas": score.fermatas,
        "tune": astuple(score.tune) if isinstance(score, PlayedTune) else None,
    }


def _from_json(row: dict[str, Any], table: NDArray[np.int32]) -> Piece:
    onset, duration, pitch, velocity, part = table[row["first"] : row["last"]].astype(np.int64).T
    make = Score if row["tune"] is None else partial(PlayedTune, tune=Tune(*row["tune"]))
    score = make(
        onset,
        duration,
        pitch,
        velocity,
        part,
        parts=tuple(Part(*item) for item in row["parts"]),
        tempos=tuple(Tempo(*item) for item in row["tempos"]),
        metres=tuple(Metre(*item) for item in row["metres"]),
        keys=tuple(Key(*item) for item in row["keys"]),
        pickup=row["pickup"],
        fermatas=tuple(row["fermatas"]),
    )
    return Piece(row["name"], score, row["file"], row["sha256"], row["split"])
