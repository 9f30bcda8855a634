"""Where the music of a tune stands between two tokens. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

BETWEEN_ENDINGS = 12
BEFORE_MUSIC = frozenset({"line", "folded", "indent"})

DECORATIONS, BOWS = frozenset("~.TuvH"), frozenset("uv")
BEHIND_MARKS = {"mark": DECORATIONS - BOWS, "bow": DECORATIONS, "grace": frozenset[str](), "text": DECORATIONS | {'"'}}
"""Decorations behind what belongs to the note that follows."""
BEHIND: dict[str, dict[str, Any]] = {
    "\n": {"last": "line"},
    "!": {"last": "line"},
    "\\": {"last": "folded"},
    ")": {"last": "bound", "is_slurred": False},
    "-": {"last": "tie", "is_tied": True},
    "<": {"is_paired": True},
    ">": {"is_paired": True},
    "K": {"last": "line", "is_closed": False},
    "M": {"last": "line", "is_closed": False},
    "{": {"last": "grace"},
    **{bow: {"last": "bow"} for bow in BOWS},
}
"""What the place becomes behind a token; decorations but for bows are marks, which may be played as several notes."""


@dataclass(frozen=True)
class Place:
    """Lengths are in unit note lengths."""

    position: Fraction = Fraction(0)
    at_edge: bool = True
    """The bar may be short: a section begins with it."""
    last: str = "line"
    """The kind of the last token: line, folded (a line that goes on), indent (a space that begins a line), space,
    bar, number, text, note, bound (a note with others), rest, mark or tie."""
    written: Fraction = Fraction(0)
    """Length of the last note."""
    name: str = ""
    """Letter and octave of the last note."""
    is_tied: bool = False
    is_paired: bool = False
    """Behind ``>`` or ``<``: the next note is as long as the last one."""
    tuplet: int = 0
    """Notes of a tuplet that are to come, each ``factor`` as long as written."""
    factor: Fraction = Fraction(1)
    is_slurred: bool = False
    has_chords: bool = False
    """The tune has chord symbols."""
    is_open: bool = False
    """A sign has opened a repeat."""
    has_signs: bool = False
    ending: int = 0
    """1 or 2; or BETWEEN_ENDINGS."""
    has_endings: bool = False
    is_closed: bool = False
    """A double bar or a closed repeat has just been written, so that the tune may end."""


def spaces(place: Place, *, is_late: bool) -> set[str]:
    """Return what may divide the token before from the next one; no line may be empty."""
    if place.last in BEFORE_MUSIC:
        return set() if is_late else {" "}
    more = {" ", "\n"} | ({"!"} if place.last == "bar" else set()) | (set() if place.is_closed else {"\\"})
    return {"\n"} if is_late and place.last == "space" else more


def behind_space(place: Place) -> Place:
    """Return the place behind a space."""
    return replace(place, last="indent" if place.last in BEFORE_MUSIC else "space")


def octaves(letter: str) -> tuple[str, str, str]:
    """Return the octave marks that may stand behind a letter."""
    mark = "'" if letter.islower() else ","
    return "", mark, mark * 2


def behind_bar(place: Place, sign: str) -> Place:
    """Return the place behind a bar line."""
    closes, opens, is_plain = sign in {":|", "::"}, sign in {"|:", "::"}, sign == "|"
    ending = place.ending
    if not is_plain:
        ending = BETWEEN_ENDINGS if closes and place.ending == 1 else 0
    is_open = opens or (place.is_open and not closes)
    return replace(
        place,
        position=Fraction(0),
        at_edge=not is_plain,
        last="bar",
        is_open=is_open,
        has_signs=place.has_signs or closes or opens,
        ending=ending,
        is_closed=not is_plain and not is_open,
    )


def in_ending(place: Place, number: int) -> Place:
    """Return the place behind the number of an ending."""
    return replace(place, ending=number, has_endings=True, at_edge=True, last="number", is_closed=False)
