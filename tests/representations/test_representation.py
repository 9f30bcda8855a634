from __future__ import annotations

import json
from typing import Any

import pytest

from midigen.errors import RepresentationError, UsageError
from midigen.representations.representation import find_representation, representation_from_json

NAMES = ["notes", "parts", "chords", "grid", "abc", "miditok:REMI", "miditok:Octuple"]


@pytest.mark.parametrize("name", NAMES)
def test_every_representation_is_found_by_its_name(name: str) -> None:
    assert find_representation(name).fit([], {}).name == name


@pytest.mark.parametrize("name", NAMES)
def test_the_context_begins_with_the_plan(name: str) -> None:
    fitted = find_representation(name).fit([], {})
    assert fitted.context_fields[: len(fitted.plan_fields)] == fitted.plan_fields


@pytest.mark.parametrize("name", NAMES)
def test_every_field_knows_the_columns_it_is_relative_to(name: str) -> None:
    fitted = find_representation(name).fit([], {})
    known = {field.name: field.axis for field in fitted.context_fields}
    for field in fitted.fields:
        assert all(known[other] == field.axis for other in field.relative_to)
        known[field.name] = field.axis


@pytest.mark.parametrize("name", NAMES)
def test_every_representation_comes_back_from_json(name: str) -> None:
    fitted = find_representation(name).fit([], {})
    assert representation_from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="called 'tablature'; choose one of: notes, parts, chords, grid"):
        find_representation("tablature")


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        [],
        None,
        {"name": "grid"},
        {"name": "notes"},
        {"name": "chords"},
        {"name": "abc"},
        {"name": "abc", "characters": "ab"},
        {"name": "notes", "programs": 1, "bars": [3]},
        {"name": "notes", "programs": [0], "bars": [32], "surprise": 1},
        {"name": "grid", "ranges": [[0]], "plans": [], "bpm": 80},
        {"name": "grid", "ranges": [], "plans": [[1, 2]], "bpm": 80},
        {"name": "grid", "ranges": [], "plans": [], "bpm": "fast"},
    ],
)
def test_a_damaged_description_is_refused(damaged: Any) -> None:  # noqa: ANN401  # whatever a file may hold
    with pytest.raises(RepresentationError, match="damaged"):
        representation_from_json(damaged)
