"""Ensemble: the parts of a piece as its training pieces have them, from the bottom of the score."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from midigen.scores.score import Ints, Part, Score


class Player(NamedTuple):
    """A part of an ensemble."""

    name: str
    program: int
    lowest: int
    highest: int
    mean_pitch: float


Ensemble = tuple[Player, ...]
QUARTET: Ensemble = (
    Player("Cello", 42, 36, 81, 50.0),
    Player("Viola", 41, 48, 84, 60.0),
    Player("Violin II", 40, 55, 96, 68.0),
    Player("Violin I", 40, 55, 100, 75.0),
)


def without_drums(score: Score) -> Score:
    """Leave out what drums play."""
    return score.where(~np.array([part.is_drum for part in score.parts], bool)[score.part])


def ensemble_of(scores: list[Score]) -> Ensemble:
    """Return the commonest number of parts, what they are called and played by in most scores, and where they lie."""
    present = [np.unique(score.part).tolist() for score in scores]
    count = Counter(map(len, present)).most_common(1)[0][0]
    players = []
    for place in range(count):
        own = [(score, parts[-1 - place]) for score, parts in zip(scores, present, strict=True) if len(parts) == count]
        described = Counter(score.parts[part] for score, part in own)
        name = Counter(part.name for part in described.elements()).most_common(1)[0][0]
        program = Counter(part.program for part in described.elements()).most_common(1)[0][0]
        pitches = np.concatenate([score.pitch[score.part == part] for score, part in own])
        mean = round(float(pitches.mean()), 1)
        players.append(Player(name, program, int(pitches.min()), int(pitches.max()), mean))
    return tuple(players)


def part_ids(score: Score, ensemble: Ensemble) -> Ints:
    """Return the part of each note of a score without drums, (N,), counted from below.

    A score of as many parts as the ensemble keeps their order; of another one each goes where its mean pitch lies
    nearest.
    """
    named = [index for index, part in enumerate(score.parts) if not part.is_drum]
    present = np.unique(score.part).tolist()
    ordered = named if len(named) == len(ensemble) else present
    if len(ordered) == len(ensemble):
        ids = {part: len(ordered) - 1 - place for place, part in enumerate(ordered)}
    else:
        usual = np.array([player.mean_pitch for player in ensemble])
        means = {part: score.pitch[score.part == part].mean() for part in present}
        ids = {part: int(np.abs(usual - mean).argmin()) for part, mean in means.items()}
    return np.array([ids[part] for part in score.part.tolist()], np.int64)


def score_parts(ensemble: Ensemble) -> tuple[Part, ...]:
    """Return the parts of a score from its top."""
    return tuple(Part(player.name, player.program) for player in reversed(ensemble))
