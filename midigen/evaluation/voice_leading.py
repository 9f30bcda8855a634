"""Voice leading: the faults that a teacher of harmony marks in four voices."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from midigen.scores.score import Ints, Score

FAULTS = ("parallel fifths", "parallel octaves", "crossings", "wide spacing")
RESTING = -1
FIFTH, OCTAVE = 7, 12


def chords(score: Score) -> Ints:
    """Return the pitches of soprano, alto, tenor and bass, (C, 4), wherever a note begins; -1 where a voice rests.

    Args:
        score: four parts, each with one note at a time, the soprano first.
    """
    return pitches_at(score, np.unique(score.onset))


def pitches_at(score: Score, ticks: Ints) -> Ints:
    """Return the pitches that sound at some ticks, (C, 4); -1 where a voice rests. For ``score`` see ``chords``."""
    pitches = np.full((len(ticks), 4), RESTING)
    for part in range(4):
        onset, duration, pitch = score.notes[score.part == part, :3].T
        if len(onset):
            index = np.maximum(np.searchsorted(onset, ticks, side="right") - 1, 0)
            sounds = (onset[index] <= ticks) & (ticks < (onset + duration)[index])
            pitches[sounds, part] = pitch[index[sounds]]
    return pitches


def count_faults(pitches: Ints) -> dict[str, int]:
    """Count the faults in chords, (C, 4), as from ``chords``.

    Parallels: two voices move, and are a fifth (octave or unison) apart before and after. Octaves between them do not
    count, nor does contrary motion help; a unison that moves on to an octave in one direction is none. So it is in
    music21's ``VoiceLeadingQuartet``. Crossings: neighbouring voices of a chord in the wrong order. Wide spacing: more
    than an octave between soprano and alto, or alto and tenor.
    """
    counts = dict.fromkeys(FAULTS, 0)
    sounds = pitches != RESTING
    motion = np.where(sounds[1:] & sounds[:-1], np.sign(pitches[1:] - pitches[:-1]), 0)
    for upper, lower in combinations(range(4), 2):
        apart = np.abs(pitches[:, upper] - pitches[:, lower])
        both_move = (motion[:, upper] != 0) & (motion[:, lower] != 0)
        is_contrary = motion[:, upper] != motion[:, lower]
        is_parallel = both_move & (is_contrary | ((apart[1:] == 0) == (apart[:-1] == 0)))
        for fault, size in (("parallel fifths", FIFTH), ("parallel octaves", 0)):
            is_so = apart % OCTAVE == size
            counts[fault] += int((is_parallel & is_so[:-1] & is_so[1:]).sum())
    for upper in range(3):
        apart = pitches[:, upper] - pitches[:, upper + 1]
        both_sound = sounds[:, upper] & sounds[:, upper + 1]
        counts["crossings"] += int((both_sound & (apart < 0)).sum())
        if upper < 2:
            counts["wide spacing"] += int((both_sound & (apart > OCTAVE)).sum())
    return counts
