"""Which file is read how: one table from suffix to reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from midigen.errors import SourceError
from midigen.formats.abc_notation import read_tune, read_tunes
from midigen.formats.midi import read_midi
from midigen.formats.musicxml import read_score
from midigen.formats.workers import map_in_workers
from midigen.scores.score import Score

MIDI_SUFFIXES = (".mid", ".midi", ".kar")
ABC_SUFFIX = ".abc"
"""A file of it may hold many pieces; where one is wanted it must hold one."""


def _read_only_tune(path: Path) -> Score:
    tunes = read_tunes(path)
    if len(tunes) > 1:
        raise SourceError(f"{path} holds {len(tunes)} tunes; keep the one you mean in a file of its own", file=path)
    try:
        return read_tune(tunes[0])
    except SourceError as error:
        raise SourceError(f"{path}: {error}", file=path) from error


READERS: dict[str, Callable[[Path], Score]] = {
    **dict.fromkeys(MIDI_SUFFIXES, read_midi),
    ABC_SUFFIX: _read_only_tune,
    **dict.fromkeys((".musicxml", ".xml", ".mxl", ".krn"), read_score),
}
SUFFIXES = frozenset(READERS)
NEEDS_WORKER = frozenset(suffix for suffix, reader in READERS.items() if reader is read_score)
"""Suffixes that music21 reads: slow, and it may hang."""
FILE_TIMEOUT_SECONDS = 60


def read_piece(path: Path) -> Score:
    """Read a file with the reader of its suffix, in capitals or not.

    Raises:
        SourceError: it is a folder, the suffix has no reader, or the file cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise SourceError(f"{path} is a folder: name one file in it", file=path)
    if reader is None:
        raise SourceError(
            f"{path} is no score that midigen reads: give one with a suffix of {', '.join(sorted(SUFFIXES))}", file=path
        )
    return reader(path)


def read_one(path: Path) -> Score:
    """Read a single file as ``read_piece`` does, within a minute: what may hang is read in a process of its own.

    Raises:
        SourceError: the suffix has no reader, or the file cannot be read or takes too long.
    """
    if path.suffix.lower() not in NEEDS_WORKER:
        return read_piece(path)
    ((_, result),) = map_in_workers(read_piece, [path], FILE_TIMEOUT_SECONDS)
    if isinstance(result, Score):
        return result
    raise result
