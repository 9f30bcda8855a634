"""A Score to sound: three engines behind one function, and sound files.

FluidSynth is driven by an event loop of our own (no MIDI file, no audio driver), midirenderer needs no system library,
sine waves need nothing. All give the same shape, length and loudness. Playing is in ``midigen.rendering.play``.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from ctypes import c_int, c_void_p
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RenderingError
from midigen.formats.midi import write_midi
from midigen.scores.score import TICKS_PER_QUARTER, Score
from midigen.scores.time import DEFAULT_TEMPO, ticks_to_seconds

Samples = NDArray[np.float32]

SAMPLE_RATE = 44_100
ENGINES = ("fluidsynth", "midirenderer", "sine")
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
BLOCK_FRAMES = 65_536

_MAX_HOURS = 4
_TAIL_SECONDS = 4
_SILENCE = 10 ** (-60 / 20)
_PEAK = 10 ** (-1 / 20)


@dataclass(frozen=True, eq=False)
class Audio:
    """Rendered sound."""

    samples: Samples
    """Shape (frames, 2), left and right at ``SAMPLE_RATE``, within -1 and 1."""
    engine: str
    """The member of ``ENGINES`` that made it."""
    note: str
    """A line for the user: which engine, and why no better one."""


class _EngineMissingError(RenderingError):
    """An engine cannot work on this machine; another may."""


def synthesize(score: Score, engine: str = "auto", soundfont: Path | None = None) -> Audio:
    """Render a score: its notes up to the last one's end, then what still rings, at most 4 seconds.

    The peak is set to -1 dBFS. The same score gives the same samples.

    Args:
        score: a piece with at least one note.
        engine: one of ``ENGINES``, or "auto" for the first of them that works on this machine.
        soundfont: an .sf2 file; the one inside pretty_midi unless given. Sine waves need none.

    Raises:
        RenderingError: no notes, over 4 hours, an unknown or missing engine, a bad or idle SoundFont, or silence.
    """
    if engine != "auto" and engine not in ENGINES:
        raise RenderingError(f"There is no engine {engine!r}: choose auto, {', '.join(ENGINES)}.")
    if engine == "sine" and soundfont is not None:
        raise RenderingError("Sine waves take no SoundFont: leave out --soundfont, or take another --engine.")
    if not len(score):
        raise RenderingError("The score has no notes: there is nothing to render.")
    end_seconds = float(ticks_to_seconds(score.onset + score.duration, score.tempos).max())
    if end_seconds > _MAX_HOURS * 3600:
        raise RenderingError(
            f"The score lasts {end_seconds / 3600:.1f} hours, at most {_MAX_HOURS} are rendered: "
            "take a part of it or check its tempos and rests."
        )
    end = int(np.ceil(end_seconds * SAMPLE_RATE))
    wanted = ENGINES if engine == "auto" else (engine,)
    reasons: list[str] = []
    for name in wanted:
        try:
            samples = _RENDERERS[name](score, end + _TAIL_SECONDS * SAMPLE_RATE, soundfont)
        except _EngineMissingError as error:
            if name == wanted[-1]:
                raise
            reasons.append(str(error).rstrip("."))
        else:
            break
    return Audio(_finish(samples, end, name), name, "; ".join([*reasons, f"rendered with {name}"]))


def _finish(samples: Samples, end: int, engine: str) -> Samples:
    """Cut the tail where it has died away, fade the cut, and set the peak."""
    peak = max(float(samples.max()), -float(samples.min()))
    if peak == 0:
        advice = "it plays no drums, take another engine" if engine == "sine" else "try another SoundFont or engine"
        raise RenderingError(f"The engine {engine} gave only silence: {advice}.")
    tail = np.flatnonzero(np.abs(samples[end:]).max(axis=1) > peak * _SILENCE)
    samples = samples[: end + (int(tail[-1]) + 1 if len(tail) else 0)]
    fade = min(len(samples) - end, SAMPLE_RATE // 20)
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    samples *= np.float32(_PEAK / peak)
    return samples


def _find_soundfont(chosen: Path | None) -> Path:
    """Return the chosen or the default SoundFont after a look at its head.

    The look comes first because FluidSynth's loaders write to stderr about a file of another kind or cut short.
    """
    if chosen is None:
        spec = find_spec("pretty_midi")
        chosen = Path(spec.origin).with_name("TimGM6mb.sf2") if spec and spec.origin else None
        if chosen is None or not chosen.is_file():
            raise _EngineMissingError("pretty_midi's SoundFont is not there (give one with --soundfont).")
    try:
        size = chosen.stat().st_size
        with chosen.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise RenderingError(f"The SoundFont {chosen} cannot be read: {error.strerror}.", file=chosen) from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk" or int.from_bytes(head[4:8], "little") > size:
        raise _unreadable(chosen)
    return chosen


def _unreadable(soundfont: Path) -> RenderingError:
    return RenderingError(f"{soundfont} is not a SoundFont that can be read: give an .sf2 file.", file=soundfont)


def _render_with_fluidsynth(score: Score, frames: int, soundfont: Path | None) -> Samples:
    try:
        # Under CI=1 the import says on stdout where the library is.
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth
    except (ImportError, OSError) as error:
        raise _EngineMissingError(
            "libfluidsynth is not installed (apt install libfluidsynth3, brew install fluid-synth)."
        ) from error
    path = _find_soundfont(soundfont)
    set_log = fluidsynth.cfunc("fluid_set_log_function", None, *[("", kind, 1) for kind in (c_int, c_void_p, c_void_p)])
    for level in range(5):
        set_log(level, None, None)
    # The binding's own get_samples clips at 16 bits and copies twice; this writes floats in place.
    kinds = (c_void_p, c_int, c_void_p, c_int, c_int, c_void_p, c_int, c_int)
    write = fluidsynth.cfunc("fluid_synth_write_float", c_int, *[("", kind, 1) for kind in kinds])
    samples = np.zeros((frames, 2), np.float32)
    pointer = samples.ctypes.data
    synth = fluidsynth.Synth(samplerate=SAMPLE_RATE, channels=256)
    try:
        bank_id = synth.sfload(str(path))
        if bank_id < 0:
            raise _unreadable(path)
        for channel, part in zip(_channels(score), score.parts, strict=True):
            bank = 128 if part.is_drum else 0
            for choice in ((bank, part.program), (bank, 0), (0, 0)):
                if synth.program_select(channel, bank_id, *choice) == fluidsynth.FLUID_OK:
                    break
        position = 0
        for frame, channel, pitch, velocity in [*_events(score), (frames, 0, 0, 0)]:
            if frame > position:
                write(synth.synth, frame - position, pointer, 2 * position, 2, pointer, 2 * position + 1, 2)
                position = frame
            if velocity:
                synth.noteon(channel, pitch, velocity)
            else:
                synth.noteoff(channel, pitch)
    finally:
        synth.delete()
    return samples


def _channels(score: Score) -> list[int]:
    """Give each part one of 256 channels: those that share one would stop each other's unisons."""
    if len(score.parts) <= 256:
        return list(range(len(score.parts)))
    return [part.program + 128 * part.is_drum for part in score.parts]


def _events(score: Score) -> Iterator[tuple[int, int, int, int]]:
    """Yield (frame, channel, pitch, velocity) in order; velocity 0 stops a note, before others start at that frame.

    A pitch that two notes of one channel hold sounds until both are over.
    """
    start = np.rint(ticks_to_seconds(score.onset, score.tempos) * SAMPLE_RATE).astype(np.int64)
    stop = np.rint(ticks_to_seconds(score.onset + score.duration, score.tempos) * SAMPLE_RATE).astype(np.int64)
    frame = np.concatenate([start, np.maximum(stop, start + 1)])
    velocity = np.concatenate([score.velocity, np.zeros_like(score.velocity)])
    channel = np.array(_channels(score))[score.part]
    table = np.stack([frame, np.tile(channel, 2), np.tile(score.pitch, 2), velocity], axis=1)
    held: Counter[tuple[int, int]] = Counter()
    for at, number, pitch, loudness in table[np.lexsort((velocity > 0, frame))].tolist():
        held[number, pitch] += 1 if loudness else -1
        if loudness or not held[number, pitch]:
            yield at, number, pitch, loudness


def _render_with_midirenderer(score: Score, frames: int, soundfont: Path | None) -> Samples:
    try:
        import midirenderer
    except ImportError as error:
        raise _EngineMissingError("midirenderer is not installed (pip install midirenderer).") from error
    import mido
    import soundfile

    path = _find_soundfont(soundfont)
    tempos = tuple(t for t in score.tempos if t.tick <= score.end)
    tempo = (tempos or (DEFAULT_TEMPO,))[-1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "score.mid")
        write_midi(replace(score, tempos=tempos), file)
        midi = mido.MidiFile(file)
    # It stops at the last end of track, so a track without notes keeps it going for the tail.
    tail_ticks = int(_TAIL_SECONDS * 1e6 / tempo.microseconds_per_quarter * TICKS_PER_QUARTER) + 1
    scale = midi.ticks_per_beat / TICKS_PER_QUARTER
    last = mido.MetaMessage("end_of_track", time=round((score.end + tail_ticks) * scale))
    midi.tracks.append(mido.MidiTrack([last]))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    try:
        wave = midirenderer.render_wave_from(path.read_bytes(), buffer.getvalue())
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path) from error
    samples, _ = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)
    return _resample(samples)[:frames]


def _resample(samples: Samples) -> Samples:
    """Bring (F, 2) frames from 48 kHz to 44.1 kHz: every 160 frames give 147, each a windowed sinc over 128 frames."""
    taken, given, half = 160, 147, 64
    cutoff = 21_000 / 24_000
    distance = np.arange(-half, taken + half)[:, None] - np.arange(given) * taken / given
    window = np.i0(10 * np.sqrt(np.maximum(1 - (distance / half) ** 2, 0))) / np.i0(10) * (np.abs(distance) < half)
    kernel = (cutoff * np.sinc(cutoff * distance) * window).astype(np.float32)

    blocks = -(-len(samples) // taken)
    padded = np.zeros((blocks * taken + 2 * half, 2), np.float32)
    padded[half : half + len(samples)] = samples
    result = np.empty((blocks * given, 2), np.float32)
    for side in range(2):
        windows = np.lib.stride_tricks.sliding_window_view(padded[:, side], taken + 2 * half)[::taken]
        result[:, side] = (windows @ kernel).ravel()
    return result


def _render_with_sine(score: Score, frames: int, soundfont: Path | None) -> Samples:  # noqa: ARG001
    try:
        import pretty_midi
    except ImportError as error:
        raise _EngineMissingError("pretty_midi is not installed (pip install pretty_midi).") from error
    start = ticks_to_seconds(score.onset, score.tempos)
    stop = ticks_to_seconds(score.onset + score.duration, score.tempos)
    samples = np.zeros((frames, 2), np.float32)
    for index, part in enumerate(score.parts):
        instrument = pretty_midi.Instrument(part.program, is_drum=part.is_drum)
        chosen = score.part == index
        columns = score.velocity[chosen], score.pitch[chosen], start[chosen], stop[chosen]
        instrument.notes = [pretty_midi.Note(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
        mono = instrument.synthesize(SAMPLE_RATE)[:frames]
        samples[: len(mono)] += mono[:, None].astype(np.float32)
    return samples


_RENDERERS: dict[str, Callable[[Score, int, Path | None], Samples]] = {
    "fluidsynth": _render_with_fluidsynth,
    "midirenderer": _render_with_midirenderer,
    "sine": _render_with_sine,
}


def write_audio(audio: Audio, path: Path) -> None:
    """Write sound as WAV (16 bits), FLAC, OGG (Vorbis) or MP3, by the suffix; missing folders are made.

    Raises:
        RenderingError: another suffix, or the file cannot be written.
    """
    import soundfile

    suffix = path.suffix.lower()
    if suffix not in SOUND_SUFFIXES:
        raise RenderingError(f"{path} has no suffix of a sound file: use {', '.join(SOUND_SUFFIXES)}.", file=path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(temporary, "w", SAMPLE_RATE, channels=2, format=suffix[1:].upper()) as file:
            # libsndfile's Vorbis encoder overflows its stack on one long write.
            for first in range(0, len(audio.samples), BLOCK_FRAMES):
                file.write(audio.samples[first : first + BLOCK_FRAMES])
        temporary.replace(path)
    except (OSError, AssertionError, soundfile.SoundFileError) as error:  # soundfile asserts that all was written
        raise RenderingError(f"{path} cannot be written ({error}): check folder and free space.", path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
