"""Given voices: which voices the parts of a piece are, and the piece laid onto the four-voice grid of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from midigen.checkpoints.run import Checkpoint
from midigen.errors import RepresentationError, SamplingError, UsageError
from midigen.representations.grid_plan import LOWEST, NO_TONIC, transpose_plan
from midigen.representations.voice_grid import COLUMN, SCORE_ORDER, VOICES, VoiceGrid
from midigen.scores.key_finding import find_key
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Part, Score
from midigen.scores.statistics import is_drum, key_name

LONG_NOTE = 2 * TICKS_PER_QUARTER
"""A note of the top voice that ends a phrase, where no fermata is given."""
FARTHEST_MOVE = 24
"""Semitones to the range that a model knows."""


@dataclass(frozen=True)
class Given:
    """A piece on the grid of a model."""

    grid: VoiceGrid
    original: Score
    """Its four parts in score order, some perhaps without notes."""
    rows: Ints
    """(T, 4). The voices that the piece does not have are stand-ins."""
    plan: Ints
    semitones: int
    """What was added to its pitches on the grid."""
    remarks: tuple[str, ...]


def voices_of(score: Score, named: Sequence[str] | None) -> dict[str, int]:
    """Return the part of each voice to keep.

    Parts called Soprano, Alto, Tenor or Bass are these. Others are what ``named`` says, in the order of the parts with
    notes; without it one part is the soprano, and four are the voices by where they lie.

    Args:
        score: the piece; drums are not looked at.
        named: the voices to keep; None for all that there are.

    Raises:
        UsageError: it is not clear which voices the parts are, there are more than four or none, or one that is named
            is not there.
    """
    present = sounding_parts(score)
    names = [score.parts[part].name.strip().lower() for part in present]
    if set(names) <= set(VOICES) and len(set(names)) == len(names):
        known = dict(zip(names, present, strict=True))
    elif named is not None and len(named) == len(present):
        known = dict(zip(named, present, strict=True))
    elif len(present) == 1:
        known = {"soprano": present[0]}
    elif len(present) == len(VOICES):
        from_the_top = sorted(present, key=lambda part: -float(score.pitch[score.part == part].mean()))
        known = dict(zip(SCORE_ORDER, from_the_top, strict=True))
    else:
        raise UsageError(
            f"The piece has {len(present)} parts with notes: say which voices they are, in their order, "
            "for example --voices soprano,bass."
        )
    if missing := [voice for voice in named or () if voice not in known]:
        raise UsageError(f"The piece has no {' and no '.join(missing)}; its voices are: {', '.join(known)}.")
    return known if named is None else {voice: known[voice] for voice in named}


def sounding_parts(score: Score) -> list[int]:
    """Return the parts with notes, without drums: one to four.

    Raises:
        UsageError: there are none, or more.
    """
    present: list[int] = np.unique(score.part[~is_drum(score)]).tolist()
    if not present:
        raise UsageError("The piece has no notes but those of drums: name one with a melody.")
    if len(present) > len(VOICES):
        raise UsageError(f"The piece has {len(present)} parts with notes: name one of at most four, a part a voice.")
    return present


def lay_out(checkpoint: Checkpoint, score: Score, voices: dict[str, int]) -> Given:
    """Lay some voices of a piece onto the grid of a model: key, phrases and range as the model knows them.

    Raises:
        UsageError: the model is not for the grid.
        SamplingError: the piece does not fit it.
    """
    grid = grid_of(checkpoint)
    original, laid, remarks = _marked(grid, _four_parts(score, voices))
    semitones = _into_range(grid, laid)
    if semitones:
        direction = "up" if semitones > 0 else "down"
        remarks.append(f"It leaves the range of the model: moved {direction} by {abs(semitones)} semitones and back.")
    try:
        rows, plan = grid.encode(_with_stand_ins(replace(laid, pitch=laid.pitch + semitones)))
    except RepresentationError as error:
        raise SamplingError(f"The piece does not fit the four-voice grid: {error}.") from error
    return Given(grid, original, rows, transpose_plan(plan, semitones), semitones, tuple(remarks))


def grid_of(checkpoint: Checkpoint) -> VoiceGrid:
    """Return the grid of a model.

    Raises:
        UsageError: the model is not for the grid.
    """
    grid = checkpoint.representation
    if not isinstance(grid, VoiceGrid):
        raise UsageError(
            f"{checkpoint.name} is a model for {grid.name}, not for four voices on a grid: name another with --model; "
            "midigen models lists them."
        )
    return grid


def _marked(grid: VoiceGrid, score: Score) -> tuple[Score, Score, list[str]]:
    """Return the piece with its key, the same with the marks that a model has learned to read, and what was guessed."""
    remarks = list[str]()
    if not score.metres:
        remarks.append("No metre is given: it is taken to be 4/4.")
    laid = replace(score, keys=())
    if any(plan.tonic != NO_TONIC for plan in grid.plans):
        if len(score.keys) < 2 and not any(key.mode for key in score.keys):
            key = find_key(score, score.keys[0].sharps if score.keys else None)
            score = replace(score, keys=(key,))
            remarks.append(f"The key is taken to be {key_name(key)}.")
        laid = score
    if not any(plan.fermatas for plan in grid.plans):
        laid = replace(laid, fermatas=())
    elif not laid.fermatas:
        laid = replace(laid, fermatas=_phrase_ends(laid))
        remarks.append("No fermatas are given: phrases are taken to end with long notes.")
    return score, laid, remarks


def _with_stand_ins(score: Score) -> Score:
    """Return the piece with four voices, as the grid takes them: the first stands in for those that are not there."""
    notes = score.notes
    first = notes[notes[:, 4] == notes[0, 4]][:, :4]
    missing = sorted(set(range(len(VOICES))) - set(score.part.tolist()))
    stand_ins = [np.column_stack([first, np.full(len(first), part)]) for part in missing]
    onset, duration, pitch, velocity, part = np.concatenate([notes, *stand_ins]).T
    return replace(score, onset=onset, duration=duration, pitch=pitch, velocity=velocity, part=part)


def _four_parts(score: Score, voices: dict[str, int]) -> Score:
    """Return the voices of a piece as four parts in score order, those that are not there without notes."""
    place = np.full(len(score.parts), -1)
    for voice, part in voices.items():
        place[part] = SCORE_ORDER.index(voice)
    program = score.parts[next(iter(voices.values()))].program
    parts = [
        replace(score.parts[voices[voice]], name=voice.title()) if voice in voices else Part(voice.title(), program)
        for voice in SCORE_ORDER
    ]
    kept = score.where(place[score.part] >= 0)
    return replace(kept, parts=tuple(parts), part=place[kept.part])


def _phrase_ends(score: Score) -> tuple[int, ...]:
    """Return the onsets of the top voice's long notes and of its last."""
    top = score.part == score.part.min()
    onset, duration = score.onset[top], score.duration[top]
    is_end = duration >= LONG_NOTE
    is_end[-1] = True
    return tuple(onset[is_end].tolist())


def _into_range(grid: VoiceGrid, score: Score) -> int:
    """Return the smallest move in semitones that leaves the fewest notes outside the ranges of a model's voices."""
    lows, highs = (np.array(bounds)[COLUMN][score.part] + LOWEST for bounds in zip(*grid.ranges, strict=True))

    def outside(semitones: int) -> int:
        moved = score.pitch + semitones
        return int(((moved < lows) | (moved > highs)).sum())

    return min(range(-FARTHEST_MOVE, FARTHEST_MOVE + 1), key=lambda move: (outside(move), abs(move)))
