"""The words of steering: keys, scales, ranges, chords and metres, as a musician writes them. Pitch class 0 is C."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from midigen.errors import UsageError
from midigen.formats.abc_fields import parse_metre
from midigen.scores.score import Key, Metre

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"#": 1, "b": -1, "": 0}
MINOR_THIRD, MAJOR_THIRD = 3, 4
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
}
"""Semitones above the tonic."""
KEY_SCALES = {"major": SCALES["major"], "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}
"""What belongs to a key: in minor the sixth and the seventh are raised at will."""
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 4, 7)}
"""What a piece may close with; one in minor may close in major."""
CHORDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
}
"""Semitones above the root."""
VOICES = ("soprano", "alto", "tenor", "bass")

Classes = frozenset[int]
Ranges = Mapping[str, tuple[int, int]]


class Tonality(NamedTuple):
    """A tonic, "major" or "minor", and the pitch classes that a close keeps to."""

    tonic: int
    mode: str
    within: Classes = frozenset(range(12))

    @property
    def scale(self) -> Classes:
        """The pitch classes that belong to the key."""
        return above(self.tonic, KEY_SCALES[self.mode])

    @property
    def triad(self) -> Classes:
        """The pitch classes that the piece may close with; the tonic is always one."""
        return above(self.tonic, TRIADS[self.mode]) & self.within | {self.tonic}

    def triad_with(self, heard: Iterable[int]) -> Classes:
        """Return the pitch classes of the triad that go with some pitches of a chord: one third, not both."""
        thirds = above(self.tonic, (MINOR_THIRD, MAJOR_THIRD))
        found = thirds & {pitch % 12 for pitch in heard}
        return self.triad - (thirds - found) if found else self.triad


def above(root: int, semitones: tuple[int, ...]) -> Classes:
    """Return pitch classes from their distances to a root."""
    return frozenset((root + distance) % 12 for distance in semitones)


def tonality_of(key: Key) -> Tonality:
    """Return the tonic and the mode of a key signature; one without a mode is major."""
    mode = key.mode or "major"
    return Tonality((key.sharps * 7 - 3 * (mode == "minor")) % 12, mode)


def read_key(text: str) -> Tonality:
    """Read ``G``, ``G minor``, ``Gm`` or ``F# major``.

    Raises:
        UsageError: it is no key.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b]?)\s*(|m|min|minor|maj|major)", text.strip())
    if not found:
        raise UsageError(f"--key takes a key such as G, 'G minor' or Am, not {text!r}.")
    letter, sign, mode = found.groups()
    return Tonality(_pitch_class(letter, sign), "minor" if mode.startswith("m") and "maj" not in mode else "major")


def read_scale(text: str, key: Tonality | None) -> tuple[Classes, Tonality]:
    """Read the name of a scale or its pitch classes: ``dorian``, ``C D E G A`` or ``0,2,4,7,9``.

    Returns:
        The pitch classes, and what its key is: the tonic is that of ``key``; without one C, or the first pitch class.

    Raises:
        UsageError: it is no scale.
    """
    name = text.strip().lower().replace(" ", "-")
    if name in SCALES:
        tonic = 0 if key is None else key.tonic
        is_minor = MINOR_THIRD in SCALES[name] and MAJOR_THIRD not in SCALES[name]
        return above(tonic, SCALES[name]), Tonality(tonic, "minor" if is_minor else "major")
    classes = [_read_class(word) for word in re.split(r"[\s,]+", text.strip())]
    if None in classes:
        known = ", ".join(SCALES)
        raise UsageError(f"--scale takes pitch classes such as 'C D E G A', or one of {known}; not {text!r}.")
    chosen = [pitch_class for pitch_class in classes if pitch_class is not None]
    tonic = chosen[0] if key is None else key.tonic
    has_minor_third = (tonic + MINOR_THIRD) % 12 in chosen and (tonic + MAJOR_THIRD) % 12 not in chosen
    return frozenset(chosen), Tonality(tonic, "minor" if has_minor_third else "major")


def read_ranges(text: str) -> Ranges:
    """Read ``C4-C6``, or ``soprano=C4-A5,bass=E2-C4``: lowest and highest pitch by voice, all voices being "".

    Raises:
        UsageError: it is no range.
    """
    ranges = {}
    for part in text.split(","):
        voice, _, pitches = part.rpartition("=")
        voice = voice.strip().lower()
        found = re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d)-([A-Ga-g])([#b]?)(-?\d)", pitches.strip())
        if not found or voice not in ("", *VOICES):
            raise UsageError(f"--range takes C4-C6, or by voice soprano=C4-A5,bass=E2-C4; not {text!r}.")
        low, high = (
            12 * (int(n) + 1) + LETTERS[a.upper()] + SIGNS[b] for a, b, n in (found.groups()[:3], found.groups()[3:])
        )
        if not 0 <= low <= high <= 127:
            raise UsageError(f"--range goes from a lower to a higher pitch of C-1 to G9, not {pitches.strip()!r}.")
        ranges[voice] = (low, high)
    return ranges


def read_chords(text: str) -> tuple[Classes, ...]:
    """Read chord symbols, one a bar: ``C G Am F7``.

    Raises:
        UsageError: one is no chord symbol.
    """
    chords = []
    for word in re.split(r"[\s,|]+", text.strip(" ,|\t")):
        found = re.fullmatch(r"([A-G])([#b]?)(.*)", word)
        if not found or found[3] not in CHORDS:
            kinds = ", ".join(f"C{kind}" for kind in CHORDS)
            raise UsageError(f"--chords takes symbols such as 'C G Am F' ({kinds}), not {word!r}.")
        chords.append(above(_pitch_class(found[1], found[2]), CHORDS[found[3]]))
    return tuple(chords)


def read_metre(text: str) -> Metre:
    """Read ``3/4``.

    Raises:
        UsageError: it is no metre.
    """
    try:
        beats, unit = parse_metre(text.strip())
    except ValueError:
        beats, unit = 0, 0
    if not beats or unit not in (1, 2, 4, 8, 16):
        raise UsageError(f"--meter takes a metre such as 3/4 or 6/8, not {text!r}.")
    return Metre(0, beats, unit)


def _read_class(word: str) -> int | None:
    if re.fullmatch(r"\d|1[01]", word):
        return int(word)
    found = re.fullmatch(r"([A-Ga-g])([#b]?)", word)
    return _pitch_class(found[1], found[2]) if found else None


def _pitch_class(letter: str, sign: str) -> int:
    return (LETTERS[letter.upper()] + SIGNS[sign]) % 12
