"""Songs: scores as the library symusic has them, which MidiTok reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from midigen.representations.notes import DRUMS, programs_of
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score

if TYPE_CHECKING:
    import symusic


def to_symusic(score: Score) -> symusic.Score:
    """Return the notes and metres for symusic, a track a program, drums last; a kit is always program 0."""
    import symusic

    song = symusic.Score(TICKS_PER_QUARTER)
    programs = programs_of(score)
    for program in np.unique(programs).tolist():
        track = symusic.Track(program=0 if program == DRUMS else program, is_drum=program == DRUMS)
        onset, duration, pitch, velocity = score.notes[programs == program, :4].T
        track.notes = _note_list(onset, duration, pitch, velocity)
        song.tracks.append(track)
    for metre in score.metres:
        song.time_signatures.append(symusic.TimeSignature(metre.tick, metre.numerator, metre.denominator))
    return song


def put_in_order(song: symusic.Score, *, cut: bool) -> None:
    """Sort the notes of each track by (onset, pitch), which rounding may have changed; the longer of two stays."""
    for track in song.tracks:
        columns = track.notes.numpy()
        notes = np.stack([columns[name] for name in ("time", "pitch", "duration", "velocity")], axis=1).astype(np.int64)
        notes = notes[np.lexsort((notes * [1, 1, -1, -1]).T[::-1])]
        onset, pitch, duration, velocity = notes[np.append(True, (notes[1:, :2] != notes[:-1, :2]).any(1))].T
        if cut:
            order = np.lexsort([onset, pitch])
            until = np.where(np.diff(pitch[order], append=-1), duration[order], np.diff(onset[order], append=0))
            duration[order] = np.minimum(duration[order], until)
        track.notes = _note_list(onset, duration, pitch, velocity)


def _note_list(onset: Ints, duration: Ints, pitch: Ints, velocity: Ints) -> Any:  # noqa: ANN401  # of symusic
    import symusic

    return symusic.Note.from_numpy(
        onset.astype(np.int32), duration.astype(np.int32), pitch.astype(np.int8), velocity.astype(np.int8)
    )
