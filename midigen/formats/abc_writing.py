"""A score to the text of an ABC tune.

Each part is a voice. Notes that sound together are a chord, notes that go on while others begin are tied, and so are
notes over a bar line. Onsets and ends are rounded to a 24th of a quarter, which holds triplets and 32nds. A note struck
again while it sounds in its part ends there; drums, and what ABC has no name for, are left out. Thirds are tuplets of a
single note, of three where three notes of one length stand together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from midigen.errors import SourceError
from midigen.formats.abc_fields import FIFTHS, parse_key
from midigen.formats.abc_music import SEMITONES
from midigen.formats.abc_notation import Tune
from midigen.scores.score import TICKS_PER_QUARTER, Key, Score
from midigen.scores.time import bar_starts

STEP_TICKS = TICKS_PER_QUARTER // 24
UNIT_TICKS = TICKS_PER_QUARTER // 2
"""L:1/8."""
BARS_IN_LINE = 4
SIGNS = {0: "=", 1: "^", -1: "_", 2: "^^", -2: "__"}
ALONE = "(3:2:1"
"""A third that is a tuplet by itself."""
TRIPLET = re.compile(r"{0}([^\s\d/[z]+)(\S*) {0}([^\s\d/[z]+)\2 {0}([^\s\d/[z]+)\2(?= |$)".format(re.escape(ALONE)))
MIDDLE_OCTAVE = 5
"""Of MIDI numbers: ``C`` is 60."""

Name = tuple[str, int]
"""A letter and an octave."""


def write_tune(score: Score) -> Tune:
    """Write a score in ABC. ``read_tune`` gives its notes back, rounded as said above, with velocity 80.

    Raises:
        SourceError: it has no notes but drums.
    """
    is_drum = np.array([part.is_drum for part in score.parts])
    kept = score.where(~is_drum[score.part])
    if not len(kept):
        raise SourceError("a piece without notes cannot be written in ABC")
    starts = [int(start) for start in bar_starts(score, score.end + 1)]
    metre = next((m for m in score.metres if m.tick == 0), None)
    key = next((k for k in score.keys if k.tick == 0), Key(0, 0, "major"))
    lines = ["X:1", "T:Untitled", f"M:{metre.numerator}/{metre.denominator}" if metre else "M:4/4", "L:1/8"]
    if score.tempos:
        lines.append(f"Q:1/4={score.tempos[0].bpm:.0f}")
    lines.append(f"K:{key_text(key)}")
    parts = sorted(set(kept.part.tolist()))
    for number, part in enumerate(parts, 1):
        lines += [f"V:{number}"] if len(parts) > 1 else []
        voice = _Voice(kept.where(kept.part == part), key)
        bars = [voice.bar(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]
        bars = [bar for bar in bars if bar]
        rows = [bars[first : first + BARS_IN_LINE] for first in range(0, len(bars), BARS_IN_LINE)]
        texts = ["|".join(row) for row in rows]
        lines += [*(f"{text}|" for text in texts[:-1]), f"{texts[-1]}|]"]
    return Tune("\n".join(lines) + "\n")


def key_text(key: Key) -> str:
    """Return a key as the field K: has it; without a mode it is taken for major."""
    fifths = max(-7, min(key.sharps, 7)) + (3 if key.mode == "minor" else 0)
    letter = "FCGDAEB"[(fifths + 1) % 7]
    sign = {-1: "b", 0: "", 1: "#"}[(fifths - FIFTHS[letter]) // 7]
    return f"{letter}{sign}{'m' if key.mode == 'minor' else ''}"


class _Voice:
    """One part, which writes a bar at a time."""

    def __init__(self, score: Score, key: Key) -> None:
        self.changes = {change.tick: change for change in score.keys if change.tick}
        self.metres = {change.tick: change for change in score.metres if change.tick}
        self.notes = _rounded(score)
        self.edges = sorted({edge for onset, end, _ in self.notes for edge in (onset, end)})
        self.end = self.edges[-1]
        self.key = parse_key(key_text(key)).altered
        self.altered: dict[str, int] = {}
        """Accidentals in this bar."""
        self.tied: dict[Name, int] = {}
        """Pitches that go on, by the names they had."""

    def bar(self, start: int, end: int | None) -> str:
        """Return the text of a bar; nothing behind the last note."""
        stop = self.end if end is None else min(end, self.end)
        if start >= stop:
            return ""
        self.altered = {}
        text = self._fields(start, end)
        edges = [start, *(edge for edge in self.edges if start < edge < stop), stop]
        return text + TRIPLET.sub(r"(3\1\2\3\2\4\2", " ".join(self._sound(now, then) for now, then in pairwise(edges)))

    def _fields(self, start: int, end: int | None) -> str:
        """Return the changes of metre and key in a bar, which are written at its beginning."""
        text = ""
        if metre := self.metres.get(start):
            text += f"[M:{metre.numerator}/{metre.denominator}]"
        inside = [change for tick, change in self.changes.items() if start <= tick and (end is None or tick < end)]
        if inside:
            self.key = parse_key(key_text(inside[-1])).altered
            text += f"[K:{key_text(inside[-1])}]"
        return text

    def _sound(self, start: int, end: int) -> str:
        """Return what sounds from one edge to the next: a note, a chord or a rest."""
        sounding = sorted((pitch, last > end) for first, last, pitch in self.notes if first <= start and last >= end)
        names = _names([pitch for pitch, _ in sounding], {**self.key, **self.altered})
        texts, tied = [], {}
        for (pitch, goes_on), name in zip(sounding, names, strict=False):
            texts.append(self._name(name, pitch) + ("-" if goes_on and len(sounding) > 1 else ""))
            if goes_on:
                tied[name] = pitch
        self.tied = tied
        before, length = _length(end - start)
        if not texts:
            return f"{before}z{length}"
        if len(texts) == 1:
            return f"{before}{texts[0]}{length}{'-' if tied else ''}"
        return f"{before}[{''.join(texts)}]{length}"

    def _name(self, name: Name, pitch: int) -> str:
        letter, octave = name
        alteration = pitch - SEMITONES[letter] - 12 * octave
        holds = self.tied.get(name) == pitch
        usual = self.altered.get(letter, self.key[letter])
        sign = ""
        if not holds and (alteration != usual or name in self.tied):
            sign = SIGNS[alteration]
            self.altered[letter] = alteration
        above = octave - MIDDLE_OCTAVE
        return sign + (letter.lower() + "'" * (above - 1) if above > 0 else letter + "," * -above)


def _rounded(score: Score) -> list[tuple[int, int, int]]:
    """Return (onset, end, pitch) in ticks on the grid, of a part without a pitch that sounds twice at a time."""
    onsets = (score.onset + STEP_TICKS // 2) // STEP_TICKS * STEP_TICKS
    ends = (score.onset + score.duration + STEP_TICKS // 2) // STEP_TICKS * STEP_TICKS
    by_pitch: dict[int, dict[int, int]] = {}
    for onset, end, pitch in zip(onsets.tolist(), ends.tolist(), score.pitch.tolist(), strict=True):
        struck = by_pitch.setdefault(pitch, {})
        struck[onset] = max(struck.get(onset, 0), end, onset + STEP_TICKS)
    notes = []
    for pitch, struck in by_pitch.items():
        order = sorted(struck)
        notes += [(o, min(struck[o], after), pitch) for o, after in zip(order, [*order[1:], 2**40], strict=True)]
    return sorted(notes)


def _length(ticks: int) -> tuple[str, str]:
    """Return what stands before and behind a note of so many ticks."""
    length, before = Fraction(ticks, UNIT_TICKS), ""
    if length.denominator % 3 == 0:
        length, before = length * 3 / 2, ALONE
    over = "" if length.numerator == 1 else str(length.numerator)
    return before, over if length.denominator == 1 else f"{over}/{length.denominator}"


def _names(pitches: Sequence[int], altered: dict[str, int]) -> list[Name]:
    """Return letter and octave for each pitch, all different, the usual ones first; fewer if they run out."""
    chosen = list[Name]()

    def search(place: int) -> bool:
        if place == len(pitches):
            return True
        for name in _candidates(pitches[place], altered):
            if name not in chosen:
                chosen.append(name)
                if search(place + 1):
                    return True
                chosen.pop()
        return False

    search(0)
    return chosen


def _candidates(pitch: int, altered: dict[str, int]) -> Iterator[Name]:
    """Yield the names of a pitch: as the key and the bar have it, then natural, then with one sign, then with two."""
    found = []
    for letter, semitones in SEMITONES.items():
        octave, alteration = divmod(pitch - semitones + 2, 12)
        alteration -= 2
        if alteration in SIGNS:
            found.append(((alteration != altered[letter], abs(alteration)), (letter, octave)))
    yield from (name for _, name in sorted(found))
