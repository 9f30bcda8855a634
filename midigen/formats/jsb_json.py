"""JSB JSON: chorales as four pitches a sixteenth, in one JSON file with three splits.

What the file does not say of Bach's chorales stands in jsb_notation.json: metres, pick-ups and keys, after the same
pieces in music21's collection (``scripts/jsb_notation.py``).

The form of https://github.com/czhuang/JSB-Chorales-dataset (Jsb16thSeparated.json): {"train": [piece, ...], "valid":
..., "test": ...}; a piece is a list of [soprano, alto, tenor, bass] as MIDI numbers, -1 or NaN where a voice rests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from midigen.errors import SourceError
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Key, Metre, Part, Score

SPLITS = ("train", "valid", "test")
_PARTS = tuple(Part(name) for name in ("Soprano", "Alto", "Tenor", "Bass"))
_STEP = TICKS_PER_QUARTER // 4
_VELOCITY = 80
MOST_PITCH = 127
NOTATION = Path(__file__).parent / "jsb_notation.json"


def read_voices(path: Path) -> Iterator[tuple[str, int, Score]]:
    """Yield (split, number in it from 0, piece).

    The file does not say where a pitch is struck anew: equal ones in a row are one note. There are no fermatas.

    Raises:
        SourceError: the file cannot be opened or is not of this form.
    """
    for split, number, pitches in read_pitches(path):
        yield split, number, _score(pitches)


def read_pitches(path: Path) -> Iterator[tuple[str, int, Ints]]:
    """Yield (split, number in it from 0, pitches (T, 4), negative where a voice rests).

    Raises:
        SourceError: the file cannot be opened or is not of this form.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        for split in SPLITS:
            for number, rows in enumerate(table[split]):
                yield split, number, _whole(np.nan_to_num(np.array(rows, np.float64), nan=-1))
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}", file=path) from error
    except (ValueError, LookupError, TypeError) as error:
        raise SourceError(f"{path} does not hold chorales in four voices by sixteenths ({error})", file=path) from error


def notation_key(pitches: Ints) -> str:
    """Return what a piece's notation is found by."""
    return sha256(pitches.astype("<i2").tobytes()).hexdigest()[:12]


@cache
def _notations() -> dict[str, tuple[int, int, int, str]]:
    """Return quarters of a bar, sixteenths of the pick-up, sharps and mode by the key of a piece."""
    return {key: tuple(value) for key, value in json.loads(NOTATION.read_text("utf-8")).items()}


def _whole(pitches: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Ints:
    if pitches.ndim != 2 or pitches.shape[1] != len(_PARTS) or (pitches % 1).any() or (pitches > MOST_PITCH).any():
        raise ValueError("a piece is not four MIDI numbers a sixteenth")
    return pitches.astype(np.int64)


def _score(pitches: Ints) -> Score:
    notes = []
    for part, voice in enumerate(pitches.T):
        starts = np.flatnonzero(np.diff(voice, prepend=-2)).tolist()
        for start, end in zip(starts, [*starts[1:], len(voice)], strict=True):
            if voice[start] >= 0:
                notes.append((start * _STEP, (end - start) * _STEP, int(voice[start]), _VELOCITY, part))
    rest: dict[str, Any] = {}
    if known := _notations().get(notation_key(pitches)):
        quarters, pickup, sharps, mode = known
        rest = {"metres": (Metre(0, quarters, 4),), "pickup": pickup * _STEP, "keys": (Key(0, sharps, mode),)}
    return Score.from_notes(notes, parts=_PARTS, **rest)
