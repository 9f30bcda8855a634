"""MIDI: what we write comes back, what others write is understood or refused in one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midigen.errors import SourceError
from midigen.formats.midi import read_midi, write_midi
from midigen.scores.score import Key, Metre, Part, Score, Tempo

NOTE = [(0, mido.Message("note_on", note=60)), (480, mido.Message("note_off", note=60))]
METRES = st.builds(Metre, st.integers(0, 9999), st.integers(1, 32), st.sampled_from([1, 2, 4, 8, 16, 32]))
KEYS = st.builds(Key, st.integers(0, 9999), st.integers(-7, 7), st.sampled_from(["major", "minor"]))
TEMPOS = st.builds(Tempo, st.integers(0, 9999), st.integers(1, 0xFFFFFF))
PARTS = st.builds(Part, st.sampled_from(["", "Flöte", "笛 [/red]"]), st.integers(0, 127), st.booleans())
NOTES = st.tuples(st.integers(0, 9999), st.integers(0, 127), st.integers(1, 127))


def midi_bytes(*tracks: Sequence[tuple[int, mido.Message]], division: int = 480) -> bytes:
    """Make a file of (tick, message) tracks."""
    file = mido.MidiFile(ticks_per_beat=division)
    for events in tracks:
        now = 0
        file.tracks.append(mido.MidiTrack())
        for tick, message in events:
            file.tracks[-1].append(message.copy(time=tick - now))
            now = tick
    buffer = BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def read(folder: Path, data: bytes) -> Score:
    """Read the bytes as a file."""
    path = folder / "song.mid"
    path.write_bytes(data)
    return read_midi(path)


def pedal(tick: int, value: int) -> tuple[int, mido.Message]:
    return tick, mido.Message("control_change", control=64, value=value)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Scores that MIDI can hold: every part plays, and notes of one pitch in one part end in the order they began."""
    parts = draw(st.lists(PARTS, min_size=1, max_size=18))
    notes = [
        (onset, 7 * pitch + 1, pitch, velocity, part)
        for part in range(len(parts))
        for onset, pitch, velocity in draw(
            st.lists(NOTES, min_size=1, max_size=6, unique_by=lambda note: (note[0], note[1]))
        )
    ]

    def marks(kind: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        found = draw(st.lists(kind, max_size=4, unique_by=lambda mark: mark.tick))
        return tuple(sorted(found, key=lambda mark: mark.tick))

    return Score.from_notes(
        notes,
        parts=tuple(parts),
        tempos=marks(TEMPOS),
        metres=marks(METRES),
        keys=marks(KEYS),
        pickup=draw(st.integers(0, 1920)),
        fermatas=tuple(sorted(draw(st.sets(st.integers(0, 9999), max_size=3)))),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(score=scores())
def test_read_gives_back_what_write_was_given(tmp_path: Path, score: Score) -> None:
    write_midi(score, tmp_path / "score.mid", ["made by midigen", "ü"])
    assert read_midi(tmp_path / "score.mid") == score


def test_the_same_score_gives_the_same_bytes(tmp_path: Path) -> None:
    score = Score.from_notes([(0, 480, 60, 80, 0)], keys=(Key(0, -3, "minor"),), pickup=480, fermatas=(0,))
    for name in ("one.mid", "two.mid"):
        write_midi(score, tmp_path / name, ["seed 7"])
    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.mid", "two.mid"]


def test_text_is_written_as_text_events(tmp_path: Path) -> None:
    write_midi(Score.from_notes([(0, 480, 60, 80, 0)]), tmp_path / "score.mid", ["seed 7", "model bach"])
    events = mido.MidiFile(tmp_path / "score.mid").tracks[0]
    assert [event.text for event in events if event.type == "text"] == ["seed 7", "model bach"]


def test_only_drums_play_on_channel_ten(tmp_path: Path) -> None:
    parts = tuple(Part(is_drum=index == 3) for index in range(18))
    score = Score.from_notes([(0, 480, 60, 80, part) for part in range(18)], parts=parts)
    write_midi(score, tmp_path / "score.mid")
    tracks = mido.MidiFile(tmp_path / "score.mid").tracks[1:]
    assert [track[0].channel == 9 for track in tracks] == [part.is_drum for part in parts]


def test_ticks_are_rounded_at_both_ends_and_no_note_vanishes(tmp_path: Path) -> None:
    events = [
        (tick, message)
        for start in range(0, 2000, 7)
        for tick, message in [(start, NOTE[0][1]), (start + 1, NOTE[1][1])]
    ]
    score = read(tmp_path, midi_bytes(events, division=960))
    assert len(score) == len(events) // 2
    assert score.duration.min() == 1
    assert np.array_equal(score.onset, (np.arange(0, 2000, 7) + 1) // 2)


def test_the_pedal_holds_notes_until_it_is_lifted(tmp_path: Path) -> None:
    score = read(tmp_path, midi_bytes([NOTE[0], pedal(100, 64), NOTE[1], pedal(900, 63)]))
    assert score.duration.tolist() == [900]


def test_the_pedal_does_not_hold_notes_past_the_next_of_their_pitch(tmp_path: Path) -> None:
    again = [(tick + 600, message) for tick, message in NOTE]
    score = read(tmp_path, midi_bytes([pedal(0, 127), *NOTE, *again, pedal(2000, 0)]))
    assert score.duration.tolist() == [600, 1400]


def test_a_pedal_that_is_never_lifted_ends_with_the_track(tmp_path: Path) -> None:
    last = [(960, mido.Message("note_on", note=62)), (1000, mido.Message("note_off", note=62))]
    score = read(tmp_path, midi_bytes([pedal(0, 127), *NOTE, *last]))
    assert (score.onset + score.duration).tolist() == [1000, 1000]


def test_a_pedal_that_was_lifted_before_changes_nothing(tmp_path: Path) -> None:
    score = read(tmp_path, midi_bytes([pedal(0, 127), pedal(0, 0), *NOTE, pedal(480, 127), pedal(900, 0)]))
    assert score.duration.tolist() == [480]


def test_signatures_and_tempos_without_sense_are_ignored(tmp_path: Path) -> None:
    bad = [(0x51, (0, 0, 0)), (0x58, (0, 2, 24, 8)), (0x58, (4, 200, 24, 8)), (0x59, (12, 5))]
    events = [(0, mido.UnknownMetaMessage(kind, data=data)) for kind, data in bad]
    score = read(tmp_path, midi_bytes([*events, *NOTE]))
    assert (score.tempos, score.metres, score.keys) == ((), (), ())


def test_the_last_of_several_metres_at_one_tick_holds(tmp_path: Path) -> None:
    signatures = [(0, mido.MetaMessage("time_signature", numerator=n, denominator=8)) for n in (3, 6)]
    score = read(tmp_path, midi_bytes([*NOTE], signatures))
    assert score.metres == (Metre(0, 6, 8),)


def test_data_bytes_past_127_are_clamped(tmp_path: Path) -> None:
    data = midi_bytes(NOTE).replace(bytes([0x90, 60, 64]), bytes([0x90, 60, 200]))
    assert read(tmp_path, data).velocity.tolist() == [127]


@pytest.mark.parametrize("junk", [b"\xef\xbb\xbf", b"\0" * 128])
def test_junk_before_the_header_is_skipped(tmp_path: Path, junk: bytes) -> None:
    assert len(read(tmp_path, junk + midi_bytes(NOTE))) == 1


def test_a_riff_wrapper_is_taken_off(tmp_path: Path) -> None:
    data = midi_bytes(NOTE)
    chunks = b"RMIDdata" + len(data).to_bytes(4, "little") + data + b"LIST\x04\0\0\0INFO"
    assert len(read(tmp_path, b"RIFF" + len(chunks).to_bytes(4, "little") + chunks)) == 1


def test_an_unknown_format_a_long_header_and_a_wrong_track_count_are_read(tmp_path: Path) -> None:
    data = midi_bytes(NOTE)
    odd = b"MThd\0\0\0\x08\0\x07\0\0" + data[12:14] + b"\0\0" + data[14:]
    assert len(read(tmp_path, odd)) == 1


def with_header(kind: int = 1, division: int = 480) -> bytes:
    data = midi_bytes(NOTE)
    return data[:8] + kind.to_bytes(2) + data[10:12] + division.to_bytes(2) + data[14:]


DAY = [(0, NOTE[0][1]), (480 * 2 * 86400, NOTE[1][1])]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is not a MIDI file; it starts with '<!DOCTYPE'"),
        (b"\x00\x01\x1b[31m\xff", "is not a MIDI file$"),
        (b"\x1f\x8b\x08\x00", "packed with gzip"),
        (b"MThd\0\0\0", "is truncated"),
        (midi_bytes(NOTE)[:-1], "is truncated"),
        (midi_bytes(NOTE)[:24], "is truncated"),
        (midi_bytes(NOTE).replace(b"\x90", b"\x10"), "is a damaged MIDI file"),
        (midi_bytes([]), "holds no notes"),
        (with_header(kind=2), "format 2"),
        (with_header(division=0), "a quarter lasts 0 ticks"),
        (with_header(division=0xE728), "counts SMPTE frames"),
        (midi_bytes(DAY), "more than 4 hours"),
        (midi_bytes([(k * (2**28 - 1), NOTE[k % 2][1]) for k in range(20)]), "impossible times"),
    ],
)
def test_what_is_no_music_is_refused_in_one_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence) as caught:
        read(tmp_path, data)
    assert caught.value.file == str(tmp_path / "song.mid")
    assert "\n" not in str(caught.value)


def test_folders_missing_files_and_large_files_are_named(tmp_path: Path) -> None:
    with (tmp_path / "large.mid").open("wb") as file:
        file.truncate(20_000_001)
    for name, sentence in [("", "is a folder"), ("none.mid", "No such file"), ("large.mid", "larger than 20 MB")]:
        with pytest.raises(SourceError, match=sentence):
            read_midi(tmp_path / name)


def test_a_black_midi_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midigen.formats.midi.MAX_NOTES", 1)
    with pytest.raises(SourceError, match="more than 1 notes"):
        read(tmp_path, midi_bytes(NOTE, NOTE))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), new=st.binary(max_size=4), cut=st.integers(0, 4))
def test_damage_gives_a_score_or_our_error(tmp_path: Path, place: int, new: bytes, cut: int) -> None:
    data = midi_bytes([pedal(0, 127), *NOTE, (480, mido.MetaMessage("set_tempo", tempo=400_000)), pedal(960, 0)])
    place %= len(data)
    with contextlib.suppress(SourceError):
        assert len(read(tmp_path, data[:place] + new + data[place + cut :]))


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken.mid").mkdir()
    with pytest.raises(SourceError, match="cannot be written"):
        write_midi(Score.from_notes([(0, 480, 60, 80, 0)]), tmp_path / "taken.mid")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.mid"]
