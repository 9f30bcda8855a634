from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from midigen.errors import TrainingError
from midigen.training.check import CheckReport, check
from tests import tiny

MODEL = replace(tiny.MODEL, hidden_size=32, embedding_size=16, head_size=32)


@pytest.mark.parametrize("tokens", ["notes", "grid"])
def test_a_sound_network_passes(tmp_path: Path, tokens: str) -> None:
    data = tiny.melodies(tmp_path, 3) if tokens == "notes" else tiny.hymns(tmp_path, 3)
    report = check(data, MODEL, replace(tiny.CONFIG, learning_rate=0.02))
    fields = data.representation.fields
    uniform = sum(math.log(field.size) for field in fields) / data.representation.notes_per_row
    assert report.log_vocabulary == pytest.approx(uniform)
    assert report.first_loss_is_plausible
    assert report.learns_by_heart
    assert report.last_loss < 0.5 * report.first_loss
    assert 0 < report.steps < 400


def test_a_rate_that_is_far_too_low_learns_nothing_and_is_named(tmp_path: Path) -> None:
    report = check(tiny.melodies(tmp_path, 2), tiny.MODEL, replace(tiny.CONFIG, learning_rate=1e-7))
    assert not report.learns_by_heart
    assert not report.update_is_moderate


def test_a_loss_that_is_no_number_ends_the_check(tmp_path: Path) -> None:
    report = check(tiny.melodies(tmp_path, 2), tiny.MODEL, replace(tiny.CONFIG, learning_rate=1e30))
    assert report.steps < 10
    assert not report.learns_by_heart


def test_no_piece_to_train_on_is_an_error(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path, 2)
    for piece in data.manifest["pieces"]:
        piece["split"] = "test"
    with pytest.raises(TrainingError, match="no piece to train on"):
        check(data, tiny.MODEL, tiny.CONFIG)


@pytest.mark.parametrize(("ratio", "is_moderate"), [(1e-4, False), (3e-4, True), (0.005, True), (0.1, False)])
def test_an_update_is_judged_by_its_share_of_the_weights(ratio: float, *, is_moderate: bool) -> None:
    assert CheckReport(4.0, 4.0, 0.1, 1.0, 100, ratio).update_is_moderate is is_moderate
