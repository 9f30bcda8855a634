"""Which character may come next in a tune, so that it stays valid.

Headers come in order, bars hold their metre, repeats and endings balance, and there is an end. What a sign means is the
reader's own (``midigen.formats``): keys, metres, lengths and tuplets are read by its functions, and a bar may be short
where its validator allows it. Left out, because one of the two judges refuses it or leaves it open, are: other lengths
within a tuplet or a chord, ties to another pitch, endings beyond the second, fields in the music but for ``K:``, and
chord symbols, for which abc2midi adds notes that may outlast the tune.

The grammar is a generator: it yields the characters that are legal and is sent the one that was drawn. Where a token
may be complete, what may follow it is legal too, so that a token ends with the first character of the next.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from midigen.formats.abc_music import NORMAL_NOTES, read_length
from midigen.sampling.abc_headers import MAX_TEXT, VALUES, Legal, Steps, choice, header, word
from midigen.sampling.abc_places import BETWEEN_ENDINGS, Place, behind_bar, in_ending, octaves, spaces

END = ""
"""Stands among the legal characters for the end of the tune."""
LENGTHS = ("", *(str(n) for n in range(2, 17)), "/", "/2", "//", "/4", "3/2", "3/", "3/4", "5/2", "7/2")
LETTERS = frozenset("ABCDEFGabcdefg")
NOTE_STARTS = LETTERS | set("^_=")
BRACKETS = {"(": ")", "[": "]", "{": "}"}
DECORATIONS = frozenset("~.TuvH")
BEHIND: dict[str, dict[str, Any]] = {
    " ": {"last": "space"},
    "\n": {"last": "line"},
    "!": {"last": "line"},
    "\\": {"last": "folded"},
    ")": {"last": "bound", "is_slurred": False},
    "-": {"last": "tie", "is_tied": True},
    "<": {"is_paired": True},
    ">": {"is_paired": True},
    "K": {"last": "line", "is_closed": False},
}
"""What the place becomes behind a token; grace notes and decorations are marks."""
MAX_NAMES = 4
"""Of a chord or of grace notes."""

Token = Generator[Legal, str, tuple[Place, str]]
"""Returns the place behind a token and the character that follows it."""


class TuneGrammar:
    """The legal next characters of one tune."""

    def __init__(self, characters: str, longest: int, prompted: int = 0) -> None:
        """Begin a tune of the given characters, which looks for an end so that it is not longer than ``longest``.

        The first ``prompted`` characters are someone's, who need not look for an end.
        """
        self._known = frozenset(characters)
        self._left, self._prompted = longest - MAX_TEXT, prompted
        self._is_late = False
        """Looks for the end; does not change within a token."""
        self._lengths = {text: read_length(text) for text in LENGTHS if self._known.issuperset(text)}
        self._brackets_known = {opens for opens, closes in BRACKETS.items() if self._known.issuperset(opens + closes)}
        self._bar = Fraction(0)
        self._steps = self._tune()
        self.legal = next(self._steps) & self._known
        """Characters that may come next, with ``END`` among them where the tune may end."""

    def advance(self, character: str) -> None:
        """Go on behind a legal character.

        Raises:
            ValueError: it is not legal.
        """
        if character not in self.legal:
            raise ValueError(f"{character!r} is not legal here")
        self._left -= 1
        self._prompted -= 1
        self.legal = self._steps.send(character) & (self._known | {END})

    def _tune(self) -> Generator[Legal, str, None]:
        half = self._left / 2
        said = yield from header(self._known, lambda: self._prompted < 0 and self._left < half)
        self._bar = said.bar
        place = Place()
        drawn = yield self._between(place)
        while True:
            place, drawn = yield from self._token(place, drawn)

    def _between(self, place: Place) -> Legal:
        """Return the characters that may begin a token."""
        self._is_late = self._prompted < 0 and self._left < 0
        left = self._bar - place.position
        if place.last == "mark" or place.is_paired or place.tuplet:
            return NOTE_STARTS
        legal = spaces(place) if place.ending != BETWEEN_ENDINGS or "[" in self._brackets_known else set()
        if place.is_tied:
            return frozenset(legal | ({place.name[0]} if left else {"|"}))
        if place.is_slurred and (not left or self._is_late):
            return frozenset(")")
        signs = {sign[0] for sign in self._signs(place)}
        if self._is_late and place.position:
            return frozenset(signs)
        legal |= signs | self._brackets(place)
        if self._may_sound(place):
            legal |= NOTE_STARTS | {"z", "x"}
            legal |= DECORATIONS | self._brackets_known
            legal -= {"("} if place.is_slurred else set()
            legal |= {"("} if self._tuplets(place) else set()
        if place.is_slurred:
            legal |= {")"}
        if place.last == "note":
            legal |= {"-"} if left or not place.is_slurred else set()
            legal |= {">", "<"} if left >= place.written else set()
        if place.last == "line" and place.is_closed and not place.ending:
            legal |= {END} if self._is_late else {END, "K"}
        return frozenset(legal)

    def _may_sound(self, place: Place) -> bool:
        is_over = self._is_late and place.is_closed
        return place.position < self._bar and place.ending != BETWEEN_ENDINGS and not is_over

    def _next_ending(self, place: Place) -> str:
        """Return the number of the ending that may begin here; empty if none may."""
        if place.position or place.last == "number":
            return ""
        if place.ending == BETWEEN_ENDINGS:
            return "2"
        is_repeat = self._known.issuperset("12:") and (place.is_open or not place.has_signs or place.has_endings)
        return "1" if is_repeat and not (place.ending or place.at_edge or self._is_late) else ""

    def _brackets(self, place: Place) -> set[str]:
        number = self._next_ending(place)
        if not number:
            return set()
        return {number} | self._brackets_known & {"["} if place.last == "bar" else self._brackets_known & {"["}

    def _signs(self, place: Place) -> list[str]:
        """Return the bar lines that may stand here, of the known characters."""
        return [sign for sign in self._possible_signs(place) if self._known.issuperset(sign)]

    def _possible_signs(self, place: Place) -> list[str]:
        if not place.position:
            is_free = place.last in {"line", "space"} and not (place.is_open or place.ending)
            return ["|:"] if is_free and not self._is_late else []
        plain = ["|"] if place.position == self._bar or place.at_edge else []
        if place.is_slurred:
            return []
        if place.is_tied:
            return plain
        if self._is_late:
            return [":|"] if place.is_open or place.ending == 1 else ["|]", "||"]
        if place.ending == 1:
            return [*plain, ":|"]
        opening = [] if place.is_open else ["|:"]
        both = ["::"] if not place.ending and (place.is_open or not place.has_signs) else []
        return [*plain, "||", "|]", ":|", *opening, *both]

    def _token(self, place: Place, drawn: str) -> Token:
        """Yield the ways through the token that begins with ``drawn``."""
        if drawn in "|:":
            return (yield from self._longest({sign: behind_bar(place, sign) for sign in self._signs(place)}, drawn))
        if drawn in NOTE_STARTS or drawn in "zx":
            return (yield from self._note(place, drawn))
        if drawn == "(":
            return (yield from self._tuplet_or_slur(place))
        if drawn == "[":
            return (yield from self._chord_or_ending(place))
        place = yield from self._simple(place, drawn)
        return place, (yield self._between(place))

    def _simple(self, place: Place, drawn: str) -> Generator[Legal, str, Place]:
        """Yield the ways through what is complete by itself."""
        if drawn in "!\\":
            yield from word("\n")
        elif drawn == "K":
            yield from word(":")
            yield from choice(VALUES["K"], self._known)
        elif drawn == "{":
            yield from self._names("}", 1)
        if drawn in "12":
            return in_ending(place, int(drawn))
        return replace(place, **BEHIND.get(drawn, {"last": "mark"}))

    def _longest(self, texts: Mapping[str, Place], drawn: str = "") -> Token:
        """Yield the ways through some texts that begin with ``drawn``, each with the place behind it."""
        while True:
            more = {text[len(drawn)] for text in texts if len(text) > len(drawn) and text.startswith(drawn)}
            behind = self._between(texts[drawn]) if drawn in texts else frozenset[str]()
            character = yield behind | more
            if character not in more:
                return texts[drawn], character
            drawn += character

    def _note(self, place: Place, drawn: str) -> Token:
        """Yield the ways through a note or a rest."""
        if drawn in "zx":
            return (yield from self._longest(self._sounds(place, "", "rest")))
        if place.is_tied:
            yield from word(place.name[1:])
            return (yield from self._longest(self._sounds(place, place.name, "bound")))
        letter = yield from self._letter(drawn)
        kind = "bound" if place.is_paired or place.last == "mark" else "note"
        texts = {
            marks + text: behind
            for marks in octaves(letter)
            for text, behind in self._sounds(place, letter + marks, kind).items()
        }
        return (yield from self._longest(texts))

    def _sounds(self, place: Place, name: str, kind: str) -> dict[str, Place]:
        """Return the lengths for which there is room, as texts, each with the place behind it."""
        room = self._bar - place.position
        is_bound = place.is_paired or (place.tuplet and place.written)
        if place.tuplet:
            kind = "bound"
            room /= place.factor * (1 if is_bound else place.tuplet)
        return {
            text: replace(
                place,
                position=place.position + length * place.factor,
                last=kind,
                written=length if place.tuplet != 1 else Fraction(0),
                name=name,
                is_tied=False,
                is_paired=False,
                tuplet=max(place.tuplet - 1, 0),
                factor=place.factor if place.tuplet > 1 else Fraction(1),
                is_closed=False,
            )
            for text, length in self._lengths.items()
            if (length == place.written if is_bound else length <= room)
        }

    def _letter(self, drawn: str, but: Legal = frozenset()) -> Steps:
        """Yield the ways through an accidental to its letter, which is returned."""
        sign = ""
        while drawn not in LETTERS:
            sign += drawn
            drawn = yield LETTERS - but | ({drawn} if sign in {"^", "_"} else frozenset())
        return drawn

    def _names(self, end: str, least: int) -> Generator[Legal, str, None]:
        """Yield the ways through notes without lengths, all of different letters, and ``end``."""
        used, octave = frozenset[str](), frozenset[str]()
        while True:
            more = NOTE_STARTS - used if len(used) < MAX_NAMES else frozenset[str]()
            drawn = yield more | octave | (frozenset(end) if len(used) >= least else frozenset())
            if drawn == end:
                return
            if drawn in octave:
                octave = frozenset()
                continue
            letter = yield from self._letter(drawn, used)
            used, octave = used | {letter}, frozenset(octaves(letter)[1])

    def _tuplets(self, place: Place) -> Legal:
        """Return the tuplets for which there is room."""
        least, room = min(self._lengths.values()), self._bar - place.position
        return frozenset(str(notes) for notes, time in NORMAL_NOTES.items() if time * least <= room) & self._known

    def _tuplet_or_slur(self, place: Place) -> Token:
        may_slur = "(" in self._brackets_known and not place.is_slurred
        drawn = yield self._tuplets(place) | (NOTE_STARTS if may_slur else frozenset())
        if drawn in NOTE_STARTS:
            return (yield from self._note(replace(place, is_slurred=True), drawn))
        notes = int(drawn)
        factor = Fraction(NORMAL_NOTES[notes], notes)
        place = replace(place, tuplet=notes, factor=factor, written=Fraction(0))
        return place, (yield NOTE_STARTS)

    def _chord_or_ending(self, place: Place) -> Token:
        number = self._next_ending(place)
        can_sound = self._may_sound(place)
        drawn = yield frozenset(number) | (NOTE_STARTS if can_sound else frozenset())
        if drawn == number:
            place = in_ending(place, int(drawn))
            return place, (yield self._between(place))
        yield from self._letter(drawn)
        yield from self._names("]", 1)
        return (yield from self._longest(self._sounds(place, "", "bound")))
