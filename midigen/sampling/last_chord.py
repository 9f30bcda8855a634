"""The last chord of pieces in MidiTok's tokens: pulled towards while they are drawn, and written behind them.

To write it is plainer than to draw it: each of the tokenizers would spell it in another way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.sampling.closing import PULL, STRONG_PULL, Tonalities
from midigen.sampling.lane import Lane
from midigen.sampling.rules import PitchTable, Rule
from midigen.sampling.steering_words import MAJOR_THIRD, MINOR_THIRD, Classes, Tonality
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score
from midigen.scores.statistics import is_drum

MOST_NOTES = 4
"""Of a part in the chord."""
HEARD_BARS = 2
"""So many bars before the last note a part counts as playing still."""


class WrittenClose(Rule):
    """Ends at the line of the last bar, or at the first one behind as many rows as were asked for."""

    def __init__(
        self, tokens: MidiTokTokens, tonality: Tonalities, length: int | None, low: int = 0, high: int = 127
    ) -> None:
        self._tokens, self._tonality, self._length, self._range = tokens, tonality, length, (low, high)
        self._table = PitchTable(tokens)
        self._keys = dict[Lane, Tonality]()
        self._bars = dict[Lane, int]()

    def _last_bar(self, lane: Lane) -> int | None:
        """Return the number of the bar of the last chord, once that is known."""
        if lane.last_bar is not None:
            return lane.last_bar - 1
        if lane not in self._bars and self._length is not None and lane.count - lane.given >= self._length - 1:
            self._bars[lane] = lane.place(self._tokens).bar + 1
        return self._bars.get(lane)

    def _key(self, lane: Lane) -> Tonality:
        if lane not in self._keys:
            self._keys[lane] = self._tonality(lane)
        return self._keys[lane]

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule. The last notes before the chord go to the tonic."""
        last = self._last_bar(lane)
        if last is None or column not in self._table.columns:
            return None
        place = lane.place(self._tokens)
        if place.bar < last - 1:
            return None
        key = self._key(lane)
        is_near = place.line + place.length - place.tick <= TICKS_PER_QUARTER
        return self._table.bias(lambda pitch: pitch % 12 == key.tonic, -(STRONG_PULL if is_near else PULL))

    def is_over(self, lane: Lane) -> bool:
        """See Rule."""
        last = self._last_bar(lane)
        return last is not None and lane.place(self._tokens).bar >= last

    def finish(self, lane: Lane, score: Score) -> Score:
        """See Rule."""
        place, last = lane.place(self._tokens), self._last_bar(lane)
        ahead = 1 if last is None else last - place.bar
        return with_chord(score, place.line + ahead * place.length, place.length, self._key(lane), self._range)


def with_chord(score: Score, line: int, ticks: int, key: Tonality, pitches: tuple[int, int]) -> Score:
    """Return a piece that ends with a chord: what each part last played, at the nearest pitches, the tonic below.

    Args:
        score: the piece.
        line: tick of the chord; nothing else sounds from there on.
        ticks: how long the chord lasts.
        key: the chord is its tonic triad.
        pitches: the lowest and the highest there may be.
    """
    score = score.where(score.onset < line)
    score = replace(score, duration=np.minimum(score.duration, line - score.onset))
    chord = list[list[int]]()
    pitched = score.where(~is_drum(score))
    pitched = pitched.where(pitched.onset >= pitched.onset.max(initial=0) - HEARD_BARS * ticks)
    # A piece in minor might close in major as well, but not in both.
    triad = key.triad_with([key.tonic + (MINOR_THIRD if key.mode == "minor" else MAJOR_THIRD)])
    for part in np.unique(pitched.part).tolist():
        own = pitched.where(pitched.part == part)
        last = own.where(own.onset + own.duration > own.onset.max())
        velocity = int(last.velocity.mean())
        found = {nearest(pitch, triad, pitches) for pitch in last.pitch.tolist()}
        chord += [[line, ticks, pitch, velocity, part] for pitch in sorted(found)[:MOST_NOTES]]
    if not chord:
        return score
    bass = min(chord, key=lambda note: note[2])
    bass[2] = nearest(bass[2], frozenset({key.tonic}), pitches)
    chord = [note for note in chord if note is bass or note[2] > bass[2]]
    notes = np.append(score.notes, np.array(chord), axis=0)
    return replace(score, **dict(zip(("onset", "duration", "pitch", "velocity", "part"), notes.T, strict=True)))


def nearest(pitch: int, classes: Classes, pitches: tuple[int, int]) -> int:
    """Return the nearest pitch of some classes within a range, the lower one of two; else the pitch itself."""
    near = [p for p in range(pitches[0], pitches[1] + 1) if p % 12 in classes]
    return min(near, key=lambda other: abs(other - pitch), default=pitch)
