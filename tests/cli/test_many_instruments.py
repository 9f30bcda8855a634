"""The road for music of many instruments: a folder of MIDI trains and yields MIDI of the same instruments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.formats.midi import DRUM_CHANNEL, read_midi, write_midi
from midigen.scores.score import Part, Score
from midigen.scores.statistics import is_drum

BARS = 4
PARTS = (Part("melody", 73), Part("bass", 33), Part("drums", 0, is_drum=True))
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
KICK, SNARE, HAT = 36, 38, 42


def song(seed: int) -> Score:
    """A melody of chord notes over a bass of roots, with kick, snare and hi-hat, in a key of its own."""
    rng = np.random.default_rng(seed)
    notes = []
    for bar in range(BARS):
        chord, start = CHORDS[(bar + seed) % 4], bar * 1920
        for beat in range(4):
            tick = start + beat * 480
            notes.append((tick, 480, 60 + seed % 5 + int(rng.choice(chord)), 90, 0))
            notes += [(tick, 60, SNARE if beat % 2 else KICK, 100, 2), (tick + 240, 60, HAT, 60, 2)]
        notes += [(start + half, 960, 36 + seed % 5 + chord[0] % 12, 80, 1) for half in (0, 960)]
    return Score.from_notes(notes, parts=PARTS)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for seed in range(12):
        write_midi(song(seed), folder / f"{seed:02d}.mid")
    return folder


def midigen(*arguments: object) -> Any:  # noqa: ANN401  # what JSON holds
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


LOUDNESSES = {"notes": range(2, 128, 4), "miditok:REMI": np.linspace(0, 127, 33).astype(int)}


@pytest.mark.parametrize("tokens", LOUDNESSES)
def test_a_folder_of_many_instruments_trains_and_yields_many_instruments(here: Path, songs: Path, tokens: str) -> None:
    size = ("--layers", 1, "--hidden-size", 48, "--batch-size", 4, "--learning-rate", 0.02, "--seed", 1)
    midigen("train", songs, "--tokens", tokens, "--name", "band", "--epochs", 8, *size)
    midigen("generate", "band", "--seed", 1, "--length", 300, "--out", "new.mid", "--no-wav")
    score = read_midi(here / "new.mid")
    assert {(part.program, part.is_drum) for part in score.parts} >= {(73, False), (33, False), (0, True)}
    # Loudness is that of the rows, not shaped afterwards.
    assert set(score.velocity.tolist()) <= set(LOUDNESSES[tokens])
    tracks = mido.MidiFile(here / "new.mid").tracks
    on_ten = {m.note for track in tracks for m in track if m.type == "note_on" and m.channel == DRUM_CHANNEL}
    assert on_ten >= {KICK, HAT}
    midigen("generate", "band", "--seed", 1, "--length", 300, "--key", "D", "--out", "d.mid", "--no-wav")
    in_d = read_midi(here / "d.mid")
    assert {pitch % 12 for pitch in in_d.pitch[~is_drum(in_d)].tolist()} <= {2, 4, 6, 7, 9, 11, 1}
    hard = ("--chords", "C G", "--chords-strength", "hard")
    midigen("generate", "band", "--seed", 1, "--length", 300, *hard, "--out", "c.mid", "--no-wav")
    played = read_midi(here / "c.mid")
    pitched = played.where(~is_drum(played))
    in_chord = [pitch % 12 in ({7, 11, 2} if onset // 1920 % 2 else {0, 4, 7}) for onset, _, pitch, *_ in pitched.notes]
    assert all(in_chord)


def test_an_ensemble_trains_and_yields_its_parts_apart(here: Path, songs: Path) -> None:
    size = ("--layers", 1, "--hidden-size", 48, "--batch-size", 4, "--learning-rate", 0.02, "--seed", 1)
    midigen("train", songs, "--tokens", "parts", "--name", "duo", "--epochs", 4, *size)
    midigen("generate", "duo", "--seed", 1, "--bars", 8, "--out", "new.mid", "--no-wav")
    score = read_midi(here / "new.mid")
    assert [(part.name, part.program) for part in score.parts] == [("melody", 73), ("bass", 33)]
    melody, bass = (score.pitch[score.part == part].mean() for part in (0, 1))
    assert melody > bass + 12


def test_info_counts_the_tokens_of_miditok(songs: Path) -> None:
    facts = midigen("info", songs, "--tokens", "miditok:remi")
    notes = 12 * BARS * (4 + 8 + 2)
    # A program, a pitch, a velocity and a duration for each note; bars with metres, and a position at each eighth.
    assert facts["tokens"] == 4 * notes + 12 * BARS * (2 + 8)
    assert list(facts["vocabulary"]) == ["token"]
    assert list(Path("corpora").glob("songs0-*/miditok-REMI/manifest.json"))


@pytest.mark.parametrize("tokens", ["miditok", "miditok:Foo", "miditok:MMM"])
def test_a_tokenizer_that_is_not_served_is_refused_in_one_line(songs: Path, tokens: str) -> None:
    result = CliRunner().invoke(app, ["train", str(songs), "--tokens", tokens])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "choose one of: miditok:REMI" in result.stderr
