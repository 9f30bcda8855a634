from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.store import Collection, LeftOut, Piece
from midigen.datasets.build import Dataset, Target, assign_splits, build, load_dataset, prepare
from midigen.errors import RepresentationError, SourceError, UsageError
from midigen.formats.midi import write_midi
from midigen.representations.notes import DRUMS, Notes
from midigen.representations.voice_grid import VoiceGrid
from midigen.scores.score import Part, Score

KIT = (Part(), Part("", 0, is_drum=True))


def tune(number: int, velocity: int = 80, parts: tuple[Part, ...] = (Part(),)) -> Score:
    """Eight notes that no other number has, up to transposition."""
    digits = [0, *(number >> bit & 1 for bit in range(7))]
    return Score.from_notes([(480 * i, 480, 60 + d, velocity, 0) for i, d in enumerate(digits)], parts=parts)


def shifted(score: Score, semitones: int = 0, ticks: int = 0) -> Score:
    notes = [(onset + ticks, d, p + semitones * (part == 0), v, part) for onset, d, p, v, part in score.notes.tolist()]
    return Score.from_notes(notes, parts=score.parts)


def pieces_of(scores: Sequence[Score], splits: Sequence[str | None] = ()) -> tuple[Piece, ...]:
    given_splits = [*splits, *[None] * (len(scores) - len(splits))]
    return tuple(
        Piece(f"p{i}", score, f"p{i}.mid", f"{i:064}", split)
        for i, (score, split) in enumerate(zip(scores, given_splits, strict=True))
    )


def collection(scores: Sequence[Score], splits: Sequence[str | None] = ()) -> Collection:
    return Collection("songs", pieces_of(scores, splits), (LeftOut("bad.mid", "is empty"),), None, Path("songs"))


def built(folder: Path, scores: Sequence[Score], splits: Sequence[str | None] = (), name: str = "notes") -> Dataset:
    return build(collection(scores, splits), name, {}, Target(folder / "set", "mark"))


# Splits

COPIES = st.lists(st.tuples(st.integers(0, 15), st.integers(-9, 9), st.integers(0, 3)), min_size=1, max_size=25)


@given(COPIES)
def test_copies_up_to_transposition_share_a_side(copies: list[tuple[int, int, int]]) -> None:
    scores = [shifted(tune(number), semitones, 480 * late) for number, semitones, late in copies]
    sides: dict[int, set[str]] = {}
    for (number, *_), split in zip(copies, assign_splits(pieces_of(scores)), strict=True):
        sides.setdefault(number, set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values())
    counts = Counter(split for (split,) in sides.values())
    assert counts["train"] >= 1
    assert (counts["valid"], counts["test"]) == (min(1, len(sides) - 1), min(1, max(0, len(sides) - 2))) or len(
        sides
    ) > 14


@given(COPIES.flatmap(lambda copies: st.tuples(st.just(copies), st.permutations(range(len(copies))))))
def test_splits_depend_neither_on_order_nor_on_names(drawn: tuple[list[tuple[int, int, int]], list[int]]) -> None:
    copies, order = drawn
    scores = [shifted(tune(number), semitones) for number, semitones, _ in copies]
    assert assign_splits(pieces_of([scores[i] for i in order])) == [assign_splits(pieces_of(scores))[i] for i in order]


@given(COPIES, st.data())
def test_copies_of_a_held_out_piece_are_held_out(copies: list[tuple[int, int, int]], data: st.DataObject) -> None:
    scores = [shifted(tune(number), semitones) for number, semitones, _ in copies]
    splits = [data.draw(st.sampled_from([None, "train", "valid", "test"])) for _ in scores]
    result = assign_splits(pieces_of(scores, splits))
    for (number, *_), split in zip(copies, result, strict=True):
        known = {given for (other, *_), given in zip(copies, splits, strict=True) if other == number}
        held_out = {"test", "valid"} & known
        assert split == min(held_out, default=split)  # the test before the validation


def test_a_corpus_keeps_the_split_it_comes_with() -> None:
    splits = ["train", "valid", "test", None, "train"]
    assert assign_splits(pieces_of([tune(n) for n in range(5)], splits)) == ["train", "valid", "test", "train", "train"]


@pytest.mark.parametrize(
    ("count", "train", "valid", "test"), [(1, 1, 0, 0), (2, 1, 1, 0), (3, 1, 1, 1), (10, 8, 1, 1), (40, 32, 4, 4)]
)
def test_a_tenth_is_held_out_for_each_side(count: int, train: int, valid: int, test: int) -> None:
    counts = Counter(assign_splits(pieces_of([tune(n) for n in range(count)])))
    assert (counts["train"], counts["valid"], counts["test"]) == (train, valid, test)


def test_drums_do_not_hide_a_transposed_copy() -> None:
    band = Score.from_notes([*tune(5).notes.tolist(), (0, 480, 38, 80, 1)], parts=KIT)
    scores = [tune(n) for n in range(5)] + [shifted(band, n) for n in range(5)]
    assert len(set(assign_splits(pieces_of(scores))[5:])) == 1


def test_the_chorales_keep_their_canonical_split(chorales: tuple[Piece, ...]) -> None:
    moved = [(p.name, p.split, s) for p, s in zip(chorales, assign_splits(chorales), strict=True) if s != p.split]
    assert moved == []


# What is built


def test_every_piece_comes_back_as_it_was_encoded(tmp_path: Path) -> None:
    scores = [tune(n) for n in range(4)]
    dataset = built(tmp_path, scores)
    for index, score in enumerate(scores):
        rows, plan = dataset.representation.encode(score)
        np.testing.assert_array_equal(dataset.piece(index)[0], rows)
        np.testing.assert_array_equal(dataset.piece(index)[1], plan)


def test_the_manifest_says_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    drums = Score.from_notes([(0, 480, 38, 80, 1)], parts=KIT)
    dataset = built(tmp_path, [tune(0), tune(1), drums], ["train", "train", "valid"])
    assert [p["name"] for p in dataset.manifest["pieces"]] == ["p0", "p1"]
    assert dataset.manifest["left_out"] == [
        {"file": "bad.mid", "reason": "is empty"},
        {"file": "p2.mid", "reason": "does not fit notes: there are no notes"},
    ]


def test_what_only_a_held_out_piece_has_adds_no_column_and_no_id(tmp_path: Path) -> None:
    strange = tune(1, velocity=20, parts=(Part("", 40),))
    dataset = built(tmp_path, [tune(0), strange, shifted(tune(2), 30)], ["train", "valid", "test"])
    assert dataset.representation == Notes.fit([tune(0)], {})
    assert len(dataset.indices("valid")) == 1


def test_pieces_that_do_not_fit_take_no_held_out_place(tmp_path: Path) -> None:
    chords = [
        Score.from_notes(
            [*shifted(tune(n)).notes.tolist(), *((0, 480, 50 - p, 80, p) for p in (1, 2, 3))], parts=(Part(),) * 4
        )
        for n in range(2)
    ]
    dataset = built(tmp_path, [*(tune(n) for n in range(30)), *chords], name="grid")
    assert [len(dataset.indices(split)) for split in ("train", "valid", "test")] == [1, 1, 0]
    assert isinstance(dataset.representation, VoiceGrid)
    assert len(dataset.representation.plans) == 1


def test_one_piece_is_there_to_train_on(tmp_path: Path) -> None:
    assert built(tmp_path, [tune(3)]).indices("train") == [0]


def test_no_piece_that_fits_is_one_sentence_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(RepresentationError, match=r"songs holds no piece to train grid on: .*1 part with notes.*\.$"):
        built(tmp_path, [tune(0)], name="grid")
    assert not (tmp_path / "set").exists()


def test_a_split_without_training_pieces_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RepresentationError, match="songs holds no piece to train notes on"):
        built(tmp_path, [tune(0), tune(1)], ["valid", "test"])


def test_ids_are_those_of_the_representation_to_go_on_from(tmp_path: Path) -> None:
    old = Notes(velocities=True, programs=(0, 40, DRUMS))
    dataset = build(collection([tune(0), tune(1)]), "notes", {}, Target(tmp_path / "set", "mark", old))
    assert [field.name for field in dataset.representation.fields] == [field.name for field in old.fields]
    assert "1 of 1 programs fit" in dataset.manifest["vocabulary"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot be written"):
        built(tmp_path / "file", [tune(0)])


def test_nothing_but_the_dataset_is_left_behind(tmp_path: Path) -> None:
    built(tmp_path, [tune(0)])
    built(tmp_path, [tune(1)])
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["manifest.json", "offsets.npy", "rows.npy"]


# Found again


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    folder.mkdir()
    for number in range(4):
        write_midi(tune(number), folder / f"{number}.mid")
    return folder


def ready(songs: Path, **options: object) -> tuple[Dataset, bool]:
    return prepare(str(songs), songs.parent / "corpora", options=options)


def test_a_dataset_is_found_the_second_time(songs: Path) -> None:
    first, found_first = ready(songs)
    second, found_second = ready(songs)
    assert (found_first, found_second) == (False, True)
    assert second.manifest == first.manifest
    np.testing.assert_array_equal(second.rows, first.rows)


def test_a_changed_file_is_noticed(songs: Path) -> None:
    before = ready(songs)[0].corpus_hash
    write_midi(tune(9), songs / "0.mid")
    dataset, found = ready(songs)
    assert not found
    assert dataset.corpus_hash != before


@pytest.mark.parametrize("name", ["manifest.json", "rows.npy", "offsets.npy"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"null", b"{}", "half"])
def test_a_damaged_dataset_is_built_anew(songs: Path, name: str, content: bytes | str | None) -> None:
    path = ready(songs)[0].folder / name
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    assert not ready(songs)[1]
    assert ready(songs)[1]
    assert path.read_bytes() == whole


def test_rows_of_another_representation_are_noticed(songs: Path) -> None:
    folder = ready(songs)[0].folder
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["representation"]["velocities"] = True
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert load_dataset(folder) is None


def test_other_options_are_another_dataset(songs: Path) -> None:
    fine, _ = ready(songs, quantum=24)
    coarse, found = ready(songs, quantum=4)
    assert not found
    assert fine.folder != coarse.folder
    assert ready(songs, quantum=24)[1]


def test_an_option_of_none_is_the_default(songs: Path) -> None:
    assert ready(songs, quantum=None)[0].folder == ready(songs)[0].folder


def test_to_go_on_from_a_representation_is_another_dataset(songs: Path) -> None:
    like = Notes(programs=(0, 40))
    folder = songs.parent / "corpora"
    dataset, found = prepare(str(songs), folder, like=like)
    assert not found
    assert dataset.folder != ready(songs)[0].folder
    assert prepare(str(songs), folder, like=like)[1]


def test_bad_options_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    for tokens, options in (("notes", {"quantum": 7}), ("grid", {"quantum": 8}), ("runes", {})):
        with pytest.raises(UsageError):
            prepare(str(tmp_path / "not there"), tmp_path, tokens, options)


def test_a_source_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file or folder"):
        prepare(str(tmp_path / "not there"), tmp_path)
