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

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.representations.miditok_tokens import PREFIX, STEPS_IN_BEAT, MidiTokTokens
from midigen.representations.representation import refuse_below_one
from midigen.representations.tokens import no_plan
from midigen.scores.score import Ints, Metre, Score
from midigen.scores.time import metres_from_start, pickup_ticks

MOST_BARS = 256
"""Of Octuple, which counts them."""
ROWS_IN_BAR = 1000
"""Enough for any bar."""
LACKING = {
    "mumidi": "MuMIDI knows no metre, and its rows differ in length",
    "mmm": "MMM writes one instrument after the other, so that a piece that is cut lacks the last ones",
    "pertok": "PerTok counts bars wrongly where the beat is no quarter (a bar of 6/8 gets twelve quarters)",
    "beat": "BEAT keeps four steps a beat and cuts notes that overlap",
}
"""Tokenizers of MidiTok that are not served, and why."""


class _WithBars(MidiTokTokens):
    """Tokenizers that know bars."""

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Representation."""
        refuse_below_one(bars, length)
        rows = ROWS_IN_BAR * bars if length is None and bars is not None else length
        return super().make_plan(None, rows, rng, opening)

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return int(self._are("Bar", rows).sum())


class Remi(_WithBars):
    """Revamped MIDI (Huang and Yang 2020)."""

    name = "miditok:REMI"
    tells_bars = True


class Tsd(MidiTokTokens):
    """Time shifts and durations (Fradet et al. 2021)."""

    name = "miditok:TSD"


class MidiLike(MidiTokTokens):
    """Note on, note off (Oore et al. 2018)."""

    name = "miditok:MIDILike"
    cuts = True


class Structured(MidiTokTokens):
    """The same order always (Hadjeres and Crestel 2021)."""

    name = "miditok:Structured"

    def _in_whole_bars(self, score: Score) -> Score:
        return replace(score, onset=score.onset + -pickup_ticks(score) % metres_from_start(score)[0].bar_ticks)


class _Compound(_WithBars):
    """Tokenizers whose rows have several columns."""

    @property
    def _vocabularies(self) -> list[dict[str, int]]:
        return list(self.tokenizer.vocab)

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        names = dict[int, str]()
        for kind, column in self.tokenizer.vocab_types_idx.items():
            names.setdefault(column, "metre" if kind == "TimeSig" else kind.lower())
        return tuple(Field(names[column], len(ids)) for column, ids in enumerate(self._vocabularies))

    def _is_empty(self, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T, K)
        """Whether ids stand for nothing."""
        blank = [np.isin(kinds, ("PAD", "Ignore")) for kinds in self._kinds]
        return np.stack([mask[rows[:, column]] for column, mask in enumerate(blank)], axis=1)


class CPWord(_Compound):
    """Compound words (Hsiao et al. 2021)."""

    name = "miditok:CPWord"
    tells_bars = True
    note_unit = "compound word"

    def _are(self, kind: str, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T,)
        # The metre stands in the row of the bar.
        is_metric = rows[:, 0] == self._vocabularies[0]["Family_Metric"]
        return is_metric & (self._kinds[1][rows[:, 1]] == kind)

    def _whole(self, rows: Ints) -> Ints:
        has_no_metre = self._are("Bar", rows) & self._is_empty(rows)[:, -1]
        return np.asarray(rows[~has_no_metre], np.int64)


class Octuple(_Compound):
    """One row a note (Zeng et al. 2021)."""

    name = "miditok:Octuple"
    more_settings: ClassVar[Mapping[str, Any]] = {"max_bar_embedding": MOST_BARS}
    note_unit = "note"
    new_piece_rows = 400

    def _in_whole_bars(self, score: Score) -> Score:
        """Put the piece into the bars of the metre that holds longest."""
        metres = metres_from_start(score)
        lasting = Counter[Metre]()
        for metre, stop in zip(metres, [*(m.tick for m in metres[1:]), score.end], strict=True):
            lasting[replace(metre, tick=0)] += stop - metre.tick
        metre = lasting.most_common(1)[0][0]
        whole = super()._in_whole_bars(replace(score, metres=(metre,)))
        half_a_step = metre.bar_ticks // metre.numerator // STEPS_IN_BEAT // 2
        if int(whole.onset.max()) >= MOST_BARS * metre.bar_ticks - half_a_step:
            raise RepresentationError(f"it has more than {MOST_BARS} bars")
        return whole

    def _whole(self, rows: Ints) -> Ints:
        # One metre holds: bars are counted in it.
        rows = rows[~self._is_empty(rows).any(1)].copy()
        rows[:, -1] = rows[:1, -1]
        return rows

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation. Its bars count from the one that it begins in."""
        part = rows[start:stop].copy()
        part[:, 2] -= max(int(part[:, 2].min(initial=MOST_BARS)) - 1, 0)  # the id 0 stands for nothing
        return part, no_plan(len(part))

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return int(rows[:, 2].max(initial=0))


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
