"""Which file is read how: one table from suffix to reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from midigen.errors import SourceError
from midigen.formats.midi import read_midi
from midigen.formats.musicxml import read_score
from midigen.scores.score import Score

READERS: dict[str, Callable[[Path], Score]] = {
    **dict.fromkeys((".mid", ".midi", ".kar"), read_midi),
    **dict.fromkeys((".musicxml", ".xml", ".mxl", ".krn"), read_score),
}
SUFFIXES = frozenset(READERS)
NEEDS_WORKER = frozenset(suffix for suffix, reader in READERS.items() if reader is read_score)
"""Suffixes that music21 reads: slow, and it may hang."""


def read_piece(path: Path) -> Score:
    """Read a file with the reader of its suffix, in capitals or not.

    Raises:
        SourceError: the suffix has no reader, or the file cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"{path} has none of the suffixes {', '.join(sorted(SUFFIXES))}", file=path)
    return reader(path)
