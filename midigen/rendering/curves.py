"""The history of a training run as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midigen.errors import RenderingError
from midigen.rendering.piano_roll import PALETTE, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVEL_COLOUR, LEVEL_DASHES = "#4A4D57", ("--", "-.")


def draw_curves(
    history: Sequence[Mapping[str, float]], path: Path, title: str = "", levels: Mapping[str, float] | None = None
) -> None:
    """Draw loss (left) and accuracy (right) against epochs as a PNG and mark the best epoch.

    Args:
        history: one row an epoch with the keys epoch, train_loss, train_accuracy (0 to 1) and, where there was
            validation, valid_loss and valid_accuracy. The best epoch has the lowest valid_loss, or train_loss
            where no row has the other.
        path: the PNG file; missing folders are made.
        title: a line above the picture.
        levels: losses to hold the curves against, by name; each is a line across the left half.

    Raises:
        RenderingError: no rows, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not history:
        raise RenderingError("There is no epoch in the history: there is nothing to draw.")
    judged = "valid_loss" if any("valid_loss" in row for row in history) else "train_loss"
    best = min((row for row in history if judged in row), key=lambda row: row[judged])

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, quantity in ((left, "loss"), (right, "accuracy")):
        _draw_quantity(axes, history, quantity, best)
    for (name, loss), dashes in zip((levels or {}).items(), itertools.cycle(LEVEL_DASHES)):
        left.axhline(loss, color=LEVEL_COLOUR, lw=1.2, ls=dashes, label=f"{name} {loss:.3f}")
    left.legend(frameon=False, fontsize="small")
    if title:
        figure.suptitle(" ".join(title.split()), weight="bold", parse_math=False)
    save_png(figure, path)


def _draw_quantity(
    axes: Axes, history: Sequence[Mapping[str, float]], quantity: str, best: Mapping[str, float]
) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axes.axvline(best["epoch"], color="#8A8D98", lw=1, ls=":", label=f"best: epoch {best['epoch']:g}")
    for split, name, colour in (("train", "training", PALETTE[0]), ("valid", "validation", PALETTE[1])):
        key = f"{split}_{quantity}"
        rows = [row for row in history if key in row]
        if not rows:
            continue
        marker = "o" if len(rows) < 30 else ""
        axes.plot([r["epoch"] for r in rows], [r[key] for r in rows], color=colour, marker=marker, ms=3, label=name)
        if key in best:
            axes.plot(best["epoch"], best[key], color=colour, marker="o", ms=7)
    axes.set(xlabel="epoch", ylabel=quantity, xlim=(history[0]["epoch"] - 0.5, history[-1]["epoch"] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if quantity == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color="#EFF0F3")
    axes.spines[["top", "right"]].set_visible(False)
