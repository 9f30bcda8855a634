"""What the past of a tune in ABC notation tells of the place where its next character goes.

One pass over the characters, which keeps some whole numbers and is at home in any text: what it does not know it passes
over. It counts as ``midigen.evaluation.tune_form`` does: a part ends at a repeat sign or a double bar, its length is
that of its notes, and a later ending goes on where the first one began. Simplified is what hardly matters here: an
accidental does not change the degree, several voices count as one, fields within the music are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from midigen.fields import Field
from midigen.formats.abc_music import NORMAL_NOTES

WHOLE = 1536
"""Ticks of a whole note: 1/128 and triplets of 1/64 are whole numbers."""
SIXTEENTH = WHOLE // 16
MOST = 10**6
"""Numbers and times in a text are cut off here."""
NOTES, RESTS, BAR_RESTS = "CDEFGABcdefgab", "zx", "ZX"

START, LETTER, COLON, FIELD, MUSIC = range(5)
"""Of a line: nothing read yet; a letter; a colon behind it; the value of a field; music."""
FREE, QUOTE, GRACE, BRACKET, CHORD, REST_OF_CHORD, INLINE, REMARK = range(8)
"""Of the music: what a character stands in; behind ``[`` it is open what follows."""
HEADER_KINDS, MUSIC_KINDS = 28, 9
CLOSES, HAS_LINE = 1, 2
AT_BEGINNING, OPENED, CLOSED, TURNED, DOUBLED, FIRST_ENDING, LATER_ENDING = range(7)
"""How the part began."""

MOST_SIXTEENTHS, MOST_BARS, MOST_PARTS = 33, 17, 8
LOWEST, HEIGHTS = -12, 34
"""Heights are counted in letters from the tonic; 0 stands for none yet."""

CONTEXT_FIELDS = (
    Field("kind of text", HEADER_KINDS + MUSIC_KINDS),
    Field("place in the bar", MOST_SIXTEENTHS + 1),
    Field("left of the bar", MOST_SIXTEENTHS + 1),
    Field("bars of the part", MOST_BARS + 1),
    Field("place behind them", MOST_SIXTEENTHS + 1),
    Field("parts", MOST_PARTS + 1),
    Field("how the part began", LATER_ENDING + 1),
    Field("last note above the tonic", HEIGHTS),
    Field("letter of the tonic", 8),
)


@dataclass(slots=True)
class Reading:
    """Where a tune is. Times are in ticks."""

    line: int = START
    letter: int = 0
    """Of the field, its place in the alphabet, from 1; 27 for small letters."""
    is_music: int = 0
    """The key has been read, so that what is no field is music."""
    inside: int = FREE
    above: int = 0
    below: int = 0
    """Of the fraction of a field or of a length; above is 0 before the first figure."""
    slashes: int = 0
    metre: int = WHOLE
    named_unit: int = 0
    """The unit note length, if there is one."""
    tonic: int = -1
    """Place of the letter of the tonic, from C; -1 before the key."""
    place: int = 0
    part: int = 0
    before_ending: int = 0
    """What the part had reached before its first ending."""
    parts: int = 0
    began: int = AT_BEGINNING
    sign: int = 0
    height: int = 0
    base: int = 0
    """Length of the last note without the figures behind it."""
    last: int = 0
    """The same with them."""
    takes_length: int = 0
    broken: int = 0
    """1 and 2 behind ``>`` and ``>>``, -1 and -2 behind ``<`` and ``<<``."""
    tuplet: int = 0
    tuplet_left: int = 0
    is_paren: int = 0
    """1 behind ``(``, 2 within the figures of a tuplet."""

    def add(self, character: str) -> None:
        """Read on."""
        if character == "\n":
            self._end_line()
        elif self.line == MUSIC:
            self._music(character)
        elif self.line == FIELD:
            self._value(character)
        elif self.line == START:
            self._start(character)
        elif self.line == LETTER and character == ":":
            self.line, self.above, self.below, self.slashes = FIELD, 0, 0, 0
            if self.letter == ord("X") - 64:
                for name, value in zip(NAMES, Reading(self.line, self.letter).state(), strict=True):
                    setattr(self, name, value)  # nothing is left of the last tune
        elif self.is_music:
            self.line = MUSIC
            self._music(character)

    def _start(self, character: str) -> None:
        is_letter = character.isascii() and character.isalpha()
        if is_letter and not (self.is_music and character in NOTES + RESTS):
            self.line, self.letter = LETTER, ord(character) - 64 if character.isupper() else 27
        elif self.is_music:
            self.line = MUSIC
            self._music(character)
        else:
            self.line, self.letter = FIELD, 0

    def _end_line(self) -> None:
        if self.line == FIELD and self.letter == ord("K") - 64:
            self.is_music = 1
        self.line, self.inside, self.takes_length, self.sign, self.is_paren = START, FREE, 0, 0, 0

    def _value(self, character: str) -> None:
        """Read on in the value of a field."""
        name = chr(self.letter + 64)
        if name == "K" and character in "ABCDEFG" and not self.above:
            self.tonic, self.above = NOTES.index(character), 1
        elif name in "ML":
            if character == "C" and name == "M":
                self.metre = WHOLE
            elif character == "/":
                self.slashes = 1
            elif character in "0123456789":
                self._figure(int(character))
                ticks = min(max(WHOLE * self.above // max(self.below, 1), 1), MOST)
                if self.above and self.below:
                    self.metre, self.named_unit = (ticks, self.named_unit) if name == "M" else (self.metre, ticks)

    def _figure(self, value: int) -> None:
        if self.slashes:
            self.below = min(self.below * 10 + value, MOST)
        else:
            self.above = min(self.above * 10 + value, MOST)

    def _music(self, character: str) -> None:
        if self.inside in (QUOTE, GRACE, INLINE, REMARK):
            if self.inside != REMARK and character == {QUOTE: '"', GRACE: "}", INLINE: "]"}[self.inside]:
                self.inside = FREE
        elif character in NOTES:
            self._sound(NOTES.index(character))
        elif self.takes_length and character in ",'0123456789/":
            self._length(character)
        elif self.inside == BRACKET:
            self._behind_bracket(character)
        elif self.inside in (CHORD, REST_OF_CHORD):
            if character == "]":
                self.inside, self.base, self.takes_length = FREE, self.last, 1
                self.above = self.below = self.slashes = 0
        elif character in "|:]" or (self.sign and character in " [0123456789"):
            self._sign(character)
        else:
            self._other(character)

    def _other(self, character: str) -> None:
        self.sign = self.takes_length = 0
        if self.is_paren and character in "0123456789:":
            if self.is_paren == 1 and character != ":":
                self.tuplet = self.tuplet_left = int(character)
            self.is_paren = 2
            return
        self.is_paren = 0
        if character in RESTS:
            self._sound(None)
        elif character in BAR_RESTS:
            self._add(self.metre)
        elif character in "<>":
            self._break(1 if character == ">" else -1)
        elif character == "(":
            self.is_paren = 1
        elif character in '"{[%':
            self.inside = {'"': QUOTE, "{": GRACE, "[": BRACKET, "%": REMARK}[character]

    def _behind_bracket(self, character: str) -> None:
        if character in "|123456789":
            self.inside, self.sign = FREE, HAS_LINE if character == "|" else self.sign
            self._sign(character)
        elif character in "^_=":
            self.inside = CHORD
        else:
            self.inside = INLINE

    def _sound(self, height: int | None) -> None:
        """A note, so many letters above C, or a rest."""
        if height is not None:
            self.height = min(max(height - max(self.tonic, 0) - LOWEST, 1), HEIGHTS - 1)
        self.sign = self.is_paren = 0
        if self.inside in (CHORD, REST_OF_CHORD, BRACKET):
            if self.inside == REST_OF_CHORD or (self.inside == CHORD and self.takes_length):
                self.inside, self.takes_length = REST_OF_CHORD, 0
                return
            self.inside = CHORD
        base = self.named_unit or (SIXTEENTH if self.metre < WHOLE * 3 // 4 else 2 * SIXTEENTH)
        if self.tuplet_left:
            base = base * NORMAL_NOTES.get(self.tuplet, 2) // self.tuplet
            self.tuplet_left -= 1
        short = 2 ** abs(self.broken)
        if self.broken:
            base = base // short if self.broken > 0 else base * (2 * short - 1) // short
        self.base, self.last, self.broken, self.takes_length = base, 0, 0, 1
        self.above = self.below = self.slashes = 0
        self._last_lasts(base)

    def _add(self, ticks: int) -> None:
        self.place = min(max(self.place + ticks, 0), MOST)
        self.part = min(max(self.part + ticks, 0), MOST)

    def _last_lasts(self, ticks: int) -> None:
        ticks = min(ticks, MOST)
        self._add(ticks - self.last)
        self.last = ticks

    def _length(self, character: str) -> None:
        """Read on behind a note: octave marks and figures."""
        if character in ",'":
            if self.height and not self.slashes and not self.above:
                self.height = min(max(self.height + (7 if character == "'" else -7), 1), HEIGHTS - 1)
            return
        if character == "/":
            self.slashes = min(self.slashes + 1, 6)
        else:
            self._figure(int(character))
        below = self.below or 2**self.slashes
        self._last_lasts(self.base * (self.above or 1) // below)

    def _break(self, way: int) -> None:
        self.broken = max(min(self.broken + way, 2), -2)
        self._add(way * (self.last >> abs(self.broken)))

    def _sign(self, character: str) -> None:
        """Read on in a bar line, and act at once on what there is of it."""
        self.takes_length = self.is_paren = 0
        if character == "[":
            self.inside = BRACKET
        elif character in "0123456789":
            self._ending(int(character))
            self.sign = 0
        elif character == ":":
            if self.sign:
                self._edge(TURNED if self.sign & CLOSES else OPENED)
            self.sign |= HAS_LINE if self.sign else CLOSES
        elif self.sign & HAS_LINE and character != " ":
            if self.began != TURNED or self.part:
                self._edge(DOUBLED)
        elif character == "|":
            if self.sign & CLOSES:
                self._edge(CLOSED)
            self.place, self.sign = 0, self.sign | HAS_LINE

    def _edge(self, kind: int) -> None:
        """A part ends, and the next one begins."""
        if self.began != LATER_ENDING and 2 * self.part >= self.metre:
            self.parts = min(self.parts + 1, MOST)
        is_both = kind == OPENED and self.began == CLOSED and not self.part
        self.began = TURNED if is_both else kind
        self.part = self.place = 0

    def _ending(self, number: int) -> None:
        if number == 1:
            self.before_ending, self.began = self.part, FIRST_ENDING
        else:
            self.part, self.began = self.before_ending, LATER_ENDING

    def columns(self) -> tuple[int, ...]:
        """Return what ``CONTEXT_FIELDS`` describe."""
        if not self.is_music and self.line in (START, MUSIC):
            kind = 0
        elif self.line in (LETTER, FIELD):
            kind = HEADER_KINDS if self.is_music else self.letter
        else:
            kind = HEADER_KINDS + 1 + self.inside
        half = SIXTEENTH // 2
        left = (self.metre - self.place + half) // SIXTEENTH + 1
        bars, rest = divmod(self.part + half, self.metre)
        return (
            kind,
            min((self.place + half) // SIXTEENTH, MOST_SIXTEENTHS),
            min(max(left, 0), MOST_SIXTEENTHS),
            min(bars, MOST_BARS),
            min(rest // SIXTEENTH, MOST_SIXTEENTHS),
            min(self.parts, MOST_PARTS),
            self.began,
            self.height,
            self.tonic + 1,
        )

    def state(self) -> tuple[int, ...]:
        """Return what ``Reading(*state)`` goes on from."""
        return tuple(getattr(self, name) for name in NAMES)


NAMES = tuple(field.name for field in fields(Reading))
