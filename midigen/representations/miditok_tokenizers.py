"""``miditok:NAME``: the tokenizers of the library MidiTok, for music of many instruments.

    REMI         Bar, metre, position; then program, pitch, velocity, duration of each note
    TSD          program, pitch, velocity, duration of each note; time shifts between them
    MIDILike     note on and note off, as MIDI has them; time shifts between them
    Structured   time shift, program, pitch, velocity, duration, always in this order
    CPWord       as REMI, but the tokens of a note, or of a place in time, are one row of several columns
    Octuple      one row a note: pitch, position, bar, velocity, duration, program, metre

The first four have one column, the last two several. All instruments run in one stream, in order of (onset, program,
pitch), drums last with pitches of their own. The vocabulary is the tokenizer's own and the same for every corpus:
nothing of a held-out piece is unknown. Velocities are left out where the training pieces have only one.

Quantisation: onsets and lengths are rounded to eighths of a beat, and lengths lie between one and 128 of those; a beat
is what the metre counts in. Velocities take 32 values. Parts of the same program become one. A pick-up becomes a rest
in a whole bar, and a change of metre waits for the next bar line. Changes of tempo are not kept. Of two notes
of the same onset, program and pitch the longer stays. MIDILike keeps any length, but ends a note where its key is
struck again. Structured keeps no metre (its beats are quarters) and cuts gaps at 16 beats. Octuple keeps the metre that
holds longest and takes pieces of at most 256 bars.

MidiTok: N. Fradet et al.: MidiTok: A Python Package for MIDI File Tokenization, ISMIR 2021 (late-breaking demos).
"""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from midigen.errors import UsageError
from midigen.representations.miditok_bars import CPWord, InBars, Octuple
from midigen.representations.miditok_time import STEPS_IN_BEAT, Place, held
from midigen.representations.miditok_tokens import LONGEST_BEATS, PREFIX, MidiTokTokens
from midigen.representations.notes import DRUMS, PITCHES
from midigen.representations.representation import Json
from midigen.scores.score import Ints, Metre, Score
from midigen.scores.time import DEFAULT_METRE, metres_from_start, pickup_ticks

LACKING = {
    "mumidi": "MuMIDI knows no metre, and its rows differ in length",
    "mmm": "MMM writes one instrument after the other, so that a piece that is cut lacks the last ones",
    "pertok": "PerTok counts bars wrongly where the beat is no quarter (a bar of 6/8 gets twelve quarters)",
    "beat": "BEAT keeps four steps a beat and cuts notes that overlap",
}
"""Tokenizers of MidiTok that are not served, and why."""


class Remi(InBars):
    """Revamped MIDI (Huang and Yang 2020)."""

    name = "miditok:REMI"

    def legal(self, rows: Ints, place: Place, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """See MidiTokTokens."""
        return super().legal(rows, place, column, drawn) & self._lies_ahead(rows, place)

    def moves(self, place: Place, column: int, drawn: Ints) -> Ints:
        """See MidiTokTokens."""
        return self._distance(place)


class _WithShifts(MidiTokTokens):
    """Tokenizers that tell how much time passes."""

    @property
    def _usual(self) -> Place:
        """Where a piece begins that tells no metre."""
        return Place()

    def onset_ticks(self, rows: Ints) -> Ints:
        """See MidiTokTokens."""
        eighth = held(self._told("eighth", rows), self._usual.eighth)[1:]
        return np.cumsum(np.maximum(self._told("shift", rows), 0) * eighth)

    def place(self, rows: Ints) -> Place:
        """See MidiTokTokens. A metre begins a bar where it stands."""
        place, ticks = self._usual, self.onset_ticks(rows)
        lengths, eighths = self._told("length", rows), self._told("eighth", rows)
        for row in [*np.flatnonzero(lengths >= 0).tolist(), len(rows) - 1] if len(rows) else ():
            tick, length = int(ticks[row]), int(lengths[row])
            bars = (tick - place.line) // place.length
            place = place._replace(tick=tick, bar=place.bar + bars, line=place.line + bars * place.length)
            if length >= 0:
                is_torn = tick > place.line
                place = Place(tick, place.bar + is_torn, tick, length, int(eighths[row]))
        return place

    def moves(self, place: Place, column: int, drawn: Ints) -> Ints:
        """See MidiTokTokens."""
        return np.maximum(self._numbers["shift"][1], 0) * place.eighth


class Tsd(_WithShifts):
    """Time shifts and durations (Fradet et al. 2021)."""

    name = "miditok:TSD"
    first = "TimeSig"


class MidiLike(_WithShifts):
    """Note on, note off (Oore et al. 2018)."""

    name = "miditok:MIDILike"
    first = "TimeSig"
    cuts = True

    @cached_property
    def _keys(self) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """The key that each id strikes or lets go, -1 for other ids; which ids strike; which let go; (V,) each."""
        strikes, lets_go = (np.char.endswith(self._kinds[0], end) for end in ("On", "Off"))
        keys = [
            int(token.split("_")[1]) if moves else -1
            for token, moves in zip(self._vocabularies[0], strikes | lets_go, strict=True)
        ]
        return np.array(keys), strikes, lets_go

    def _struck(self, rows: Ints, program: int) -> Ints:
        """Return the row that struck each key of a program that sounds at the end, -1 for other keys, (PITCHES,)."""
        keys, strikes, lets_go = self._keys
        own = np.flatnonzero(held(self._told("program", rows), 0)[1:] == program)
        last = np.full((2, PITCHES), -1)
        for when, events in zip(last, (strikes, lets_go), strict=True):
            places = own[events[rows[own, 0]]]
            when[keys[rows[places, 0]]] = places
        return np.where(last[0] > last[1], last[0], -1)

    def legal(self, rows: Ints, place: Place, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """See MidiTokTokens. What is let go sounds; what is struck does not."""
        keys, strikes, lets_go = self._keys
        sounds = self._struck(rows, int(held(self._told("program", rows), 0)[-1]))[keys] >= 0
        return super().legal(rows, place, column, drawn) & ~(strikes & sounds) & ~(lets_go & ~sounds)

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation. Where keys are but let go on a line, no bar has begun."""
        place, onsets = self.place(rows), self.onset_ticks(rows)[self.begin_notes(rows)]
        is_on_line = place.bar > 0 and place.tick == place.line and not (onsets == place.tick).any()
        return super().bars_begun(rows, plan) - is_on_line

    def _whole(self, rows: Ints) -> Ints:
        """Let go of what sounds at the end where the bar ends; what was struck long ago was forgotten, not held."""
        if not len(rows):
            return rows
        place, ticks, ids = self.place(rows), self.onset_ticks(rows), self._vocabularies[0]
        oldest = place.tick - LONGEST_BEATS * STEPS_IN_BEAT * place.eighth
        left = min((place.line + place.length - place.tick) // place.eighth, LONGEST_BEATS * STEPS_IN_BEAT)
        ends = [ids[f"TimeShift_{left // STEPS_IN_BEAT}.{left % STEPS_IN_BEAT}.8"]]
        for program in np.unique(held(self._told("program", rows), 0)).tolist():
            struck, name = self._struck(rows, program), f"Program_{program}" if program != DRUMS else "Program_-1"
            for key in np.flatnonzero((struck >= 0) & (ticks[struck] > oldest)).tolist():
                ends += [ids[name], ids[f"{'DrumOff' if program == DRUMS else 'NoteOff'}_{key}"]]
        return np.append(rows, np.array(ends)[:, None], axis=0) if len(ends) > 1 else rows


@dataclass(frozen=True)
class Structured(_WithShifts):
    """The same order always (Hadjeres and Crestel 2021)."""

    written: Metre = DEFAULT_METRE
    """Of new pieces: the tokens tell none."""
    name = "miditok:Structured"
    first = "TimeShift"

    @property
    def _usual(self) -> Place:
        return Place(length=self.written.bar_ticks)

    def _in_whole_bars(self, score: Score) -> Score:
        return replace(score, onset=score.onset + -pickup_ticks(score) % metres_from_start(score)[0].bar_ticks)

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation."""
        return replace(super().decode(rows, plan), metres=(self.written,))

    def to_json(self) -> Json:
        """See Representation."""
        description = super().to_json()
        del description["written"]
        return description


TOKENIZERS: tuple[type[MidiTokTokens], ...] = (Remi, Tsd, MidiLike, Structured, CPWord, Octuple)


def find_tokenizer(name: str) -> type[MidiTokTokens]:
    """Return the representation of a name such as ``miditok:REMI``; case and hyphens do not matter.

    Raises:
        UsageError: there is none; the message lists those there are and says what others lack.
    """
    _, _, wanted = name.partition(":")
    served = {_plain(tokenizer.name.removeprefix(PREFIX)): tokenizer for tokenizer in TOKENIZERS}
    if _plain(wanted) not in served:
        names = ", ".join(tokenizer.name for tokenizer in TOKENIZERS)
        why = f"MidiTok has no tokenizer {wanted!r} that midigen serves" if wanted else "Name a tokenizer of MidiTok"
        raise UsageError(f"{LACKING.get(_plain(wanted), why)}; choose one of: {names}.")
    return served[_plain(wanted)]


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()
