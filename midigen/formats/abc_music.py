"""The text of an ABC tune to its written events: sounds, bar lines, changes of key, metre and tempo, part marks.

One pass over the characters with one regular expression. Reading goes on after a fault, as players do; every fault is
kept as a Diagnosis. Repeats are still signs here (``midigen.formats.abc_playing`` plays them out).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from midigen.formats.abc_events import Bar, Diagnosis, Event, Mark, Sound
from midigen.formats.abc_fields import (
    ACCIDENTALS,
    KeySignature,
    Meter,
    default_length,
    parse_key,
    parse_length,
    parse_metre,
    parse_parts,
    parse_tempo,
)

FIELD = re.compile(r"([A-Za-z]):(?![|:])(.*)")
LENGTH = r"\d{0,4}(?:/\d{1,4}|/{1,6})?"
NOTE = rf"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)({LENGTH})"
CHORD_NOTE = re.compile(NOTE + r"(-?)")
TOKEN = re.compile(
    rf"""(?P<note>{NOTE})
    |(?P<bar>\[\|\]|\[?(?::*\|+\]?:*(?:\|+:*)?|::+)(?:\s?\[?(?P<first>\d[\d,.-]*))?|\[(?P<ending>\d[\d,.-]*)|\[\|)
    |(?P<rest>[zx](?P<rest_length>{LENGTH}))
    |(?P<bars>[ZX](?P<count>\d{{0,2}}))
    |(?P<tie>-)
    |(?P<broken>>+|<+)
    |(?P<tuplet>\(\d{{1,2}}(?::\d{{0,2}}){{0,2}})
    |(?P<inline>\[[A-Za-z]:[^\]]*\])
    |(?P<chord>\[(?P<notes>(?:"[^"]*"|[^\]|"])+)\](?P<chord_length>{LENGTH}))
    |(?P<skipped>\s+|"[^"]*"|![\w.()<>+^{{}}/]*!|\+[\w.]+\+|\{{[^}}]*\}}|[().~H-Wh-w!\\`y*;$])""",
    re.VERBOSE,
)
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
NORMAL_NOTES = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""In the time of how many notes a tuplet of so many goes (ABC 2.1, 4.13); the others take two, or three in 6/8, 9/8."""


@lru_cache(maxsize=1000)
def read_length(text: str) -> Fraction:
    """Read the length after a note: ``2``, ``3/2``, ``/4``, ``//``; a zero counts as 1."""
    if not text:
        return Fraction(1)
    over, slash, under = text.partition("/")
    below = 2 ** (1 + under.count("/")) if slash and not under.strip("/") else int(under or 1)
    return Fraction(int(over or 1) or 1, below or 1)


def read_endings(text: str) -> tuple[int, ...]:
    """Read the numbers of an ending, 1 to 9: ``1``, ``1,3``, ``1-3``."""
    numbers: set[int] = set()
    for low, high in re.findall(r"([1-9])(?:-([1-9]))?", text):
        numbers.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(numbers))


@dataclass
class Voice:
    """One voice while it is read: its events and what holds for the notes to come."""

    events: list[Event] = field(default_factory=list)
    key: KeySignature = field(default_factory=lambda: parse_key("C"))
    meter: Meter = field(default_factory=lambda: Meter(4, 4))
    unit: Fraction | None = None
    bar: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    """Pitches of the last sound by letter and octave marks."""
    tied: dict[tuple[str, str], int] = field(default_factory=dict)
    """Those that a tie carries on: they keep their accidental across the bar line."""
    last: Sound | None = None
    place: int = 0
    """Where in ``events`` the last sound is."""
    broken: str = ""
    """A ``>`` or ``<`` that waits for its second note."""
    tuplet: Fraction = Fraction(1)
    tuplet_left: int = 0

    @property
    def length(self) -> Fraction:
        """The unit note length: L:, or what the metre implies."""
        return self.unit or default_length(self.meter)


class TuneReader:
    """Reads the lines of one tune into ``voices``; ``faults`` are in the order of the text."""

    def __init__(self, text: str, first_line: int) -> None:
        self.voices: dict[str, Voice] = {}
        self.faults: list[Diagnosis] = []
        self.order = ""
        """The order of parts that the header asks for, or nothing."""
        self.has_key = False
        self.line = first_line
        self._header = self._voice = Voice()
        self._methods: dict[str, Callable[[re.Match[str]], None]] = {
            name: getattr(self, f"_{name}") for name in ("note", "bar", "rest", "bars", "tie", "broken", "tuplet")
        } | {"inline": self._inline, "chord": self._chord}
        for self.line, line in enumerate(text.splitlines(), first_line):
            self._read_line(line)

    def _read_line(self, line: str) -> None:
        line = re.sub(r"(?<!\\)%.*", "", line)
        if found := FIELD.match(line):
            self._field(found[1], found[2], 1)
        elif self.has_key:
            if not self.voices:
                self._change_voice("1")
            self._music(line)

    def _fault(self, column: int, message: str) -> None:
        self.faults.append(Diagnosis(self.line, column, message))

    def _change_voice(self, text: str) -> None:
        name = text.split(maxsplit=1)[0] if text.split() else "1"
        if name not in self.voices:
            header = self._header
            self.voices[name] = replace(header, events=list(header.events), bar={}, tied={}, names={})
        self._voice = self.voices[name]

    def _field(self, name: str, value: str, column: int) -> None:
        voice = self._voice
        try:
            if name == "K":
                if not self.has_key:
                    self.has_key = True
                    voice.unit = voice.length
                voice.key = parse_key(value)
                voice.bar.clear()
                voice.events.append(voice.key)
            elif name == "M":
                voice.meter = parse_metre(value)
                voice.events.append(voice.meter)
            elif name == "L":
                voice.unit = parse_length(value)
            elif name == "Q" and (bpm := parse_tempo(value, voice.length)):
                voice.events.append(bpm)
            elif name == "V" and self.has_key:
                self._change_voice(value)
            elif name == "P" and not self.has_key:
                self.order = parse_parts(value)
            elif name == "P":
                voice.events.append(Mark(value.strip()[:1]))
        except ValueError as error:
            self._fault(column, f"{name}: {error}")

    def _music(self, line: str) -> None:
        match, methods, position = TOKEN.match, self._methods, 0
        while position < len(line):
            found = match(line, position)
            if found is None:
                self._fault(position + 1, f"'{line[position]}' has no meaning here")
                position += 1
                continue
            position = found.end()
            name = found.lastgroup or ""
            if name != "skipped":
                methods[name](found)

    def _pitch(self, accidental: str | None, letter: str, octave: str) -> int:
        voice, name = self._voice, letter.upper()
        if not accidental and (letter, octave) in voice.tied:
            return voice.tied[letter, octave]
        if accidental:
            voice.bar[name] = ACCIDENTALS[accidental]
        alter = voice.bar.get(name, voice.key.altered[name])
        return 60 + SEMITONES[name] + 12 * (letter.islower() + octave.count("'") - octave.count(",")) + alter

    def _sound(self, names: dict[tuple[str, str], int], units: Fraction, column: int) -> None:
        voice = self._voice
        if any(not 0 <= pitch <= 127 for pitch in names.values()):
            self._fault(column, "this is too low or too high to be played")
            names = {}
        length = units * voice.length
        if voice.tuplet_left:
            length *= voice.tuplet
            voice.tuplet_left -= 1
        if voice.broken:
            length = self._break_rhythm(length, column)
        voice.names, voice.tied, voice.place = names, {}, len(voice.events)
        voice.last = Sound(tuple(names.values()), (), length, self.line, column)
        voice.events.append(voice.last)

    def _note(self, found: re.Match[str]) -> None:
        _, accidental, letter, octave, length = found.group(1, 2, 3, 4, 5)
        names = {(letter, octave): self._pitch(accidental, letter, octave)}
        self._sound(names, read_length(length), found.start() + 1)

    def _chord(self, found: re.Match[str]) -> None:
        notes = list(CHORD_NOTE.finditer(re.sub(r'"[^"]*"|![^!]*!', "", found["notes"])))
        if not notes:
            return self._fault(found.start() + 1, f"'{found[0]}' holds no note")
        names = {(n[2], n[3]): self._pitch(n[1], n[2], n[3]) for n in notes}
        # A chord lasts as long as its first note (ABC 2.1, 4.17).
        self._sound(names, read_length(notes[0][4]) * read_length(found["chord_length"]), found.start() + 1)
        self._tie_names({(n[2], n[3]) for n in notes if n[5]})
        return None

    def _tie(self, found: re.Match[str]) -> None:
        if not self._voice.names:
            return self._fault(found.start() + 1, "this tie has no note before it")
        self._tie_names(set(self._voice.names))
        return None

    def _tie_names(self, names: set[tuple[str, str]]) -> None:
        voice = self._voice
        voice.tied |= {name: voice.names[name] for name in names if name in voice.names}
        if voice.last:
            voice.last = voice.events[voice.place] = voice.last._replace(tied=tuple(voice.tied.values()))

    def _rest(self, found: re.Match[str]) -> None:
        self._sound({}, read_length(found["rest_length"]), found.start() + 1)

    def _bars(self, found: re.Match[str]) -> None:
        voice, column = self._voice, found.start() + 1
        for number in range(int(found["count"] or 1)):
            if number:
                voice.events.append(Bar(False, False, False, (), True, self.line, column))
            voice.events.append(Sound((), (), voice.meter.bar or Fraction(1), self.line, column))

    def _broken(self, found: re.Match[str]) -> None:
        if self._voice.last is None:
            return self._fault(found.start() + 1, f"'{found[0]}' has no note before it")
        self._voice.broken = found[0]
        return None

    def _break_rhythm(self, length: Fraction, column: int) -> Fraction:
        """Change the last sound by the sign that waits, and return the changed length of the sound that follows it."""
        voice = self._voice
        sign, voice.broken = voice.broken, ""
        if not voice.last or voice.last.length != length:
            # What this means is left open (ABC 2.1, 4.4); the bars add up if, as in abc2midi, it means nothing.
            self._fault(column, f"'{sign}' stands between notes of different lengths")
            return length
        short = Fraction(1, 2 ** min(len(sign), 4))
        first, second = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
        voice.events[voice.place] = voice.last._replace(length=length * first)
        return length * second

    def _tuplet(self, found: re.Match[str]) -> None:
        voice = self._voice
        notes, time, count = [int(n or 0) for n in [*found[0][1:].split(":"), "", ""][:3]]
        if not 2 <= notes <= 32:
            return self._fault(found.start() + 1, f"'{found[0]}' is no tuplet; write (2 to (9")
        is_compound = voice.meter.beats in {6, 9, 12}
        time = time or NORMAL_NOTES.get(notes) or (3 if is_compound else 2)
        voice.tuplet, voice.tuplet_left = Fraction(time, notes), count or notes
        return None

    def _inline(self, found: re.Match[str]) -> None:
        name, _, value = found[0][1:-1].partition(":")
        self._field(name, value, found.start() + 1)

    def _bar(self, found: re.Match[str]) -> None:
        voice, text = self._voice, found[0]
        sign = text.rstrip("0123456789,.-[ \t") if found["first"] else text
        line = "|" in sign or ":" in sign
        is_double = sign.count("|") > 1 or "]" in sign or sign.startswith("[|")
        closes = sign.startswith((":", "[:"))
        opens = sign.endswith(":")
        endings = read_endings(found["first"] or found["ending"] or "")
        if line:
            voice.bar.clear()
        voice.events.append(Bar(closes, opens, is_double, endings, line, self.line, found.start() + 1))
