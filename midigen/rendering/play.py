"""Play a MIDI or sound file on this machine: by a player found on the path, else by miniaudio.

FluidSynth's own audio drivers are left out: on a machine without a sound device they write noise and may hang.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from midigen.errors import RenderingError
from midigen.formats.midi import read_midi
from midigen.formats.reading import MIDI_SUFFIXES
from midigen.rendering.synthesize import BLOCK_FRAMES, SOUND_SUFFIXES, synthesize, write_audio

PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("mpv", "--no-video"),
    ("play", "-q"),
)
"""Commands that take a WAV file as their last argument, best first."""


def play(path: Path, engine: str = "auto", soundfont: Path | None = None) -> str:
    """Play a file and return, when it is over, a line that says how.

    Args:
        path: a MIDI file (rendered first) or a WAV, FLAC, OGG or MP3 file.
        engine: as for ``synthesize``.
        soundfont: as for ``synthesize``.

    Raises:
        RenderingError: a file of another kind, a damaged one, or no player and no sound device here.
        SourceError: a MIDI file that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in (*MIDI_SUFFIXES, *SOUND_SUFFIXES):
        kinds = ", ".join((*MIDI_SUFFIXES, *SOUND_SUFFIXES))
        raise RenderingError(f"{path} is not a file that can be played: give one of {kinds}.", file=path)
    if not path.is_file():
        raise RenderingError(f"There is no file {path}.", file=path)
    with tempfile.TemporaryDirectory(prefix="midigen-") as folder:
        wave = Path(folder, "sound.wav")
        made = ""
        if suffix in SOUND_SUFFIXES:
            _decode(path, wave)
        else:
            audio = synthesize(read_midi(path), engine, soundfont)
            write_audio(audio, wave)
            made = f"{audio.note}; "
        player, trouble = _play_with_command(wave)
        player = player or _play_with_miniaudio(wave)
    if not player:
        advice = f"the file is at {path}: copy it to a machine with sound."
        said = f" The last player said: {trouble}." if trouble else ""
        raise RenderingError(f"No audio device or player was found here; {advice}{said}", file=path)
    return f"{made}played with {player}"


def _decode(path: Path, wave: Path) -> None:
    """Write any sound file as 16-bit WAV, the one kind that every player takes."""
    import soundfile

    try:
        with (
            soundfile.SoundFile(path) as source,
            soundfile.SoundFile(wave, "w", source.samplerate, source.channels, "PCM_16") as target,
        ):
            for block in source.blocks(BLOCK_FRAMES):
                target.write(block)
    except (OSError, soundfile.SoundFileError) as error:
        raise RenderingError(f"{path} cannot be played; is it a sound file? ({error})", file=path) from error


def _play_with_command(wave: Path) -> tuple[str, str]:
    """Return the player that played the file to its end ("" if none did) and the last complaint of one that failed."""
    trouble = ""
    for name, *options in PLAYERS:
        command = shutil.which(name)
        if command is None:
            continue
        # On Ctrl-C, run kills the player and lets the interrupt through.
        done = subprocess.run(
            [command, *options, str(wave)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode == 0:
            return name, ""
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        trouble = f"{name}: {said[-1].strip().rstrip('.')[:200]}"
    return "", trouble


def _play_with_miniaudio(wave: Path) -> str:
    """Return "miniaudio" if it has played the file, "" if it is not installed or finds no device."""
    try:
        import miniaudio
    except ImportError:
        return ""
    try:
        # ALSA without a sound card, and miniaudio's own last resort, offer a device that plays to nobody.
        devices = miniaudio.Devices()
        names = [] if devices.backend == "Null" else [d["name"] for d in devices.get_playbacks()]
        if all(name.startswith("Discard all samples") for name in names):
            return ""
        seconds = miniaudio.wav_get_file_info(str(wave)).duration
        with miniaudio.PlaybackDevice() as device:
            device.start(miniaudio.stream_file(str(wave)))
            time.sleep(seconds + 0.5)
    except miniaudio.MiniaudioError:
        return ""
    return "miniaudio"
