"""Harmonize and inpaint: voices, or bars, composed around notes that are given, on the four-voice grid.

The piece is laid onto the grid of a model, the cells that are to be composed are left open, and particles fill them in
(``midigen.sampling.particles``). What is given comes out as it went in: its notes are taken from the piece, not from
the grid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from midigen.checkpoints.run import Checkpoint
from midigen.corpora.fetch import no_progress
from midigen.errors import UsageError
from midigen.representations.grid_plan import QUANTUM
from midigen.representations.voice_grid import AGAIN, COLUMN, REST, SCORE_ORDER, SILENT, VOICES, VoiceGrid
from midigen.sampling.expression import shape_velocities
from midigen.sampling.given_voices import Given, lay_out, sounding_parts, voices_of
from midigen.sampling.particles import Bools, Drawn, ParticleSettings, Task, draw_pieces
from midigen.sampling.stepper import make_stepper
from midigen.scores.score import Ints, Score
from midigen.scores.time import quantise

BARS_WEIGHED_BEHIND = 2
"""So long do the given notes behind new bars bear on these."""
SOUNDING = [[field.name for field in VoiceGrid.context_fields].index(f"{voice} sounding") for voice in VOICES]
"""Columns of the context."""


@dataclass(frozen=True)
class Composed:
    """What came out."""

    scores: tuple[Score, ...]
    drawn: tuple[Drawn, ...]
    remarks: tuple[str, ...]
    """What was kept, guessed and moved: sentences."""
    rows: int
    """Sixteenths of a piece that the network went through."""
    seconds: float


def harmonize(
    checkpoint: Checkpoint,
    score: Score,
    voices: Sequence[str] | None,
    settings: ParticleSettings,
    progress: Callable[[int, int], None] = no_progress,
) -> Composed:
    """Compose the voices that a piece does not have; see ``voices_of`` for ``voices``.

    Raises:
        UsageError: the model is not for the grid, or it is not clear which voices the parts are, or all are given.
        SamplingError: the piece does not fit the grid.
    """
    kept = voices_of(score, voices)
    if len(kept) == len(VOICES):
        raise UsageError("The piece has all four voices: name those to keep, for example --voices soprano.")
    given = lay_out(checkpoint, score, kept)
    free = np.tile([voice not in kept for voice in VOICES], (len(given.rows), 1))
    composed = _compose(checkpoint, given, free, settings, progress)
    names = ", ".join(voice for voice in SCORE_ORDER if voice in kept)
    return replace(composed, remarks=(f"Kept: {names}.", *composed.remarks))


def inpaint(
    checkpoint: Checkpoint,
    score: Score,
    bars: tuple[int, int],
    voices: Sequence[str] | None,
    settings: ParticleSettings,
    progress: Callable[[int, int], None] = no_progress,
) -> Composed:
    """Compose some voices of some bars anew.

    Args:
        checkpoint: a model for the grid.
        score: a piece of four voices.
        bars: the first and the last. The first whole bar is 1, a pick-up 0.
        voices: names of the voices; None for all four.
        settings: seed, particles, number of pieces, temperature.
        progress: called with the sixteenths done and those of all.

    Raises:
        UsageError: the model is not for the grid, the piece has not four voices, or has not these bars.
        SamplingError: the piece does not fit the grid.
    """
    chosen = VOICES if voices is None else voices
    there = len(sounding_parts(score))
    if there != len(VOICES):
        raise UsageError(f"The piece has {there} of the four voices; midigen harmonize composes the others.")
    given = lay_out(checkpoint, score, voices_of(score, None))
    numbers = (given.plan[:-1, 0] == 0).cumsum()
    first, last = bars
    if not numbers[0] <= first <= last <= numbers[-1]:
        raise UsageError(f"--bars {first}-{last}: the piece has the bars {numbers[0]} to {numbers[-1]}.")
    is_inside = (numbers >= first) & (numbers <= last)
    free = is_inside[:, None] & np.array([voice in chosen for voice in VOICES])
    composed = _compose(checkpoint, given, free, settings, progress)
    names = ", ".join(voice for voice in SCORE_ORDER if voice in chosen)
    where = f"bar {first}" if first == last else f"bars {first} to {last}"
    return replace(composed, remarks=(f"Composed anew: {names} in {where}; all else is kept.", *composed.remarks))


def _compose(
    checkpoint: Checkpoint,
    given: Given,
    free: Bools,
    settings: ParticleSettings,
    progress: Callable[[int, int], None],
) -> Composed:
    """Fill in the free cells, (T, 4)."""
    grid = given.grid
    behind = int(np.flatnonzero(free.any(1))[-1]) + 1
    stop = min(len(free), behind + BARS_WEIGHED_BEHIND * int(given.plan[behind - 1, 1]))
    task = Task(given.plan[: stop + 1], free[:stop], _fixed_cells(given), ends=stop == len(free))
    started = time.perf_counter()
    drawn = draw_pieces(make_stepper(checkpoint.model), grid, task, settings, progress)
    seconds = time.perf_counter() - started
    scores = tuple(_put_together(given, free, piece.rows) for piece in drawn)
    return Composed(scores, tuple(drawn), given.remarks, stop, seconds)


def _fixed_cells(given: Given) -> Callable[[int, Ints], Ints]:
    """Return what forces the given notes: where the music before is new, a note held there may have to be struck."""
    context = given.grid.context(given.rows, given.plan)[:, SOUNDING]
    before, sounding = context[:-1], context[1:]
    is_struck = (given.rows == AGAIN) | (sounding != before)

    def fixed(step: int, context: Ints) -> Ints:
        is_again = is_struck[step] & (context[:, SOUNDING] == sounding[step])
        return np.where(sounding[step] == SILENT, REST, np.where(is_again, AGAIN, sounding[step]))

    return fixed


def _put_together(given: Given, free: Bools, drawn: Ints) -> Score:
    """Return the piece with its own notes where no cell was free, and the new ones elsewhere."""
    rows = np.concatenate([drawn, given.rows[len(drawn) :]])
    # A given note that ends before a free cell ends there: what goes on at its pitch is struck again.
    begins = free & ~np.concatenate([np.zeros((1, 4), bool), free[:-1]])
    before = given.grid.context(given.rows, given.plan)[:-1, SOUNDING]
    rows[begins & (rows == before) & (given.rows != before)] = AGAIN
    new, old = shape_velocities(given.grid.decode(rows, given.plan)), given.original
    columns = np.array(COLUMN)[old.part]
    first = np.minimum(quantise(old.onset, QUANTUM), len(free) - 1)
    last = np.clip(quantise(old.onset + old.duration, QUANTUM), first + 1, len(free))
    free_before = np.concatenate([np.zeros((1, 4), np.int64), free.cumsum(0)])
    is_kept = free_before[last, columns] == free_before[first, columns]
    places = (first * 4 + old.part)[is_kept]
    is_new = (free_before[-1, COLUMN][new.part] > 0) & ~np.isin(new.onset // QUANTUM * 4 + new.part, places)
    notes = np.concatenate([old.notes[is_kept], new.notes[is_new] - [0, 0, given.semitones, 0, 0]])
    onset, duration, pitch, velocity, part = notes.T
    return replace(old, onset=onset, duration=duration, pitch=pitch, velocity=velocity, part=part)
