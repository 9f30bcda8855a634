"""The names of notes while they are drawn: accidental, letter and octave. See ``midigen.sampling.abc_grammar``."""

from __future__ import annotations

from collections.abc import Generator

from midigen.sampling.abc_headers import Legal, Steps
from midigen.sampling.abc_places import octaves

LETTERS = frozenset("ABCDEFGabcdefg")
NOTE_STARTS = LETTERS | set("^_=")
MAX_NAMES = 4
"""Of a chord or of grace notes."""


def letter(drawn: str, but: Legal = frozenset()) -> Steps:
    """Yield the ways through an accidental to its letter, which is returned."""
    sign = ""
    while drawn not in LETTERS:
        sign += drawn
        drawn = yield LETTERS - but | ({drawn} if sign in {"^", "_"} else frozenset())
    return drawn


def names(end: str) -> Generator[Legal, str, None]:
    """Yield the ways through notes without lengths, all of different letters, and ``end``."""
    used, octave = frozenset[str](), frozenset[str]()
    while True:
        more = NOTE_STARTS - used if len(used) < MAX_NAMES else frozenset[str]()
        drawn = yield more | octave | (frozenset(end) if used else frozenset())
        if drawn == end:
            return
        if drawn in octave:
            octave = frozenset()
            continue
        found = yield from letter(drawn, used)
        used, octave = used | {found}, frozenset(octaves(found)[1])
