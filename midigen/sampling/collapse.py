"""Signs that sampling has collapsed: silence, one pitch, one duration, a short loop."""

from __future__ import annotations

import numpy as np

from midigen.scores.score import Score

ENOUGH_NOTES = 16
"""Fewer notes may well be alike."""
LOOP_NOTES, LONGEST_LOOP = 32, 4


def collapse(score: Score, *, durations_are_drawn: bool = True) -> list[str]:
    """Return one sentence for each sign, with what to change; none for music that goes on."""
    if not len(score):
        return ["It is silent: raise --temperature or train longer."]
    if len(score) < ENOUGH_NOTES:
        return []
    signs = []
    if len(np.unique(score.pitch)) == 1:
        signs.append("It is one pitch, over and over: raise --temperature, give --repeat-guard 4 or train longer.")
    elif _loops(score):
        signs.append("It ends in a loop of a few notes: give --repeat-guard 16, or raise --temperature or --top-k.")
    if durations_are_drawn and len(np.unique(score.duration)) == 1:
        signs.append("All notes have one duration: raise the temperature (for example duration=1.2) or train longer.")
    return signs


def _loops(score: Score) -> bool:
    """Whether the last notes repeat the same one to four."""
    last = np.stack([score.pitch, score.duration], axis=1)[-LOOP_NOTES:]
    if len(last) < LOOP_NOTES:
        return False
    return any(np.array_equal(last[period:], last[:-period]) for period in range(1, LONGEST_LOOP + 1))
