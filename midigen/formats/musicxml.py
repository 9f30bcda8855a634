"""MusicXML and kern scores, read through music21.

The notation is taken as written: repeats are not played out. Grace notes, unpitched percussion, chord symbols and
dynamics are left out. music21 is slow and may hang on a broken file, so whoever reads many files does it in
``midigen.formats.workers``.
"""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midigen.errors import SourceError
from midigen.formats.midi import is_metre, read_bytes
from midigen.scores.score import TICKS_PER_QUARTER, Key, Metre, Part, Score, Tempo
from midigen.scores.time import DEFAULT_METRE

if TYPE_CHECKING:
    import music21

MAX_UNZIPPED_BYTES = 100_000_000
VELOCITY = 80
MIN_BPM, MAX_BPM = 4, 1000
Placed = list[tuple[int, int, Any]]
"""First tick, last tick, element of music21."""


@dataclass
class _Note:
    onset: int
    end: int
    pitch: int
    tie: str
    has_fermata: bool


def read_score(path: Path) -> Score:
    """Read a MusicXML (plain or zipped) or kern file, at sounding pitch.

    Tied notes are one note, chords are their notes, repeats are not played out, every velocity is 80. A first bar that
    is shorter than its metre is the pick-up; where bars of irregular length move the bar lines, a metre is repeated at
    the next full bar. A tied note under a fermata counts with its first onset.

    Raises:
        SourceError: the file is too large, is not a score, holds no notes, or music21 fails on it.
    """
    try:
        _check_size(path)
        # music21 warns and prints about notation that does not matter here.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return _parse(path)
    except SourceError:
        raise
    except Exception as error:  # music21, zipfile and zlib raise whatever comes
        first_line = str(error).strip().partition("\n")[0]
        raise SourceError(f"{path} is not a score: {type(error).__name__}: {first_line}", file=path) from error


def _check_size(path: Path) -> None:
    """Refuse what would fill the memory, before music21 sees it."""
    data = read_bytes(path)
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return
    if path.suffix != ".mxl":
        raise SourceError(f"{path} is a zip file; if a score is in it, rename it to end in .mxl", file=path)
    left = MAX_UNZIPPED_BYTES
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                while block := member.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise SourceError(f"{path} unzips to more than {MAX_UNZIPPED_BYTES // 10**6} MB", file=path)


def _parse(path: Path) -> Score:
    from music21 import converter, stream

    # Without these two music21 keeps pickles of what it read in a shared temporary folder, and trusts them.
    parsed = converter.parse(path, forceSource=True, storePickle=False)
    if not isinstance(parsed, stream.Score) or not parsed.parts:
        raise SourceError(f"{path} is not one score with parts", file=path)
    notes: list[tuple[int, int, int, int, int]] = []
    parts: list[Part] = []
    fermatas: set[int] = set()
    tempos: list[Tempo] = []
    placed = [_placed(part) for part in parsed.parts]
    for part, elements in zip(parsed.parts, placed, strict=True):
        tempos.extend(_tempos(elements))
        merged = _merge_ties(_note_pieces(elements))
        if merged:
            notes.extend((n.onset, max(n.end - n.onset, 1), n.pitch, VELOCITY, len(parts)) for n in merged)
            fermatas.update(n.onset for n in merged if n.has_fermata)
            parts.append(_describe(part))
    if not notes:
        raise SourceError(f"{path} holds no notes", file=path)
    pickup, metres = _bars(placed[0])
    return Score.from_notes(
        notes,
        parts=tuple(parts),
        tempos=_last_at_each_tick(tempos),
        metres=metres,
        keys=_last_at_each_tick(_keys(placed[0])),
        pickup=pickup,
        fermatas=tuple(sorted(fermatas)),
    )


def _placed(part: music21.stream.Part) -> Placed:
    """List all that stands in a part, its bars and voices, at sounding pitch, sorted by tick."""
    from music21 import stream

    def walk(container: music21.stream.Stream, start: float | Fraction) -> Iterator[tuple[int, int, Any]]:
        for element in container.elements:
            offset = start + container.elementOffset(element)
            end = offset + element.quarterLength
            yield round(offset * TICKS_PER_QUARTER), round(end * TICKS_PER_QUARTER), element
            if isinstance(element, stream.Measure | stream.Voice):
                yield from walk(element, offset)

    if part.atSoundingPitch is False:
        part.toSoundingPitch(inPlace=True)
    return sorted(walk(part, 0.0), key=lambda row: row[0])


def _note_pieces(elements: Placed) -> Iterator[_Note]:
    """Yield the written notes in order of time, ties not yet merged."""
    from music21 import chord, expressions, harmony, note

    for onset, end, element in elements:
        is_note = isinstance(element, note.Note | chord.Chord) and not isinstance(element, harmony.Harmony)
        if not is_note or not element.quarterLength:  # grace notes last nothing
            continue
        has_fermata = any(isinstance(e, expressions.Fermata) for e in element.expressions)
        for single in element.notes if isinstance(element, chord.Chord) else [element]:
            tie = single.tie.type if single.tie else ""
            yield _Note(onset, end, single.pitch.midi, tie, has_fermata)


def _merge_ties(pieces: Iterable[_Note]) -> list[_Note]:
    notes: list[_Note] = []
    open_ties: dict[tuple[int, int], _Note] = {}
    for piece in pieces:
        whole = open_ties.pop((piece.pitch, piece.onset), None) if piece.tie in {"continue", "stop"} else None
        if whole is None:
            whole = piece
            notes.append(whole)
        else:
            whole.end = piece.end
            whole.has_fermata |= piece.has_fermata
        if piece.tie in {"start", "continue"}:
            open_ties[whole.pitch, whole.end] = whole
    return notes


def _describe(part: music21.stream.Part) -> Part:
    instrument = part.getInstrument(returnDefault=False)
    program = instrument.midiProgram if instrument else None
    name = part.partName or (instrument and instrument.bestName()) or ""
    return Part(" ".join(name.split()), program or 0)


def _tempos(elements: Placed) -> Iterator[Tempo]:
    from music21 import tempo

    for tick, _, element in elements:
        bpm = element.getQuarterBPM() if isinstance(element, tempo.MetronomeMark) else None
        if bpm and MIN_BPM <= bpm <= MAX_BPM:
            yield Tempo.from_bpm(tick, bpm)


def _keys(elements: Placed) -> list[Key]:
    """List the keys; of several at one tick, one that knows its mode comes last."""
    from music21 import key

    keys = []
    for tick, _, element in elements:
        if isinstance(element, key.KeySignature) and element.sharps in range(-7, 8):
            mode = element.mode if isinstance(element, key.Key) else ""
            keys.append(Key(tick, element.sharps, mode if mode in {"major", "minor"} else ""))
    return sorted(keys, key=lambda k: k.mode != "")


def _last_at_each_tick(marks: Iterable[Any]) -> tuple[Any, ...]:
    latest = {mark.tick: mark for mark in marks}
    return tuple(latest[tick] for tick in sorted(latest))


def _bars(elements: Placed) -> tuple[int, tuple[Metre, ...]]:
    """Return the length of the pick-up and the metres, so that counting bars meets every full bar as written."""
    from music21 import meter, stream

    bars = [(start, end) for start, end, e in elements if isinstance(e, stream.Measure)]
    signatures = {
        tick: Metre(tick, e.numerator, e.denominator)
        for tick, _, e in elements
        if isinstance(e, meter.TimeSignature) and is_metre(e.numerator, e.denominator)
    }
    held, metres, pickup, counted_from = DEFAULT_METRE, list[Metre](), 0, 0
    ends = [*(start for start, _ in bars[1:]), *(end for _, end in bars[-1:])]
    for (start, _), end in zip(bars, ends, strict=True):
        held = replace(signatures.get(start, held), tick=start)
        is_new = start in signatures and (not metres or replace(metres[-1], tick=start) != held)
        is_full = end - start >= held.bar_ticks
        if is_new or (is_full and (start - counted_from) % held.bar_ticks):
            metres.append(held)
            counted_from = start
        if start == 0 and metres and not is_full and len(bars) > 1:
            pickup = counted_from = end
    return pickup, tuple(metres)
