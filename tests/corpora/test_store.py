from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midigen.corpora.store import Collection, LeftOut, Piece, load_pieces, save_pieces
from midigen.errors import SourceError
from midigen.scores.score import Key, Metre, Part, Score, Tempo

TICKS = st.integers(0, 2**31 - 1)
PARTS = st.builds(Part, st.text(max_size=5), st.integers(0, 127), st.booleans())
NOTES = st.tuples(TICKS, st.integers(1, 2**31 - 1), st.integers(0, 127), st.integers(1, 127), st.just(0))


def scores() -> st.SearchStrategy[Score]:
    return st.builds(
        Score.from_notes,
        st.lists(NOTES, max_size=5),
        parts=st.lists(PARTS, min_size=1, max_size=3).map(tuple),
        tempos=st.lists(st.builds(Tempo, TICKS, st.integers(1, 10**7)), max_size=2).map(tuple),
        metres=st.lists(st.builds(Metre, TICKS, st.integers(1, 12), st.sampled_from([2, 4, 8])), max_size=2).map(tuple),
        keys=st.lists(st.builds(Key, TICKS, st.integers(-7, 7), st.sampled_from(["major", "minor", ""]))).map(tuple),
        pickup=TICKS,
        fermatas=st.lists(TICKS, max_size=3).map(tuple),
    )


def collection(folder: Path, *pieces: Piece) -> Collection:
    return Collection("songs", pieces, (LeftOut("bad.mid", "is empty"),), None, folder)


def piece(name: str = "a", score: Score | None = None) -> Piece:
    score = Score.from_notes([(0, 480, 60, 80, 0), (480, 480, 62, 80, 0)]) if score is None else score
    return Piece(name, score, f"{name}.mid", "0" * 64, "train")


@settings(max_examples=40, deadline=None)
@given(st.lists(scores(), max_size=3))
def test_load_returns_exactly_what_was_saved(tmp_path_factory: pytest.TempPathFactory, drawn: list[Score]) -> None:
    folder = tmp_path_factory.getbasetemp() / "round-trip"
    saved = collection(folder, *(piece(str(number), score) for number, score in enumerate(drawn)))
    save_pieces(folder, saved)
    assert load_pieces(folder) == saved


def test_notes_can_be_memory_mapped(tmp_path: Path) -> None:
    save_pieces(tmp_path, collection(tmp_path, piece("a"), piece("b")))
    notes = np.load(tmp_path / "pieces" / "notes.npy", mmap_mode="r", allow_pickle=False)
    assert (notes.shape, notes.dtype) == ((4, 5), np.int32)


def test_a_second_save_takes_the_place_of_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    for name in "ab":
        save_pieces(tmp_path, collection(tmp_path, piece(name)))
    assert [p.name for p in load_pieces(tmp_path).pieces] == ["b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "pieces"]


def test_what_a_killed_save_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "pieces.part").mkdir()
    (tmp_path / "pieces.part" / "notes.npy").write_bytes(b"half")
    with pytest.raises(SourceError, match="holds no pieces"):
        load_pieces(tmp_path)
    save_pieces(tmp_path, collection(tmp_path, piece()))
    assert len(load_pieces(tmp_path).pieces) == 1


@pytest.mark.parametrize("file", ["notes.npy", "pieces.json"])
def test_no_changed_byte_is_believed(tmp_path: Path, file: str) -> None:
    save_pieces(tmp_path, collection(tmp_path, piece("aaa")))
    path = tmp_path / "pieces" / file
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        try:
            assert load_pieces(tmp_path) == collection(tmp_path, piece("aaa"))
        except SourceError:
            continue
        assert data[position] in b" \n", "only a blank may differ"


@pytest.mark.parametrize("file", ["notes.npy", "pieces.json"])
def test_a_file_cut_short_is_refused(tmp_path: Path, file: str) -> None:
    save_pieces(tmp_path, collection(tmp_path, piece()))
    path = tmp_path / "pieces" / file
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match="damaged"):
        load_pieces(tmp_path)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"a"', '{"format": 4}'])
def test_json_that_is_no_store_is_refused(tmp_path: Path, text: str) -> None:
    save_pieces(tmp_path, collection(tmp_path, piece()))
    (tmp_path / "pieces" / "pieces.json").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match="damaged"):
        load_pieces(tmp_path)


@pytest.mark.parametrize("field", ["format", "midigen", "music21"])
def test_a_store_of_another_version_is_refused(tmp_path: Path, field: str) -> None:
    save_pieces(tmp_path, collection(tmp_path, piece()))
    path = tmp_path / "pieces" / "pieces.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {field: "0"}), encoding="utf-8")
    with pytest.raises(SourceError, match="another version"):
        load_pieces(tmp_path)


def test_a_note_beyond_32_bits_is_refused(tmp_path: Path) -> None:
    far = Score.from_notes([(2**31, 1, 60, 80, 0)])
    with pytest.raises(SourceError, match="beyond"):
        save_pieces(tmp_path, collection(tmp_path, piece("far", far)))
