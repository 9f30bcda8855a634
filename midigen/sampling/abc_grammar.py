"""Which character may come next in a tune, so that it stays valid.

Headers come in order, bars hold their metre, repeats and endings balance, and there is an end. What a sign means is the
reader's own (``midigen.formats``): keys, metres, lengths and tuplets are read by its functions, and a bar may be short
where its validator allows it, but not in a tune with chord symbols. Left out, because one of the two judges refuses it
or leaves it open, or because the collections hardly have it, are: other lengths within a tuplet or a chord, ties to
another pitch, endings beyond the second, fields in the music but for ``K:`` and ``M:``, and remarks before a bar line.
Slurs end within their bar: a network that opens one by mistake would else not come to an end.

The grammar is a generator: it yields the characters that are legal and is sent the one that was drawn. Where a token
may be complete, what may follow it is legal too, so that a token ends with the first character of the next.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import replace
from fractions import Fraction

from midigen.formats.abc_fields import parse_metre
from midigen.formats.abc_music import NORMAL_NOTES, read_length
from midigen.sampling.abc_headers import MAX_TEXT, UNEQUAL, Legal, header, quoted, value, word
from midigen.sampling.abc_names import LETTERS, NOTE_STARTS, letter, names
from midigen.sampling.abc_places import (
    BEHIND_MARKS,
    BETWEEN_ENDINGS,
    BOWS,
    DECORATIONS,
    Place,
    behind_bar,
    behind_sign,
    behind_space,
    in_ending,
    next_ending,
    octaves,
    possible_signs,
    spaces,
)

END = ""
"""Stands among the legal characters for the end of the tune."""
LENGTHS = ("", *(str(n) for n in range(2, 17)), "/", "/2", "//", "/4", "3/2", "3/", "3/4", "5/2", "7/2")
BRACKETS = {"(": ")", "[": "]", "{": "}"}

Token = Generator[Legal, str, tuple[Place, str]]
"""Returns the place behind a token and the character that follows it."""


class TuneGrammar:
    """The legal next characters of one tune."""

    def __init__(
        self, characters: str, longest: int, prompted: int = 0, bars: int | None = None, *, closes: bool = False
    ) -> None:
        """Begin a tune of the given characters, which looks for an end so that it is not longer than ``longest``.

        The first ``prompted`` characters are someone's, who need not look for an end. Behind them come ``bars`` bars
        as they are written, if that is no None; pick-ups do not count, and a second ending as much as the first. With
        ``closes`` it is the tonic that fills the last of them, but in chords and in tuplets with no room behind.
        """
        self._bars = self._last = math.inf if bars is None else bars
        """Bars behind the prompt, and number of the last one."""
        self._parts = math.gcd(bars or 1, 8)
        """Parts have a multiple of so many bars."""
        self._closes, self._tonic, self._metre_field = closes, frozenset[str](), ""
        self._known = frozenset(characters)
        self._left, self._prompted, self._spaces = longest - MAX_TEXT, prompted, 0
        """Characters to come, of the tune and of the prompt, and spaces just drawn in a row."""
        self._is_late = self._is_given = False
        """Looks for the end; begins the next token in the prompt. Neither changes within a token."""
        self._lengths = {text: read_length(text) for text in LENGTHS if self._known.issuperset(text)}
        self._brackets_known = {opens for opens, closes in BRACKETS.items() if self._known.issuperset(opens + closes)}
        self._bar = self._unit = Fraction(0)
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
        self._spaces = self._spaces + 1 if character == " " and self._prompted < 0 else 0
        self.legal = self._steps.send(character) & (self._known | {END})

    def _tune(self) -> Generator[Legal, str, None]:
        half = self._left / 2
        said = yield from header(self._known, lambda: self._prompted < 0 and self._left < half)
        self._bar, self._unit, self._tonic = said.bar, said.unit_length, frozenset(said.key[0] + said.key[0].lower())
        # Without L: it is left open whether the unit changes with the metre, and a hornpipe must stay one.
        self._metre_field = "M" if said.unit and not said.is_hornpipe else ""
        self._known -= UNEQUAL if said.is_hornpipe else frozenset()
        place = Place()
        drawn = yield self._between(place)
        while True:
            place, drawn = yield from self._token(place, drawn)

    def _look_ahead(self, place: Place) -> None:
        if self._prompted >= 0:
            self._last = self._bars + place.bars + (place.position > 0)
        self._is_given = self._prompted > 0
        self._is_late = self._prompted < 0 and (self._left < 0 or place.bars >= self._last)

    def _between(self, place: Place) -> Legal:
        """Return the characters that may begin a token."""
        self._look_ahead(place)
        left = self._bar - place.position
        if place.last in BEHIND_MARKS or place.is_paired or place.tuplet:
            more = BOWS if place.is_paired else BEHIND_MARKS.get(place.last, DECORATIONS)
            if place.last in {"grace", "text", "texts"}:
                more |= self._openings(place)
            return self._starts(place) | (frozenset() if self._is_late else more)
        may_pause = place.ending != BETWEEN_ENDINGS or "[" in self._brackets_known
        may_pause &= place.last != "space" or not self._goes_on(place)
        legal = spaces(place, self._spaces, is_late=self._is_late) if may_pause else set()
        if place.is_tied:
            return frozenset(legal | ({place.name[0]} if left else {"|"}))
        if place.is_slurred and (not left or self._is_late):
            return frozenset(")")
        signs = {sign[0] for sign in self._signs(place)}
        if (self._is_late and place.position) or (not left and self._is_last(place)):
            return frozenset(signs) or NOTE_STARTS | {"z"}
        legal |= signs | self._brackets(place)
        if self._may_sound(place):
            legal |= {"z", "x"} | self._starts(place)
            legal |= DECORATIONS | {'"'} | (self._brackets_known - {"("}) | self._openings(place)
        legal |= {")"} if place.is_slurred else set()
        if place.last == "note":
            legal |= {"-"} if left or not (place.is_slurred or self._is_last(place)) else set()
            legal |= {">", "<"} if left >= place.written else set()
        if place.last == "line" and place.is_closed and not place.ending:
            legal |= {END} if self._is_late or self._bars == math.inf else set()
            legal |= set() if self._is_late else {"K", *self._metre_field}
        return frozenset(legal)

    def _is_last(self, place: Place) -> bool:
        """Return whether the bar is the last one that is wanted, or a pick-up to it."""
        return place.bars + 1 == self._last and not self._is_given

    def _may_fill(self, place: Place, name: str) -> bool:
        """Return whether a note of that name, or a rest without one, may be the last one of its bar."""
        return not (self._closes and self._is_last(place)) or (name or place.name)[:1] in self._tonic

    def _starts(self, place: Place) -> Legal:
        """Return how a note may begin: as the tonic, if it is to fill a last bar that closes."""
        is_free = self._bar - place.position > (place.written if place.is_paired else 1) or place.tuplet
        return NOTE_STARTS if is_free or not (self._closes and self._is_last(place)) else self._tonic

    def _goes_on(self, place: Place) -> bool:
        """Return whether the bar has room for another note and must have one."""
        return not (place.position == self._bar or self._is_late or self._may_fill(place, ""))

    def _openings(self, place: Place) -> Legal:
        """Return ``(`` where a slur or a tuplet may begin."""
        may_begin = self._may_slur(place) or (self._tuplets(place) and not place.tuplet)
        return frozenset("(" if may_begin and not place.is_paired else "")

    def _may_slur(self, place: Place) -> bool:
        return "(" in self._brackets_known and not (place.is_slurred or place.tuplet)

    def _may_sound(self, place: Place) -> bool:
        is_over = self._is_late and place.is_closed
        return place.position < self._bar and place.ending != BETWEEN_ENDINGS and not is_over

    def _next_ending(self, place: Place) -> str:
        return next_ending(place, is_late=self._is_late, has_repeats=self._known.issuperset("12:"))

    def _brackets(self, place: Place) -> set[str]:
        number = self._next_ending(place)
        if not number:
            return set()
        return {number} | self._brackets_known & {"["} if place.last == "bar" else self._brackets_known & {"["}

    def _signs(self, place: Place) -> dict[str, Place]:
        """Return the bar lines that may stand here, of the known characters, each with the place behind it."""
        if self._goes_on(place):
            return {}
        wanted = math.inf if self._is_given else self._last - place.bars
        signs = possible_signs(place, self._bar, wanted, self._parts, is_late=self._is_late)
        return {sign: behind_bar(place, sign, self._bar) for sign in signs if self._known.issuperset(sign)}

    def _token(self, place: Place, drawn: str) -> Token:
        """Yield the ways through the token that begins with ``drawn``."""
        if drawn in "|:":
            return (yield from self._longest(self._signs(place), drawn))
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
        elif drawn == " ":
            return behind_space(place)
        elif drawn in "KM":
            yield from word(":")
            said = yield from value(drawn, self._known)
            self._bar = parse_metre(said).bar / self._unit if drawn == "M" else self._bar
            self._tonic = frozenset(said[0] + said[0].lower()) if drawn == "K" else self._tonic
        elif drawn == '"':
            text = yield from quoted(self._known)
            last = "texts" if place.last == "text" else "text"
            return replace(place, last=last, has_chords=place.has_chords or text[0] in LETTERS)
        elif drawn == "{":
            yield from names("}")
        if drawn in "12":
            return in_ending(place, int(drawn))
        return behind_sign(place, drawn)

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
        name = yield from letter(drawn)
        kind = "bound" if place.is_paired or place.last in {"mark", "marks", "grace"} else "note"
        texts = {
            marks + text: behind
            for marks in octaves(name)
            for text, behind in self._sounds(place, name + marks, kind).items()
        }
        return (yield from self._longest(texts))

    def _sounds(self, place: Place, name: str, kind: str) -> dict[str, Place]:
        """Return the lengths for which there is room, as texts, each with the place behind it."""
        room = self._bar - place.position
        is_bound = place.is_paired or (place.tuplet and place.written)
        if place.tuplet:
            kind = "bound"
            room /= place.factor * (1 if is_bound else place.tuplet)
        fits = {text: length for text, length in self._lengths.items() if length <= room}
        if is_bound:
            fits = {text: length for text, length in fits.items() if length == place.written}
        elif not self._may_fill(place, "z" if place.tuplet else name):
            fits = {text: length for text, length in fits.items() if length < room} or fits
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
            for text, length in fits.items()
        }

    def _tuplets(self, place: Place) -> Legal:
        """Return the tuplets for which there is room."""
        least, room = min(self._lengths.values()), self._bar - place.position
        return frozenset(str(notes) for notes, time in NORMAL_NOTES.items() if time * least <= room) & self._known

    def _tuplet_or_slur(self, place: Place) -> Token:
        may_slur, tuplets = self._may_slur(place), self._tuplets(place)
        more = (frozenset() if place.last == "grace" else DECORATIONS) | frozenset("(" if tuplets else "")
        drawn = yield tuplets | (self._starts(place) | more if may_slur else frozenset())
        if drawn not in tuplets:
            return (yield from self._token(replace(place, is_slurred=True, last="slur"), drawn))
        notes = int(drawn)
        place = replace(place, tuplet=notes, factor=Fraction(NORMAL_NOTES[notes], notes), written=Fraction(0))
        return place, (yield NOTE_STARTS | DECORATIONS)

    def _chord_or_ending(self, place: Place) -> Token:
        number = self._next_ending(place)
        drawn = yield frozenset(number) | (NOTE_STARTS if self._may_sound(place) else frozenset())
        if drawn == number:
            place = in_ending(place, int(drawn))
            return place, (yield self._between(place))
        yield from letter(drawn)
        yield from names("]")
        return (yield from self._longest(self._sounds(place, "", "bound")))
