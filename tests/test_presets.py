from __future__ import annotations

import pytest

from midigen.errors import UsageError
from midigen.presets import PRESETS, find_preset
from midigen.representations.notes import Notes
from midigen.representations.representation import find_representation


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_a_representation_there_is(name: str) -> None:
    representation = find_preset(name).representation
    assert find_representation(representation).fit((), {}).name == representation


@pytest.mark.parametrize("tokens", ["notes", "chords", "grid", "abc"])
def test_every_representation_has_a_preset_of_its_own_name(tokens: str) -> None:
    assert find_preset(tokens).representation == tokens


def test_the_published_notes_are_timed_as_finely_as_others_under_both_clocks() -> None:
    for clock in ("quarters", "seconds"):
        published = Notes.fit((), {**find_preset("classic-notes").options, "clock": clock})
        assert published.merged
        assert published.quantum == Notes.fit((), {"clock": clock}).quantum


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no preset called 'opera'; choose one of: grid, grid-large, notes"):
        find_preset("opera")
