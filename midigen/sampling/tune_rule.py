"""The rule of steering for tunes in ABC characters. See ``midigen.sampling.steering``.

Key and metre are forced where the header names them, and stay. In the music a scale allows no accidentals and only its
letters; a range allows a letter where one of its octaves lies in it. A tune closes on the tonic: neither a sign that
ends a section nor the end of the tune may follow another note.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from midigen.formats.abc_fields import parse_key
from midigen.sampling.abc_headers import KEYS, METRES
from midigen.sampling.lane import Lane
from midigen.sampling.rules import Rule
from midigen.sampling.steering_words import LETTERS, Classes, Tonality
from midigen.scores.score import Ints, Metre

LOWER_CASE_C, UPPER_CASE_C = 72, 60
ACCIDENTALS = {"^": 1, "_": -1, "=": 0}
NOTES = "ABCDEFGabcdefg"
MOST_MARKS = 2
"""Octave marks that the grammar allows."""


@dataclass(frozen=True)
class TuneWishes:
    """What is wanted of tunes; pitch classes, and pitches as MIDI numbers."""

    fields: dict[str, Sequence[str]] = field(default_factory=dict)
    """Values that K: and M: may have."""
    scale: Classes | None = None
    range: tuple[int, int] | None = None
    chords: Sequence[Classes] = ()
    penalty: float = -math.inf
    """Bias on letters outside the chord of the bar."""
    ends: bool = False


def key_values(characters: str, key: Tonality, scale: Classes | None) -> list[str]:
    """Return the values of ``K:`` that characters spell for a key: the mode whose letters are the scale, or its own."""
    alike = [text for text in KEYS if _class_of(text) == key.tonic and set(text) <= set(characters)]
    exact = [text for text in alike if frozenset(_letters(text).values()) == scale]
    return exact or [text for text in alike if parse_key(text).mode == key.mode]


def metre_values(characters: str, metre: Metre) -> list[str]:
    """Return the values of ``M:`` that characters spell for a metre."""
    text = f"{metre.numerator}/{metre.denominator}"
    return [
        value
        for value in METRES
        if value in (text, {"4/4": "C", "2/2": "C|"}.get(text)) and set(value) <= set(characters)
    ]


def _class_of(name: str) -> int:
    return (LETTERS[name[0]] + {"#": 1, "b": -1}.get(name[1:2], 0)) % 12


def _letters(key: str) -> dict[str, int]:
    altered = parse_key(key).altered
    return {letter: (value + altered.get(letter, 0)) % 12 for letter, value in LETTERS.items()}


class _Reading:
    """Where a tune is, character by character."""

    def __init__(self) -> None:
        self.read, self.line, self.names = 0, "", ""
        self.in_music = self.is_quoted = False
        self.tonic, self.altered, self.in_bar = 0, dict[str, int](), dict[str, int]()
        self.sign, self.note, self.bar_notes, self.bars = "", "", 0, 0
        self.closing: int | None = None
        """Pitch class of the last note."""

    @property
    def is_field(self) -> bool:
        """Whether the line is a field, not music."""
        return not self.in_music or self.line[:2] in ("K:", "M:")

    def add(self, character: str) -> None:
        """Read on."""
        self.line += character
        if character == "\n":
            self._end_line()
        elif self.is_field or self.is_quoted or character == '"':
            self.is_quoted ^= character == '"' and not self.is_field
            self.note = ""
        elif character in ACCIDENTALS:
            self.sign, self.note = character, ""
        elif character in NOTES:
            self.note, self.closing = character, self.pitch(character) % 12
            if self.sign:
                self.in_bar[character.upper()] = ACCIDENTALS[self.sign]
            self.bar_notes += 1
        elif character in "',":
            self.note += character
        else:
            self.bars += character == "|" and self.bar_notes > 0
            if character == "|":
                self.bar_notes, self.in_bar = 0, {}
            self.sign, self.note = "", ""

    def _end_line(self) -> None:
        if self.line[1:2] == ":":
            self.names = self.line[0] if self.line[0] == "X" else self.names + self.line[0]
            self.in_music = "K" in self.names
            if self.line[0] == "K":
                try:
                    self.altered = parse_key(value := self.line[2:].strip()).altered
                    self.tonic = _class_of(value)
                except (ValueError, LookupError):
                    self.altered = {}
        self.line, self.sign, self.note, self.is_quoted = "", "", "", False

    def pitch(self, note: str) -> int:
        """Return the MIDI number of a letter with its octave marks, behind the accidental that has been read."""
        base = UPPER_CASE_C if note[0].isupper() else LOWER_CASE_C
        shift = ACCIDENTALS[self.sign] if self.sign else (self.altered | self.in_bar).get(note[0].upper(), 0)
        return base + LETTERS[note[0].upper()] + shift + 12 * (note.count("'") - note.count(","))


class TuneRule(Rule):
    """See the module's text."""

    def __init__(self, characters: str, wishes: TuneWishes) -> None:
        self._characters, self._wishes = characters, wishes
        self._readings: dict[Lane, _Reading] = {}

    def _reading(self, lane: Lane) -> _Reading:
        reading = self._readings.setdefault(lane, _Reading())
        for index in lane.rows[reading.read :, 0].tolist():
            reading.add(self._characters[index])
        reading.read = lane.count
        return reading

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule."""
        reading = self._reading(lane)
        if reading.in_music:
            return None if reading.is_field or reading.is_quoted else self._of_music(reading)
        return self._of_header(reading)

    def _of_header(self, reading: _Reading) -> Tensor | None:
        name, fields = reading.line[:1], self._wishes.fields
        if not name:
            return self._without("K") if "M" in fields and "M" not in reading.names else None
        if name not in fields or len(reading.line) < len("K:"):
            return None
        lines = [f"{name}:{space}{value}\n" for value in fields[name] for space in ("", " ")]
        legal = {line[len(reading.line)] for line in lines if line.startswith(reading.line) and line != reading.line}
        return self._without(set(self._characters) - legal)

    def _without(self, characters: set[str] | str) -> Tensor:
        return torch.tensor([-math.inf if character in characters else 0.0 for character in self._characters])

    def _of_music(self, reading: _Reading) -> Tensor:
        wishes = self._wishes
        no = {"K", "M"} & set(wishes.fields) if not reading.line else set[str]()
        if wishes.scale is not None:
            no |= set(ACCIDENTALS)
        no |= {letter for letter in NOTES if not self._is_wanted(reading, letter)}
        no |= self._marks(reading)
        if wishes.ends and reading.closing is not None and reading.closing != reading.tonic:
            no |= {"|", "]"} if reading.line[-1:] == "|" else {":"}
        bias = self._without(no)
        if wishes.chords:
            # A pick-up counts as a bar.
            chord = wishes.chords[reading.bars % len(wishes.chords)]
            foreign = [
                character in NOTES and reading.pitch(character) % 12 not in chord for character in self._characters
            ]
            bias[torch.tensor(foreign)] += wishes.penalty
        return bias

    def _is_wanted(self, reading: _Reading, letter: str) -> bool:
        if self._wishes.scale is not None and reading.pitch(letter) % 12 not in self._wishes.scale:
            return False
        mark = "," if letter.isupper() else "'"
        return any(self._in_range(reading.pitch(letter + mark * marks)) for marks in range(MOST_MARKS + 1))

    def _in_range(self, pitch: int) -> bool:
        return self._wishes.range is None or self._wishes.range[0] <= pitch <= self._wishes.range[1]

    def _marks(self, reading: _Reading) -> set[str]:
        """Return what may not follow a letter, for it is or would be out of range."""
        if not reading.note:
            return set()
        if not self._in_range(reading.pitch(reading.note)):
            return set(self._characters) - {"'", ","}
        return {mark for mark in "'," if not self._in_range(reading.pitch(reading.note + mark))}

    def may_end(self, lane: Lane) -> bool:
        """See Rule."""
        reading = self._reading(lane)
        return not self._wishes.ends or reading.closing in (None, reading.tonic)
