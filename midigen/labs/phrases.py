"""Two-bar phrases of fiddle tunes: what the labs on autoencoders and on the adversarial pair learn from.

A phrase is two bars of eight steps: eighths in 2/2 and 4/4, sixteenths in 2/4, which fiddlers play alike. Each step has
one id: a rest, a hold (what sounded goes on) or a pitch that begins. Tunes are transposed to the signature without
sharps and flats, so that phrases of different keys can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.corpora.source import read_source
from midigen.errors import SourceError
from midigen.labs.lab import Result, Settings
from midigen.rendering.piano_roll import PALETTE
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Part, Score
from midigen.scores.time import bar_starts, metres_from_start

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOURCE = "ryans-mammoth"
STEPS_A_BAR, STEPS = 8, 16
BARS = (2 * TICKS_PER_QUARTER, 4 * TICKS_PER_QUARTER)
"""Lengths in ticks of the bars that are taken."""
REST, HOLD, FIRST_PITCH = 0, 1, 2
LOWEST, HIGHEST = 55, 91
"""MIDI numbers: a fiddle's lowest string, and the highest G of its usual range."""
IDS = FIRST_PITCH + HIGHEST - LOWEST + 1
HELD_OUT_SHARE = 0.1
STEP_TICKS = TICKS_PER_QUARTER // 2
FIDDLE = Part("Fiddle", 40)


@dataclass(frozen=True)
class Phrases:
    """Distinct phrases, each (N, 16) int64. No tune and no phrase is on two sides."""

    train: Tensor
    valid: Tensor
    test: Tensor

    @property
    def sides(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three, in this order."""
        return self.train, self.valid, self.test


def load_phrases(settings: Settings) -> Phrases:
    """Read the phrases of the user's data, or of the fiddle tunes that come with music21.

    Raises:
        SourceError: the source cannot be read, or too few of its tunes have phrases.
    """
    collection = read_source(str(settings.data or SOURCE), settings.corpora)
    return split([cut(piece.score) for piece in collection.pieces], settings.seed)


def cut(score: Score) -> Ints:
    """Return the phrases that begin with each bar of a tune, (n, 16).

    There are none where the metre is another or changes. A phrase is left out where a bar is not whole, a note is off
    the steps or out of range, or two notes sound at once. A note that is held into a phrase begins with it.
    """
    bars = {metre.bar_ticks for metre in metres_from_start(score)}
    bar = max(bars)
    lines = np.append(bar_starts(score), score.end)
    starts = lines[:-2][(np.diff(lines)[:-1] == bar) & (np.diff(lines)[1:] == bar)]
    found = [_cut_at(score, int(start), bar // STEPS_A_BAR) for start in starts if len(bars) == 1 and bar in BARS]
    return np.array([ids for ids in found if ids is not None], np.int64).reshape(-1, STEPS)


def _cut_at(score: Score, start: int, step: int) -> Ints | None:
    end = start + STEPS * step
    onset, duration, pitch, *_ = score.notes[(score.onset < end) & (score.onset + score.duration > start)].T
    first = np.maximum(onset - start, 0)
    last = np.minimum(onset + duration, end) - start
    ids = pitch + _shift(score) - LOWEST + FIRST_PITCH
    is_outside = (ids < FIRST_PITCH) | (ids >= IDS)
    if (np.append(first, last) % step).any() or (first[1:] < last[:-1]).any() or is_outside.any():
        return None
    phrase = np.full(STEPS, REST, np.int64)
    for begin, stop, own in zip(first // step, last // step, ids, strict=True):
        phrase[begin:stop] = HOLD
        phrase[begin] = own
    return phrase


def _shift(score: Score) -> int:
    """Return the semitones, -6 to 5, from a tune's first signature to the empty one: each sharp is a fifth too high."""
    sharps = score.keys[0].sharps if score.keys else 0
    return (-7 * sharps + 6) % 12 - 6


def split(tunes: Sequence[Ints], seed: int) -> Phrases:
    """Divide tunes, given by their phrases (n, 16), into a training side and two held-out sides of a tenth each.

    A phrase that was seen before, on its own side or on another, is left out; training goes first.

    Raises:
        SourceError: a side has no phrase.
    """
    order = np.random.default_rng(seed).permutation([index for index, tune in enumerate(tunes) if len(tune)])
    held_out = max(round(HELD_OUT_SHARE * len(order)), 1)
    sides = order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out]
    seen = set[tuple[int, ...]]()
    distinct = []
    for side in sides:
        phrases = dict.fromkeys(tuple(phrase) for index in side for phrase in tunes[index].tolist())
        distinct.append([phrase for phrase in phrases if phrase not in seen])
        seen |= set(phrases)
    if not all(distinct):
        raise SourceError(
            f"Only {len(order)} tunes hold whole two-bar phrases in 2/4, 2/2 or 4/4, which is too few: give more tunes."
        )
    return Phrases(*(torch.tensor(phrases) for phrases in distinct))


def one_hot(ids: Tensor) -> Tensor:
    """Return phrases (B, 16) as (B, 16, 39) zeros and ones."""
    return F.one_hot(ids, IDS).float()


def step_log_frequencies(ids: Tensor) -> Tensor:
    """Return the log probability of each id at each step, (16, 39), with one added to each count.

    Steps drawn alone from it are the baseline of the labs: they know nothing of one another.
    """
    counts = one_hot(ids).sum(0) + 1
    return (counts / counts.sum(-1, keepdim=True)).log()


def draw_steps(log_frequencies: Tensor, count: int) -> Tensor:
    """Draw phrases (count, 16), each step on its own, from the log probability of each id at each step (16, 39)."""
    return torch.multinomial(log_frequencies.exp(), count, replacement=True).T


def pitch_classes(ids: Tensor) -> Tensor:
    """Return the share of each of the twelve pitch classes, C first, among the notes that begin in phrases (B, 16)."""
    pitches = ids[ids >= FIRST_PITCH] - FIRST_PITCH + LOWEST
    return torch.bincount(pitches % 12, minlength=12) / max(len(pitches), 1)


def total_variation(first: Tensor, second: Tensor) -> float:
    """Return half the summed absolute difference of two distributions: 0 where they are equal, 1 where they part."""
    return (first - second).abs().sum().item() / 2


def step_pairs(ids: Tensor) -> Tensor:
    """Return the share of each pair of neighbouring ids in phrases (B, 16), (39 * 39,): which step follows which."""
    pairs = torch.bincount((ids[:, :-1] * IDS + ids[:, 1:]).flatten(), minlength=IDS * IDS)
    return pairs / pairs.sum()


def agreement(ids: Tensor) -> float:
    """Return the share of steps that two different ones of phrases (B, 16) have in common, over all pairs.

    It rises towards 1 where a model draws much the same again and again.
    """
    counts = one_hot(ids).sum(0)
    return (counts * (counts - 1)).sum().item() / (STEPS * len(ids) * (len(ids) - 1))


def measure(drawn: Tensor, phrases: Phrases) -> tuple[Result, ...]:
    """Say what drawn phrases (B, 16) are like, beside held-out ones."""
    known = set(map(tuple, phrases.train.tolist()))
    drawn_list = list(map(tuple, drawn.tolist()))
    alone = draw_steps(step_log_frequencies(phrases.train), len(drawn))
    sides = {"": drawn, "held out": phrases.test, "steps drawn alone": alone}
    measures = {
        "pitch classes, distance to training": lambda ids: total_variation(
            pitch_classes(ids), pitch_classes(phrases.train)
        ),
        "neighbouring steps, distance to training": lambda ids: total_variation(
            step_pairs(ids), step_pairs(phrases.train)
        ),
        "steps that two phrases share": agreement,
    }
    return (
        Result(f"distinct phrases of {len(drawn)}", "", f"{len(set(drawn_list)) / len(drawn):.1%}"),
        Result("phrases known from training", "", f"{sum(ids in known for ids in drawn_list) / len(drawn):.1%}"),
        *(
            Result(name, "", ", ".join(f"{describe(ids):.3f} {side}".strip() for side, ids in sides.items()))
            for name, describe in measures.items()
        ),
    )


def to_score(ids: Tensor) -> Score:
    """Return phrases (B, 16) one after another, a step an eighth. A hold with nothing before it in its phrase rests."""
    notes: list[tuple[int, int, int, int, int]] = []
    for number, phrase in enumerate(ids.tolist()):
        for step, length, pitch in sounding(phrase):
            onset = (number * STEPS + step) * STEP_TICKS
            notes.append((onset, length * STEP_TICKS, pitch, 80, 0))
    return Score.from_notes(notes, parts=(FIDDLE,))


def sounding(phrase: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the notes of a phrase as (first step, number of steps, MIDI pitch)."""
    notes: list[tuple[int, int, int]] = []
    for step, own in enumerate(phrase):
        if own >= FIRST_PITCH:
            notes.append((step, 1, own - FIRST_PITCH + LOWEST))
        elif own == HOLD and notes and sum(notes[-1][:2]) == step:
            begin, length, pitch = notes[-1]
            notes[-1] = begin, length + 1, pitch
    return notes


def draw_phrase(axes: Axes, phrase: Tensor, title: str, colour: str = PALETTE[0]) -> None:
    """Draw a phrase (16,) as a small piano roll."""
    for step, length, pitch in sounding(phrase.tolist()):
        axes.barh(pitch, length - 0.1, 1.6, step, align="center", color=colour)
    axes.axvline(STEPS_A_BAR - 0.05, color="0.7", lw=0.8, zorder=0)
    axes.set(xlim=(-0.3, STEPS + 0.2), ylim=(LOWEST - 2, HIGHEST + 1), xticks=[])
    axes.set_yticks([60, 72, 84], ["C4", "C5", "C6"], size=7)
    axes.grid(axis="y", color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, size=8)
