"""Labelled images: piano rolls of the bundled corpora by composer or collection, or a folder of pictures by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midigen.corpora.source import Piece, read_source
from midigen.datasets.build import SPLITS, assign_splits
from midigen.errors import SourceError
from midigen.evaluation.style import NO_IMAGES, images
from midigen.scores.statistics import shape

STYLES = {
    "Bach": ("bach-chorales", ""),
    "Haydn": ("quartets", "haydn/"),
    "Mozart": ("quartets", "mozart/"),
    "Beethoven": ("quartets", "beethoven/"),
    "Ryan": ("ryans-mammoth", ""),
    "O'Neill": ("oneills", ""),
    "Aird": ("airds-airs", ""),
}
"""Of each class, a composer or a collection of tunes, the corpus and the folder in it."""
HOP_QUARTERS = 8
HELD_OUT_SHARE = 0.3
"""Of the pictures to learn from, as in the text: for validation, or without a test set half for each."""
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


class LabelledImages(NamedTuple):
    """Images and the number of the class of each."""

    pixels: Tensor
    """(N, C, H, W) uint8."""
    labels: Tensor
    """(N,) int64."""


@dataclass(frozen=True)
class ImageSets:
    """Images to learn from, to stop by and to be judged by."""

    classes: tuple[str, ...]
    train: LabelledImages
    valid: LabelledImages
    test: LabelledImages
    highest: int
    """The value of a pixel that is full: 1 for a piano roll, 255 for a picture."""


def read_styles(corpora: Path) -> dict[str, list[Piece]]:
    """Read the pieces of each class and give each its split.

    Raises:
        SourceError: a corpus cannot be read.
    """
    collections = {source: read_source(source, corpora).pieces for source, _ in STYLES.values()}
    return split_styles(
        {
            name: [piece for piece in collections[source] if piece.file.startswith(folder)]
            for name, (source, folder) in STYLES.items()
        }
    )


def split_styles(styles: Mapping[str, Sequence[Piece]]) -> dict[str, list[Piece]]:
    """Give each piece its split by ``assign_splits``, class by class; leave out what two classes have in common."""
    owners = Counter(form for pieces in styles.values() for form in {shape(piece.score) for piece in pieces})
    own = {name: [piece for piece in pieces if owners[shape(piece.score)] == 1] for name, pieces in styles.items()}
    return {
        name: [replace(piece, split=split) for piece, split in zip(pieces, assign_splits(pieces), strict=True)]
        for name, pieces in own.items()
    }


def music_sets(styles: Mapping[str, Sequence[Piece]], limits: Mapping[str, int], seed: int) -> ImageSets:
    """Draw excerpts of the pieces of each class, at random at most so many of each class as ``limits`` says by split.

    Raises:
        SourceError: a split of a class has no excerpt.
    """
    rng = np.random.default_rng(seed)
    sets = {}
    for split in SPLITS:
        pixels = []
        for name, pieces in styles.items():
            cuts = [images(piece.score, HOP_QUARTERS) for piece in pieces if piece.split == split]
            pixels.append(rng.permutation(np.concatenate([NO_IMAGES, *cuts]))[: limits[split]])
            if not len(pixels[-1]):
                raise SourceError(f"{name} has no piece with notes for the {split} split; give it more pieces.")
        sets[split] = _labelled(pixels)
    return ImageSets(tuple(styles), sets["train"], sets["valid"], sets["test"], highest=1)


def folder_sets(folder: Path, seed: int, size: int) -> ImageSets:
    """Read a folder with a subfolder of pictures for each class, resized to squares in red, green and blue.

    If it holds just the folders ``train`` and ``test``, each with a subfolder a class, the test set is that. As in the
    text 30% of the rest, chosen at random, do not train: they are for validation, or half of them for the test.

    Raises:
        SourceError: there are fewer than two classes, a class has too few pictures, or one cannot be read.
    """
    has_test = _subfolders(folder) == ["test", "train"]
    learned = folder / "train" if has_test else folder
    classes = _subfolders(learned)
    if len(classes) < 2:
        raise SourceError(f"{folder} must hold a subfolder of pictures for each of two classes or more", file=folder)
    rng = np.random.default_rng(seed)
    sets: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in SPLITS}
    for name in classes:
        pixels = rng.permutation(_read_pictures(learned / name, size))
        held_out = round(len(pixels) * HELD_OUT_SHARE)
        first = held_out if has_test else held_out // 2
        test = _read_pictures(folder / "test" / name, size) if has_test else pixels[first:held_out]
        for split, part in zip(SPLITS, (pixels[held_out:], pixels[:first], test), strict=True):
            if not len(part):
                raise SourceError(f"{folder} has too few pictures of {name}: there are none for {split}", file=folder)
            sets[split].append(part)
    train, valid, test_set = (_labelled(sets[split]) for split in SPLITS)
    return ImageSets(tuple(classes), train, valid, test_set, highest=255)


def _labelled(pixels: Sequence[NDArray[np.uint8]]) -> LabelledImages:
    """Join the images of each class."""
    labels = np.repeat(np.arange(len(pixels)), [len(part) for part in pixels])
    return LabelledImages(torch.from_numpy(np.concatenate(pixels)), torch.from_numpy(labels))


def _subfolders(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read ({error.strerror}): name a folder of pictures", folder) from error


def _read_pictures(folder: Path, size: int) -> NDArray[np.uint8]:
    """Return the pictures of a folder, (N, 3, size, size)."""
    from PIL import Image, UnidentifiedImageError

    pictures = []
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            try:
                with Image.open(path) as picture:
                    pictures.append(np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)))
            except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
                raise SourceError(f"{path} is no picture that can be read; remove it", file=path) from error
    return np.array(pictures, np.uint8).reshape(-1, size, size, 3).transpose(0, 3, 1, 2)
