"""Features: what one piece is like, in numbers and histograms. Evaluation compares their distributions.

Drums are left out. Histograms sum to 1. A feature that a piece is too short for is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score
from midigen.scores.statistics import is_drum
from midigen.scores.time import bar_starts, position_in_bar

Floats = NDArray[np.float64]

SIXTEENTH = TICKS_PER_QUARTER // 4
LARGEST_INTERVAL = 12
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
SCALES = np.array([[(p - tonic) % 12 in scale for p in range(12)] for scale in (MAJOR, MINOR) for tonic in range(12)])
POSITIONS = 16
DURATION_CLASSES = 12
"""Of note lengths, from a 32nd in steps of half a power of two."""


def pitch_class_histogram(score: Score) -> Floats:
    """Return the share of notes of each pitch class, (12,)."""
    return _histogram(score.pitch % 12, 12)


def interval_histogram(score: Score) -> Floats:
    """Return the share of the steps from a note of a part to its next, from -12 to 12 semitones, (25,)."""
    steps = np.concatenate([np.zeros(0, np.int64), *(np.diff(score.pitch[score.part == p]) for p in _parts(score))])
    return _histogram(np.clip(steps, -LARGEST_INTERVAL, LARGEST_INTERVAL) + LARGEST_INTERVAL, 2 * LARGEST_INTERVAL + 1)


def duration_histogram(score: Score) -> Floats:
    """Return the share of notes of each length, (12,), half a power of two apart."""
    classes = np.rint(2 * np.log2(score.duration / (TICKS_PER_QUARTER / 8))).astype(np.int64)
    return _histogram(np.clip(classes, 0, DURATION_CLASSES - 1), DURATION_CLASSES)


def onset_histogram(score: Score) -> Floats:
    """Return the share of notes that begin on each sixteenth of a bar, (16,); longer bars go on at the last."""
    return _histogram(np.clip(position_in_bar(score, score.onset) // SIXTEENTH, 0, POSITIONS - 1), POSITIONS)


def pitch_class_transitions(score: Score) -> Floats:
    """Return the share of the steps from a pitch class to the next in a part, (144,): PCTM of Yang and Lerch."""
    pairs = [np.zeros(0, np.int64)]
    for part in _parts(score):
        classes = score.pitch[score.part == part] % 12
        pairs.append(classes[:-1] * 12 + classes[1:])
    return _histogram(np.concatenate(pairs), 144)


def pitch_range(score: Score) -> float:
    """Return the semitones from the lowest note to the highest."""
    return float(np.ptp(score.pitch)) if len(score) else 0.0


def mean_interval(score: Score) -> float:
    """Return the mean size, in semitones, of the steps from a note of a part to its next."""
    steps = [np.abs(np.diff(score.pitch[score.part == part])) for part in _parts(score)]
    together = np.concatenate([np.zeros(0, np.int64), *steps])
    return float(together.mean()) if len(together) else 0.0


def notes_per_quarter(score: Score) -> float:
    """Return the notes in a quarter."""
    return len(score) * TICKS_PER_QUARTER / score.end if score.end else 0.0


def mean_gap(score: Score) -> float:
    """Return the mean time in quarters from an onset to the next: the mean inter-onset interval."""
    gaps = np.diff(np.unique(score.onset))
    return float(gaps.mean()) / TICKS_PER_QUARTER if len(gaps) else 0.0


def polyphony(score: Score) -> float:
    """Return the mean number of notes that sound, over the time in which any does."""
    edges = np.unique(np.concatenate([score.onset, score.onset + score.duration]))
    starts = np.searchsorted(np.sort(score.onset), edges[:-1], side="right")
    sounding = starts - np.searchsorted(np.sort(score.onset + score.duration), edges[:-1], side="right")
    filled = np.diff(edges) * (sounding > 0)
    return float((np.diff(edges) * sounding).sum() / filled.sum()) if filled.sum() else 0.0


def scale_consistency(score: Score) -> float:
    """Return the share of notes in the major or natural minor scale that holds most of them (Mogren 2016; MusPy)."""
    return float((SCALES @ pitch_class_histogram(score)).max())


def groove_consistency(score: Score) -> float:
    """Return 1 minus the mean share of sixteenths in which two neighbouring bars differ in having an onset (MusPy)."""
    rhythms = _rhythms(score)
    pairs = [(a, b) for a, b in pairwise(rhythms) if len(a) == len(b)]
    return 1 - float(np.mean([np.mean(a != b) for a, b in pairs])) if pairs else 0.0


def repeated_bars(score: Score) -> float:
    """Return the share of bars that are equal to an earlier one, note by note."""
    starts = np.append(bar_starts(score), score.end)
    seen, repeated = set[bytes](), 0
    for start, stop in pairwise(starts):
        inside = score.notes[(score.onset >= start) & (score.onset < stop)]
        content = (inside - [start, 0, 0, 0, 0])[:, :3].tobytes()
        repeated += content in seen
        seen.add(content)
    return repeated / (len(starts) - 1)


FEATURES: dict[str, Callable[[Score], Floats | float]] = {
    "pitch classes": pitch_class_histogram,
    "pitch class transitions": pitch_class_transitions,
    "intervals": interval_histogram,
    "durations": duration_histogram,
    "onsets in the bar": onset_histogram,
    "pitch range": pitch_range,
    "mean interval": mean_interval,
    "notes a quarter": notes_per_quarter,
    "mean gap": mean_gap,
    "polyphony": polyphony,
    "scale consistency": scale_consistency,
    "groove consistency": groove_consistency,
    "repeated bars": repeated_bars,
}


def features(score: Score) -> dict[str, Floats]:
    """Return every feature of a piece, a number as an array (1,)."""
    pitched = score.where(~is_drum(score))
    return {name: np.atleast_1d(np.asarray(function(pitched), np.float64)) for name, function in FEATURES.items()}


def _histogram(classes: Ints, size: int) -> Floats:
    counts = np.bincount(classes, minlength=size).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1))


def _parts(score: Score) -> list[int]:
    return [int(part) for part in np.unique(score.part)]


def _rhythms(score: Score) -> list[NDArray[np.bool_]]:
    """Return for each bar in which sixteenths a note begins; the last ends with the piece."""
    starts = np.append(bar_starts(score), score.end)
    begins = np.zeros(score.end // SIXTEENTH + 1, bool)
    begins[score.onset // SIXTEENTH] = True
    cuts = starts // SIXTEENTH
    return [begins[a:b] for a, b in pairwise(cuts)]
