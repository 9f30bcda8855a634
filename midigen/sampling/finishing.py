"""Finishing: what is done to a piece once it is decoded: tempo, metre and instrument set, the prompt left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.representations.representation import Representation
from midigen.sampling.lane import Lane
from midigen.scores.score import Metre, Score, Tempo
from midigen.scores.time import bar_starts


def without_prompt(representation: Representation, lane: Lane, score: Score) -> Score:
    """Leave out the notes of the rows that were given; begin with the bar in which the first new note lies."""
    rows = lane.rows
    given = representation.decode(rows[: lane.given], lane.plan[: lane.given + 1])
    # The first new note may begin with the last one given, as a chord: the tick alone does not tell them apart.
    prompted = {(onset, pitch) for onset, _, pitch, *_ in given.notes.tolist()}
    is_new = np.array([(onset, pitch) not in prompted for onset, _, pitch, *_ in score.notes.tolist()], bool)
    begins = int(representation.onset_ticks(np.append(rows, rows[-1:], axis=0))[lane.given])
    new = score.where(is_new & (score.onset >= begins))
    return _from_tick(new, int(new.onset.min(initial=score.end)))


def with_tempo(score: Score, bpm: float) -> Score:
    """Return a piece at so many quarters a minute; a tune says so in its header, too."""
    if isinstance(score, PlayedTune) and len(score):
        return read_tune(Tune(_with_field(score.tune.text, f"Q:1/4={bpm:g}")))
    return replace(score, tempos=(Tempo.from_bpm(0, bpm),))


def _with_field(text: str, line: str) -> str:
    """Return the text of a tune with a line of its header in place of the one of that name, else before ``K:``."""
    header, _, music = text.partition("\nK:")
    kept = [old for old in header.split("\n") if not old.startswith(line[:2])]
    return "\n".join([*kept, line]) + "\nK:" + music


def with_metre(score: Score, metre: Metre) -> Score:
    """Return a piece whose bars of that length are written in that metre: 6/8 in place of 3/4."""
    metres = tuple(replace(metre, tick=old.tick) if old.bar_ticks == metre.bar_ticks else old for old in score.metres)
    return replace(score, metres=metres)


def with_program(score: Score, program: int) -> Score:
    """Return a piece with one General MIDI instrument for all parts but drums."""
    parts = tuple(part if part.is_drum else replace(part, program=program) for part in score.parts)
    return replace(score, parts=parts)


def _from_tick(score: Score, tick: int) -> Score:
    """Return the notes from a tick on, moved so that the bar it lies in is the first."""
    kept = score.where(score.onset >= tick)
    starts = bar_starts(score, max(score.end, tick + 1))
    shift = int(starts[np.searchsorted(starts, tick, side="right") - 1])
    metres = [metre for metre in score.metres if metre.tick <= shift][-1:]
    later = [metre for metre in score.metres if metre.tick > shift]
    return replace(
        kept,
        onset=kept.onset - shift,
        metres=(*(replace(m, tick=0) for m in metres), *(replace(m, tick=m.tick - shift) for m in later)),
        pickup=score.pickup if shift == 0 else 0,
        fermatas=tuple(fermata - shift for fermata in score.fermatas if fermata >= tick),
    )
