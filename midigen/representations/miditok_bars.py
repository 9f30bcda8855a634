"""The tokenizers of MidiTok that tell bars and places in them; see ``midigen.representations.miditok_tokenizers``."""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RepresentationError
from midigen.fields import Field
from midigen.representations.miditok_time import STEPS_IN_BEAT, Place, held
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import DRUMS
from midigen.representations.tokens import no_plan
from midigen.scores.score import Ints, Metre, Score
from midigen.scores.time import metres_from_start

MOST_BARS = 256
"""Of Octuple, which counts them."""
MOST_AHEAD = 2
"""Bars that a drawn row of Octuple may lead on: a network that has not learned to count leaps over the whole piece."""
BLANK = ("PAD", "Ignore")
"""Tokens that stand for nothing."""


class InBars(MidiTokTokens):
    """Tokenizers in which a row begins a bar, and another one tells a position in it."""

    first = "Bar"

    def _timed(self, rows: Ints) -> list[Ints]:
        """Return the fields of Place behind each row, (T,) each."""
        is_bar, position = self._are("Bar", rows), self._told("position", rows)
        length = held(self._told("length", rows), Place().length)
        eighth = held(self._told("eighth", rows), Place().eighth)[1:]
        bar = np.maximum(np.cumsum(is_bar) - 1, 0)
        line = np.cumsum(np.where(is_bar & (bar > 0), length[:-1], 0))
        tick = np.where(position >= 0, line + position * eighth, np.where(is_bar, line, -1))
        return [held(tick, 0)[1:], bar, line, length[1:], eighth]

    def onset_ticks(self, rows: Ints) -> Ints:
        """See MidiTokTokens."""
        return self._timed(rows)[0]

    def place(self, rows: Ints) -> Place:
        """See MidiTokTokens."""
        return Place(*(int(column[-1]) for column in self._timed(rows))) if len(rows) else Place()

    def _distance(self, place: Place) -> Ints:
        """Return the ticks to what each id leads to, (V,), 0 for ids that lead nowhere; what is below 0 lies behind."""
        column, positions = self._numbers["position"]
        ahead = np.where(positions >= 0, place.line + positions * place.eighth - place.tick, 0)
        return np.where(self._kinds[column] == "Bar", place.line + place.length - place.tick, ahead)

    def _lies_ahead(self, rows: Ints, place: Place) -> NDArray[np.bool_]:
        """Return which ids do not lead behind the end of the bar or back, (V,)."""
        positions = self._numbers["position"][1]
        told = self._told("position", rows)
        bars = np.flatnonzero(self._are("Bar", rows))
        reached = int(told[bars[-1] if len(bars) else 0 :].max(initial=-1))
        return (positions < 0) | ((positions > reached) & (positions * place.eighth < place.length))


class _Compound(MidiTokTokens):
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

    @cached_property
    def _blank(self) -> list[NDArray[np.bool_]]:
        """Which ids of a column stand for nothing, (V,)."""
        return [np.isin(kinds, BLANK) for kinds in self._kinds]

    def _is_empty(self, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T, K)
        """Whether ids stand for nothing."""
        return np.stack([blank[rows[:, column]] for column, blank in enumerate(self._blank)], axis=1)

    def _is_of_the_kit(self, pitch: int) -> bool:
        return str(self._kinds[self.pitch_column][pitch]) == "PitchDrum"

    def _players(self, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """Return which ids of the column of programs may play the pitch that was drawn, (V,)."""
        _, programs = self._numbers["program"]
        return np.asarray((programs >= 0) & ((programs == DRUMS) == self._is_of_the_kit(int(drawn[self.pitch_column]))))


class CPWord(_Compound, InBars):
    """Compound words (Hsiao et al. 2021)."""

    name = "miditok:CPWord"
    note_unit = "compound word"

    def _is_metric(self, family: Any) -> Any:  # noqa: ANN401  # an id, or several
        return family == self._vocabularies[0]["Family_Metric"]

    def _are(self, kind: str, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T,)
        # The metre stands in the row of the bar.
        return self._is_metric(rows[:, 0]) & (self._kinds[1][rows[:, 1]] == kind)

    def _told(self, what: str, rows: Ints) -> Ints:
        kind = "Position" if what == "position" else "Bar"
        return np.where(self._are(kind, rows), super()._told(what, rows), -1)

    def _whole(self, rows: Ints) -> Ints:
        has_no_metre = self._are("Bar", rows) & self._is_empty(rows)[:, -1]
        return np.asarray(rows[~has_no_metre], np.int64)

    def legal(self, rows: Ints, place: Place, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """See MidiTokTokens."""
        kinds, blank = self._kinds[column], self._blank[column]
        if column == 0:
            before = self._kinds[1][rows[-1, 1]] if len(rows) else "Bar"
            metric = self._is_metric(np.arange(len(kinds)))
            return np.asarray({"Bar": metric, "Position": ~metric}.get(before, True) & ~blank)
        if not self._is_metric(drawn[0]):
            is_place = column in (1, len(self.fields) - 1)
            players = self._players(column, drawn) if self.fields[column].name == "program" else ~blank
            return blank & (kinds == "Ignore") if is_place else players
        if column == 1:
            return np.asarray(
                (kinds == "Bar") | ((kinds == "Position") & self._lies_ahead(rows, place) & bool(len(rows)))
            )
        is_metre = column == len(self.fields) - 1 and self._kinds[1][drawn[1]] == "Bar"
        return ~blank if is_metre else kinds == "Ignore"

    def moves(self, place: Place, column: int, drawn: Ints) -> Ints | None:
        """See MidiTokTokens. A row that leads on is taken for half a beat until it is known."""
        if column == 0:
            half_a_beat = STEPS_IN_BEAT // 2 * place.eighth
            return np.asarray(half_a_beat * self._is_metric(np.arange(self.fields[0].size)))
        return self._distance(place) if column == 1 and self._is_metric(drawn[0]) else None


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

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Representation."""
        if bars is not None and bars > MOST_BARS:
            raise RepresentationError(f"Octuple counts {MOST_BARS} bars at most; take fewer --bars.")
        return super().make_plan(bars, length, rng, opening)

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation."""
        place = self.place(rows[:1])
        return (rows[:, 2] - 1) * place.length + self._told("position", rows) * place.eighth

    def place(self, rows: Ints) -> Place:
        """See MidiTokTokens. The metre of the first row holds."""
        if not len(rows):
            return Place()
        length, eighth = (int(self._told(what, rows[:1])[0]) for what in ("length", "eighth"))
        bar = int(rows[-1, 2]) - 1
        position = int(self._told("position", rows[-1:])[0])
        return Place(bar * length + position * eighth, bar, bar * length, length, eighth)

    def legal(self, rows: Ints, place: Place, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """See MidiTokTokens."""
        legal, name = ~self._blank[column], self.fields[column].name
        if name == "program":
            return self._players(column, drawn)
        if name == "position" and len(rows):
            ticks = self._numbers["position"][1] * place.eighth
            is_last = place.bar == MOST_BARS - 1
            return legal & (ticks < place.length) & (ticks >= is_last * (place.tick - place.line))
        if name == "bar":
            ahead = np.arange(len(legal)) - 1 - place.bar
            return np.asarray(legal & (ahead >= self.bars_on(place)[drawn[1]]) & (ahead <= MOST_AHEAD))
        if name == "metre":
            return self._metres(rows, drawn)
        return legal

    def bars_on(self, place: Place) -> Ints:
        """Return how many bars on each position comes next, (V,): 0, or 1 if it lies before the place there is."""
        return np.asarray(self._numbers["position"][1] * place.eighth < place.tick - place.line, np.int64)

    def within(self, metre: Metre) -> NDArray[np.bool_]:
        """Return which positions lie in a bar of a metre, (V,)."""
        return self._numbers["position"][1] * metre.bar_ticks // metre.numerator < metre.bar_ticks * STEPS_IN_BEAT

    def _metres(self, rows: Ints, drawn: Ints) -> NDArray[np.bool_]:
        """Return the metre of the first row; there, those in whose bar the position lies."""
        ids = np.arange(self.fields[-1].size)
        if len(rows):
            return np.asarray(ids == rows[0, -1])
        lengths, eighths = self._numbers["length"][1], self._numbers["eighth"][1]
        return np.asarray((lengths >= 0) & (self._numbers["position"][1][drawn[1]] * eighths < lengths))

    def moves(self, place: Place, column: int, drawn: Ints) -> Ints | None:
        """See MidiTokTokens. The position alone leads to where it lies next."""
        positions = self._numbers["position"][1]
        if column == 1:
            return (positions * place.eighth - (place.tick - place.line)) % place.length
        if column == 2:
            next_bar = place.bar + self.bars_on(place)[drawn[1]]
            return np.asarray(np.maximum(np.arange(self.fields[2].size) - 1 - next_bar, 0) * place.length)
        return None
