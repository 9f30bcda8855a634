from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Piece
from midigen.errors import SourceError
from midigen.formats.jsb_json import read_voices
from midigen.representations.grid_plan import LOWEST
from midigen.representations.voice_grid import COLUMN, SILENT, VoiceGrid
from midigen.scores.score import Score

ROWS = [[72, 67, 64, 48], [72, 65, -1, 48], [72, 67, 64, 50]]


def read(folder: Path, **splits: object) -> list[tuple[str, int, Score]]:
    path = folder / "chorales.json"
    path.write_text(json.dumps({"train": [], "valid": [], "test": [], **splits}), encoding="utf-8")
    return list(read_voices(path))


def test_equal_pitches_in_a_row_are_one_note_and_rests_none(tmp_path: Path) -> None:
    ((split, number, score),) = read(tmp_path, valid=[ROWS])
    assert (split, number) == ("valid", 0)
    assert [part.name for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    by_part = [[tuple(note) for note in score.notes[score.part == part][:, :3].tolist()] for part in range(4)]
    assert by_part == [
        [(0, 360, 72)],
        [(0, 120, 67), (120, 120, 65), (240, 120, 67)],
        [(0, 120, 64), (240, 120, 64)],
        [(0, 240, 48), (240, 120, 50)],
    ]


@pytest.mark.parametrize("name", ["bwv145.5", "bwv153.9", "bwv194.12"])
def test_a_chorale_of_bach_has_its_metre_pickup_and_key(chorales: tuple[Piece, ...], tmp_path: Path, name: str) -> None:
    (own,) = [piece.score for piece in chorales if piece.name == name]
    grid = VoiceGrid.fit((), {})
    rows, plan = grid.encode(own)
    sounding = grid.context(rows, plan)[1:, -8:-4][:, COLUMN]
    ((_, _, score),) = read(tmp_path, test=[np.where(sounding == SILENT, -1, sounding + LOWEST).tolist()])
    assert (score.metres, score.pickup, score.keys) == (own.metres, own.pickup, own.keys)


def test_another_piece_has_no_key(tmp_path: Path) -> None:
    assert read(tmp_path, train=[ROWS])[0][2].keys == ()


def test_nan_is_a_rest_too(tmp_path: Path) -> None:
    rows = [[float("nan") if pitch < 0 else float(pitch) for pitch in row] for row in ROWS]
    assert read(tmp_path, train=[rows])[0][2] == read(tmp_path, train=[ROWS])[0][2]


def test_splits_and_order_are_those_of_the_file(tmp_path: Path) -> None:
    read_pieces = read(tmp_path, train=[ROWS, ROWS], test=[ROWS])
    assert [piece[:2] for piece in read_pieces] == [("train", 0), ("train", 1), ("test", 0)]


@given(st.lists(st.lists(st.sampled_from([-1, 36, 60, 81]), min_size=4, max_size=4), min_size=1, max_size=20))
def test_each_sixteenth_sounds_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]
) -> None:
    score = read(tmp_path_factory.getbasetemp(), test=[rows])[0][2]
    sounding = np.full((len(rows), 4), -1)
    for onset, duration, pitch, _, part in score.notes:
        assert (sounding[onset // 120 : (onset + duration) // 120, part] == -1).all()
        sounding[onset // 120 : (onset + duration) // 120, part] = pitch
    assert sounding.tolist() == rows


@pytest.mark.parametrize("piece", [[[60, 60, 60]], [60], [[60.5, 60, 60, 60]], [["a", 1, 2, 3]], [[999, 1, 2, 3]], 3])
def test_other_shapes_are_refused(tmp_path: Path, piece: object) -> None:
    with pytest.raises(SourceError, match=r"chorales\.json does not hold chorales in four voices"):
        read(tmp_path, train=[piece])


def test_another_json_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(SourceError, match="does not hold chorales"):
        list(read_voices(tmp_path / "a.json"))
    with pytest.raises(SourceError, match="cannot be opened"):
        list(read_voices(tmp_path / "b.json"))
