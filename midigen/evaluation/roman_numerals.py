"""Roman numerals: which chord of its key a harmony is, by music21."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from midigen.scores.score import Key
from midigen.scores.statistics import key_name

FIFTHS = "FCGDAEB"
NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Numeral(NamedTuple):
    """A chord in a key."""

    figure: str
    """With inversion and alterations, such as ``V65`` or ``#viio6``."""
    root: int
    """Pitch class."""
    quality: str
    """major, minor, diminished, augmented or other."""


@lru_cache(maxsize=10_000)
def numeral(pitches: tuple[int, ...], key: Key) -> Numeral:
    """Return what a chord is in a key whose mode is known.

    Args:
        pitches: MIDI numbers, one or more, the lowest first.
        key: the key.
    """
    from music21 import chord, roman
    from music21 import key as keys

    tonic, mode = key_name(key).replace("b ", "- ").split()
    tonality = keys.Key(tonic.lower() if mode == "minor" else tonic)
    found = roman.romanNumeralFromChord(chord.Chord(spell(pitches, key)), tonality)
    return Numeral(found.figure, found.root().pitchClass, found.quality)


def spell(pitches: Sequence[int], key: Key) -> list[str]:
    """Return names as music21 writes them (B-4), of the twelve neighbours on the line of fifths usual in the key.

    In C major from E flat to G sharp, in A minor from B flat to D sharp: what the dominants of near keys need.
    """
    lowest = key.sharps - (3 if key.mode == "major" else 2)
    names = []
    for pitch in pitches:
        # On the line of fifths F is -1, C 0, G 1.
        place = next(place for place in range(lowest, lowest + 12) if (place * 7 - pitch) % 12 == 0)
        signs, letter = (place + 1) // 7, FIFTHS[(place + 1) % 7]
        octave = (pitch - NATURALS[letter] - signs) // 12 - 1
        names.append(letter + ("#" * signs or "-" * -signs) + str(octave))
    return names
