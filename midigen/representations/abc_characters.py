"""``abc``: one row a character of the text of a tune in ABC notation, headers and line feeds included.

The vocabulary is the characters of the training tunes, in the order of their code points; behind them stands one id for
all others. A character that the training tunes lack is spelled by those of its compatibility decomposition (Unicode's
NFKD) that they have, so that e with an accent is e; if there are none it is U+FFFD, the last id. So every piece has a
finite likelihood. There is no plan and no transposition: a tune in another key is another text. The context tells what
the past says of the form (``abc_context``): the place in the bar, the part and the scale.

A tune that was read from ABC is its own text, as it stands. Any other piece is written down first
(``midigen.formats.abc_writing``). Decoding gives the text back and plays it; what cannot be played has no notes.
"""

# ruff: noqa: ARG002  # a representation without plan has no use for some of what it is given

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RepresentationError, SourceError, UsageError
from midigen.fields import Field
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.formats.abc_writing import write_tune
from midigen.representations.abc_context import CONTEXT_FIELDS, Reading
from midigen.representations.representation import Json, Representation, refuse_below_one
from midigen.representations.tokens import Tokens, no_plan
from midigen.scores.score import Ints, Score

UNKNOWN = "\ufffd"
NEW_TUNE_ROWS = 1200
"""Characters at most; 99.9% of the tunes in the bundled books have fewer."""
MOST_BAR_ROWS = 60
"""Characters more for each bar that is wanted; most bars take fewer than 20."""


@dataclass(frozen=True)
class AbcCharacters(Tokens):
    """Characters with what they learned from the training tunes."""

    characters: str = UNKNOWN
    """What each id stands for."""
    form: bool = True
    """Whether the context tells of the form; else there is none."""
    name: ClassVar[str] = "abc"
    note_unit: ClassVar[str] = "character"
    velocities: ClassVar[bool] = False
    new_piece_rows: ClassVar[int] = NEW_TUNE_ROWS

    @property
    def options(self) -> Mapping[str, Any]:
        """See Representation."""
        return {} if self.form else {"form": False}

    @property
    def context_fields(self) -> tuple[Field, ...]:  # type: ignore[override]  # that of Tokens is none at all
        """See Representation."""
        return CONTEXT_FIELDS if self.form else ()

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> AbcCharacters:
        """Learn the characters. The option is ``form``."""
        if unknown := options.keys() - {"form"}:
            raise UsageError(f"The representation abc has no option {', '.join(sorted(unknown))}.")
        known = {character for score in scores for character in tune_of(score).text}
        return cls("".join(sorted(known - {UNKNOWN})) + UNKNOWN, bool(options.get("form", cls.form)))

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (Field("character", len(self.characters)),)

    @property
    def separator(self) -> int:
        """The id of the line feed, which ends every line of a tune and, behind itself, the tune."""
        return self._ids.get("\n", 0)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {character: index for index, character in enumerate(self.characters)}

    def adopt(self, other: Representation) -> tuple[AbcCharacters, str]:
        """See Representation."""
        if not isinstance(other, AbcCharacters):
            raise RepresentationError(f"A model for {other.name} cannot go on with abc.")
        fitting = len(set(self.characters) & set(other.characters))
        return other, f"{fitting} of {len(self.characters)} characters fit"

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        return self.encode_text(tune_of(score).text)

    def encode_text(self, text: str) -> tuple[Ints, Ints]:
        """Return the rows (T, 1) and the plan (T + 1, 0) of a text."""
        ids = [index for character in text for index in self._spell(character)]
        return np.array(ids, np.int64)[:, None], no_plan(len(ids))

    def _spell(self, character: str) -> list[int]:
        if character in self._ids:
            return [self._ids[character]]
        smaller = unicodedata.normalize("NFKD", character)
        return [self._ids[part] for part in smaller if part in self._ids] or [len(self.characters) - 1]

    def text(self, rows: Ints) -> str:
        """Return the text that rows spell."""
        return "".join(self.characters[index] for index in rows[:, 0].tolist())

    def first_context(self, plan: Ints) -> Ints:
        """See Representation."""
        return np.tile(_row(Reading()), (len(plan), 1)) if self.form else plan

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        if not self.form:
            return plan
        readings = [Reading(*state) for state in context[:, len(CONTEXT_FIELDS) :].tolist()]
        for reading, index in zip(readings, rows[:, 0].tolist(), strict=True):
            reading.add(self.characters[index])
        return np.array([_row(reading) for reading in readings], np.int64)

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """See Representation."""
        return _columns(self.text(rows)).astype(np.int64) if self.form else plan

    def decode(self, rows: Ints, plan: Ints) -> PlayedTune:
        """See Representation. The score remembers the text; it has no notes if that cannot be played."""
        tune = Tune(self.text(rows))
        try:
            return read_tune(tune)
        except SourceError:
            return PlayedTune.from_notes([], tune=tune)

    def transpositions(self, rows: Ints) -> range:
        """See Representation."""
        return range(1)

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """See Representation."""
        return None if semitones else (rows, plan)

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """See Representation. There is room for bars, which the grammar of a tune counts."""
        refuse_below_one(bars, length)
        rows = NEW_TUNE_ROWS + MOST_BAR_ROWS * (bars or 0) if length is None else length
        return super().make_plan(None, rows, rng, opening)

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation. The grammar of tunes counts bars.

        Raises:
            RepresentationError: always.
        """
        raise RepresentationError("Characters alone know no bars.")

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation. Characters have no time of their own.

        Raises:
            RepresentationError: always.
        """
        raise RepresentationError("A tune cannot do without its beginning: leave --without-prompt out.")

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, "characters": self.characters, "form": self.form}

    @classmethod
    def from_json(cls, description: Json) -> AbcCharacters:
        """See Representation."""
        characters = description["characters"]
        if not isinstance(characters, str) or characters[-1:] != UNKNOWN or len(set(characters)) < len(characters):
            raise ValueError(f"characters {characters!r}")
        # Networks of earlier versions know nothing of the form.
        return cls(characters, bool(description.get("form", False)))


def tune_of(score: Score) -> Tune:
    """Return the tune that a score is played from, or else write it down."""
    return score.tune if isinstance(score, PlayedTune) else write_tune(score)


def _row(reading: Reading) -> tuple[int, ...]:
    """Return the context of the place reached, and behind it what ``next_context`` goes on from."""
    return *reading.columns(), *reading.state()


@lru_cache(maxsize=2**13)
def _columns(text: str) -> NDArray[np.int16]:
    """Return the context of a whole text, (T + 1, C).

    It is kept, for training asks for it every epoch: some 6 kB for a tune of 300 characters, 50 MB when all is full.
    """
    reading = Reading()
    rows = [reading.columns()]
    for character in text:
        reading.add(character)
        rows.append(reading.columns())
    return np.array(rows, np.int16)
