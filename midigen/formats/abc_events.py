"""The written events of an ABC tune, in the order of its text, and the faults found in it."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from midigen.formats.abc_fields import KeySignature, Meter


class Diagnosis(NamedTuple):
    """A fault: line and column, both from 1, and a sentence."""

    line: int
    column: int
    message: str


class Sound(NamedTuple):
    """A note, a chord or, without pitches, a rest. The length is in whole notes; ``tied`` pitches go on in the next."""

    pitches: tuple[int, ...]
    tied: tuple[int, ...]
    length: Fraction
    line: int
    column: int


class Bar(NamedTuple):
    """A bar line. ``closes`` and ``opens`` a repeat, may end a section (``||``) and begin ``endings`` (``1,3``)."""

    closes: bool
    opens: bool
    is_double: bool
    endings: tuple[int, ...]
    is_line: bool
    """False for an ending that begins without a bar line."""
    line: int
    column: int


class Mark(NamedTuple):
    """A part begins (``P:A``)."""

    part: str


Event = Sound | Bar | Mark | KeySignature | Meter | float
"""A float is a tempo in quarters a minute."""
