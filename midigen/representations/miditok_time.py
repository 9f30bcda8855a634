"""Where tokens of MidiTok stand in time. Positions, shifts and lengths are counted in eighths of a beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from midigen.errors import RepresentationError
from midigen.representations.notes import DRUMS
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre

STEPS_IN_BEAT = 8
METRES = {2: (1, 6), 4: (1, 12), 8: (1, 12), 16: (1, 12)}
"""What the metres count in, and how many of those a bar may have."""


class Place(NamedTuple):
    """A place in time."""

    tick: int = 0
    bar: int = 0
    """Number of its bar, from 0."""
    line: int = 0
    """Tick at which that bar begins."""
    length: int = 4 * TICKS_PER_QUARTER
    """Ticks of that bar."""
    eighth: int = TICKS_PER_QUARTER // STEPS_IN_BEAT
    """Ticks of an eighth of a beat."""


def _eighths(shift: str) -> int:
    """Read a time shift: ``1.4.8`` is a beat and four eighths of one; ``0.0.1`` is nothing."""
    beats, parts, resolution = map(int, shift.split("."))
    return beats * STEPS_IN_BEAT + parts * STEPS_IN_BEAT // resolution


def _ticks(metre: str, units: int) -> int:
    """Return the ticks of so many of the units that a metre such as ``6/8`` counts in."""
    return units * 4 * TICKS_PER_QUARTER // int(metre.partition("/")[2])


NUMBERS: Mapping[str, tuple[str, Callable[[str], int]]] = {
    "position": ("Position", int),
    "shift": ("TimeShift", _eighths),
    "length": ("TimeSig", lambda metre: _ticks(metre, int(metre.partition("/")[0]))),
    "eighth": ("TimeSig", lambda metre: _ticks(metre, 1) // STEPS_IN_BEAT),
    "program": ("Program", lambda program: int(program) if program != "-1" else DRUMS),
}
"""What tokens tell, the kind of token that tells it, and how it is read."""


def held(numbers: Ints, first: int) -> Ints:
    """Return what holds before each place (T,) and behind the last, (T + 1,): the last number that is not -1."""
    known = np.append(first, numbers)
    places = np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))
    return np.asarray(known[places], np.int64)


def require_token(metre: Metre) -> None:
    """Check that a metre has a token.

    Raises:
        RepresentationError: it has none.
    """
    least, most = METRES.get(metre.denominator, (1, 0))
    if not least <= metre.numerator <= most:
        raise RepresentationError(
            f"the metre {metre.numerator}/{metre.denominator} has no token; there are up to 6/2, 12/4, 12/8 and 12/16"
        )
