"""The form of folk tunes: parts that repeat, parts of eight bars, an end on the tonic, and bars that come again.

A part ends at a repeat sign or a double bar. Its length is that of its notes as written, in whole bars: a pick-up
completes the short bar at the end. Of numbered endings the first belongs to its part, and the others count nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from midigen.formats.abc_events import Bar, Event, Sound
from midigen.formats.abc_fields import KEY, Meter
from midigen.formats.abc_music import SEMITONES, TuneReader
from midigen.formats.abc_notation import PlayedTune, Tune

PART_BARS = 8
KEY_LINE = re.compile(r"(?m)^K:\s*(.*)")
SHARPS = {"#": 1, "b": -1, "": 0}


@dataclass(frozen=True)
class TuneForm:
    """Means over some tunes."""

    repeated: float
    """Share of tunes with a part that repeats."""
    eight_bars: float
    """Share of the parts of all tunes that have 8 bars, or a multiple of 8."""
    ends_on_tonic: float
    """Share of tunes whose last note is the tonic of their K:."""
    recurring_bars: float
    """Share of the written full bars, whose notes are those of an earlier bar of the tune."""
    parts: float
    """Parts of a tune."""


def tune_form(tunes: Sequence[PlayedTune]) -> TuneForm | None:
    """Return the form of some tunes; None if there are none."""
    found = [_one(score.tune) for score in tunes if len(score)]
    if not found:
        return None
    repeated, lengths, tonics, recurring = zip(*found, strict=True)
    bars = [length for parts in lengths for length in parts]
    return TuneForm(
        float(np.mean(repeated)),
        float(np.mean([length % PART_BARS == 0 for length in bars])) if bars else 0.0,
        float(np.mean(tonics)),
        float(np.mean(recurring)),
        len(bars) / len(found),
    )


def _one(tune: Tune) -> tuple[bool, list[int], bool, float]:
    """Return whether a part repeats, the bars of each part, whether the end is the tonic, and the recurring bars."""
    events = next(iter(TuneReader(tune.text, tune.line).voices.values())).events
    is_repeated = any(isinstance(event, Bar) and event.closes for event in events)
    bars = _full_bars(events)
    recurring = sum(bar in bars[:place] for place, bar in enumerate(bars))
    return is_repeated, _parts(events), _ends_on_tonic(tune, events), recurring / max(len(bars), 1)


def _parts(events: Sequence[Event]) -> list[int]:
    """Return the length of each part in bars."""
    parts, metre, length, is_later_ending = list[int](), Fraction(1), Fraction(0), False
    end = Bar(False, False, True, (), True, 0, 0)
    for event in [*events, end]:
        if isinstance(event, Meter):
            metre = event.bar or metre
        elif isinstance(event, Sound) and not is_later_ending:
            length += event.length / metre
        elif isinstance(event, Bar):
            is_edge = event.closes or event.opens or event.is_double
            if is_edge:
                parts += [round(length)] if round(length) else []
                length = Fraction(0)
            if is_edge or event.endings:
                is_later_ending = bool(event.endings) and 1 not in event.endings
    return parts


def _full_bars(events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Return the pitches and lengths of the bars that hold their metre."""
    bars, sounds, metre = list[tuple[object, ...]](), list[Sound](), Fraction(1)
    for event in events:
        if isinstance(event, Meter):
            metre = event.bar or metre
        elif isinstance(event, Sound):
            sounds.append(event)
        elif isinstance(event, Bar) and event.is_line:
            if sum(sound.length for sound in sounds) == metre:
                bars.append(tuple((sound.pitches, sound.length) for sound in sounds))
            sounds = []
    return bars


def _ends_on_tonic(tune: Tune, events: Sequence[Event]) -> bool:
    keys = [KEY.match(text.strip()) for text in KEY_LINE.findall(tune.text)]
    last = next((event for event in reversed(events) if isinstance(event, Sound) and event.pitches), None)
    if not keys or keys[-1] is None or last is None:
        return False
    tonic = SEMITONES[keys[-1][1]] + SHARPS[keys[-1][2]]
    return (max(last.pitches) - tonic) % 12 == 0
