"""Steering: what the user wants of a piece, and rules that bend each draw towards it; on any network, untrained for it.

A rule (``Rule``) is a bias on the logits of a column. It never leaves nothing to draw from: a rule that would forbid
all that the others leave is passed over for that draw, and counted. Where a network sees key and bars in advance (the
plan of the grid), key and metre are set there and nothing is forbidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from midigen.errors import UsageError
from midigen.representations.chords import Chords
from midigen.representations.grid_plan import LONGEST_BAR, LOWEST, MODES, NO_TONIC, QUANTUM, Summary
from midigen.representations.miditok_tokenizers import Structured
from midigen.representations.notes import LONGEST_BAR_QUARTERS, Notes
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid
from midigen.sampling.lane import Lane
from midigen.sampling.rules import Rule
from midigen.sampling.steering_words import (
    Classes,
    Ranges,
    Tonality,
    read_chords,
    read_key,
    read_metre,
    read_ranges,
    read_scale,
    tonality_of,
)
from midigen.scores.key_finding import find_key
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Key, Metre, Score
from midigen.scores.statistics import is_drum


@dataclass(frozen=True)
class Steering:
    """What is wanted, in the words of the user; None for what is left to the network.

    Raises:
        UsageError: a word is not understood.
    """

    key: str | None = None
    scale: str | None = None
    range: str | None = None
    meter: str | None = None
    density: float | None = None
    """Notes a quarter, all parts together."""
    chords: str | None = None
    """One a bar, over and over."""
    is_hard: bool = False
    """Whether notes outside the chord are forbidden."""
    end: bool = False
    """Whether the piece is brought to a close on its tonic."""
    repeat_guard: int | None = None
    """Rows of the longest passage that may not go round more than three times."""

    def __post_init__(self) -> None:
        _ = self.tonality, self.classes, self.ranges, self.metre, self.progression
        if self.density is not None and not 0.05 <= self.density <= 64:
            raise UsageError(f"--density lies between 0.05 and 64 notes a quarter, not {self.density}.")
        if self.repeat_guard is not None and not 1 <= self.repeat_guard <= 500:
            raise UsageError(f"--repeat-guard lies between 1 and 500 rows, not {self.repeat_guard}.")
        if self.is_hard and self.chords is None:
            raise UsageError("--chords-strength needs --chords.")

    @property
    def wishes(self) -> list[str]:
        """The names of the options that are given."""
        given = [wish.name for wish in fields(self) if getattr(self, wish.name) not in (None, False)]
        return [f"--{name.replace('_', '-')}" for name in given if name != "is_hard"]

    @cached_property
    def _scale(self) -> tuple[Classes, Tonality] | None:
        key = None if self.key is None else read_key(self.key)
        return None if self.scale is None else read_scale(self.scale, key)

    @cached_property
    def tonality(self) -> Tonality | None:
        """Tonic and mode of the key, or else of the scale."""
        if self._scale is not None:
            return self._scale[1]
        return None if self.key is None else read_key(self.key)

    @property
    def classes(self) -> Classes | None:
        """The pitch classes of the scale."""
        return None if self._scale is None else self._scale[0]

    @cached_property
    def ranges(self) -> Ranges:
        """Lowest and highest pitch by voice."""
        return {} if self.range is None else read_ranges(self.range)

    @cached_property
    def metre(self) -> Metre | None:
        """The metre."""
        return None if self.meter is None else read_metre(self.meter)

    @cached_property
    def progression(self) -> tuple[Classes, ...]:
        """The chords' pitch classes."""
        return () if self.chords is None else read_chords(self.chords)


@dataclass
class Bent:
    """How much the rules changed."""

    draws: int = 0
    """Draws on which a rule bore."""
    mass: float = 0.0
    """Sum over the draws of the probability that went to other ids."""
    likeliest: int = 0
    """Draws in which another id became the likeliest."""
    passed: int = 0
    """Draws in which a rule was passed over, for it would have left nothing."""


class Steerer:
    """The rules at work."""

    def __init__(self, rules: Sequence[Rule], *, has_ranges: bool = False) -> None:
        self.rules, self.bent, self.has_ranges = rules, Bent(), has_ranges

    def bend(self, lane: Lane, column: int, logits: Tensor, context: Ints, drawn: Ints) -> Tensor:
        """Return the logits (V,) of a column of a lane as the rules want them; see Rule for the others."""
        given = [rule.bias(lane, column, context, drawn) for rule in self.rules]
        biases = [bias for bias in given if bias is not None]
        if not biases:
            return logits
        bent, is_passed = logits.double(), False
        for bias in biases:
            if bool(torch.isfinite(after := bent + bias).any()):
                bent = after
            else:
                is_passed = True
        self.bent.draws += 1
        self.bent.passed += is_passed
        self.bent.mass += float((bent.softmax(-1) - logits.double().softmax(-1)).abs().sum()) / 2
        self.bent.likeliest += int(bent.argmax() != logits.argmax())
        return bent

    def may_end(self, lane: Lane) -> bool:
        """Return whether all rules let the piece end before its next row."""
        return all(rule.may_end(lane) for rule in self.rules)

    def is_over(self, lane: Lane) -> bool:
        """Return whether the piece must end behind its last row."""
        return any(rule.is_over(lane) for rule in self.rules)

    def finish(self, lane: Lane, score: Score) -> Score:
        """Return a piece with what rules write behind it."""
        for rule in self.rules:
            score = rule.finish(lane, score)
        return score


def set_plan(representation: Representation, steering: Steering) -> Representation:
    """Return the representation, its plans of new pieces in the metre and the key that are wanted.

    Raises:
        UsageError: a bar does not fit.
    """
    metre = steering.metre
    if isinstance(representation, Notes) and metre is not None:
        quanta = metre.bar_ticks / representation.quantum_ticks
        if tells_metre(representation) and metre.bar_ticks > LONGEST_BAR_QUARTERS * TICKS_PER_QUARTER:
            raise UsageError(f"--meter {steering.meter} has bars of more than {LONGEST_BAR_QUARTERS} quarters.")
        if quanta != int(quanta):
            steps = f"{representation.quantum} steps of a {representation.clock.removesuffix('s')}"
            raise UsageError(f"--meter {steering.meter} does not fit the {steps}.")
        representation = replace(representation, bars=(int(quanta),)) if tells_metre(representation) else representation
    if metre is not None and not tells_metre(representation):
        return written_in(representation, metre)
    if not isinstance(representation, VoiceGrid):
        return representation
    plans = representation.plans
    if metre is not None:
        bar = metre.bar_ticks // QUANTUM
        if metre.bar_ticks % QUANTUM or bar > LONGEST_BAR:
            raise UsageError(f"--meter {steering.meter} has bars that do not fit the grid: take 1 to 8 quarters.")
        plans = tuple(plan for plan in plans if plan.bar == bar) or tuple(_in_bars(plan, bar) for plan in plans)
    if steering.tonality is not None and knows_keys(representation):
        tonic, mode, _ = steering.tonality
        plans = tuple(plan._replace(tonic=(tonic - LOWEST) % 12, mode=MODES.index(mode)) for plan in plans)
    return replace(representation, plans=plans)


def written_in(representation: Representation, metre: Metre) -> Representation:
    """Return a representation that tells no metre, its pieces written in one."""
    return replace(representation, written=metre)  # type: ignore[type-var]


def tells_metre(representation: Representation) -> bool:
    """Return whether rows or plan tell a metre; else a piece is written in any."""
    is_timed = isinstance(representation, Notes) and representation.clock == "seconds"
    return not (is_timed or isinstance(representation, (Chords, Structured)))


def knows_keys(representation: Representation) -> bool:
    """Return whether a plan tells the network the key."""
    return isinstance(representation, VoiceGrid) and any(plan.tonic != NO_TONIC for plan in representation.plans)


def in_key(prompt: Score, tonality: Tonality | None) -> Score:
    """Return a prompt moved the shorter way to the tonic of a key; drums stay."""
    pitched = ~is_drum(prompt)
    if tonality is None or not pitched.any():
        return prompt
    shift = (tonality.tonic - tonality_of(find_key(prompt.where(pitched))).tonic + 6) % 12 - 6
    moved = np.where(pitched, prompt.pitch + shift, prompt.pitch)
    if moved.min() < 0 or moved.max() > 127:  # MIDI's pitches
        return prompt
    return replace(prompt, pitch=moved, keys=tuple(_moved(key, shift) for key in prompt.keys))


def _moved(key: Key, semitones: int) -> Key:
    """Return a key transposed, spelled with at most six signs."""
    return replace(key, sharps=(key.sharps + 7 * semitones + 5) % 12 - 5)


def _in_bars(plan: Summary, bar: int) -> Summary:
    """Return a plan of as many bars of another length, without pick-up."""
    fermatas = tuple((step // plan.bar) * bar + min(step % plan.bar, bar - 1) for step in plan.fermatas)
    return plan._replace(pickup=0, bar=bar, length=-(-plan.length // plan.bar) * bar, fermatas=fermatas)
