"""The values of ABC's information fields: key, metre, unit note length, tempo and order of parts (ABC 2.1, chapter 3).

Lengths are exact fractions of a whole note. Every function raises ValueError in a sentence.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
"""Sharps of the major key on each letter, which is also its place on the circle of fifths."""
MODES = {"maj": 0, "ion": 0, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4, "lyd": 1, "loc": -5, "m": -3}
"""Sharps that a mode has more than the major key on its tonic."""
ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
KEY = re.compile(r"([A-G])([#b]?)\s*([A-Za-z]*)")
KEY_ACCIDENTAL = re.compile(r"(?<![\w^_=])(\^\^|\^|__|_|=)([A-Ga-g])(?![\w=])|(?<=[a-z])(\^|_|=)([a-g])\b")
CLEF = re.compile(r"(treble|bass|alto|tenor|perc|none)\b|(clef|octave|transpose|middle|staff\w+)=", re.IGNORECASE)
METRE = re.compile(r"\(?(\d{1,2}(?:\s*\+\s*\d{1,2})*)\)?\s*/\s*(\d{1,2})")
FRACTION = re.compile(r"(\d{1,3})\s*/\s*(\d{1,3})")
TEMPO = re.compile(r"((?:\d{1,3}\s*/\s*\d{1,3}\s*)+)=\s*(\d{1,4}(?:\.\d{1,4})?)")


class KeySignature(NamedTuple):
    """A key: its sharps (flats negative), "major", "minor" or "", and the semitones by which each letter is altered."""

    sharps: int
    mode: str
    altered: dict[str, int]


class Meter(NamedTuple):
    """A time signature as written; ``beats`` is 0 for free metre."""

    beats: int
    unit: int

    @property
    def bar(self) -> Fraction:
        """Length of a bar in whole notes; 0 for free metre."""
        return Fraction(self.beats, self.unit)


def parse_key(text: str) -> KeySignature:
    """Read ``G``, ``F#m``, ``D Mixolydian``, ``D =c``, ``Dmix=c``, ``D exp _b``, ``HP``, ``none``.

    Raises:
        ValueError: no key, or a mode that does not exist.
    """
    text = text.strip()
    if text[:2] in {"HP", "Hp"}:
        return KeySignature(2, "", signature(2))
    found = KEY.match(text)
    if not found:
        if text and not text.startswith("none") and not CLEF.match(text) and text[0] not in "^_=":
            raise ValueError(f"'{text}' is no key; write a letter from A to G, an accidental and a mode")
        sharps, mode = 0, "major"
    else:
        word = "" if CLEF.match(text, found.start(3)) else found[3]
        short = word.lower()[:3]
        explicit = short == "exp"
        if short and short not in MODES and not explicit:
            raise ValueError(
                f"'{word}' is no mode; write major, minor, dorian, phrygian, lydian, mixolydian or locrian"
            )
        offset = MODES.get(short, 0)
        sharps = 0 if explicit else FIFTHS[found[1]] + {"#": 7, "b": -7, "": 0}[found[2]] + offset
        mode = {0: "major", -3: "minor"}.get(offset, "")
    altered = signature(sharps)
    for found in KEY_ACCIDENTAL.finditer(text):
        altered[(found[2] or found[4]).upper()] = ACCIDENTALS[found[1] or found[3]]
    return KeySignature(sharps, mode, altered)


def signature(sharps: int) -> dict[str, int]:
    """Return the semitones by which a signature alters each letter."""
    order = "FCGDAEB"
    return {letter: (sharps + 6 - place) // 7 for place, letter in enumerate(order)}


def parse_metre(text: str) -> Meter:
    """Read ``4/4``, ``C``, ``C|``, ``(2+3)/8`` or ``none``.

    Raises:
        ValueError: not a metre.
    """
    text = text.strip()
    if text.startswith("C"):
        return Meter(2, 2) if text.startswith("C|") else Meter(4, 4)
    if text in {"", "none"}:
        return Meter(0, 1)
    found = METRE.match(text)
    if not found or int(found[2]) not in {1, 2, 4, 8, 16, 32} or not 0 < sum(map(int, found[1].split("+"))) <= 32:
        raise ValueError(f"'{text}' is no metre; write C, C|, none or a fraction such as 6/8")
    return Meter(sum(map(int, found[1].split("+"))), int(found[2]))


def parse_length(text: str) -> Fraction:
    """Read a unit note length such as ``1/8``.

    Raises:
        ValueError: not a fraction above 0.
    """
    found = FRACTION.match(text.strip())
    if found and int(found[1]) and int(found[2]):
        return Fraction(int(found[1]), int(found[2]))
    if text.strip() == "1":
        return Fraction(1)
    raise ValueError(f"'{text.strip()}' is no note length; write a fraction such as 1/8")


@lru_cache(maxsize=100)
def default_length(meter: Meter) -> Fraction:
    """Return the unit note length where L: is missing: 1/16 for a bar below 3/4, else 1/8 (ABC 2.1, 3.1.7)."""
    return Fraction(1, 16) if 0 < meter.bar < Fraction(3, 4) else Fraction(1, 8)


def parse_tempo(text: str, unit: Fraction) -> float | None:
    """Read ``1/4=120``, ``"Slow" 3/8=60`` or, in the old way, ``120`` units a minute; None if only words.

    Returns:
        Quarters a minute.

    Raises:
        ValueError: neither a tempo nor words in quotation marks.
    """
    plain = re.sub(r'"[^"]*"', "", text).strip()
    if found := TEMPO.match(plain):
        beat = sum((Fraction(int(n), int(d)) for n, d in FRACTION.findall(found[1]) if int(d)), Fraction(0))
        bpm = float(beat * 4) * float(found[2])
    elif found := re.match(r"(?:C\d*\s*=\s*)?(\d{1,4})", plain):
        bpm = float(unit * 4) * int(found[1])
    elif not plain:
        return None
    else:
        raise ValueError(f"'{plain}' is no tempo; write for example 1/4=120")
    if not 5 <= bpm <= 2000:
        raise ValueError(f"'{plain}' is no tempo that can be played")
    return bpm


def parse_parts(text: str) -> str:
    """Write out an order of parts: ``A2(BC)2.D`` becomes ``AABCBCD``; no more than 200 parts.

    Raises:
        ValueError: other characters than capital letters, numbers, dots and balanced brackets.
    """
    text = re.sub(r"[.\s]", "", text)
    group = re.compile(r"\(([A-Z]*)\)(\d{0,3})|([A-Z])(\d{1,3})")
    while (found := group.search(text)) and len(text) <= 200:
        times = min(int(found[2] or found[4] or 1), 200)
        text = text[: found.start()] + (found[1] or found[3] or "") * times + text[found.end() :]
    if not re.fullmatch(r"[A-Z]{0,200}", text):
        raise ValueError(f"'{text[:20]}' is no order of parts; write for example ABA or A2B2")
    return text
