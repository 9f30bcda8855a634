"""ABC characters: the text of a tune, one id a character, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.datasets.batches import batches
from midigen.datasets.build import prepare
from midigen.errors import RepresentationError, UsageError
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.representations.abc_characters import UNKNOWN, AbcCharacters
from midigen.representations.notes import Notes
from midigen.scores.score import Score
from tests import tiny

TEXT = "X:1\nT:Ännchen\nM:4/4\nL:1/8\nK:G\nG2|B4 d4|g6:|\n"
SCORE = read_tune(Tune(TEXT))
ABC = AbcCharacters.fit([SCORE], {})


def test_a_tune_is_its_own_text() -> None:
    rows, plan = ABC.encode(SCORE)
    assert rows.shape == (len(TEXT), 1)
    assert plan.shape == (len(TEXT) + 1, 0)
    decoded = ABC.decode(rows, plan)
    assert (decoded.tune.text, decoded) == (TEXT, SCORE)


@given(st.lists(st.integers(0, len(ABC.characters) - 1), max_size=300))
def test_rows_come_back_from_what_they_mean(ids: list[int]) -> None:
    rows = np.array(ids, np.int64).reshape(-1, 1)
    plan = np.zeros((len(ids) + 1, 0), np.int64)
    again, plan_again = ABC.encode(ABC.decode(rows, plan))
    assert np.array_equal(again, rows)
    assert plan_again.shape == plan.shape


@given(st.text(max_size=50))
def test_every_text_has_ids(text: str) -> None:
    rows, _ = ABC.encode_text(text)
    assert len(rows) >= len(text)
    assert ((rows >= 0) & (rows < ABC.fields[0].size)).all()


def test_the_vocabulary_is_that_of_the_training_tunes_and_one_id_more() -> None:
    assert ABC.characters == "".join(sorted(set(TEXT))) + UNKNOWN
    assert ABC.characters[ABC.separator] == "\n"


def test_an_unknown_character_is_spelled_by_its_parts_or_else_unknown() -> None:
    assert ABC.text(ABC.encode_text("ń①%")[0]) == "n1" + UNKNOWN


def test_a_piece_that_is_no_tune_is_written_down() -> None:
    melody = tiny.melody(0)
    fitted = AbcCharacters.fit([melody], {})
    decoded = fitted.decode(*fitted.encode(melody))
    assert decoded.notes[:, :3].tolist() == melody.notes[:, :3].tolist()


def test_a_text_that_cannot_be_played_has_no_notes() -> None:
    decoded = ABC.decode(*ABC.encode_text("X:1\nG4"))
    assert (len(decoded), decoded.tune.text) == (0, "X:1\nG4")


def test_part_of_a_tune_is_a_plain_score() -> None:
    part = SCORE.where(SCORE.pitch > 67)
    assert not isinstance(part, PlayedTune)
    assert isinstance(part, Score)
    assert len(part) < len(SCORE)


def test_what_characters_do_not_know_is_refused() -> None:
    rows, _ = ABC.encode(SCORE)
    with pytest.raises(RepresentationError, match="without its beginning"):
        ABC.onset_ticks(rows)
    with pytest.raises(UsageError, match="no option quantum"):
        AbcCharacters.fit([], {"quantum": 4})
    with pytest.raises(RepresentationError, match="cannot go on with abc"):
        ABC.adopt(Notes.fit([], {}))
    assert ABC.transpose(rows, np.zeros((len(rows) + 1, 0), np.int64), 1) is None


def test_there_is_room_for_the_bars_that_are_wanted() -> None:
    rng = np.random.default_rng(0)
    assert len(ABC.make_plan(500, None, rng)) > 500 * 50 > len(ABC.make_plan(None, None, rng))


def test_without_form_there_is_no_context_and_networks_of_earlier_versions_know_none() -> None:
    plain = AbcCharacters.fit([SCORE], {"form": False})
    rows, plan = plain.encode(SCORE)
    assert (plain.context_fields, plain.context(rows, plan).shape) == ((), (len(rows) + 1, 0))
    assert plain.next_context(plain.first_context(plan[:1]), rows[:1], plan[1:2]).shape == (1, 0)
    assert plain.options == {"form": False}
    assert AbcCharacters.from_json({"name": "abc", "characters": plain.characters}) == plain
    assert AbcCharacters.from_json(ABC.to_json()) == ABC
    assert ABC.adopt(plain)[0] == plain


def test_a_folder_of_abc_files_is_parsed_to_characters(tmp_path: Path) -> None:
    folder = tmp_path / "tunes"
    folder.mkdir()
    for number, note in enumerate("CDE"):
        (folder / f"{number}.abc").write_text(f"X:1\nK:C\n{note}2{'GA'[number % 2]}{number + 2}|\n")
    dataset, _ = prepare(str(folder), tmp_path / "corpora")
    assert dataset.representation.name == "abc"
    texts = {dataset.representation.decode(*dataset.piece(index)).tune.text for index in range(3)}  # type: ignore[attr-defined]
    assert "X:1\nK:C\nC2G2|\n" in texts
    assert next(batches(dataset, "train", 1, 8)).rows.shape[-1] == 1
