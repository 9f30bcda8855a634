"""Features of a piece, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.scores.features import FEATURES, features
from midigen.scores.score import Part, Score
from tests import tiny

BAR = 1920


def line(pitches: list[int], length: int = 480, part: int = 0) -> list[tuple[int, int, int, int, int]]:
    return [(length * step, length, pitch, 80, part) for step, pitch in enumerate(pitches)]


def test_a_scale_by_hand() -> None:
    found = features(Score.from_notes(line([60, 62, 64, 65, 67, 69, 71, 72])))
    assert found["pitch classes"].tolist() == [0.25, 0, 0.125, 0, 0.125, 0.125, 0, 0.125, 0, 0.125, 0, 0.125]
    assert found["intervals"][[13, 14]].tolist() == pytest.approx([2 / 7, 5 / 7])
    transitions = found["pitch class transitions"].reshape(12, 12)
    assert [transitions[before, after] for before, after in ((0, 2), (11, 0), (0, 11))] == [1 / 7, 1 / 7, 0]
    assert found["durations"].nonzero()[0].tolist() == [6]
    assert found["onsets in the bar"][[0, 4, 8, 12]].tolist() == [0.25] * 4
    numbers = {name: float(value[0]) for name, value in found.items() if len(value) == 1}
    assert numbers["pitch range"] == 12
    assert numbers["mean interval"] == pytest.approx(12 / 7)
    assert numbers["notes a quarter"] == numbers["mean gap"] == numbers["polyphony"] == 1
    assert numbers["scale consistency"] == numbers["groove consistency"] == 1
    assert numbers["repeated bars"] == 0


def test_polyphony_counts_only_while_something_sounds() -> None:
    notes = [(0, 480, 60, 80, 0), (0, 960, 64, 80, 0), (4800, 480, 60, 80, 0)]
    assert features(Score.from_notes(notes))["polyphony"][0] == pytest.approx((2 + 1 + 1) / 3)


def test_a_bar_like_an_earlier_one_is_repeated_and_grooves() -> None:
    score = Score.from_notes(line([60, 62, 64, 65] * 2 + [60, 62, 64, 67]))
    assert features(score)["repeated bars"][0] == pytest.approx(1 / 3)
    halves = Score.from_notes([*line([60, 62, 64, 65]), (BAR, 960, 60, 80, 0), (BAR + 960, 960, 62, 80, 0)])
    assert features(halves)["groove consistency"][0] == pytest.approx(1 - 2 / 16)


def test_drums_are_no_part_of_any_feature() -> None:
    tune, drum = line([60, 62, 64, 65]), line([35] * 4, part=1)
    parts = (Part(), Part("", 0, is_drum=True))
    with_drums = features(Score.from_notes([*tune, *drum], parts=parts))
    alone = features(Score.from_notes(tune))
    assert all(np.array_equal(with_drums[name], alone[name]) for name in FEATURES)


@given(st.integers(0, 99), st.integers(0, 30), st.integers(1, 11))
def test_features_are_finite_histograms_sum_to_1_and_transposition_moves_pitches_only(
    seed: int, notes: int, shift: int
) -> None:
    score = tiny.melody(seed, notes)
    found = features(score)
    moved = features(Score(score.onset, score.duration, score.pitch + shift, score.velocity, score.part))
    for name, value in found.items():
        assert np.isfinite(value).all()
        if len(value) > 1:
            assert value.sum() == pytest.approx(float(notes > (name in {"intervals", "pitch class transitions"})))
        if name not in {"pitch classes", "pitch class transitions"}:
            assert moved[name] == pytest.approx(value)
    assert np.roll(found["pitch classes"], shift) == pytest.approx(moved["pitch classes"])
