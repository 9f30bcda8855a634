"""MIDI files to scores and back.

symusic reads (fast, never crashes), mido writes (symusic cannot write text). What symusic accepts silently and is not
music, such as division 0, overlaid songs of format 2 or times past its integers, is refused here. What a Score holds
and MIDI cannot say, the pick-up and the fermatas, travels as marker events. Every command that reads or writes music
ends up here; there is no MIDI parser of our own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from midigen.errors import SourceError
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Key, Metre, Part, Score, Tempo
from midigen.scores.time import ticks_to_seconds

if TYPE_CHECKING:
    import mido
    import symusic

MAX_BYTES = 20_000_000
MAX_NOTES = 1_000_000
MAX_TICKS = 2**28
MAX_HOURS = 4
DRUM_CHANNEL = 9
FERMATA = "fermata"
PICKUP = re.compile(r"pickup=(\d{1,5})")


def read_bytes(path: Path) -> bytes:
    """Read a whole file of at most 20 MB.

    Raises:
        SourceError: the file is missing, a folder, empty, too large or packed with gzip.
    """
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a file", file=path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", file=path) from error
    if not data:
        raise SourceError(f"{path} is empty", file=path)
    if len(data) > MAX_BYTES:
        raise SourceError(f"{path} is larger than {MAX_BYTES // 10**6} MB", file=path)
    if data.startswith(b"\x1f\x8b"):
        raise SourceError(f"{path} is packed with gzip; unpack it first", file=path)
    return data


def is_metre(numerator: int, denominator: int) -> bool:
    """Whether a time signature can be meant: up to 32 beats of a whole to a 32nd note."""
    return 1 <= numerator <= 32 and denominator in {1, 2, 4, 8, 16, 32}


def read_midi(path: Path) -> Score:
    """Read a MIDI file; the sustain pedal becomes longer notes.

    One part for each track, channel and program that has notes. A note that overlaps another of its own pitch and part
    ends first in, first out, as the MIDI standard leaves it open.

    Raises:
        SourceError: the file is not MIDI, damaged, or holds no music that can be meant.
    """
    data = _plain_midi(path, read_bytes(path))
    song = _parse(path, data)
    count = sum(len(track.notes) for track in song.tracks)
    if not 0 < count <= MAX_NOTES:
        wrong = f"more than {MAX_NOTES} notes" if count else "no notes"
        raise SourceError(f"{path} holds {wrong}", file=path)
    try:
        score = from_symusic(song)
    except ValueError as error:
        raise SourceError(f"{path} holds notes at impossible times; it is damaged", file=path) from error
    hours = ticks_to_seconds(np.array(score.end), score.tempos) / 3600
    if score.end > MAX_TICKS or hours > MAX_HOURS:
        raise SourceError(f"{path} lasts more than {MAX_HOURS} hours; it is damaged or not one piece", file=path)
    return score


def from_symusic(song: symusic.Score) -> Score:
    """Return the score that symusic holds, a part for each track that has notes.

    Raises:
        ValueError: notes begin before the piece or end before they begin.
    """
    tracks = [track for track in song.tracks if len(track.notes)]
    notes = np.concatenate([np.zeros((0, 5), np.int64), *(_notes(track, i) for i, track in enumerate(tracks))])
    if (notes[:, 0] < 0).any() or (notes[:, 1] < notes[:, 0]).any():
        raise ValueError("notes at impossible times")
    notes[:, :2] = (notes[:, :2] * TICKS_PER_QUARTER + song.tpq // 2) // song.tpq
    onset, end, pitch, velocity, part = notes.T
    return Score(
        onset,
        np.maximum(end - onset, 1),
        pitch,
        velocity.clip(1, 127),
        part,
        parts=tuple(Part(_printable(t.name), t.program, t.is_drum) for t in tracks) or (Part(),),
        **_marks(song),
    )


def _plain_midi(path: Path, data: bytes) -> bytes:
    """Cut off what lies around the MIDI file, and give it a header that symusic accepts."""
    start = data.find(b"MThd", 0, 512)
    if start < 0:
        head = data[:9].decode("ascii", "replace")
        seen = f"; it starts with '{head}'" if head.isprintable() and "\ufffd" not in head else ""
        raise SourceError(f"{path} is not a MIDI file{seen}", file=path)
    if data.startswith(b"RIFF") and start >= 4:
        data = data[: start + int.from_bytes(data[start - 4 : start], "little")]
    data = data[start:]
    header_end = 8 + int.from_bytes(data[4:8])
    if len(data) < 14 or header_end > len(data):
        raise SourceError(f"{path} is truncated", file=path)
    kind, division = int.from_bytes(data[8:10]), int.from_bytes(data[12:14])
    if kind == 2:
        raise SourceError(f"{path} is a MIDI file of format 2, a bundle of songs; split it first", file=path)
    if division == 0 or division & 0x8000:
        wrong = "counts SMPTE frames" if division else "says a quarter lasts 0 ticks"
        raise SourceError(f"{path} {wrong}, so it has no beat", file=path)
    # Formats above 2, long headers and wrong track counts are common and harmless; symusic stops at the last track.
    return b"MThd" + bytes([0, 0, 0, 6, 0, min(kind, 1), 0xFF, 0xFF]) + data[12:14] + data[header_end:]


def _parse(path: Path, data: bytes) -> symusic.Score:
    import symusic

    try:
        try:
            return symusic.Score.from_midi(data)
        except RuntimeError:
            return symusic.Score.from_midi(data, sanitize_data=True)
    except RuntimeError as error:
        position = 14
        while position < len(data):
            position += 8 + int.from_bytes(data[position + 4 : position + 8])
        wrong = "is truncated" if position > len(data) else "is a damaged MIDI file"
        raise SourceError(f"{path} {wrong}", file=path) from error


def _notes(track: symusic.Track, part: int) -> Ints:
    """Return (N, 5): onset, end, pitch, velocity, part, in the ticks of the file, with the pedal in the ends."""
    columns = track.notes.numpy()
    onset, pitch = columns["time"].astype(np.int64), columns["pitch"].astype(np.int64)
    end = onset + columns["duration"]
    controls = track.controls.numpy()
    is_pedal = controls["number"] == 64
    if is_pedal.any():
        end = _sustained(onset, end, pitch, controls["time"][is_pedal].astype(np.int64), controls["value"][is_pedal])
    return np.stack([onset, end, pitch, columns["velocity"].astype(np.int64), np.full_like(onset, part)], axis=1)


def _sustained(onset: Ints, end: Ints, pitch: Ints, times: Ints, values: Ints) -> Ints:
    """Return the ends, (N,), under a sustain pedal that takes each of ``values`` at ``times``, both (P,).

    A note is held if the pedal was down before its end: pressed at the very end, it comes too late for that note.
    """
    is_down = values >= 64
    last = np.searchsorted(times, end) - 1
    is_held = (last >= 0) & is_down[last]
    lifts = np.append(times[~is_down], max(end.max(), times[-1]))
    lifted = lifts[np.searchsorted(lifts[:-1], end)]
    strike = pitch << 32 | onset
    strikes = np.append(np.sort(strike), np.iinfo(np.int64).max)
    following = strikes[np.searchsorted(strikes, strike, side="right")]
    struck = np.where(following >> 32 == pitch, following & 0xFFFFFFFF, lifted)
    return np.where(is_held, np.maximum(end, np.minimum(lifted, struck)), end)


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()


def _last_at_each_tick(marks: Iterable[Any]) -> tuple[Any, ...]:
    ordered = sorted((m for m in marks if 0 <= m.tick <= MAX_TICKS), key=lambda m: m.tick)
    return tuple({m.tick: m for m in ordered}.values())


def _marks(song: symusic.Score) -> dict[str, Any]:
    """Return the fields of a Score but notes and parts; signatures and tempos that make no sense are left out."""

    def tick(time: int) -> int:
        return (time * TICKS_PER_QUARTER + int(song.tpq) // 2) // int(song.tpq)

    texts = [(tick(m.time), m.text) for m in song.markers if m.time >= 0]
    pickups = [int(found[1]) for _, text in texts if (found := PICKUP.fullmatch(text))]
    return {
        "tempos": _last_at_each_tick(Tempo(tick(t.time), t.mspq) for t in song.tempos if t.mspq > 0),
        "metres": _last_at_each_tick(
            Metre(tick(m.time), m.numerator, m.denominator)
            for m in song.time_signatures
            if is_metre(m.numerator, m.denominator)
        ),
        "keys": _last_at_each_tick(
            Key(tick(k.time), k.key, "minor" if k.tonality else "major")
            for k in song.key_signatures
            if -7 <= k.key <= 7 and k.tonality in {0, 1}
        ),
        "pickup": pickups[0] if pickups else 0,
        "fermatas": tuple(sorted({at for at, text in texts if text == FERMATA})),
    }


def write_midi(score: Score, path: Path, text: Sequence[str] = ()) -> None:
    """Write a MIDI file of format 1, whole or not at all; the same score always gives the same bytes.

    The first track holds the marks, then each part has its own. Drums play on channel 10; more than 15 other parts
    share channels. ``text`` goes to text events at tick 0.

    Raises:
        SourceError: the file cannot be written.
    """
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    file.tracks.append(_track(_mark_events(score, text)))
    melodic_channels = [c for c in range(16) if c != DRUM_CHANNEL]
    melodic = 0
    for index, part in enumerate(score.parts):
        channel = DRUM_CHANNEL if part.is_drum else melodic_channels[melodic % 15]
        melodic += not part.is_drum
        file.tracks.append(_track(_part_events(score, index, channel)))
    buffer = BytesIO()
    file.save(file=buffer)
    _write_bytes(path, buffer.getvalue())


def _mark_events(score: Score, text: Sequence[str]) -> Iterable[tuple[int, mido.MetaMessage]]:
    """Yield (tick, message) in the order in which they belong at one tick."""
    from mido import MetaMessage, UnknownMetaMessage

    for line in text:
        yield 0, MetaMessage("text", text=line)
    if score.pickup:
        yield 0, MetaMessage("marker", text=f"pickup={score.pickup}")
    for tempo in score.tempos:
        # The file has three bytes for a tempo: nothing is slower than 3.6 quarters a minute.
        yield tempo.tick, MetaMessage("set_tempo", tempo=min(tempo.microseconds_per_quarter, 0xFFFFFF))
    for metre in score.metres:
        yield metre.tick, MetaMessage("time_signature", numerator=metre.numerator, denominator=metre.denominator)
    for key in score.keys:
        # mido spells keys as names; the two bytes of the standard are shorter.
        yield key.tick, UnknownMetaMessage(0x59, data=(key.sharps & 0xFF, int(key.mode == "minor")))
    for tick in score.fermatas:
        yield tick, MetaMessage("marker", text=FERMATA)


def _part_events(score: Score, index: int, channel: int) -> Iterable[tuple[int, mido.Message]]:
    from mido import Message, MetaMessage

    part = score.parts[index]
    if part.name:
        yield 0, MetaMessage("track_name", name=part.name)
    yield 0, Message("program_change", channel=channel, program=part.program)
    notes = score.notes[score.part == index]
    for onset, duration, pitch, *_ in notes.tolist():
        yield onset + duration, Message("note_off", channel=channel, note=pitch)
    for onset, _, pitch, velocity, _ in notes.tolist():
        yield onset, Message("note_on", channel=channel, note=pitch, velocity=velocity)


def _track(events: Iterable[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Turn (tick, message) pairs into a track; at one tick they keep their order."""
    import mido

    track = mido.MidiTrack()
    now = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        message.time = tick - now
        track.append(message)
        now = tick
    return track


def _write_bytes(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SourceError(f"{path} cannot be written: {error.strerror}", file=path) from error
