"""Samples: the loop rate by hand, files that hold what the figures say, and a training that never notices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.checkpoints.run import find_checkpoint, load_weights, read_trainer
from midigen.datasets.build import Dataset
from midigen.errors import CheckpointError
from midigen.formats.abc_notation import Tune, read_tune
from midigen.formats.midi import read_midi
from midigen.models.classic import ClassicConfig
from midigen.scores.score import Score
from midigen.training import samples
from midigen.training.samples import PASSAGE, figures, loop_rate
from tests import tiny


def line(pitches: list[int]) -> Score:
    """Return a tune in quarters."""
    count = len(pitches)
    onsets, same = np.arange(count) * 480, np.ones(count, np.int64)
    return Score(onsets, 480 * same, np.array(pitches, np.int64), 80 * same, 0 * same)


def tunes(folder: Path) -> Dataset:
    rng = np.random.default_rng(0)
    texts = [
        f"X:{i}\nT:t\nM:2/4\nL:1/8\nK:C\n{'|'.join(map(''.join, rng.choice([*'cdeg'], (8, 4))))}|]" for i in range(4)
    ]
    return tiny.dataset(folder, [read_tune(Tune(text)) for text in texts], "abc", "tttv")


def test_a_loop_of_p_notes_over_n_passages_has_a_rate_of_1_minus_p_by_n() -> None:
    assert loop_rate(line([60, 62, 64] * 9)) == pytest.approx(1 - 3 / (27 - PASSAGE + 1))
    assert loop_rate(line([60] * 40)) == pytest.approx(1 - 1 / 37)


def test_a_tune_without_repetition_and_one_too_short_for_it_do_not_loop() -> None:
    assert loop_rate(line([*range(40, 80)])) == 0
    assert loop_rate(line([60, 60, 60])) == loop_rate(line([])) == 0


def test_other_durations_make_another_passage() -> None:
    score = line([60, 62, 64, 65] * 2)
    assert loop_rate(score) == pytest.approx(1 / 5)
    assert loop_rate(replace(score, duration=np.array([480] * 4 + [240] * 4))) == 0


@given(st.lists(st.integers(50, 70), min_size=PASSAGE, max_size=40), st.integers(-12, 12))
def test_the_loop_rate_is_a_share_knows_no_key_and_grows_with_a_repeat(pitches: list[int], shift: int) -> None:
    rate = loop_rate(line(pitches))
    assert 0 <= rate < 1
    assert loop_rate(line([pitch + shift for pitch in pitches])) == rate
    assert loop_rate(line(pitches * 2)) >= rate


def test_figures_are_means_over_pieces() -> None:
    assert figures([line([60, 62]), line([60] * 4)]) == {"notes": 3, "loop_rate": 0, "pitches": 1.5, "durations": 1}


@pytest.mark.parametrize("make", [tiny.melodies, tiny.hymns, tiny.chords, tunes])
def test_a_run_leaves_pieces_that_hold_what_their_figures_say(tmp_path: Path, make: Callable[[Path], Dataset]) -> None:
    listener = tiny.Listener()
    outcome = tiny.run(tiny.job(tmp_path, make(tmp_path), epochs=1), listener)
    files = sorted((tmp_path / "run" / "samples").glob("*.mid"))
    assert [file.name for file in files] == ["epoch-0001-1.mid", "epoch-0001-2.mid"]
    (sample,) = outcome.samples
    assert listener.samples == [sample]
    assert sample["notes"] == np.mean([len(read_midi(file)) for file in files]) > 0
    assert sample["epoch"] == 1
    assert len([*(tmp_path / "run" / "samples").glob("*.abc")]) == (2 if make is tunes else 0)


@pytest.mark.parametrize("splits", ["ttv", "ttt"])
def test_a_published_network_goes_on_from_an_opening_that_is_not_in_the_sample(tmp_path: Path, splits: str) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(seed, 40) for seed in range(3)], splits=splits)
    job = tiny.job(tmp_path, data, epochs=1, sequence_length=25, cut="windows", average=0.0)
    outcome = tiny.run(replace(job, model=ClassicConfig("notes")))
    assert 0 < outcome.samples[0]["notes"] <= samples.ROWS


def train_with(monkeypatch: pytest.MonkeyPatch, share: float, folder: Path, **settings: Any) -> list[float]:  # noqa: ANN401
    """Train while samples may take a share of the time; return the epochs in which there was one."""
    monkeypatch.setattr(samples, "MOST_TIME", share)
    (folder.parent / f"data-{folder.name}").mkdir()
    job = tiny.job(folder.parent, tiny.melodies(folder.parent / f"data-{folder.name}"), name=folder.name, **settings)
    return [sample["epoch"] for sample in tiny.run(job).samples]


def test_samples_keep_within_their_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_with(monkeypatch, 0, tmp_path / "none", epochs=3) == [1]
    assert train_with(monkeypatch, 1e9, tmp_path / "any", epochs=3) == [1, 2, 3]


def test_training_never_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_with(monkeypatch, -1, tmp_path / "without", epochs=3) == []
    train_with(monkeypatch, 1e9, tmp_path / "with", epochs=3)
    without, with_samples = (load_weights(find_checkpoint(name, tmp_path)) for name in ("without", "with"))
    assert all(torch.equal(without[name], with_samples[name]) for name in without)


def test_the_time_of_samples_is_not_training_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.perf_counter()
    train_with(monkeypatch, 1e9, tmp_path / "run", epochs=4)
    taken = time.perf_counter() - began
    progress = read_trainer(find_checkpoint("run", tmp_path, "last"))["progress"]
    assert 0 < progress["sample_seconds"] < taken - progress["seconds"]


def test_a_run_that_goes_on_keeps_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_with(monkeypatch, 1e9, tmp_path / "run", epochs=2)
    outcome = tiny.run(tiny.resume(tmp_path / "run", epochs=3))
    assert [sample["epoch"] for sample in outcome.samples] == [1, 2, 3]


def test_the_same_weights_give_the_same_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        train_with(monkeypatch, 1e9, tmp_path / name, epochs=1)
    first, second = ((tmp_path / name / "samples" / "epoch-0001-1.mid") for name in ("a", "b"))
    assert read_midi(first).notes.tolist() == read_midi(second).notes.tolist()


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    job = tiny.job(tmp_path, tiny.melodies(tmp_path), epochs=1)
    job.folder.mkdir()
    (job.folder / "samples").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"samples in .* cannot be written"):
        tiny.run(job)
