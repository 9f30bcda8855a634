import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import RenderingError
from midigen.rendering.synthesize import (
    ENGINES,
    SAMPLE_RATE,
    SOUND_SUFFIXES,
    Audio,
    Samples,
    _events,
    _find_soundfont,
    _resample,
    synthesize,
    write_audio,
)
from midigen.scores.score import Part, Score, Tempo

A4 = Score.from_notes([(0, 960, 69, 100, 0)])
SNARE = Score.from_notes([(0, 960, 38, 100, 0)], parts=(Part(is_drum=True),))
PIANO_38 = Score.from_notes([(0, 960, 38, 100, 0)])
SEPARATED = Score.from_notes([(0, 240, 60, 100, 0), (2400, 240, 64, 100, 0)])

SINE = Audio(np.full((SAMPLE_RATE, 2), 0.5, np.float32), "sine", "")

each_engine = pytest.mark.parametrize("engine", ENGINES)


@cache
def render(name: str, engine: str) -> Samples:
    return synthesize({"a4": A4, "separated": SEPARATED}[name], engine).samples


def loudness(samples: Samples, start_seconds: float, stop_seconds: float) -> float:
    part = samples[int(start_seconds * SAMPLE_RATE) : int(stop_seconds * SAMPLE_RATE)]
    return float(np.sqrt((part**2).mean()))


@each_engine
def test_a4_has_its_spectral_peak_at_440_hz(engine: str) -> None:
    one_second = render("a4", engine)[:SAMPLE_RATE, 0]
    spectrum = np.abs(np.fft.rfft(one_second * np.hanning(SAMPLE_RATE)))
    assert abs(int(spectrum.argmax()) - 440) <= 2


@each_engine
def test_the_sound_is_stereo_floats_with_its_peak_at_minus_one_decibel(engine: str) -> None:
    samples = render("a4", engine)
    assert samples.shape[1] == 2
    assert samples.dtype == np.float32
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-6)


@each_engine
def test_the_sound_lasts_to_the_end_of_the_last_note_and_at_most_four_seconds_more(engine: str) -> None:
    seconds = len(render("separated", engine)) / SAMPLE_RATE
    assert 2.75 <= seconds <= 6.75


@pytest.mark.parametrize("engine", ["fluidsynth", "midirenderer"])
def test_what_rings_after_the_last_note_dies_away(engine: str) -> None:
    samples = render("a4", engine)
    assert len(samples) > 1.1 * SAMPLE_RATE
    assert np.abs(samples[-100:]).max() < 1e-3


@each_engine
def test_the_last_note_sounds_and_the_rest_before_it_is_quiet(engine: str) -> None:
    samples = render("separated", engine)
    rest, last = loudness(samples, 2.0, 2.45), loudness(samples, 2.5, 2.75)
    assert last > 0.05
    assert rest < last / 100


@each_engine
def test_notes_start_on_time(engine: str) -> None:
    loud = np.flatnonzero(np.abs(render("separated", engine)[2 * SAMPLE_RATE :]).max(axis=1) > 0.1)
    assert 2 + loud[0] / SAMPLE_RATE == pytest.approx(2.5, abs=0.05)


@each_engine
def test_two_renders_are_equal(engine: str) -> None:
    assert np.array_equal(render("a4", engine), synthesize(A4, engine).samples)


@pytest.mark.parametrize("engine", ["fluidsynth", "midirenderer"])
def test_a_drum_sounds_unlike_a_piano(engine: str) -> None:
    drum, piano = (synthesize(score, engine).samples[:20_000, 0] for score in (SNARE, PIANO_38))
    spectra = [np.abs(np.fft.rfft(samples)) for samples in (drum, piano)]
    assert np.corrcoef(spectra)[0, 1] < 0.5


def test_tempos_set_the_length() -> None:
    slow = Score.from_notes([(0, 960, 69, 100, 0)], tempos=(Tempo.from_bpm(0, 60), Tempo.from_bpm(480, 30)))
    assert len(synthesize(slow, "sine").samples) == 3 * SAMPLE_RATE


@pytest.mark.parametrize("engine", ["fluidsynth", "midirenderer"])
def test_the_tail_does_not_depend_on_the_tempo(engine: str) -> None:
    fast = Score.from_notes([(0, 9600, 69, 100, 0)], tempos=(Tempo.from_bpm(0, 1200), Tempo.from_bpm(20_000, 1)))
    assert len(synthesize(fast, engine).samples) == pytest.approx(len(render("a4", engine)), rel=0.05)


@pytest.mark.fluidsynth
def test_dense_chords_do_not_clip() -> None:
    cluster = Score.from_notes([(0, 480, pitch, 127, 0) for pitch in range(30, 90)])
    samples = synthesize(cluster, "fluidsynth").samples
    assert np.count_nonzero(np.abs(samples) > 0.89) < 5


def test_parts_beyond_the_sixteenth_keep_their_own_sound() -> None:
    parts = tuple(Part(program=0) for _ in range(20))
    notes = [(0, 480, 60, 100, 0)]
    piano = Score.from_notes(notes, parts=(*parts, Part(program=73)))
    flute = Score.from_notes([(0, 480, 60, 100, 20)], parts=(*parts, Part(program=73)))
    alone = Score.from_notes(notes, parts=(Part(program=73),))
    assert np.array_equal(synthesize(flute).samples, synthesize(alone).samples)
    assert not np.array_equal(synthesize(piano).samples[:1000], synthesize(alone).samples[:1000])


@pytest.mark.fluidsynth
def test_auto_says_which_engine_ran() -> None:
    audio = synthesize(A4)
    assert (audio.engine, audio.note) == ("fluidsynth", "rendered with fluidsynth")


def test_auto_goes_on_without_fluidsynth_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    audio = synthesize(A4)
    assert audio.engine == "midirenderer"
    assert audio.note.startswith("libfluidsynth is not installed (apt install libfluidsynth3")
    assert audio.note.endswith("; rendered with midirenderer")


def test_auto_ends_with_sine_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    assert synthesize(A4).engine == "sine"


@pytest.mark.parametrize(
    ("engine", "module"), [("fluidsynth", "fluidsynth"), ("midirenderer", "midirenderer"), ("sine", "pretty_midi")]
)
def test_a_named_engine_that_is_missing_is_an_error(engine: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RenderingError, match=r"is not installed \(.*install"):
        synthesize(A4, engine)


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(RenderingError, match="choose auto, fluidsynth, midirenderer, sine"):
        synthesize(A4, "timidity")


def test_a_score_without_notes_is_an_error() -> None:
    with pytest.raises(RenderingError, match="no notes"):
        synthesize(Score.from_notes([]))


def test_drums_alone_are_too_much_for_sine_waves() -> None:
    with pytest.raises(RenderingError, match="only silence: it plays no drums"):
        synthesize(SNARE, "sine")


def test_more_than_four_hours_are_refused() -> None:
    with pytest.raises(RenderingError, match=r"lasts 5\.0 hours"):
        synthesize(Score.from_notes([(0, 960 * 3600 * 5, 60, 80, 0)]))


@pytest.mark.parametrize("engine", ["auto", "fluidsynth", "midirenderer"])
@pytest.mark.parametrize("kept_bytes", [0, 11, 500_000])
def test_a_damaged_soundfont_is_named_without_noise(
    engine: str, kept_bytes: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "piano.sf2"
    damaged.write_bytes(_find_soundfont(None).read_bytes()[:kept_bytes])
    with pytest.raises(RenderingError, match=r"piano\.sf2 is not a SoundFont") as caught:
        synthesize(A4, engine, damaged)
    assert caught.value.file == str(damaged)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("engine", ["fluidsynth", "midirenderer"])
def test_a_soundfont_that_the_engine_refuses_is_an_error(engine: str, tmp_path: Path) -> None:
    hollow = tmp_path / "hollow.sf2"
    hollow.write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(RenderingError, match=r"hollow\.sf2 is not a SoundFont"):
        synthesize(A4, engine, hollow)


def test_a_missing_soundfont_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match=r"none\.sf2 cannot be read: No such file"):
        synthesize(A4, soundfont=tmp_path / "none.sf2")


@pytest.mark.fluidsynth
def test_without_the_default_soundfont_one_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    soundfont = _find_soundfont(None)
    monkeypatch.setitem(sys.modules, "pretty_midi", None)
    with pytest.raises(RenderingError, match=r"SoundFont is not there \(give one with --soundfont\)"):
        synthesize(A4, "fluidsynth")
    assert np.array_equal(synthesize(A4, "fluidsynth", soundfont).samples, render("a4", "fluidsynth"))


def test_rendering_prints_nothing_under_continuous_integration() -> None:
    code = "from tests.rendering.test_synthesize import A4, synthesize; synthesize(A4)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CI": "1"}, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


NOTES = st.tuples(st.integers(0, 50), st.integers(1, 50), st.integers(60, 62), st.just(80), st.integers(0, 1))


@given(st.lists(NOTES, min_size=1, max_size=30))
def test_events_are_in_order_and_leave_no_key_sounding(notes: list[tuple[int, int, int, int, int]]) -> None:
    events = list(_events(Score.from_notes(notes, parts=(Part(), Part()))))
    order = [(frame, velocity > 0) for frame, _, _, velocity in events]
    last = {(channel, pitch): velocity for _, channel, pitch, velocity in events}
    assert order == sorted(order)
    assert not any(last.values())
    assert sum(velocity > 0 for *_, velocity in events) == len(notes)


@pytest.mark.parametrize(("hertz", "level"), [(440, 1), (18_000, 1), (23_000, 0)])
def test_resampling_keeps_what_44100_hz_can_hold(hertz: int, level: int) -> None:
    wave = np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000).astype(np.float32)
    samples = _resample(np.stack([wave, wave], axis=1))
    expected = level * np.sin(2 * np.pi * hertz * np.arange(44_100) / 44_100)
    assert samples.shape == (44_100, 2)
    assert np.abs(samples[200:-200, 0] - expected[200:-200]).max() < 1e-3


@pytest.mark.fluidsynth
@pytest.mark.parametrize("suffix", [*SOUND_SUFFIXES, ".WAV"])
def test_each_format_can_be_read_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / f"a4{suffix}"
    write_audio(synthesize(A4), path)
    samples, rate = soundfile.read(path)
    assert (rate, samples.shape[1]) == (SAMPLE_RATE, 2)
    assert len(samples) == pytest.approx(len(render("a4", "fluidsynth")), abs=3000)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_wav_holds_16_bits(tmp_path: Path) -> None:
    write_audio(SINE, tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"


def test_a_minute_of_noise_survives_the_vorbis_encoder(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (60 * SAMPLE_RATE, 2)).astype(np.float32)
    write_audio(Audio(noise, "sine", ""), tmp_path / "noise.ogg")
    assert soundfile.info(tmp_path / "noise.ogg").frames == len(noise)


def test_another_suffix_is_an_error_that_lists_the_possible(tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match=r"\.wav, \.flac, \.ogg, \.mp3"):
        write_audio(SINE, tmp_path / "a.aiff")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RenderingError, match=r"a\.wav cannot be written"):
        write_audio(SINE, tmp_path / "file" / "a.wav")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 10 kB: pytest's own report neither, so it must not outlast what is tested."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_full_disk_is_an_error_and_keeps_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (SAMPLE_RATE, 2)).astype(np.float32)
    with full_disk(), pytest.raises(RenderingError, match="check folder and free space"):
        write_audio(Audio(noise, "sine", ""), path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]
