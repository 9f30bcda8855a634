"""Pieces in MidiTok's tokens go where the user wants, in each of the tokenizers, whatever the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from midigen.checkpoints.run import Checkpoint
from midigen.cli.options import TOKENIZERS
from midigen.errors import UsageError
from midigen.models.sequence_model import ModelConfig
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.sampling.draw import DrawSettings
from midigen.sampling.generate import Generated, Prompt, Request, generate
from midigen.sampling.guides import Guides
from midigen.sampling.lane import Lane
from midigen.sampling.last_chord import nearest, with_chord
from midigen.sampling.steering import Steering
from midigen.sampling.steering_words import Tonality
from midigen.scores.features import notes_per_quarter
from midigen.scores.score import Metre, Part, Score
from midigen.scores.statistics import is_drum
from midigen.scores.time import bar_starts
from tests import tiny

BAND = (Part("", 73), Part("", 33), Part("", 0, is_drum=True))


def band(seed: int) -> Score:
    """Two bars of a melody, a bass and drums."""
    rng = np.random.default_rng(seed)
    notes = [(480 * beat, 480, 60 + int(rng.integers(12)), 80, 0) for beat in range(8)]
    notes += [(960 * half, 960, 36 + int(rng.integers(12)), 80, 1) for half in range(4)]
    notes += [(240 * half, 60, 42 if half % 4 else 36, 80, 2) for half in range(16)]
    return Score.from_notes(notes, parts=BAND, metres=(Metre(0, 4, 4),))


@pytest.fixture(scope="module", params=TOKENIZERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A network that has learned for some seconds."""
    folder = tmp_path_factory.mktemp("tokens")
    data = tiny.dataset(folder, [band(seed) for seed in range(12)], f"miditok:{request.param}", "t" * 11 + "v")
    network = ModelConfig(layers=1, hidden_size=48, embedding_size=16, head_size=32)
    return tiny.trained(folder, data, model=network, epochs=12, learning_rate=0.02, sequence_length=64)


def compose(model: Checkpoint, steering: Steering | None = None, **wishes: Any) -> Generated:  # noqa: ANN401  # wishes of all types
    """Compose two pieces of six bars, unless wished otherwise."""
    usual = {"seed": 0, "count": 2, "bars": 6, "steering": steering or Steering()}
    return generate(model, Request(**{**usual, **wishes}))


def rows_of(model: Checkpoint, score: Score) -> np.ndarray[Any, np.dtype[np.int64]]:
    rows, _ = model.representation.encode(score)
    return rows


def test_a_free_piece_has_as_many_bars_as_are_wanted(model: Checkpoint) -> None:
    for score in compose(model, Steering(meter="3/4")).scores:
        assert int(score.onset.max()) < 6 * 1440


def test_all_is_in_the_metre(model: Checkpoint) -> None:
    for score in compose(model, Steering(meter="6/8")).scores:
        assert score.metres == (Metre(0, 6, 8),)
    if model.representation.name != "miditok:Structured":  # which writes any metre, for its tokens tell none
        with pytest.raises(UsageError, match="--meter is not possible here: the metre 13/4 has no token"):
            compose(model, Steering(meter="13/4"))


def test_there_are_so_many_notes_a_quarter(model: Checkpoint) -> None:
    sparse, dense = (compose(model, Steering(density=density), length=400, bars=None) for density in (1.5, 6.0))
    for few, many in zip(sparse.scores, dense.scores, strict=True):
        # After so short a training bars are leapt over in Octuple, and in MIDILike keys are never let go.
        if model.representation.name != "miditok:Octuple":
            assert 2 * notes_per_quarter(few) < notes_per_quarter(many)
        if model.representation.name not in {"miditok:Octuple", "miditok:MIDILike"}:
            assert notes_per_quarter(few) == pytest.approx(1.5, rel=0.3)
            assert notes_per_quarter(many) == pytest.approx(6, rel=0.3)
    assert sparse.bent is not None
    assert not sparse.bent.passed


def test_hard_chords_hold_for_every_note_of_their_bars(model: Checkpoint) -> None:
    chords = ({0, 4, 7}, {7, 11, 2, 5})
    for score in compose(model, Steering(meter="3/4", chords="C G7", is_hard=True), bars=8).scores:
        pitched = score.where(~is_drum(score))
        assert all(p % 12 in chords[onset // 1440 % 2] for onset, _, p, *_ in pitched.notes.tolist())


def test_a_prompt_goes_on_and_can_be_left_out(model: Checkpoint) -> None:
    whole, without = (
        compose(model, prompt=Prompt(band(9), is_in_output=is_in_output), length=60, bars=None).scores[0]
        for is_in_output in (True, False)
    )
    opening, given = (score.where(score.onset < 1440).notes[:, [0, 2]].tolist() for score in (whole, band(9)))
    assert sorted(opening) == sorted(given)
    # The rest begins with the bar in which the first new note stands.
    later = whole.where(whole.onset >= whole.onset.max() - without.onset.max())
    assert 0 < len(without) <= len(later)


@pytest.mark.parametrize("wishes", [{"bars": 5}, {"bars": None, "length": 90}])
def test_a_piece_ends_with_a_chord_on_the_tonic(model: Checkpoint, wishes: dict[str, int | None]) -> None:
    steering = Steering(key="G", density=3, meter="4/4", range="C3-C6", end=True)
    for score in compose(model, steering, **wishes).scores:
        line = int(score.onset.max())
        chord = score.where((score.onset == line) & ~is_drum(score))
        assert line in bar_starts(score).tolist()
        assert chord.pitch.min() % 12 == 7
        assert {pitch % 12 for pitch in chord.pitch.tolist()} <= {7, 11, 2}
        assert {48 <= pitch <= 84 for pitch in chord.pitch.tolist()} == {True}
        assert set(chord.duration.tolist()) == {1920}
        before = score.where(score.onset < line)
        assert int((before.onset + before.duration).max()) <= line
        if wishes.get("bars"):
            assert line == 4 * 1920


def test_what_is_drawn_is_legal(model: Checkpoint) -> None:
    tokens = model.representation
    assert isinstance(tokens, MidiTokTokens)
    rows, plan = tokens.encode(band(9))
    lane = Lane(np.random.default_rng(0), tokens.make_plan(None, len(rows), np.random.default_rng(0)), rows[:7])
    guides = Guides(DrawSettings(), None, None, tokens)
    for column, described in enumerate(tokens.fields):
        drawn = rows[7, :column]
        logits = torch.zeros(1, described.size)
        bent = guides.bend([lane], column, logits, plan[:1], torch.from_numpy(drawn[None]))
        legal = tokens.legal(rows[:7], tokens.place(rows[:7]), column, drawn)
        assert torch.isfinite(bent[0]).tolist() == legal.tolist()
        assert not legal.all()


@pytest.mark.parametrize(
    ("low", "high", "pitches"), [(43, 57, [53, 57]), (60, 127, [65, 69, 77]), (0, 127, [41, 69, 77])]
)
def test_the_bass_of_the_last_chord_is_the_tonic_in_any_range(low: int, high: int, pitches: list[int]) -> None:
    notes = [(0, 480, 40, 80, 0), (0, 480, 69, 80, 0), (0, 480, 76, 80, 0)]
    closed = with_chord(Score.from_notes(notes), 480, 480, Tonality(5, "major"), (low, high))
    assert closed.pitch[closed.onset == 480].tolist()[0] % 12 == 5
    assert sorted(closed.pitch[closed.onset == 480].tolist()) == pitches


def test_a_piece_in_minor_closes_with_one_third() -> None:
    notes = [(0, 480, pitch, 80, 0) for pitch in (50, 53, 54, 57)]
    closed = with_chord(Score.from_notes(notes), 480, 480, Tonality(2, "minor"), (0, 127))
    assert closed.pitch[closed.onset == 480].tolist() == [50, 53, 57]


def test_a_last_chord_is_what_each_part_played_at_the_nearest_pitches() -> None:
    parts = (Part("", 73), Part("", 33), Part("", 0, is_drum=True))
    notes = [
        (0, 960, 76, 90, 0),
        (960, 1440, 71, 70, 0),
        (0, 1920, 45, 80, 1),
        (1440, 480, 36, 80, 2),
        (2000, 9, 60, 9, 1),
    ]
    score = Score.from_notes(notes, parts=parts)
    closed = with_chord(score, 1920, 1920, Tonality(0, "major"), (0, 127))
    assert closed.where(closed.onset == 1920).notes.tolist() == [[1920, 1920, 72, 70, 0], [1920, 1920, 48, 80, 1]]
    assert int((closed.onset + closed.duration)[closed.onset < 1920].max()) == 1920


def test_without_pitches_there_is_no_chord() -> None:
    drums = Score.from_notes([(0, 480, 36, 80, 0)], parts=(Part("", 0, is_drum=True),))
    assert with_chord(drums, 1920, 1920, Tonality(0, "major"), (0, 127)) == drums


def test_of_two_pitches_as_near_the_lower_one_is_taken() -> None:
    assert nearest(62, frozenset({0, 4}), (0, 127)) == 60
    assert nearest(62, frozenset({0}), (61, 71)) == 62
    assert nearest(50, frozenset({0}), (60, 72)) == 60
