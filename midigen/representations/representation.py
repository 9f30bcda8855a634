"""Representation: how a piece becomes rows of ids and back. The protocol, and the table of those we have.

A piece of T steps is an integer array ``rows`` of shape (T, K): K columns in the order in which they are drawn, each
described by a Field. Beside it stands ``plan``, shape (T + 1, P): what is known of each step before anything is drawn
(where it lies in the bar). From both follows ``context``, shape (T + 1, C): the plan, then what the past tells (how
long each voice has held). Row t of the context is what a network may see when it draws row t; the last one belongs to
the end of the piece. Networks read the context and never predict it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import numpy as np

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.scores.score import Ints, Score

Json = dict[str, Any]


class Representation(Protocol):
    """What datasets, networks and the sampler need to know of a representation."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def notes_per_row(self) -> int:
        """What the likelihood of a row is divided by to be one per note: 4 where a row holds a cell of four voices."""

    @property
    def note_unit(self) -> str:
        """What such a note is called."""

    @property
    def velocities(self) -> bool:
        """Whether rows say how loud notes are."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of ``fit`` that give this representation."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The K columns of a row."""

    @property
    def plan_fields(self) -> tuple[Field, ...]:
        """The P columns of the plan."""

    @property
    def context_fields(self) -> tuple[Field, ...]:
        """The C columns of the context; the plan's come first."""

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> Self:
        """Learn what must be known of the training pieces: ranges, vocabularies, plans.

        Raises:
            UsageError: an option has a value it cannot have.
        """

    def adopt(self, other: Representation) -> tuple[Self, str]:
        """Return this with the ids of another, so that networks trained on those can go on, and what fits in words.

        Raises:
            RepresentationError: the two are not of one kind.
        """

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """Return the rows (T, K) and the plan (T + 1, P) of a piece.

        Raises:
            RepresentationError: the piece does not fit.
        """

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return rows and plan of part of a piece, so that it can begin a piece, in its place in the bar."""

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """Return the piece that rows and plan stand for. Every row of legal ids stands for something."""

    def first_context(self, plan: Ints) -> Ints:
        """Return the context of the first steps of several pieces, (B, C), from their first plan rows, (B, P).

        Further columns may stand behind the C, which only ``next_context`` reads.
        """

    def next_context(self, context: Ints, rows: Ints, plan: Ints) -> Ints:
        """Return the next context, (B, C), from this one, the rows just drawn (B, K) and the next plan (B, P)."""

    def context(self, rows: Ints, plan: Ints) -> Ints:
        """Return the context of a whole piece, (T + 1, C): what first_context and next_context give step by step."""

    def transpositions(self, rows: Ints) -> range:
        """Return the shifts in semitones that keep a piece where the training pieces lie; always holds 0."""

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """Return rows and plan shifted, or None if a note would leave the ids there are."""

    def make_plan(
        self, bars: int | None, length: int | None, rng: np.random.Generator, opening: Ints | None = None
    ) -> Ints:
        """Return a plan for a new piece.

        Args:
            bars: how many bars, where the plan knows bars; None leaves it open.
            length: how many rows at most; None leaves it open.
            rng: chooses what is open.
            opening: the plan (T + 1, P) of rows that are given already; bars and length count what follows them.

        Raises:
            RepresentationError: the representation cannot plan that.
        """

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """Return how many bars have begun by the last row; a pick-up does not count.

        Raises:
            RepresentationError: the representation knows no bars.
        """

    def onset_ticks(self, rows: Ints) -> Ints:
        """Return the ticks at which rows begin, (T,)."""

    def to_json(self) -> Json:
        """Return all that from_json needs, as plain JSON values."""

    @classmethod
    def from_json(cls, description: Json) -> Self:
        """Rebuild what to_json described."""


def find_representation(name: str) -> type[Representation]:
    """Return the representation of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    from midigen.representations.abc_characters import AbcCharacters
    from midigen.representations.chords import Chords
    from midigen.representations.notes import Notes
    from midigen.representations.parts import Parts
    from midigen.representations.voice_grid import VoiceGrid

    table: dict[str, type[Representation]] = {
        "notes": Notes,
        "parts": Parts,
        "chords": Chords,
        "grid": VoiceGrid,
        "abc": AbcCharacters,
    }
    if name.startswith("miditok"):
        from midigen.representations.miditok_tokenizers import find_tokenizer

        return find_tokenizer(name)
    if name not in table:
        known = f"{', '.join(table)} or miditok:NAME"
        raise UsageError(f"There is no representation called {name!r}; choose one of: {known}.")
    return table[name]


def usual_shifts(down: int, up: int) -> range:
    """Return shifts of at most half an octave within a range: an instrument's registers are not alike."""
    return range(min(max(down, -6), 0), max(min(up, 5), 0) + 1)


def refuse_below_one(bars: int | None, length: int | None) -> None:
    """Refuse to plan a piece of no bars or rows.

    Raises:
        RepresentationError: a number is given and below 1.
    """
    if any(wanted is not None and wanted < 1 for wanted in (bars, length)):
        raise RepresentationError("A new piece needs at least one bar or one row.")


def representation_from_json(description: Json) -> Representation:
    """Rebuild a representation from its description.

    Raises:
        RepresentationError: the description is not one.
    """
    try:
        return find_representation(str(description["name"])).from_json(description)
    except (LookupError, TypeError, ValueError, UsageError) as error:
        raise RepresentationError(f"The description of the representation is damaged ({error!r}).") from error
