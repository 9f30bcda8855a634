from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from midigen.checkpoints.run import Checkpoint
from midigen.errors import SamplingError, UsageError
from midigen.representations.voice_grid import REST
from midigen.sampling.draw import DrawSettings
from midigen.sampling.harmonize import harmonize, inpaint
from midigen.sampling.particles import ParticleSettings
from midigen.scores.score import Ints, Part, Score
from tests import tiny

BAR = 4 * 480
VOICES = ("soprano", "alto", "tenor", "bass")
FEW = ParticleSettings(seed=1, particles=4)
WILD = ParticleSettings(4, 1, 120, DrawSettings(temperature=100))
"""Every cell is equally likely, one that holds what was before as well."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A grid model that has learned nothing."""
    folder = tmp_path_factory.mktemp("model")
    data = tiny.hymns(folder)
    return Checkpoint(folder, {"name": "tiny"}, data.representation, tiny.network(data))


def part(score: Score, number: int) -> Ints:
    """Onset, duration, pitch and velocity of a part's notes."""
    notes: Ints = score.notes[score.part == number][:, :4]
    return notes


def sounding(score: Score, number: int, ticks: range) -> list[tuple[int, ...]]:
    """The pitches that sound in a part at some ticks."""
    onset, duration, pitch, _ = part(score, number).T
    return [tuple(pitch[(onset <= tick) & (tick < onset + duration)].tolist()) for tick in ticks]


def held_hymn() -> Score:
    """Three bars in which a note of each voice is held over every bar line, and each is struck again once."""
    notes = []
    for voice, pitch in enumerate((67, 62, 55, 43)):
        starts = [0, 480 * (voice + 1), 480 * (voice + 5), 480 * (voice + 6), 480 * (voice + 7), 3 * BAR]
        for onset, end in pairwise(starts):
            notes.append((onset, end - onset, pitch, 60 + voice, voice))
    return Score.from_notes(notes, parts=tuple(Part(name.title()) for name in VOICES))


def test_a_melody_is_kept_note_for_note_and_three_voices_join_it(model: Checkpoint) -> None:
    # Off the grid and with loudness of its own; the second note vanishes on the grid.
    melody = Score.from_notes([(7, 400, 67, 51, 0), (480, 20, 69, 99, 0), (500, 1420, 71, 52, 0)])
    (score,) = harmonize(model, melody, None, FEW).scores
    assert np.array_equal(part(score, 0), melody.notes[:, :4])
    assert [p.name for p in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert set(score.part.tolist()) == {0, 1, 2, 3}
    assert score.end <= 1920


def test_whichever_voices_are_given_stay_and_the_others_are_new(model: Checkpoint) -> None:
    hymn = tiny.hymn(9)
    composed = harmonize(model, hymn, ["bass", "alto"], FEW)
    (score,) = composed.scores
    for number, is_kept in enumerate((False, True, False, True)):
        assert np.array_equal(part(score, number), part(hymn, number)) == is_kept
    assert composed.remarks[0] == "Kept: alto, bass."
    assert (score.tempos, score.metres, score.fermatas) == (hymn.tempos, hymn.metres, hymn.fermatas)


def test_a_melody_outside_the_models_range_goes_there_and_comes_back(model: Checkpoint) -> None:
    hymn = tiny.hymn(9)
    high = replace(hymn.where(hymn.part == 0), pitch=hymn.pitch[hymn.part == 0] + 12)
    composed = harmonize(model, high, ["soprano"], FEW)
    (score,) = composed.scores
    assert np.array_equal(part(score, 0), part(high, 0))
    assert "moved down by 12 semitones and back" in composed.remarks[-1]
    (plain,) = harmonize(model, hymn, ["soprano"], FEW).scores
    assert np.array_equal(part(score, 3)[:, 2], part(plain, 3)[:, 2] + 12)


@pytest.mark.parametrize("settings", [ParticleSettings(1, 3, 5), WILD])
def test_outside_the_bars_every_note_is_the_one_it_was(model: Checkpoint, settings: ParticleSettings) -> None:
    hymn = tiny.hymn(9)
    outside = [note for note in hymn.notes.tolist() if not BAR <= note[0] < 2 * BAR]
    for score in inpaint(model, hymn, (2, 2), None, settings).scores:
        assert all(note in score.notes.tolist() for note in outside)
        assert score.notes.tolist() != hymn.notes.tolist()


def test_new_bars_begin_at_once_also_on_the_pitch_that_ended_before_them(model: Checkpoint) -> None:
    hymn, seen = tiny.hymn(9), set[bool]()
    composed = inpaint(model, hymn, (2, 2), ["soprano"], WILD)
    for score, piece in zip(composed.scores, composed.drawn, strict=True):
        ((before,), now) = sounding(score, 0, range(BAR - 120, BAR + 120, 120))
        assert (now == ()) == (piece.rows[BAR // 120, 0] == REST)
        assert now == () or BAR in part(score, 0)[:, 0]
        seen.add(now == (before,))
    assert seen == {True, False}


def test_only_the_voices_that_are_named_change(model: Checkpoint) -> None:
    hymn = tiny.hymn(9)
    composed = inpaint(model, hymn, (2, 3), ["tenor"], FEW)
    (score,) = composed.scores
    assert all(np.array_equal(part(score, number), part(hymn, number)) for number in (0, 1, 3))
    assert not np.array_equal(part(score, 2), part(hymn, 2))
    assert composed.remarks[0] == "Composed anew: tenor in bars 2 to 3; all else is kept."


def test_at_both_joins_what_sounded_outside_still_sounds_and_no_voice_sings_two_notes(model: Checkpoint) -> None:
    hymn = held_hymn()
    outside = [*range(0, BAR, 120), *range(2 * BAR, 3 * BAR, 120)]
    for score in inpaint(model, hymn, (2, 2), None, ParticleSettings(1, 2, 20)).scores:
        for number in range(4):
            now, before = (sounding(s, number, range(0, 3 * BAR, 120)) for s in (score, hymn))
            assert [now[tick // 120] for tick in outside] == [before[tick // 120] for tick in outside]
            assert all(len(pitches) <= 1 for pitches in now)
            # Struck where it was struck; at the join also where the note it was tied to is gone.
            onsets, old = (set(part(s, number)[:, 0].tolist()) for s in (score, hymn))
            assert {o for o in old if not BAR <= o < 2 * BAR} <= onsets
            assert {o for o in onsets if not BAR <= o < 2 * BAR} <= old | {2 * BAR}


@pytest.mark.parametrize(("voice", "pitch", "was_struck"), [("soprano", 67, False), ("alto", 62, True)])
def test_behind_new_bars_a_note_is_struck_where_it_was_or_where_nothing_holds_it(
    model: Checkpoint, voice: str, pitch: int, *, was_struck: bool
) -> None:
    number, seen = VOICES.index(voice), set[tuple[bool, bool]]()
    assert (2 * BAR in part(held_hymn(), number)[:, 0]) == was_struck
    for score in inpaint(model, held_hymn(), (2, 2), [voice], WILD).scores:
        before, behind = sounding(score, number, range(2 * BAR - 1, 2 * BAR + 1))
        assert behind == (pitch,)
        seen.add((before == (pitch,), 2 * BAR in part(score, number)[:, 0]))
    assert seen == {(True, was_struck), (False, True)}


def test_the_notes_behind_the_bars_have_a_say_in_them(model: Checkpoint) -> None:
    """With many particles what was given behind becomes likelier than with one, whose weight says nothing."""
    hymn = tiny.hymn(9)
    one, many = (
        np.mean([piece.log_likelihood for piece in inpaint(model, hymn, (2, 2), None, settings).drawn])
        for settings in (ParticleSettings(1, 1, 30), ParticleSettings(1, 30, 5))
    )
    assert many > one + 1


def test_the_pick_up_is_bar_0(model: Checkpoint) -> None:
    hymn = replace(tiny.hymn(9), pickup=480)
    (score,) = inpaint(model, hymn, (0, 0), None, FEW).scores
    later = [note for note in hymn.notes.tolist() if note[0] >= 480]
    assert all(note in score.notes.tolist() for note in later)
    with pytest.raises(UsageError, match=r"--bars 1-4: the piece has the bars 0 to 3\."):
        inpaint(model, hymn, (1, 4), None, FEW)


def test_the_same_seed_composes_the_same_notes(model: Checkpoint) -> None:
    first, second = (harmonize(model, tiny.hymn(9), ["soprano"], ParticleSettings(5, 6, 2)) for _ in range(2))
    assert first.scores == second.scores
    assert first.drawn[0].log_evidence == second.drawn[0].log_evidence


def test_what_cannot_be_done_is_said(model: Checkpoint, tmp_path: Path) -> None:
    hymn = tiny.hymn(9)
    with pytest.raises(UsageError, match=r"has all four voices: name those to keep"):
        harmonize(model, hymn, None, FEW)
    with pytest.raises(UsageError, match=r"has 1 of the four voices; midigen harmonize composes the others"):
        inpaint(model, hymn.where(hymn.part == 0), (1, 1), None, FEW)
    chord = Score.from_notes([(0, 480, 60, 80, 0), (0, 480, 64, 80, 0)])
    with pytest.raises(SamplingError, match=r"part Soprano holds more than one note at a time"):
        harmonize(model, chord, None, FEW)
    notes = tiny.melodies(tmp_path)
    other = Checkpoint(tmp_path, {"name": "tunes"}, notes.representation, tiny.network(notes))
    with pytest.raises(UsageError, match=r"tunes is a model for notes, not for four voices on a grid"):
        harmonize(other, chord, None, FEW)
