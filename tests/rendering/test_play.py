import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from midigen.errors import RenderingError
from midigen.formats.midi import write_midi
from midigen.rendering.play import play
from midigen.rendering.synthesize import SOUND_SUFFIXES, synthesize, write_audio
from midigen.scores.score import Score

A4 = Score.from_notes([(0, 240, 69, 100, 0)])


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mid"
    write_midi(A4, path)
    return path


def install(folder: Path, name: str, code: str) -> None:
    """Put a player on the PATH; its code finds the arguments in sys.argv and its folder in here."""
    program = folder / name
    program.write_text(f"#!{sys.executable} -S\nimport sys, shutil, os, time\nhere = {str(folder)!r}\n{code}\n")
    program.chmod(0o755)


COPY = "shutil.copy(sys.argv[-1], here + '/heard.wav')"


@pytest.mark.fluidsynth
def test_a_midi_file_is_rendered_and_given_to_the_player(song: Path, programs: Path) -> None:
    install(programs, "aplay", COPY)
    assert play(song) == "rendered with fluidsynth; played with aplay"
    assert soundfile.info(programs / "heard.wav").frames == len(synthesize(A4).samples)


def test_the_engine_can_be_chosen(song: Path, programs: Path) -> None:
    install(programs, "aplay", COPY)
    assert play(song, "sine") == "rendered with sine; played with aplay"


@pytest.mark.parametrize("suffix", SOUND_SUFFIXES)
def test_the_player_gets_any_sound_file_as_wav(suffix: str, tmp_path: Path, programs: Path) -> None:
    install(programs, "paplay", COPY)
    path = tmp_path / f"sound{suffix}"
    write_audio(synthesize(A4), path)
    assert play(path) == "played with paplay"
    assert soundfile.info(programs / "heard.wav").format == "WAV"


def test_a_player_that_fails_makes_room_for_the_next(song: Path, programs: Path) -> None:
    install(programs, "pw-play", "sys.exit('no host')")
    install(programs, "ffplay", "assert sys.argv[1:-1] == ['-nodisp', '-autoexit', '-loglevel', 'error']")
    assert play(song).endswith("played with ffplay")


def test_a_file_name_is_never_read_by_a_shell(tmp_path: Path, programs: Path) -> None:
    install(programs, "aplay", COPY)
    path = tmp_path / "a; touch $(hacked) 'b.mid"
    write_midi(A4, path)
    assert play(path).endswith("played with aplay")
    assert {p.name for p in programs.iterdir()} == {"aplay", "heard.wav"}


def test_without_a_player_the_error_says_where_the_file_is(song: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        RenderingError, match=r"^No audio device or player .* at .*song\.mid: copy it .* sound\.$"
    ) as caught:
        play(song)
    assert caught.value.file == str(song)
    assert capfd.readouterr() == ("", "")


def test_without_miniaudio_the_error_is_the_same(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(RenderingError, match="No audio device or player was found here"):
        play(song)


def test_the_last_player_that_failed_is_quoted(song: Path, programs: Path) -> None:
    install(programs, "paplay", "sys.exit('Connection refused')")
    install(programs, "play", "sys.exit('first line\\ncannot open device.')")
    with pytest.raises(RenderingError, match=r"The last player said: play: cannot open device\.$"):
        play(song)


def test_a_player_that_fails_in_silence_gives_its_exit_code(song: Path, programs: Path) -> None:
    install(programs, "mpv", "sys.exit(3)")
    with pytest.raises(RenderingError, match="mpv: exit code 3"):
        play(song)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", "give one of .mid, .midi, .kar, .wav"),
        ("none.mid", "There is no file"),
        ("bad.wav", "is it a sound file"),
    ],
)
def test_what_cannot_be_played_is_named(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("do re mi")
    (tmp_path / "bad.wav").write_text("do re mi")
    with pytest.raises(RenderingError, match=message) as caught:
        play(tmp_path / name)
    assert name in str(caught.value)


def test_an_interrupt_stops_the_player_and_comes_through(song: Path, programs: Path) -> None:
    note = programs / "pid"
    install(
        programs,
        "aplay",
        f"open({str(note)!r} + '~', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(note)!r} + '~', {str(note)!r})\ntime.sleep(60)",
    )
    code = f"from midigen.rendering.play import play; from pathlib import Path; play(Path({str(song)!r}), 'sine')"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not note.exists() and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in child.communicate(timeout=10)[1]
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
