"""Dynamics for pieces that have none: louder on strong beats, towards the middle of a phrase and in the top part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score
from midigen.scores.time import bar_starts, position_in_bar

LOUDNESS, DOWNBEAT, BEAT, ARCH, TOP_PART = 70, 8, 3, 14, 6
BARS_IN_PHRASE = 4


def shape_velocities(score: Score) -> Score:
    """Return the score with velocities by bar and phrase.

    Phrases end with fermatas; without any, they last four bars.
    """
    if not len(score):
        return score
    position = position_in_bar(score, score.onset)
    velocity = np.full(len(score), LOUDNESS) + np.where(position == 0, DOWNBEAT, 0)
    velocity += np.where((position % TICKS_PER_QUARTER == 0) & (position > 0), BEAT, 0)
    ends = _phrase_ends(score)
    index = np.searchsorted(ends, score.onset)
    begins = np.concatenate([[0], ends])[index]
    lengths = np.maximum(np.append(ends, score.end)[index] - begins, 1)
    velocity += np.rint(ARCH * np.sin(np.pi * np.clip((score.onset - begins) / lengths, 0, 1))).astype(np.int64)
    means = [score.pitch[score.part == p].mean() if (score.part == p).any() else -1 for p in range(len(score.parts))]
    velocity += np.where(score.part == int(np.argmax(means)), TOP_PART, 0)
    return replace(score, velocity=np.clip(velocity, 1, 127))


def _phrase_ends(score: Score) -> Ints:
    """Return the ticks at which phrases reach their last note."""
    if score.fermatas:
        return np.array(score.fermatas, np.int64)
    return bar_starts(score)[BARS_IN_PHRASE::BARS_IN_PHRASE]
