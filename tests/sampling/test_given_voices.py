from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midigen.checkpoints.run import Checkpoint
from midigen.errors import UsageError
from midigen.representations.grid_plan import FERMATA, MODE, TONIC
from midigen.sampling.given_voices import lay_out, voices_of
from midigen.scores.score import Key, Part, Score
from tests import tiny


def parts(*names: str) -> Score:
    """A piece with a note for each name, the first the lowest."""
    notes = [(0, 480, 40 + 5 * number, 80, number) for number in range(len(names))]
    return Score.from_notes(notes, parts=tuple(map(Part, names)))


def test_parts_go_by_their_names_in_any_order() -> None:
    assert voices_of(parts("Bass", "soprano "), None) == {"bass": 0, "soprano": 1}
    assert voices_of(parts("Bass", "Soprano"), ["soprano"]) == {"soprano": 1}
    assert voices_of(parts("Bass", "Soprano"), ["soprano", "bass"]) == {"soprano": 1, "bass": 0}


def test_a_single_part_is_the_soprano_unless_it_is_said_to_be_another() -> None:
    assert voices_of(parts("Fiddle"), None) == {"soprano": 0}
    assert voices_of(parts("Fiddle"), ["bass"]) == {"bass": 0}


def test_parts_without_a_voices_name_are_named_in_their_order() -> None:
    assert voices_of(parts("Piano", "Flute"), ["bass", "alto"]) == {"bass": 0, "alto": 1}
    with pytest.raises(UsageError, match=r"The piece has 2 parts with notes: say which voices they are"):
        voices_of(parts("Piano", "Flute"), None)


def test_four_parts_are_the_voices_by_where_they_lie() -> None:
    assert voices_of(parts("", "", "", ""), None) == {"soprano": 3, "alto": 2, "tenor": 1, "bass": 0}
    assert voices_of(parts("", "", "", ""), ["alto"]) == {"alto": 2}


def test_drums_and_empty_parts_are_no_voices() -> None:
    score = Score.from_notes([(0, 480, 60, 80, 1), (0, 480, 36, 80, 2)], parts=(Part(), Part(), Part("", 0, True)))
    assert voices_of(score, None) == {"soprano": 1}


def test_drums_alone_and_more_than_four_parts_are_refused() -> None:
    drums = Score.from_notes([(0, 480, 36, 80, 0)], parts=(Part("", 0, True),))
    with pytest.raises(UsageError, match=r"no notes but those of drums"):
        voices_of(drums, None)
    with pytest.raises(UsageError, match=r"5 parts with notes: name one of at most four"):
        voices_of(parts("", "", "", "", ""), ["soprano"])


def test_a_voice_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"The piece has no tenor; its voices are: bass, soprano\."):
        voices_of(parts("Bass", "Soprano"), ["tenor"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Learned from hymns in D major that have fermatas."""
    folder = tmp_path_factory.mktemp("model")
    hymns = [replace(tiny.hymn(seed), keys=(Key(0, 2, "major"),)) for seed in range(2)]
    data = tiny.dataset(folder, hymns, "grid", "tt")
    return Checkpoint(folder, {"name": "tiny"}, data.representation, tiny.network(data))


MELODY = Score.from_notes(
    [(0, 480, 67, 80, 0), (480, 480, 71, 80, 0), (960, 960, 74, 80, 0), (1920, 480, 69, 80, 0), (2400, 480, 67, 80, 0)]
)


def test_what_a_melody_does_not_say_is_guessed_and_said(model: Checkpoint) -> None:
    given = lay_out(model, MELODY, {"soprano": 0})
    assert given.remarks[:3] == (
        "No metre is given: it is taken to be 4/4.",
        "The key is taken to be G major.",
        "No fermatas are given: phrases are taken to end with long notes.",
    )
    assert (given.plan[:, FERMATA] == 0).nonzero()[0].tolist() == [8, 20]
    assert (given.plan[0, MODE], (given.plan[0, TONIC] - given.semitones + 33) % 12) == (1, 7)
    assert given.original.fermatas == ()


def test_what_it_says_holds(model: Checkpoint) -> None:
    said = replace(MELODY, keys=(Key(0, -1, "minor"),), fermatas=(480,))
    given = lay_out(model, said, {"soprano": 0})
    assert not any("key" in remark or "fermata" in remark for remark in given.remarks)
    assert (given.plan[0, MODE], (given.plan[0, TONIC] - given.semitones + 33) % 12) == (2, 2)
    assert (given.plan[:, FERMATA] == 0).nonzero()[0].tolist() == [4]


def test_a_model_that_has_learned_no_keys_and_fermatas_is_told_none(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [replace(tiny.hymn(1), fermatas=())], "grid", "t")
    model = Checkpoint(tmp_path, {"name": "tiny"}, data.representation, tiny.network(data))
    given = lay_out(model, replace(MELODY, keys=(Key(0, -1, "minor"),), fermatas=(480,)), {"soprano": 0})
    assert not (given.plan[:, MODE]).any()
    assert (given.plan[:, FERMATA] > 0).all()
    assert given.original.keys == (Key(0, -1, "minor"),)
