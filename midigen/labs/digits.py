"""Pictures of handwritten digits: the small ones that come with scikit-learn, and MNIST from the four files it has.

An IDX file begins with two zero bytes, the type of its numbers (8: unsigned bytes), the number of dimensions and each
dimension as four bytes, the highest first; then come the numbers, row by row (LeCun, Cortes, Burges, The MNIST database
of handwritten digits).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.errors import SourceError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

CLASSES = 10
TEST_PICTURES = 297  # of scikit-learn's 1797: the last, as the file has them
_UNSIGNED_BYTES = 8
_GZIP_MAGIC = b"\x1f\x8b"


class Pictures(NamedTuple):
    """Pictures of one size, and what they show."""

    pixels: Floats
    """(N, H, W), 0 to 1."""
    labels: Ints
    """(N,), 0 to 9."""


class Digits(NamedTuple):
    """Pictures to learn from, and pictures for the test."""

    train: Pictures
    test: Pictures


def bundled_digits() -> Digits:
    """Return scikit-learn's digits, 8 x 8 pixels: the first 1500 to learn from, the last 297 for the test."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels, labels = (pixels.reshape(-1, 8, 8) / 16).astype(np.float32), labels.astype(np.int64)
    return Digits(
        Pictures(pixels[:-TEST_PICTURES], labels[:-TEST_PICTURES]),
        Pictures(pixels[-TEST_PICTURES:], labels[-TEST_PICTURES:]),
    )


def read_mnist(folder: Path) -> Digits:
    """Read the four files of MNIST, or of another data set in its form, such as Fashion-MNIST.

    They are called ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``, with a dot for
    the second hyphen or not, with ``.gz`` or not.

    Raises:
        SourceError: a file is missing or damaged, or one does not fit another.
    """
    digits = Digits(_read_pictures(folder, "train"), _read_pictures(folder, "t10k"))
    sizes = [pictures.pixels.shape[1:] for pictures in digits]
    if sizes[0] != sizes[1]:
        raise SourceError(f"the pictures of {folder} have two sizes, {sizes[0]} and {sizes[1]}", file=folder)
    return digits


def _read_pictures(folder: Path, split: str) -> Pictures:
    pixels = _read_idx(folder, f"{split}-images", 3)
    labels = _read_idx(folder, f"{split}-labels", 1)
    if not pixels.size or len(pixels) != len(labels) or labels.max() >= CLASSES:
        raise SourceError(
            f"the {split} files of {folder} hold {len(pixels)} pictures and {len(labels)} labels: there must be one "
            "label, 0 to 9, for each picture; fetch them anew",
            file=folder,
        )
    return Pictures(np.divide(pixels, 255, dtype=np.float32), labels.astype(np.int64))


def _read_idx(folder: Path, stem: str, dimensions: int) -> Bytes:
    """Return the numbers of an IDX file of unsigned bytes."""
    names = [f"{stem}{joint}idx{dimensions}-ubyte{end}" for joint in "-." for end in ("", ".gz")]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise SourceError(f"{folder} must be a folder with the four files of MNIST, but has no {names[0]}", file=folder)
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read ({error}); fetch it anew", file=path) from error
    head = 4 + 4 * dimensions
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, head, 4)]
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTES, dimensions]) or len(content) != head + math.prod(sizes):
        raise SourceError(f"{path} is damaged or no IDX file of {dimensions} dimensions; fetch it anew", file=path)
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)
