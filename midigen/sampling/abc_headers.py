"""Which character may come next in the header of a tune. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from midigen.errors import SamplingError
from midigen.formats.abc_fields import FIFTHS, default_length, parse_key, parse_length, parse_metre

Legal = frozenset[str]
Steps = Generator[Legal, str, str]
"""Yields the legal characters, is sent the one that was drawn, and returns the text or the next character."""

FREE_FIELDS = frozenset("TCZNORSBADFGHI")
MAX_FREE_FIELDS, MAX_TEXT, MAX_QUOTED = 12, 100, 30
HORNPIPE = "hornpipe"
HORNPIPE_METRES = ("2/4", "4/4", "C")
"""In others abc2midi refuses a hornpipe."""
UNEQUAL = frozenset(".H")
"""Decorations at which it refuses the broken rhythm that it gives a hornpipe."""
METRES = ("C", "C|", *(f"{n}/{d}" for n, d in product((2, 3, 4, 5, 6, 7, 9, 12), (2, 4, 8, 16))))
UNITS = ("1/4", "1/8", "1/16")
MODES = ("", "m", "maj", "min", "dor", "mix", "phr", "lyd", "Dor", "Mix", "Maj", "Min", "Phr", "Lyd")
SPELLED_MODES = ("Major", "Minor", "Dorian", "Mixolydian", "Phrygian", "Lydian", "major", "minor", "dorian")
KEYS = tuple(
    "".join(parts)
    for parts in product(FIFTHS, ("", "#", "b"), (*MODES, *(f" {mode}" for mode in SPELLED_MODES)))
    if abs(parse_key("".join(parts)).sharps) <= 7
)
TEMPOS = tuple(f"{beat}={bpm}" for beat, bpm in product(("1/4", "3/8", "1/2", "1/8"), range(40, 301))) + tuple(
    map(str, range(40, 301))
)
DIGITS, MAX_DIGITS = frozenset("0123456789"), 5
SYMBOLS = tuple(
    "".join(parts) for parts in product("ABCDEFG", ("", "#", "b"), ("", "m", "7", "m7", "maj7", "6", "dim"))
) + tuple("01234")
REMARKS = ("^", "_")
"""What a remark above or below the stave begins with."""
VALUES = {"M": METRES, "L": UNITS, "Q": TEMPOS, "K": KEYS}


@dataclass
class Header:
    """What the header has said so far."""

    seen: str = ""
    metre: str = "4/4"
    unit: str = ""
    key: str = ""
    is_hornpipe: bool = False

    @property
    def unit_length(self) -> Fraction:
        """The unit note length in whole notes."""
        return parse_length(self.unit) if self.unit else default_length(parse_metre(self.metre))

    @property
    def bar(self) -> Fraction:
        """Length of a bar in unit note lengths."""
        return parse_metre(self.metre).bar / self.unit_length

    def names(self) -> Legal:
        """Return the fields that may come next: X, free text with T in it, then any, and K last and not before M."""
        if not self.seen:
            return frozenset("X")
        free = FREE_FIELDS if sum(name in FREE_FIELDS for name in self.seen) < MAX_FREE_FIELDS else frozenset[str]()
        if "T" not in self.seen:
            return free | frozenset("T")
        return free | (frozenset("MLQ") - set(self.seen)) | (frozenset("K") if "M" in self.seen else frozenset())


def header(known: Legal, is_late: Callable[[], bool]) -> Generator[Legal, str, Header]:
    """Yield the ways through a header, of the characters that are known; return what it says.

    Once it is late, lines of free text end, and only the fields that must be there begin.

    Raises:
        SamplingError: a field has no value that can be spelled.
    """
    said = Header()
    while "K" not in said.seen:
        names = said.names()
        if is_late() and said.seen:
            names &= frozenset("T" if "T" not in said.seen else "K" if "M" in said.seen else "M")
        name = yield names
        yield from word(":")
        said.seen += name
        if name in FREE_FIELDS:
            refuses = name == "R" and "M" in said.seen and said.metre not in HORNPIPE_METRES
            text = yield from _free_text(known, is_late, HORNPIPE if refuses else "", may_be_empty=name != "T")
            said.is_hornpipe |= name == "R" and text.lower().startswith(HORNPIPE)
        elif name == "X":
            yield from _number()
        elif name == "M":
            said.metre = yield from value("M", known, HORNPIPE_METRES if said.is_hornpipe else METRES)
        elif name == "L":
            said.unit = yield from value("L", known)
        elif name == "K":
            said.key = yield from value("K", known)
        else:
            yield from value(name, known)
    return said


def word(text: str) -> Steps:
    """Yield the only way through a text."""
    for character in text:
        yield frozenset(character)
    return text


def value(name: str, known: Legal, among: Iterable[str] | None = None) -> Steps:
    """Yield the ways through the value of a field, to its line feed; return the one that was drawn, stripped.

    Raises:
        SamplingError: the known characters spell none.
    """
    texts = VALUES[name] if among is None else among
    left = [f"{space}{text}\n" for text in texts for space in ("", " ") if known.issuperset(space + text)]
    if not left:
        raise SamplingError(
            f"The model learned from tunes whose characters spell no {name}: field that is legal: train it on tunes "
            "with complete headers, or use --no-constrain."
        )
    for place in range(max(map(len, left))):
        character = yield frozenset(text[place] for text in left)
        left = [text for text in left if text[place] == character]
        if character == "\n":
            break
        left = [text for text in left if len(text) > place + 1]
    return left[0].strip()


def quoted(known: Legal) -> Steps:
    """Yield the ways through a chord symbol, a fingering or a remark (``^Fine``), and the quotation mark behind it."""
    symbols = [f'{symbol}"' for symbol in SYMBOLS if known.issuperset(symbol)]
    free, text = _printable(known) - set('";'), ""
    while not text.endswith('"'):
        if text[:1] in REMARKS:
            legal = frozenset('"') | (free if len(text) < MAX_QUOTED else frozenset())
        else:
            legal = frozenset(symbol[len(text)] for symbol in symbols if symbol.startswith(text))
        text += yield legal if text else legal | frozenset(REMARKS)
    return text


def _printable(known: Legal) -> Legal:
    return frozenset(character for character in known if character.isprintable() and character not in "%\\\ufffd")


def _number() -> Steps:
    """Yield the ways through a number above 0 and its line feed."""
    text = ""
    while True:
        more = DIGITS | (frozenset() if text else {" "}) if len(text) < MAX_DIGITS else frozenset("1" * (not int(text)))
        character = yield more | frozenset("\n" if text.strip("0 ") else "")
        if character == "\n":
            return text
        text += character


def _free_text(known: Legal, is_late: Callable[[], bool], without: str, *, may_be_empty: bool) -> Steps:
    """Yield the ways through a line of text that does not begin with the word ``without``."""
    printable, text = _printable(known), ""
    while True:
        begun = text.strip().lower()
        is_over = len(text) == MAX_TEXT or (begun and is_late())
        legal = frozenset[str]() if is_over else printable
        if not begun and (is_late() or len(text) == MAX_TEXT - 1):
            legal -= {" "}
        if without and begun == without[:-1]:
            legal -= {without[-1], without[-1].upper()}
        character = yield legal | (frozenset("\n") if begun or may_be_empty else frozenset())
        if character == "\n":
            return text.strip()
        text += character
