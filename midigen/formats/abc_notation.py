"""ABC, the text notation of folk tunes: a file to tunes, a tune to a score, and what is wrong with a tune.

ABC 2.1 (https://abcnotation.com/wiki/abc:standard:v2.1) as the collections of traditional music use it. Chord symbols,
annotations, decorations, grace notes and words are skipped: they are performance or comment, and take no time. Not
read: overlays (``&``), macros and ``U:`` redefinitions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import SourceError
from midigen.formats.abc_events import Bar, Diagnosis, Event, Sound
from midigen.formats.abc_fields import KeySignature, Meter
from midigen.formats.abc_music import TuneReader
from midigen.formats.abc_playing import misfits, played, unclosed
from midigen.formats.midi import MAX_NOTES, MAX_TICKS, read_bytes
from midigen.scores.score import TICKS_PER_QUARTER, Key, Metre, Part, Score, Tempo

VELOCITY = 80
TICKS_PER_WHOLE = 4 * TICKS_PER_QUARTER
HEADER = re.compile(r"(?m)^X:")
Mark = TypeVar("Mark", Key, Metre)


@dataclass(frozen=True)
class Tune:
    """The text of one tune, from its ``X:`` on, and the line of the file on which it starts, from 1."""

    text: str
    line: int = 1

    @property
    def title(self) -> str:
        """The first ``T:``; empty without one."""
        found = re.search(r"(?m)^T:(.*)", self.text)
        return found[1].strip() if found else ""


@dataclass(frozen=True, eq=False)
class PlayedTune(Score):
    """The score of a tune, which remembers its text: a piece in ABC is text first, and its score is how that sounds."""

    tune: Tune = field(default=Tune(""), kw_only=True)

    def where(self, chosen: NDArray[np.bool_]) -> Score:
        """Keep some notes, as a plain score: the text would say more than they do."""
        rest = {item.name: getattr(self, item.name) for item in fields(Score)}
        return Score(**rest).where(chosen)


def read_tunes(path: Path) -> list[Tune]:
    """Read a file of tunes, UTF-8 or else Latin-1.

    Raises:
        SourceError: the file cannot be read or holds no tune.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    tunes = split_tunes(text)
    if not tunes:
        raise SourceError(f"{path} holds no ABC tune; a tune starts with a line such as X:1", file=path)
    return tunes


def split_tunes(text: str) -> list[Tune]:
    """Split a file's text into its tunes: each runs from ``X:`` to an empty line, the next ``X:`` or the end."""
    text = re.sub(r"\r\n?", "\n", text)
    tunes = []
    for header in HEADER.finditer(text):
        end = re.compile(r"\n[ \t]*(?=\n)|\n(?=X:)|\Z").search(text, header.end())
        body = text[header.start() : end.start() if end else None].rstrip("\n")
        tunes.append(Tune(body + "\n", text.count("\n", 0, header.start()) + 1))
    return tunes


def with_fields(tune: Tune, names: str) -> Tune:
    """Return a tune of whose header, the lines up to the first ``K:``, only the fields of these names are left."""
    header, key, music = tune.text.partition("\nK:")
    kept = [line for line in header.split("\n") if line[:1] in names and line[1:2] == ":"]
    return replace(tune, text="\n".join(kept) + key + music)


def read_tune(tune: Tune) -> PlayedTune:
    """Play a tune out, repeats and endings included: 480 ticks a quarter, one part for each voice, velocity 80.

    Faults are passed over as far as possible; ``check_tune`` names them. Keys, metres and tempos are the first voice's.

    Raises:
        SourceError: there is no ``K:`` or no note, or far too many of them.
    """
    reader = TuneReader(tune.text, tune.line)
    if not reader.has_key:
        raise SourceError(f"the tune (line {tune.line}) has no key; end its header with a line such as K:G")
    notes: list[tuple[int, int, int, int, int]] = []
    parts: list[Part] = []
    marks: dict[str, object] = {}
    for name, voice in reader.voices.items():
        events = list(played(voice.events, reader.order, is_only_voice=len(reader.voices) == 1))
        found = [(on, length, pitch, VELOCITY, len(parts)) for on, length, pitch in _notes(events)]
        marks = marks or _marks(events)
        if found:
            notes += found
            parts.append(Part(name if len(reader.voices) > 1 else ""))
    if not 0 < len(notes) <= MAX_NOTES or max(on + length for on, length, *_ in notes) > MAX_TICKS:
        raise SourceError(f"the tune (line {tune.line}) holds {'too many notes' if notes else 'no notes'}")
    return PlayedTune.from_notes(notes, tune=tune, parts=tuple(parts), **marks)


def _notes(events: list[Event]) -> list[tuple[int, int, int]]:
    """Return (onset, duration, pitch) in ticks; a tied note goes on in the next sound if that has its pitch."""
    now, held = Fraction(0), dict[int, Fraction]()
    notes: list[tuple[int, int, int]] = []
    for event in events:
        if not isinstance(event, Sound):
            continue
        onsets = {pitch: held.pop(pitch, now) for pitch in event.pitches}
        notes.extend(_ticks(onset, now, pitch) for pitch, onset in held.items())
        now += event.length
        held = {pitch: onset for pitch, onset in onsets.items() if pitch in event.tied}
        notes.extend(_ticks(onset, now, pitch) for pitch, onset in onsets.items() if pitch not in held)
    notes.extend(_ticks(onset, now, pitch) for pitch, onset in held.items())
    return notes


def _ticks(onset: Fraction, end: Fraction, pitch: int) -> tuple[int, int, int]:
    start = _tick(onset)
    return start, max(_tick(end) - start, 1), pitch


def _tick(time: Fraction) -> int:
    return (2 * TICKS_PER_WHOLE * time.numerator + time.denominator) // (2 * time.denominator)


def _marks(events: list[Event]) -> dict[str, object]:
    """Return the keys, metres, tempos and the pick-up of a voice, as the fields of a Score."""
    now, keys, metres, tempos = Fraction(0), dict[int, Key](), dict[int, Metre](), dict[int, Tempo]()
    first_bar: Fraction | None = None
    for event in events:
        tick = _tick(now)
        if isinstance(event, Sound):
            now += event.length
        elif isinstance(event, Bar):
            first_bar = now if first_bar is None and now and event.is_line else first_bar
        elif isinstance(event, KeySignature):
            key = Key(tick, event.sharps, event.mode)
            keys |= {} if _goes_on(keys, key) else {tick: key}
        elif isinstance(event, Meter) and event.beats:
            metre = Metre(tick, event.beats, event.unit)
            metres |= {} if _goes_on(metres, metre) else {tick: metre}
        elif isinstance(event, float):
            tempos[tick] = Tempo.from_bpm(tick, event)
    pickup = _tick(first_bar or Fraction(0))
    if pickup >= next((metre.bar_ticks for metre in metres.values()), TICKS_PER_WHOLE):
        pickup = 0
    return {
        "keys": tuple(keys.values()),
        "metres": tuple(metres.values()),
        "tempos": tuple(tempos.values()),
        "pickup": pickup,
    }


def _goes_on(marks: dict[int, Mark], mark: Mark) -> bool:
    """Say whether the last mark says the same: a repeat that begins with it is no change, and begins no bar."""
    last = next(reversed(marks.values()), None)
    return last is not None and replace(last, tick=mark.tick) == mark


def check_tune(tune: Tune) -> list[Diagnosis]:
    """Return what is wrong with a tune, in the order of its lines, which count from the file's first.

    Faults are signs and fields that mean nothing, bars that do not hold their metre, and repeats that do not close.
    Allowed are pick-ups and the short bars around repeat signs, double bars and numbered endings.
    """
    reader = TuneReader(tune.text, tune.line)
    faults = list(reader.faults)
    if not reader.has_key:
        faults.append(Diagnosis(tune.line, 1, "the header has no key; end it with a line such as K:G"))
    for voice in reader.voices.values():
        faults.extend([*misfits(voice.events), *unclosed(voice.events)])
    return sorted(faults)
