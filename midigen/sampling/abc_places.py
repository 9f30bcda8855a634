"""Where the music of a tune stands between two tokens. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

BETWEEN_ENDINGS = 12
LEAST_PART = 4
"""Bars of the shortest part, where a number of bars is wanted."""
MOST_SPACES = 20
"""In a row. One tune of a hundred in the books has more, but copies of themselves would go on and on."""
BEFORE_MUSIC = frozenset({"line", "folded", "indent"})

DECORATIONS, BOWS = frozenset("~.TuvH"), frozenset("uv")
BEHIND_MARKS = {
    "mark": DECORATIONS - BOWS,
    "bow": DECORATIONS,
    "marks": frozenset[str](),
    "grace": frozenset[str](),
    "text": DECORATIONS | {'"'},
    "texts": DECORATIONS,
}
"""Decorations behind what belongs to the note that follows: as in the books, two in a row at most, and two texts."""
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
    bar, number, text, texts (two), note, bound (a note with others), rest, mark, marks (two), bow, grace or tie."""
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
    bars: int = 0
    """Bars so far, without pick-ups; a second ending begins where the first one did."""
    bars_before: int = 0
    """The same where the first ending began."""


def spaces(place: Place, before: int, *, is_late: bool) -> set[str]:
    """Return what may divide the token before from the next one, behind so many spaces; no line may be empty."""
    space = {" "} if before < MOST_SPACES else set[str]()
    if place.last in BEFORE_MUSIC:
        return set() if is_late else space
    more = space | {"\n"} | ({"!"} if place.last == "bar" else set()) | (set() if place.is_closed else {"\\"})
    return {"\n"} if is_late and place.last == "space" else more


def behind_space(place: Place) -> Place:
    """Return the place behind a space."""
    return replace(place, last="indent" if place.last in BEFORE_MUSIC else "space")


def behind_sign(place: Place, sign: str) -> Place:
    """Return the place behind a decoration or another sign of one character."""
    return replace(
        place, **({"last": "marks"} if place.last in {"mark", "bow"} else BEHIND.get(sign, {"last": "mark"}))
    )


def octaves(letter: str) -> tuple[str, str, str]:
    """Return the octave marks that may stand behind a letter."""
    mark = "'" if letter.islower() else ","
    return "", mark, mark * 2


def ends_bar(place: Place, bar: Fraction) -> bool:
    """Return whether a bar line here would end a bar of that length, or a short one that is no pick-up."""
    return place.position > 0 and (place.position == bar or place.ending > 0 or not place.at_edge)


def possible_signs(place: Place, bar: Fraction, wanted: float, parts: int, *, is_late: bool) -> list[str]:
    """Return the bar lines that may stand at a place.

    Args:
        place: there.
        bar: length of the bar.
        wanted: bars from this one to the end.
        parts: at a multiple of so many bars from the end a part may end.
        is_late: whether the tune must come to its end.
    """
    left = wanted - ends_bar(place, bar)
    is_inside = left < LEAST_PART or (left < math.inf and left % parts > 0)
    if not place.position:
        is_free = place.last in {"line", "space"} and not (place.is_open or place.ending)
        return ["|:"] if is_free and not is_late and not (is_inside and place.bars) else []
    plain = ["|"] if place.position == bar or place.at_edge else []
    # abc2midi lets the chords of a short bar outlast the tune, which is an error.
    if place.is_slurred:
        return []
    if place.is_tied or (place.has_chords and place.position < bar):
        return plain if left > 0 else []
    if is_late or left <= 0:
        return [":|"] if place.is_open or place.ending == 1 else ["|]", "||"]
    if is_inside:
        return plain
    opening = [] if place.is_open else ["|:"]
    both = ["::"] if not place.ending and (place.is_open or not place.has_signs) else []
    # Else the repeat would stay open at what sounds like the end.
    double = [] if place.is_open else ["||", "|]"]
    return [*plain, ":|"] if place.ending == 1 else [*plain, *double, ":|", *opening, *both]


def behind_bar(place: Place, sign: str, bar: Fraction) -> Place:
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
        bars=place.bars + ends_bar(place, bar),
    )


def next_ending(place: Place, *, is_late: bool, has_repeats: bool) -> str:
    """Return the number of the ending that may begin here; empty if none may."""
    if place.position or place.last == "number":
        return ""
    if place.ending == BETWEEN_ENDINGS:
        return "2"
    is_repeat = has_repeats and (place.is_open or not place.has_signs or place.has_endings)
    return "1" if is_repeat and not (place.ending or place.at_edge or is_late) else ""


def in_ending(place: Place, number: int) -> Place:
    """Return the place behind the number of an ending."""
    bars = place.bars if number == 1 else place.bars_before
    place = replace(place, bars=bars, bars_before=bars)
    return replace(place, ending=number, has_endings=True, at_edge=True, last="number", is_closed=False)
