"""From a source to a dataset: one memory-mapped array of rows, and a manifest that says what is in it and what is not.

A dataset is a folder with

    rows.npy       (all steps, K + P) int32: the ids of each row, then its plan; each piece ends with a row that has
                   only a plan (ids -1)
    offsets.npy    (pieces + 1,) int64: where each piece begins
    manifest.json  source, representation, each piece with file, sha256 and split, and what was left out and why

``prepare`` finds the dataset of a source again as long as the source's files and the options are the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from midigen import __version__
from midigen.corpora.catalogue import CATALOGUE
from midigen.corpora.fetch import no_progress, require_readable
from midigen.corpora.source import Collection, Piece, fingerprint, is_abc, joined, read_source, source_folder
from midigen.datasets.variants import variant_groups
from midigen.errors import RepresentationError, SourceError
from midigen.formats.abc_notation import PlayedTune
from midigen.representations.representation import (
    Json,
    Representation,
    find_representation,
    representation_from_json,
)
from midigen.scores.score import Ints
from midigen.scores.statistics import shape

SPLITS = ("train", "valid", "test")
HELD_OUT_SHARE = 0.1
DEFAULT_REPRESENTATION = "notes"


@dataclass(frozen=True)
class Dataset:
    """A built dataset, its rows on disk."""

    folder: Path
    manifest: Json
    representation: Representation
    rows: Ints
    offsets: Ints

    def indices(self, split: str) -> list[int]:
        """Return the numbers of the pieces of a split."""
        return [index for index, piece in enumerate(self.manifest["pieces"]) if piece["split"] == split]

    def piece(self, index: int) -> tuple[Ints, Ints]:
        """Return the rows (T, K) and the plan (T + 1, P) of a piece."""
        stored = np.asarray(self.rows[self.offsets[index] : self.offsets[index + 1]], np.int64)
        columns = len(self.representation.fields)
        return stored[:-1, :columns], stored[:, columns:]

    @property
    def corpus_hash(self) -> str:
        """A hash over the files that the pieces came from."""
        return hashlib.sha256("".join(p["sha256"] for p in self.manifest["pieces"]).encode()).hexdigest()[:16]


def prepare(
    source: str,
    corpora: Path,
    tokens: str | None = None,
    options: Mapping[str, Any] | None = None,
    like: Representation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Dataset, bool]:
    """Return the dataset of a source, and whether it was found rather than built.

    Args:
        source: a corpus name, folder, file or archive, or several joined by ``+``.
        corpora: the working folder for corpora.
        tokens: the representation's name; by default the catalogue's for its corpora, ``abc`` for what is all ABC,
            else ``notes``.
        options: options of the representation; None stands for its default.
        like: take over the ids of this representation, for a network that is trained on them already.
        progress: called with files done and files in all.

    Raises:
        SourceError: nothing could be read.
        RepresentationError: the representation or an option does not exist, or no piece fits.
    """
    for part in joined(source):
        if part in CATALOGUE:
            require_readable(CATALOGUE[part])
    name = tokens or default_representation(source)
    given = {key: value for key, value in (options or {}).items() if value is not None}
    # A wrong option is said before anything is read.
    name = find_representation(name).fit((), given).name
    slug = "-".join([name.replace(":", "-"), *(f"{key}-{value}" for key, value in sorted(given.items()))])
    if like is not None:
        slug += f"-like-{hashlib.sha256(json.dumps(like.to_json()).encode()).hexdigest()[:8]}"
    folder = source_folder(source, corpora) / slug
    mark = f"{__version__} {fingerprint(source)}"
    found = load_dataset(folder, mark)
    if found is not None:
        return found, True
    collection = read_source(source, corpora, progress or no_progress)
    return build(collection, name, given, Target(folder, mark, like)), False


def default_representation(source: str) -> str:
    """Return the representation that a source is parsed to when the user names none: ``abc`` if it is all ABC."""
    parts = joined(source)
    if len(parts) > 1:
        chosen = {default_representation(part) for part in parts}
        return chosen.pop() if len(chosen) == 1 else DEFAULT_REPRESENTATION
    if source in CATALOGUE:
        return CATALOGUE[source].representation
    return "abc" if is_abc(source) else DEFAULT_REPRESENTATION


def load_dataset(folder: Path, mark: str | None = None) -> Dataset | None:
    """Return the dataset in a folder, or None if there is none, it is damaged, or it bears another mark."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        if mark is not None and manifest["mark"] != mark:
            return None
        rows = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        representation = representation_from_json(manifest["representation"])
        width = len(representation.fields) + len(representation.plan_fields)
        ends = np.cumsum([0, *(piece["rows"] + 1 for piece in manifest["pieces"])])
        if not np.array_equal(offsets, ends) or rows.shape != (ends[-1], width):
            return None
        return Dataset(folder, manifest, representation, rows, offsets)
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RepresentationError):
        return None


@dataclass(frozen=True)
class Target:
    """Where a dataset is written, the mark by which it is found again, and whose ids it takes over."""

    folder: Path
    mark: str
    like: Representation | None = None


def build(collection: Collection, name: str, options: Mapping[str, Any], target: Target) -> Dataset:
    """Encode a collection and write it as a dataset.

    Raises:
        RepresentationError: no piece fits the representation.
        SourceError: the folder cannot be written.
    """
    kind = find_representation(name)

    def learn(pieces: Sequence[Piece]) -> tuple[Representation, str]:
        fitted = kind.fit([piece.score for piece in pieces], options)
        return (fitted, "") if target.like is None else fitted.adopt(target.like)

    # What cannot be written must not take the place of a held-out piece: sides are chosen among the rest.
    fitting, _, left_out = _encode(learn(collection.pieces)[0], collection.pieces)
    splits = dict(zip((piece.name for piece in fitting), assign_splits(fitting), strict=True))
    representation, vocabulary = learn([piece for piece in fitting if splits[piece.name] == "train"])
    written, tables, foreign = _encode(representation, fitting)
    left_out = [*(asdict(left) for left in collection.left_out), *left_out, *foreign]
    entries = [
        {"name": p.name, "file": p.file, "sha256": p.sha256, "split": splits[p.name], "rows": len(table) - 1}
        for p, table in zip(written, tables, strict=True)
    ]
    if "train" not in {entry["split"] for entry in entries}:
        reasons = "; ".join(sorted({left["reason"] for left in left_out})[:3]) or "all of them are held out"
        raise RepresentationError(f"{collection.name} holds no piece to train {name} on: {reasons}.")
    manifest: Json = {
        "mark": target.mark,
        "midigen": __version__,
        "source": collection.name,
        "representation": representation.to_json(),
        "vocabulary": vocabulary,
        "pieces": entries,
        "left_out": left_out,
    }
    offsets = np.cumsum([0, *(len(table) for table in tables)], dtype=np.int64)
    _write(target.folder, manifest, np.concatenate(tables).astype(np.int32), offsets)
    built = load_dataset(target.folder)
    if built is None:
        raise SourceError(
            f"The dataset written to {target.folder} cannot be read back; is the disk full?", target.folder
        )
    return built


def _encode(representation: Representation, pieces: Sequence[Piece]) -> tuple[list[Piece], list[Ints], list[Json]]:
    """Return the pieces that fit, the table (T + 1, K + P) of each, and the others with the reason."""
    fitting, tables, left_out = list[Piece](), list[Ints](), list[Json]()
    for piece in pieces:
        try:
            rows, plan = representation.encode(piece.score)
        except RepresentationError as error:
            left_out.append({"file": piece.file, "reason": f"does not fit {representation.name}: {error}"})
            continue
        fitting.append(piece)
        tables.append(np.concatenate([np.pad(rows, ((0, 1), (0, 0)), constant_values=-1), plan], axis=1))
    return fitting, tables, left_out


def _write(folder: Path, manifest: Json, rows: np.ndarray[Any, Any], offsets: Ints) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            np.save(temporary / "rows.npy", rows)
            np.save(temporary / "offsets.npy", offsets)
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise SourceError(f"The dataset cannot be written to {folder}: {error.strerror}.", folder) from error


def assign_splits(pieces: Sequence[Piece]) -> list[str]:
    """Return the split of each piece.

    A piece keeps the split its corpus gives it. Of the rest a tenth is for validation and a tenth for the test, chosen
    by a hash of the notes, so that it depends neither on order nor on names; of fewer than ten pieces one each, as far
    as one is left to train on. Pieces that are equal up to transposition share a side, the held-out one, and so do
    tunes that are variants of each other (``midigen.datasets.variants``).
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, form in enumerate(_forms(pieces)):
        groups[form].append(index)
    split_of: dict[str, str] = {}
    for form, members in groups.items():
        given = {pieces[index].split for index in members} - {None}
        if given:
            split_of[form] = max((str(split) for split in given), key=SPLITS.index)
    free = sorted(form for form in groups if form not in split_of)
    held_out = max(1, round(len(free) * HELD_OUT_SHARE))
    # A corpus with a split of its own has its held-out pieces already.
    choices = ["valid"] * held_out + ["test"] * held_out if not split_of else []
    for rank, form in enumerate(free):
        spare = len(free) - 1 - rank
        split_of[form] = choices[rank] if rank < len(choices) and spare > 0 else "train"
    by_index = {index: split_of[form] for form, members in groups.items() for index in members}
    return [by_index[index] for index in range(len(pieces))]


def _forms(pieces: Sequence[Piece]) -> list[str]:
    """Return for each piece a hash that it shares with those that belong on its side."""
    forms = [shape(piece.score) for piece in pieces]
    tunes = [index for index, piece in enumerate(pieces) if isinstance(piece.score, PlayedTune)]
    groups = variant_groups([pieces[index].score for index in tunes])
    # Variants of copies are variants, too; the least hash does not depend on the order.
    found = dict(zip(tunes, groups, strict=True))
    least: dict[int, str] = {}
    for index, group in found.items():
        least[group] = min(least.get(group, forms[index]), forms[index])
    return [least[found[index]] if index in found else form for index, form in enumerate(forms)]
