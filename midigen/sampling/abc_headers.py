"""Which character may come next in the header of a tune. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from midigen.formats.abc_fields import FIFTHS, default_length, parse_key, parse_length, parse_metre

Legal = frozenset[str]
Steps = Generator[Legal, str, str]
"""Yields the legal characters, is sent the one that was drawn, and returns the text or the next character."""

FREE_FIELDS = frozenset("TCZNORSBADFGH")
MAX_FREE_FIELDS, MAX_TEXT = 12, 100
HORNPIPE = "hornpipe"
HORNPIPE_METRES = ("2/4", "4/4", "C")
"""In others abc2midi refuses a hornpipe."""
METRES = ("C", "C|", *(f"{n}/{d}" for n, d in product((2, 3, 4, 5, 6, 7, 9, 12), (2, 4, 8, 16))))
UNITS = ("1/4", "1/8", "1/16")
MODES = ("", "m", "maj", "min", "dor", "mix", "phr", "lyd", "Dor", "Mix", "Maj", "Min", "Phr", "Lyd")
SPELLED_MODES = ("Major", "Minor", "Dorian", "Mixolydian", "Phrygian", "Lydian", "major", "minor", "dorian")
KEYS = tuple(
    "".join(parts)
    for parts in product(FIFTHS, ("", "#", "b"), (*MODES, *(f" {mode}" for mode in SPELLED_MODES)))
    if abs(parse_key("".join(parts)).sharps) <= 7
)
TEMPOS = tuple(f"{beat}={bpm}" for beat, bpm in product(("1/4", "3/8", "1/2", "1/8"), range(40, 301)))
NUMBERS = tuple(str(number) for number in range(1, 10_000))
VALUES = {
    name: tuple(space + value for value in values for space in ("", " "))
    for name, values in {"X": NUMBERS, "M": METRES, "L": UNITS, "Q": TEMPOS, "K": KEYS}.items()
}


@dataclass
class Header:
    """What the header has said so far."""

    seen: str = ""
    metre: str = "4/4"
    unit: str = ""
    is_hornpipe: bool = False

    @property
    def bar(self) -> Fraction:
        """Length of a bar in unit note lengths."""
        meter = parse_metre(self.metre)
        return meter.bar / (parse_length(self.unit) if self.unit else default_length(meter))

    def names(self) -> Legal:
        """Return the fields that may come next: X, T, then any, and K last and not before M."""
        if not self.seen:
            return frozenset("X")
        if "T" not in self.seen:
            return frozenset("T")
        free = FREE_FIELDS if sum(name in FREE_FIELDS for name in self.seen) < MAX_FREE_FIELDS else frozenset[str]()
        return free | (frozenset("MLQ") - set(self.seen)) | (frozenset("K") if "M" in self.seen else frozenset())


def header(known: Legal, is_late: Callable[[], bool]) -> Generator[Legal, str, Header]:
    """Yield the ways through a header, of the characters that are known; return what it says.

    Once it is late, lines of free text end, and no new ones begin.
    """
    said = Header()
    while "K" not in said.seen:
        names = said.names()
        name = yield names - FREE_FIELDS if is_late() and len(said.seen) > 1 else names
        yield from word(":")
        said.seen += name
        if name in FREE_FIELDS:
            refuses = name == "R" and "M" in said.seen and said.metre not in HORNPIPE_METRES
            text = yield from _free_text(known, is_late, without=HORNPIPE if refuses else "")
            said.is_hornpipe |= name == "R" and text.lower().startswith(HORNPIPE)
        elif name == "M":
            metres = [v for v in VALUES["M"] if not said.is_hornpipe or v.strip() in HORNPIPE_METRES]
            said.metre = yield from choice(metres, known)
        elif name == "L":
            said.unit = yield from choice(VALUES["L"], known)
        else:
            yield from choice(VALUES[name], known)
    return said


def word(text: str) -> Steps:
    """Yield the only way through a text."""
    for character in text:
        yield frozenset(character)
    return text


def choice(texts: Iterable[str], known: Legal) -> Steps:
    """Yield the ways through some texts, each with a line feed behind it; return the one that was drawn, stripped."""
    left = [f"{text}\n" for text in texts if known.issuperset(text)]
    for place in range(max(map(len, left))):
        character = yield frozenset(text[place] for text in left)
        left = [text for text in left if text[place] == character]
        if character == "\n":
            break
        left = [text for text in left if len(text) > place + 1]
    return left[0].strip()


def _free_text(known: Legal, is_late: Callable[[], bool], without: str) -> Steps:
    """Yield the ways through a line of text that does not begin with the word ``without``."""
    printable = frozenset(character for character in known if character.isprintable() and character not in "%\\\ufffd")
    text = ""
    while True:
        begun = text.strip().lower()
        legal = printable if len(text) < MAX_TEXT and not (begun and is_late()) else frozenset[str]()
        if without and begun == without[:-1]:
            legal -= {without[-1], without[-1].upper()}
        character = yield legal | (frozenset("\n") if begun else frozenset())
        if character == "\n":
            return text.strip()
        text += character
