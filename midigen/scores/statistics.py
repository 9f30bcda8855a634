"""Statistics: what a number of scores holds, counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midigen.scores.score import TICKS_PER_QUARTER, Key, Metre, Score, Tempo
from midigen.scores.time import ticks_to_seconds

_FIFTHS = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"]


@dataclass(frozen=True)
class Summary:
    """What some scores hold. Keys, metres and tempos are counted once a score, by the one it begins with."""

    notes: int
    duration_quarters: float
    """Of all scores together, from tick 0 to the end of the last note."""
    seconds: float
    pitch_min: int | None
    """MIDI number of the lowest note that is not a drum's; None where there is none."""
    pitch_max: int | None
    keys: Counter[str]
    metres: Counter[str]
    tempos: Counter[str]
    duplicates: int
    """Scores with the notes of an earlier one."""
    transposed_duplicates: int
    """Scores with the notes of an earlier one at another pitch."""


def summarise_scores(scores: Sequence[Score]) -> Summary:
    """Count what the scores hold."""
    pitches = [s.pitch[~is_drum(s)] for s in scores]
    known = np.concatenate([np.zeros(0, np.int64), *pitches])
    seen, shapes = set[tuple[str, int]](), set[str]()
    duplicates = transposed = 0
    for score, pitch in zip(scores, pitches, strict=True):
        form, lowest = shape(score), int(pitch.min(initial=127))
        duplicates += (form, lowest) in seen
        transposed += form in shapes and (form, lowest) not in seen
        seen.add((form, lowest))
        shapes.add(form)
    return Summary(
        notes=sum(len(score) for score in scores),
        duration_quarters=sum(score.end for score in scores) / TICKS_PER_QUARTER,
        seconds=sum(float(ticks_to_seconds(np.array(score.end), score.tempos)) for score in scores),
        pitch_min=int(known.min()) if len(known) else None,
        pitch_max=int(known.max()) if len(known) else None,
        keys=Counter(key_name(score.keys[0]) if score.keys else "not said" for score in scores),
        metres=Counter(_metre_name((score.metres or (Metre(0),))[0]) for score in scores),
        tempos=Counter(f"{(score.tempos or (Tempo.from_bpm(0, 120),))[0].bpm:.0f}" for score in scores),
        duplicates=duplicates,
        transposed_duplicates=transposed,
    )


def is_drum(score: Score) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which notes, (N,), belong to drums."""
    return np.array([part.is_drum for part in score.parts], np.bool_)[score.part]


def shape(score: Score) -> str:
    """Return a hash that two scores share when they are equal up to a shift in time and of all pitches but drums."""
    drums = is_drum(score)
    pitch = score.pitch - np.where(drums, 0, score.pitch[~drums].min(initial=127))
    notes = np.stack([score.onset - score.onset[:1], drums, pitch, score.duration], axis=1)
    return hashlib.sha256(notes[np.lexsort(notes.T[::-1])].tobytes()).hexdigest()


def key_name(key: Key) -> str:
    """Return "Bb major", "D minor", or the signature where the mode is not known, as "2 sharps"."""
    if key.mode:
        return f"{_FIFTHS[key.sharps + (10 if key.mode == 'minor' else 7)]} {key.mode}"
    kind = "flat" if key.sharps < 0 else "sharp"
    return f"{abs(key.sharps)} {kind}" + "s" * (abs(key.sharps) != 1)


def _metre_name(metre: Metre) -> str:
    return f"{metre.numerator}/{metre.denominator}"
