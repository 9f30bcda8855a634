"""Where the music of a tune stands between two tokens. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

BETWEEN_ENDINGS = 12


@dataclass(frozen=True)
class Place:
    """Lengths are in unit note lengths."""

    position: Fraction = Fraction(0)
    at_edge: bool = True
    """The bar may be short: a section begins with it."""
    last: str = "line"
    """The kind of the last token: line, folded (a line that goes on), space, bar, number, note,
    bound (a note with others), rest, mark or tie."""
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
    is_open: bool = False
    """A sign has opened a repeat."""
    has_signs: bool = False
    ending: int = 0
    """1 or 2; or BETWEEN_ENDINGS."""
    has_endings: bool = False
    is_closed: bool = False
    """A double bar or a closed repeat has just been written, so that the tune may end."""


def spaces(place: Place) -> set[str]:
    """Return what may divide the token before from the next one."""
    if place.last in {"line", "folded"}:
        return set()
    if place.last == "space":
        return {"\n"}
    return {" ", "\n"} | ({"!"} if place.last == "bar" else set()) | (set() if place.is_closed else {"\\"})


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
