"""JSB JSON: chorales as four pitches a sixteenth, in one JSON file with three splits.

The form of https://github.com/czhuang/JSB-Chorales-dataset (Jsb16thSeparated.json): {"train": [piece, ...], "valid":
..., "test": ...}; a piece is a list of [soprano, alto, tenor, bass] as MIDI numbers, -1 or NaN where a voice rests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from midigen.errors import SourceError
from midigen.scores.score import TICKS_PER_QUARTER, Part, Score

SPLITS = ("train", "valid", "test")
_PARTS = tuple(Part(name) for name in ("Soprano", "Alto", "Tenor", "Bass"))
_STEP = TICKS_PER_QUARTER // 4
_VELOCITY = 80


def read_voices(path: Path) -> Iterator[tuple[str, int, Score]]:
    """Yield (split, number in it from 0, piece).

    The file does not say where a pitch is struck anew: equal ones in a row are one note. Nor does it hold metres, keys
    or fermatas.

    Raises:
        SourceError: the file cannot be opened or is not of this form.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        for split in SPLITS:
            for number, rows in enumerate(table[split]):
                yield split, number, _score(np.nan_to_num(np.array(rows, np.float64), nan=-1))
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}", file=path) from error
    except (ValueError, LookupError, TypeError) as error:
        raise SourceError(f"{path} does not hold chorales in four voices by sixteenths ({error})", file=path) from error


def _score(pitches: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Score:
    """Make a piece of pitches of shape (T, 4), negative where a voice rests."""
    if pitches.ndim != 2 or pitches.shape[1] != len(_PARTS) or (pitches % 1).any():
        raise ValueError("a piece is not four whole numbers a sixteenth")
    notes = []
    for part, voice in enumerate(pitches.astype(np.int64).T):
        starts = np.flatnonzero(np.diff(voice, prepend=-2)).tolist()
        for start, end in zip(starts, [*starts[1:], len(voice)], strict=True):
            if voice[start] >= 0:
                notes.append((start * _STEP, (end - start) * _STEP, int(voice[start]), _VELOCITY, part))
    return Score.from_notes(notes, parts=_PARTS)
