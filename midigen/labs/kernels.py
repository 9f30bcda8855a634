"""What a convolution sees in a picture and in music (Hallman, Deep Learning, 7.1, 7.2; Bahng, 4.1 to 4.2.1).

Here are the sums themselves, for any number of dimensions, the text's kernels, and the same as a sparse matrix. A piano
roll is a picture too: its rows are pitches, the highest on top, and its columns are time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.corpora.source import read_source
from midigen.labs.lab import Report, Result, Settings
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

KERNELS: dict[str, Floats] = {
    "mean": np.ones((5, 5)) / 25,
    "Gaussian": np.array([[1, 4, 7, 4, 1], [4, 16, 26, 16, 4], [7, 26, 41, 26, 7], [4, 16, 26, 16, 4], [1, 4, 7, 4, 1]])
    / 273,
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "Horizontal": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "Vertical": np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
}
"""By the names the text gives them (Bahng, examples 4.1 to 4.3)."""
EDGES = "Horizontal", "Vertical"
MUSIC = {
    "sharpen": "notes and what is around them",
    "Horizontal": "notes begin (red) and end (blue)",
    "Vertical": "notes last, between red and blue",
}
"""What a kernel sees on a piano roll."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Brightness of red, green and blue (ITU-R BT.601)."""
FRAME_TICKS = TICKS_PER_QUARTER // 8
MARGIN = 3  # empty rows above and below a piano roll, more than a kernel's reach
CROP = np.s_[140:260, 170:330]  # a part of the picture small enough to show a blur
SHOWN_FRAMES = 4 * 32
REMARKS = (
    "In music Horizontal sees notes begin (red) and end (blue), Vertical sees them last: its answer grows with them.",
    "A note repeated without a rest has no edge on a piano roll: no kernel can see it begin.",
    "Slip of Bahng's 4.1: Horizontal finds upright edges, Vertical level ones; they name the direction of the change.",
    "Slip of Bahng's 4.1: weights whose sum is 1 keep the mean brightness; they do not make it 0.",
    "Slips of Hallman's (14) to (16): no = before the sums, where x(i, j) and y(i, j) should be x(m, n), y(m, n).",
    "Hallman's (16) has the sign of convolution, *, for cross-correlation, which differs and does not commute.",
    "OpenCV's filter2D, in Bahng's 4.1, is cross-correlation: convolution gives edges the opposite sign.",
)


def convolve(x: Floats, y: Floats) -> Floats:
    """Return s(i) = sum over m of x(i - m) y(m), wherever x and y overlap: N + K - 1 numbers along each dimension."""
    s = np.zeros([n + k - 1 for n, k in zip(x.shape, y.shape, strict=True)])
    for m in np.ndindex(*y.shape):
        s[_block(m, x.shape)] += x * y[m]
    return s


def correlate(x: Floats, kernel: Floats) -> Floats:
    """Return s(i) = sum over m of x(i + m) kernel(m), where the kernel lies within x: N - K + 1 along each dimension.

    This is the cross-correlation, which deep learning calls convolution: the kernel is not reversed.
    """
    s = np.zeros([n - k + 1 for n, k in zip(x.shape, kernel.shape, strict=True)])
    for m in np.ndindex(*kernel.shape):
        s += x[_block(m, s.shape)] * kernel[m]
    return s


def _block(start: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))


def apply_kernel(picture: Floats, kernel: Floats) -> Floats:
    """Return the cross-correlation in the picture's own size; the picture is mirrored beyond its borders."""
    return correlate(np.pad(picture, [(k // 2, k // 2) for k in kernel.shape], mode="reflect"), kernel)


def correlation_matrix(shape: tuple[int, ...], kernel: Floats) -> csr_array:
    """Return the sparse matrix that takes a flattened x of this shape to the flattened ``correlate(x, kernel)``.

    Each row holds the same K weights at other places: they are shared, and all else is zero (Bahng, 4.2.1).
    """
    from scipy.sparse import csr_array

    inputs = np.arange(np.prod(shape)).reshape(shape)
    sizes = tuple(n - k + 1 for n, k in zip(shape, kernel.shape, strict=True))
    columns = np.stack([inputs[_block(m, sizes)].ravel() for m in np.ndindex(*kernel.shape)], axis=1)
    starts = np.arange(len(columns) + 1) * kernel.size
    weights = np.tile(kernel.ravel(), len(columns))
    return csr_array((weights, columns.ravel(), starts), shape=(len(columns), inputs.size))


class Roll(NamedTuple):
    """A piano roll: what sounds, and the cell in which each note begins."""

    sounding: Floats
    """(P, T): 1 where a pitch sounds, else 0; a quarter of silence goes before and after."""
    rows: Ints
    """(N,)."""
    onsets: Ints
    """(N,)."""


def piano_roll(score: Score) -> Roll:
    """Draw a score in frames of a thirty-second, with one row a semitone, the highest on top."""
    rows = score.pitch.max() + MARGIN - score.pitch
    onsets, ends = score.onset // FRAME_TICKS + 8, -(-(score.onset + score.duration) // FRAME_TICKS) + 8
    sounding = np.zeros((rows.max() + 1 + MARGIN, ends.max() + 8))
    for row, onset, end in zip(rows, onsets, ends, strict=True):
        sounding[row, onset:end] = 1
    return Roll(sounding, rows, onsets)


def note_answer(kernel: Floats, frames: int) -> float:
    """Return the sum of the sizes of a kernel's answers to one note that lasts so many frames."""
    note = np.zeros((7, frames + 8))
    note[3, 4:-4] = 1
    return float(np.abs(apply_kernel(note, kernel)).sum())


def run(settings: Settings) -> Report:
    """Show the kernels a photograph and a chorale drawn by the seed."""
    from sklearn.datasets import load_sample_image

    picture = load_sample_image("china.jpg") @ LUMA / 255
    pieces = read_source("bach-chorales", settings.corpora, settings.progress).pieces
    piece = pieces[np.random.default_rng(settings.seed).integers(len(pieces))]
    return show(picture, piece.score, piece.name)


def show(picture: Floats, score: Score, name: str) -> Report:
    """Apply all kernels to a grey picture (H, W), 0 to 1, and to a piece; compare the sums with others' results."""
    roll = piano_roll(score)
    answer = apply_kernel(roll.sounding, KERNELS["Horizontal"])[roll.rows, roll.onsets] > 0
    repeated = roll.sounding[roll.rows, roll.onsets - 1] > 0
    lengths = 8, 16, 32
    return Report(
        (
            *_edge_results(),
            Result("mean brightness before and after the Gaussian", "unchanged", _brightness(picture)),
            *_differences(picture, roll.sounding.sum(axis=0)),
            Result(f"notes of {name} that Horizontal answers", "", f"{answer.sum()} of {answer.size}"),
            Result(
                "notes repeated without a rest, and of them answered", "", f"{repeated.sum()}, {answer[repeated].sum()}"
            ),
            *(
                Result(
                    f"{kernel}'s answer to a quarter, a half, a whole note",
                    "",
                    ", ".join(f"{note_answer(KERNELS[kernel], frames):g}" for frames in lengths),
                )
                for kernel in EDGES
            ),
        ),
        _draw(picture, roll, name),
        REMARKS,
    )


def _edge_results() -> list[Result]:
    """Return the highest answers of the two edge kernels to black over white, and to black beside white."""
    level = np.repeat([0.0, 1.0], 3)[:, None] * np.ones(6)
    return [
        Result(
            f"{name}'s answer to a level edge, an upright edge",
            f"finds {name.lower()} edges",
            ", ".join(f"{np.abs(correlate(edge, KERNELS[name])).max():g}" for edge in (level, level.T)),
        )
        for name in EDGES
    ]


def _brightness(picture: Floats) -> str:
    return f"{picture.mean():.4f}, {apply_kernel(picture, KERNELS['Gaussian']).mean():.4f}"


def _differences(picture: Floats, signal: Floats) -> list[Result]:
    """Return how far the sums are from NumPy's and PyTorch's, in one dimension and in two, and the sparse matrix."""
    kernel = KERNELS["Gaussian"]
    theirs = F.conv2d(torch.from_numpy(picture)[None, None], torch.from_numpy(kernel)[None, None])[0, 0].numpy()
    matrix = correlation_matrix(picture.shape, kernel)
    pairs = {
        "convolution in 1 dimension less NumPy's": (convolve(signal, kernel[1]), np.convolve(signal, kernel[1])),
        "cross-correlation in 2 less PyTorch's": (correlate(picture, kernel), theirs),
        "the sparse product less PyTorch's": (matrix @ picture.ravel(), theirs.ravel()),
    }
    outputs, inputs = matrix.shape
    return [
        *(Result(f"{name}, at most", "", f"{np.abs(a - b).max():.1g}") for name, (a, b) in pairs.items()),
        Result("places in the matrix", "4e10 (3 x 256 x 256 pixels)", f"{outputs * inputs:.0e} ({inputs} pixels)"),
        Result("places used, and weights they share", "", f"{matrix.nnz}, {kernel.size}"),
    ]


def _draw(picture: Floats, roll: Roll, name: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 7), dpi=120, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 2))[:, 0]
    part = picture[CROP]
    panels = above.subplots(1, 6)
    _show(panels[0], part, "photo: danielbuechele, CC BY 2.0", "gray")
    for axes, kernel in zip(panels[1:], KERNELS, strict=True):
        _show(axes, apply_kernel(part, KERNELS[kernel]), kernel, "RdBu_r" if kernel in EDGES else "gray")

    panels = below.subplots(2, 3).ravel()
    cells = roll.sounding[:, :SHOWN_FRAMES]
    _show(panels[0], cells, f"{name}: pitch over time", "gray_r")
    _show(panels[1], apply_kernel(cells, KERNELS["Gaussian"]), "Gaussian", "gray_r")
    for axes, (kernel, sees) in zip(panels[2:5], MUSIC.items(), strict=True):
        _show(axes, apply_kernel(cells, KERNELS[kernel]), f"{kernel}: {sees}", "RdBu_r")
    for axes in below.axes:
        axes.set_aspect("auto")
    panels[5].spy(correlation_matrix((8, 8), KERNELS["sharpen"]), markersize=2)
    panels[5].set(xticks=[], yticks=[])
    panels[5].set_title("sharpen as a matrix: 64 pixels to 36", size=10)
    return figure


def _show(axes: Axes, cells: Floats, title: str, colours: str) -> None:
    """Draw cells: of 0 to 1 in grey, else in red above zero and in blue below."""
    most = np.abs(cells).max() if colours == "RdBu_r" else 1
    axes.imshow(cells, cmap=colours, vmin=-most if colours == "RdBu_r" else 0, vmax=most)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, size=10)
