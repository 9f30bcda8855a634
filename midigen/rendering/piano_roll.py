"""A Score as a picture: a piano roll in rows of bars, one colour a part. Training curves are in ``curves``."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from midigen.errors import RenderingError
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score
from midigen.scores.time import bar_starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#666666")
"""Okabe and Ito's colours, told apart by colour-blind eyes, with two others for their yellow and black."""

_BARS_A_ROW = 16
_MAX_ROWS = 40
_BLACK_KEYS = (1, 3, 6, 8, 10)

# Inches.
_QUARTER = 0.22
_ROW = 4.5, 14.0
_LEFT, _RIGHT, _GAP = 0.5, 0.25, 0.5
_TITLE, _LEGEND = 0.3, 0.2


def draw_piano_roll(score: Score, path: Path, title: str = "") -> None:
    """Draw a score as a PNG: bars to the right in rows of 16, pitch upwards, louder notes in stronger colour.

    Args:
        score: a piece with at least one note. What comes after row 40 is left out, and the picture says so.
        path: the PNG file; missing folders are made.
        title: a line above the picture.

    Raises:
        RenderingError: no notes, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not len(score):
        raise RenderingError("The score has no notes: there is nothing to draw.")
    lines = np.append(bar_starts(score), score.end)
    shown = lines[: _MAX_ROWS * _BARS_A_ROW + 1]
    rows = [shown[first : first + _BARS_A_ROW + 1] for first in range(0, len(shown) - 1, _BARS_A_ROW)]
    if len(shown) < len(lines):
        title = f"{title} (bars 1 to {len(shown) - 1} of {len(lines) - 1})".lstrip()

    span = max(int(row[-1] - row[0]) for row in rows)
    row_width = float(np.clip(span / TICKS_PER_QUARTER * _QUARTER, *_ROW))
    pitches = _pitch_range(score)
    row_height = float(np.clip(0.06 * (pitches[1] - pitches[0]), 1.2, 3.2))
    sounding = np.unique(score.part).tolist()
    columns = int(row_width / 1.6)
    legend_lines = -(-len(sounding) // columns) if len(sounding) > 1 else 0
    head = 0.35 + _TITLE * bool(title) + _LEGEND * legend_lines
    width, height = _LEFT + row_width + _RIGHT, head + len(rows) * (row_height + _GAP)

    figure = Figure(figsize=(width, height), dpi=120)
    for index, row in enumerate(rows):
        bottom = height - head - index * (row_height + _GAP) - row_height
        place = _LEFT / width, bottom / height, (row[-1] - row[0]) / span * row_width / width, row_height / height
        first_bar = index * _BARS_A_ROW + (0 if score.pickup else 1)
        _draw_row(figure.add_axes(place), score, row, pitches, first_bar)
    if title:
        x, y = _LEFT / width, 1 - 0.1 / height
        figure.text(x, y, " ".join(title.split()), size=12, weight="bold", va="top", parse_math=False)
    if legend_lines:
        _draw_legend(figure, score, sounding, columns, (_LEFT / width, 1 - (0.1 + _TITLE * bool(title)) / height))
    save_png(figure, path)


def _pitch_range(score: Score) -> tuple[int, int]:
    """Return the lowest pitch to show and the one above the highest: a margin, and an octave at least."""
    low, high = int(score.pitch.min()) - 2, int(score.pitch.max()) + 3
    missing = max(12 - (high - low), 0)
    return low - missing // 2, high + missing - missing // 2


def _draw_row(axes: Axes, score: Score, bars: Ints, pitches: tuple[int, int], first_bar: int) -> None:
    """Draw what sounds between the first and the last of the bar lines; the bars are numbered from ``first_bar``."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb
    from matplotlib.path import Path as Outline
    from matplotlib.transforms import ScaledTranslation

    low, high = pitches
    begin, end = int(bars[0]), int(bars[-1])
    axes.set(xlim=(begin, end), ylim=(low - 0.5, high - 0.5))
    black = [pitch for pitch in range(low, high) if pitch % 12 in _BLACK_KEYS]
    axes.barh(black, end - begin, 1, begin, color="#EFF0F3", zorder=0)
    axes.hlines([p - 0.5 for p in range(low, high) if p % 12 == 0], begin, end, color="#C9CBD3", lw=0.6, zorder=1)
    axes.vlines(bars[1:-1], low - 0.5, high - 0.5, color="#8A8D98", lw=0.7, zorder=1)

    onset, duration, pitch, velocity, part = score.notes[(score.onset < end) & (score.onset + score.duration > begin)].T
    left, right, down, up = onset, onset + duration, pitch - 0.45, pitch + 0.45
    corners = np.stack([left, down, right, down, right, up, left, up], axis=1).reshape(-1, 4, 2)
    colours = np.array([to_rgb(PALETTE[p % len(PALETTE)]) for p in part])
    faces = np.column_stack([colours, 0.3 + 0.7 * velocity / 127])
    axes.add_collection(
        PolyCollection(list(corners), facecolors=faces, edgecolors=colours * 0.7, linewidths=0.5, zorder=2)
    )

    held = [tick for tick in score.fermatas if begin <= tick < end]
    middle = [tick + score.duration[score.onset == tick].max(initial=0) / 2 for tick in held]
    for marker, size, points in ((Outline.arc(0, 180), 11, 4), (".", 1.5, 5.5)):
        axes.plot(
            middle,
            [1] * len(middle),
            transform=axes.get_xaxis_transform() + ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans),
            clip_on=False,
            linestyle="",
            marker=marker,
            markersize=size,
            markerfacecolor="none",
            markeredgecolor="#222222",
        )

    axes.set_xticks(bars[:-1], [str(first_bar + i) for i in range(len(bars) - 1)], size=7, color="#555555")
    octaves = [p for p in range(low, high) if p % 12 == 0]
    axes.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves], size=8)
    axes.tick_params(length=0, pad=3)
    for spine in axes.spines.values():
        spine.set(color="#8A8D98", linewidth=0.7)


def _draw_legend(figure: Figure, score: Score, parts: list[int], columns: int, corner: tuple[float, float]) -> None:
    from matplotlib.patches import Patch

    names = [" ".join(score.parts[p].name.split())[:18].lstrip("_") or f"part {p + 1}" for p in parts]
    handles = [Patch(facecolor=PALETTE[p % len(PALETTE)]) for p in parts]
    legend = figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=corner,
        ncols=columns,
        frameon=False,
        fontsize=9,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all; missing folders are made.

    Raises:
        RenderingError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks is drawn as boxes
            figure.savefig(temporary, format="png")
        temporary.replace(path)
    except OSError as error:
        raise RenderingError(
            f"{path} cannot be written ({error.strerror}): check the folder and space.", path
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
