"""Variants: folk tunes that are the same tune in another hand, found by how they begin and by the passages they share.

A tune is known here by its melody, the highest note of each onset, whatever its key. Two tunes are variants of each
other if the pitches that sound on the eighths of their first two whole bars, counted from the first of them, are the
same, or if the one with fewer passages of eight steps (a step is the time and the interval from a note to the next)
shares ``LEAST_SHARE`` of them with the other. Variants of variants belong together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from midigen.scores.score import TICKS_PER_QUARTER, Ints, Metre, Score

EIGHTH = TICKS_PER_QUARTER // 2
QUANTUM = TICKS_PER_QUARTER // 8
INCIPIT_BARS = 2
LEAST_PITCHES = 4
"""An incipit of fewer different pitches says too little."""
PASSAGE = 8
LEAST_SHARE = 0.2
"""Of 5,050 tunes, half of the pairs that share a fifth to a quarter have a word of their titles in common."""
COMMON = 40
"""A passage that more tunes have is a figure of the style."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
Hashes = NDArray[np.uint64]


def variant_groups(scores: Sequence[Score]) -> list[int]:
    """Return the group of each tune: the place of its first tune. Tunes are in one group if they are variants."""
    melodies = [_melody(score) for score in scores]
    first_of = list(range(len(scores)))

    def find(place: int) -> int:
        while first_of[place] != place:
            first_of[place] = place = first_of[first_of[place]]
        return place

    sharing = [(one, other) for one, other, share in shared_passages(melodies) if share >= LEAST_SHARE]
    for one, other in [*_alike_in_the_beginning(scores, melodies), *sharing]:
        low, high = sorted((find(one), find(other)))
        first_of[high] = low
    return [find(place) for place in range(len(scores))]


def _melody(score: Score) -> Ints:
    """Return onset and pitch of the highest notes, (T, 2)."""
    order = np.lexsort((score.pitch, score.onset))
    onset, pitch = score.onset[order], score.pitch[order]
    is_last = np.append(onset[1:] != onset[:-1], True)[: len(onset)]
    return np.stack([onset[is_last], pitch[is_last]], axis=1)


def _alike_in_the_beginning(scores: Sequence[Score], melodies: Sequence[Ints]) -> Iterable[tuple[int, int]]:
    begun: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, (score, melody) in enumerate(zip(scores, melodies, strict=True)):
        if incipit := _incipit(score, melody):
            begun[incipit].append(place)
    return [pair for places in begun.values() for pair in pairwise(places)]


def _incipit(score: Score, melody: Ints) -> tuple[int, ...]:
    """Return the length of a bar and the pitches on the eighths of the first bars; nothing if they say too little."""
    bar = (score.metres or (Metre(0),))[0].bar_ticks
    times = score.pickup + np.arange(0, INCIPIT_BARS * bar, EIGHTH)
    if not len(melody) or times[0] < melody[0, 0] or times[-1] >= score.end:
        return ()
    pitches = melody[np.searchsorted(melody[:, 0], times, side="right") - 1, 1]
    return (bar, *(pitches - pitches[0]).tolist()) if len(set(pitches.tolist())) >= LEAST_PITCHES else ()


def shared_passages(melodies: Sequence[Ints]) -> Iterable[tuple[int, int, float]]:
    """Return the pairs of melodies that share passages, and which share of those of the one with fewer."""
    own = [np.unique(_passages(melody)) for melody in melodies]
    counts = np.array([len(hashes) for hashes in own], np.int64)
    places = np.repeat(np.arange(len(own)), counts)
    hashes = np.concatenate([np.zeros(0, np.uint64), *own])
    order = np.argsort(hashes, kind="stable")
    hashes, places = hashes[order], places[order]
    pairs = [np.zeros(0, np.int64)]
    # Tunes with the same passage stand side by side: hold each against its next, the one behind, and so on.
    sizes: Ints = np.unique(hashes, return_counts=True)[1]
    is_rare = np.repeat(sizes <= COMMON, sizes)
    for distance in range(1, min(COMMON, len(hashes))):
        same = (hashes[distance:] == hashes[:-distance]) & is_rare[distance:]
        pairs.append(places[:-distance][same] * len(own) + places[distance:][same])
    found, shared = np.unique(np.concatenate(pairs), return_counts=True)
    one, other = found // max(len(own), 1), found % max(len(own), 1)
    shares = shared / np.minimum(counts[one], counts[other])
    return zip(one.tolist(), other.tolist(), shares.tolist(), strict=True)


def _passages(melody: Ints) -> Hashes:
    """Return a hash of each passage of 8 steps: a polynomial modulo 2^64."""
    gap, move = np.diff((melody + np.array([QUANTUM // 2, 0])) // np.array([QUANTUM, 1]), axis=0).reshape(-1, 2).T
    steps = ((gap * 256 + move + 128).astype(np.uint64) + np.uint64(1)) * _BASE
    steps ^= steps >> np.uint64(29)
    hashes = np.zeros(max(len(steps) - PASSAGE + 1, 0), np.uint64)
    for offset in range(PASSAGE):
        hashes = hashes * _BASE + steps[offset : offset + len(hashes)]
    return hashes
