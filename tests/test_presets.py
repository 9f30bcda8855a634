from __future__ import annotations

import pytest

from midigen.errors import UsageError
from midigen.presets import PRESETS, find_preset
from midigen.representations.representation import find_representation


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_a_representation_there_is(name: str) -> None:
    representation = find_preset(name).representation
    assert find_representation(representation).fit((), {}).name == representation


@pytest.mark.parametrize("tokens", ["notes", "chords", "grid"])
def test_every_representation_has_a_preset_of_its_own_name(tokens: str) -> None:
    assert find_preset(tokens).representation == tokens


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no preset called 'opera'; choose one of: grid, grid-large, notes"):
        find_preset("opera")
