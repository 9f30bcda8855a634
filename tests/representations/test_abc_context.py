"""The context of ABC characters: what the past of a tune tells of the place of its next character."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.representations.abc_characters import AbcCharacters
from midigen.representations.abc_context import CONTEXT_FIELDS, Reading
from midigen.scores.score import Ints

HEADER = "X:1\nT:A tune\nM:6/8\nL:1/8\nK:G\n"
ABC = AbcCharacters("".join(sorted({*map(chr, range(32, 127)), "\n"})) + "\ufffd")
NAMES = [field.name for field in CONTEXT_FIELDS]
TEXTS = (
    st.lists(st.sampled_from(["X:1\n", "M:", "L:1/4\n", "K:G\n", *"AaG, |:[]()\"{}<>/3'^_=%!\n0z"])).map("".join)
    | st.text()
)


def told(text: str, name: str) -> int:
    """Return what a column of the context says behind a text."""
    reading = Reading()
    for character in text:
        reading.add(character)
    return reading.columns()[NAMES.index(name)]


def step_by_step(rows: Ints, plan: Ints) -> Ints:
    contexts = [ABC.first_context(plan[:1])]
    for step, row in enumerate(rows):
        contexts.append(ABC.next_context(contexts[-1], row[None], plan[step + 1 : step + 2]))
    return np.concatenate(contexts)[:, : len(CONTEXT_FIELDS)]


@given(TEXTS)
def test_the_context_of_any_text_is_that_of_its_steps(text: str) -> None:
    rows, plan = ABC.encode_text(text)
    context = ABC.context(rows, plan)
    np.testing.assert_array_equal(context, step_by_step(rows, plan))
    assert (context >= 0).all()
    assert (context < [field.size for field in CONTEXT_FIELDS]).all()


def test_tunes_side_by_side_have_contexts_of_their_own() -> None:
    one, other = (ABC.encode_text(text)[0] for text in (HEADER + "GAB|", HEADER + "G3|:"))
    context = ABC.first_context(np.zeros((2, 0), np.int64))
    for pair in zip(one, other, strict=True):
        context = ABC.next_context(context, np.array(pair), np.zeros((2, 0), np.int64))
    for row, rows in zip(context, (one, other), strict=True):
        assert (
            row[: len(CONTEXT_FIELDS)].tolist()
            == ABC.context(rows, np.zeros((len(rows) + 1, 0), np.int64))[-1].tolist()
        )


@pytest.mark.parametrize(
    ("music", "sixteenths"),
    [
        ("", 0),
        ("G", 2),
        ("G2A", 6),
        ("G/A/", 2),
        ("G3/2", 3),
        ("G//", 1),
        ("G>A", 4),
        ("(3GAB", 4),
        ("[GBd]2", 4),
        ("{g}G", 2),
        ('"Am"G', 2),
        ("z2", 4),
        ("G3A3|", 0),
        ("G3A3|B", 2),
        ("[K:D]G", 2),
        ("G % A", 2),
    ],
)
def test_the_place_in_the_bar_counts_notes_and_rests(music: str, sixteenths: int) -> None:
    assert told(HEADER + music, "place in the bar") == sixteenths


@pytest.mark.parametrize(
    ("music", "bars", "parts"),
    [
        ("G3A3|G3A", 1, 0),
        ("G|G3A3|G3A2:|", 0, 1),
        ("G|G3A3|G3A2", 2, 0),
        ("G6||A6|", 1, 1),
        ("|:G6:|", 0, 1),
        ("G6|A6|1B6:|2", 2, 1),
        ("G6|A6|[1B6:|[2 c6", 3, 1),
        ("G6|A6|[1B6:|[2 c6|]", 0, 1),
        ("G6::", 0, 1),
    ],
)
def test_the_part_is_as_long_as_its_notes_and_a_later_ending_goes_on_with_it(music: str, bars: int, parts: int) -> None:
    assert (told(HEADER + music, "bars of the part"), told(HEADER + music, "parts")) == (bars, parts)


@pytest.mark.parametrize(("key", "note", "letters"), [("G", "G", 0), ("G", "d", 4), ("Dm", "C", -1), ("D", "d'", 14)])
def test_notes_are_counted_in_letters_from_the_tonic(key: str, note: str, letters: int) -> None:
    tonic = told(f"X:1\nK:{key}\n{key[0]}", "last note above the tonic")
    assert told(f"X:1\nK:{key}\n{note}", "last note above the tonic") - tonic == letters


def test_the_tonic_is_the_letter_of_the_key() -> None:
    assert [told(f"X:1\nK:{key}", "letter of the tonic") for key in ("", "C", "Bb", "D Mixolydian")] == [0, 1, 7, 2]


def test_metre_and_unit_are_read_from_the_header_or_as_usual() -> None:
    assert told("X:1\nM:2/4\nK:C\nC", "place in the bar") == 1
    assert told("X:1\nM:C\nK:C\nC", "left of the bar") == 16 - 2 + 1
    assert told("X:1\nM:C\nK:C\nC16C", "left of the bar") == 0
    assert told("X:1\nM:C|\nL:1/4\nK:C\nC", "place in the bar") == 4


def test_kinds_of_text_are_told_apart() -> None:
    texts = ["", "X", "X:1\nT:G", "X:1\nK:G\n", 'X:1\nK:G\n"G', "X:1\nK:G\n{g", "X:1\nK:G\nK:"]
    assert len({told(text, "kind of text") for text in texts}) == len(texts)


def test_the_next_tune_knows_nothing_of_the_last() -> None:
    assert told(HEADER + "G6:|\n" + HEADER, "parts") == 0
