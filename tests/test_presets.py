from __future__ import annotations

import pytest

from midigen.errors import UsageError
from midigen.presets import PRESETS, family, find_preset
from midigen.representations.notes import Notes
from midigen.representations.representation import find_representation


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_a_representation_there_is(name: str) -> None:
    representation = find_preset(name).representation
    assert find_representation(representation).fit((), {}).name == representation


@pytest.mark.parametrize("tokens", ["notes", "parts", "chords", "grid", "abc"])
def test_every_representation_has_a_preset_of_its_own_name(tokens: str) -> None:
    assert find_preset(tokens).representation == tokens


def test_the_tokenizers_of_miditok_are_served_by_the_presets_of_notes() -> None:
    assert (family("miditok:REMI"), family("grid")) == ("notes", "grid")


def test_the_published_notes_count_eighths_under_both_clocks() -> None:
    for clock in ("quarters", "seconds"):
        published = Notes.fit((), {**find_preset("classic-notes").options, "clock": clock})
        assert (published.clock, published.quantum, published.merged) == (clock, 8, True)


def test_another_optimizer_comes_with_a_rate_of_its_own_and_without_a_decay_meant_for_adamw() -> None:
    grid, notes = find_preset("grid"), find_preset("classic-notes")
    assert (
        grid.training_with({"clip": 2.0}).weight_decay == grid.training_with({"optimizer": "adamw"}).weight_decay == 0.2
    )
    assert grid.training_with({"optimizer": "sgd"}).weight_decay == 0
    assert notes.training_with({"optimizer": "adam"}) == notes.training
    other = notes.training_with({"optimizer": "rmsprop", "learning_rate": 0.1})
    assert (other.learning_rate, other.weight_decay) == (0.1, 0)
    assert notes.training_with({"optimizer": "rmsprop"}).learning_rate is None


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match="no preset called 'opera'; choose one of: grid, grid-large, jsb-record, notes"
    ):
        find_preset("opera")
