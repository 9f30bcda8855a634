from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from midigen.errors import RenderingError
from midigen.rendering.curves import LEVEL_COLOUR, draw_curves
from midigen.rendering.piano_roll import PALETTE

HISTORY = [
    {
        "epoch": e,
        "train_loss": 3 / e,
        "valid_loss": 3 / e + 0.1 * e,
        "train_accuracy": 0.1 * e,
        "valid_accuracy": 0.08 * e,
    }
    for e in range(1, 9)
]


def columns_of(path: Path, colour: str) -> list[int]:
    """Return how many pixels of a colour the left and the right half hold."""
    picture = np.rint(imread(path)[..., :3] * 255).astype(int)
    found = (np.abs(picture - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max(axis=2) <= 1).sum(axis=0)
    return [int(half.sum()) for half in np.array_split(found, 2)]


def test_training_and_validation_are_drawn_in_both_halves(tmp_path: Path) -> None:
    draw_curves(HISTORY, tmp_path / "curves.png", "run $1")
    assert min(columns_of(tmp_path / "curves.png", PALETTE[0])) > 100
    assert min(columns_of(tmp_path / "curves.png", PALETTE[1])) > 100


def test_a_run_without_validation_has_one_curve(tmp_path: Path) -> None:
    history = [{k: v for k, v in row.items() if not k.startswith("valid")} for row in HISTORY]
    draw_curves(history, tmp_path / "curves.png")
    assert columns_of(tmp_path / "curves.png", PALETTE[1]) == [0, 0]


def test_validation_may_come_every_second_epoch(tmp_path: Path) -> None:
    history = [row if row["epoch"] % 2 else {k: row[k] for k in ("epoch", "train_loss")} for row in HISTORY]
    draw_curves(history, tmp_path / "curves.png")
    assert min(columns_of(tmp_path / "curves.png", PALETTE[1])) > 100


def test_one_epoch_is_enough(tmp_path: Path) -> None:
    draw_curves(HISTORY[:1], tmp_path / "new" / "curves.png")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["curves.png"]


def test_levels_are_lines_across_the_loss_only(tmp_path: Path) -> None:
    draw_curves(HISTORY, tmp_path / "plain.png")
    draw_curves(HISTORY, tmp_path / "levels.png", levels={"unigram": 2.5, "n-gram": 1.0})
    plain, levels = (columns_of(tmp_path / f"{name}.png", LEVEL_COLOUR) for name in ("plain", "levels"))
    assert levels[0] > plain[0] + 300
    assert levels[1] == plain[1]


def test_an_empty_history_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match="no epoch"):
        draw_curves([], tmp_path / "curves.png")
