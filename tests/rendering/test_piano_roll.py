from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from midigen.errors import RenderingError
from midigen.rendering.piano_roll import PALETTE, draw_piano_roll
from midigen.scores.score import Metre, Part, Score

SCALE = Score.from_notes([(480 * i, 480, 60 + i, 127, 0) for i in range(12)])


Picture = NDArray[np.int64]


def draw(score: Score, folder: Path, title: str = "") -> Picture:
    """Return the picture, (height, width, 3), 0 to 255."""
    draw_piano_roll(score, folder / "roll.png", title)
    picture: Picture = np.rint(imread(folder / "roll.png")[..., :3] * 255).astype(int)
    return picture


def area(picture: Picture, colour: str) -> int:
    """Count the pixels of a colour, which fully loud notes have."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(picture - wanted).max(axis=2) <= 1).sum())


def inked_lines_above(picture: Picture) -> int:
    """Count the lines of pixels above the first row's frame that hold something dark."""
    row_is_grey = (picture < 200).all(axis=2).mean(axis=1) > 0.5
    above = picture[: int(row_is_grey.argmax()) - 1]
    return int((above.max(axis=2) < 100).any(axis=1).sum())


def test_each_part_has_its_colour(tmp_path: Path) -> None:
    notes = [(0, 1920, 60, 127, 0), (0, 960, 64, 127, 1)]
    picture = draw(Score.from_notes(notes, parts=(Part("Soprano"), Part("Bass"))), tmp_path)
    assert area(picture, PALETTE[0]) > 1.5 * area(picture, PALETTE[1]) > 0
    assert area(picture, PALETTE[2]) == 0


def test_a_quiet_note_is_paler(tmp_path: Path) -> None:
    assert area(draw(SCALE, tmp_path), PALETTE[0]) > 1000
    quiet = Score.from_notes([(0, 960, 60, 20, 0)])
    assert area(draw(quiet, tmp_path), PALETTE[0]) == 0


def test_the_picture_grows_with_the_piece_to_a_limit_and_then_downwards(tmp_path: Path) -> None:
    shapes = [draw(Score.from_notes([(0, 1920 * bars, 60, 80, 0)]), tmp_path).shape for bars in (4, 8, 16, 17, 40)]
    heights, widths = [s[0] for s in shapes], [s[1] for s in shapes]
    assert widths[0] < widths[1] < widths[2] == widths[3] == widths[4]
    assert heights[0] == heights[1] == heights[2] < heights[3] < heights[4]


def test_bar_lines_follow_the_metre(tmp_path: Path) -> None:
    notes = [(0, 480 * 12, 60, 80, 0)]
    three, four = (draw(Score.from_notes(notes, metres=(Metre(0, n, 4),)), tmp_path) for n in (3, 4))
    assert three.shape == four.shape
    lines = [int(((picture < 160).all(axis=2).mean(axis=0) > 0.4).sum()) for picture in (three, four)]
    assert lines[0] > lines[1]


def test_a_fermata_is_drawn_above_the_row(tmp_path: Path) -> None:
    with_fermata = Score.from_notes(SCALE.notes.tolist(), fermatas=(480 * 11,))
    assert inked_lines_above(draw(SCALE, tmp_path)) == 0
    assert inked_lines_above(draw(with_fermata, tmp_path)) > 3


def test_a_legend_needs_two_parts(tmp_path: Path) -> None:
    duet = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 64, 80, 1)], parts=(Part("Viola"), Part()))
    solo = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 64, 80, 0)], parts=(Part("Viola"), Part()))
    assert inked_lines_above(draw(duet, tmp_path)) > 5
    assert inked_lines_above(draw(solo, tmp_path)) == 0


@pytest.mark.parametrize("name", ["$x$ \\frac{", "_hidden", "バイオリン", "two\nlines", "x" * 300, "[/red]"])
def test_any_name_can_stand_in_title_and_legend(name: str, tmp_path: Path) -> None:
    score = Score.from_notes([(0, 480, 60, 127, 0), (0, 480, 64, 127, 1)], parts=(Part(name), Part(name)))
    assert area(draw(score, tmp_path, name), PALETTE[1]) > 100


def test_the_lowest_and_highest_pitch_and_a_pick_up_are_drawn(tmp_path: Path) -> None:
    score = Score.from_notes([(0, 480, 0, 127, 0), (480, 480, 127, 127, 0)], pickup=480)
    assert area(draw(score, tmp_path), PALETTE[0]) > 100


def test_a_very_long_piece_is_cut_after_forty_rows(tmp_path: Path) -> None:
    score = Score.from_notes([(0, 480 * 2000, 60, 80, 0)], metres=(Metre(0, 1, 4),))
    height = draw(score, tmp_path).shape[0]
    assert 40 * 190 < height < 42 * 210


def test_a_score_without_notes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match="no notes"):
        draw_piano_roll(Score.from_notes([]), tmp_path / "roll.png")


def test_the_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    draw_piano_roll(SCALE, tmp_path / "new" / "roll.png")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["roll.png"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RenderingError, match=r"roll\.png cannot be written"):
        draw_piano_roll(SCALE, tmp_path / "file" / "roll.png")
