"""Yardsticks: the losses are those of the baselines, per note, and counting knows its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from midigen.datasets.build import Dataset
from midigen.evaluation.baselines import baselines
from midigen.models.classic import ClassicConfig
from midigen.training import samples, yardsticks
from midigen.training.samples import figures
from midigen.training.yardsticks import measure
from tests import tiny


@pytest.mark.parametrize(("make", "each"), [(tiny.melodies, 1), (tiny.hymns, 4)])
def test_losses_are_those_of_the_baselines_a_note(tmp_path: Path, make: Callable[[Path], Dataset], each: int) -> None:
    data = make(tmp_path)
    found, counted = measure(tiny.job(tmp_path, data)), baselines(data, "valid")
    assert counted is not None
    assert found.unigram == pytest.approx(counted.unigram.nll_per_row / each)
    assert found.ngram == pytest.approx(counted.ngram.nll_per_row / each)
    assert found.uniform == pytest.approx(sum(math.log(field.size) for field in data.representation.fields) / each)
    training = len(data.indices("train"))
    assert found.counted == (training, training)


def test_music_is_that_of_the_held_out_pieces_at_the_length_of_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.melodies(tmp_path)
    held_out = data.representation.decode(*data.piece(5))
    assert measure(tiny.job(tmp_path, data)).music == figures([held_out])
    monkeypatch.setattr(samples, "ROWS", 4)
    assert measure(tiny.job(tmp_path, data)).music["notes"] == 4


def test_of_a_large_corpus_pieces_at_even_distances_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.melodies(tmp_path)  # training pieces of 10, 13, 16, 19 and 22 rows
    monkeypatch.setitem(yardsticks.MOST_IDS, "train", 40 * len(data.representation.fields))
    few = measure(tiny.job(tmp_path, data))
    assert few.counted == (3, 5)
    whole = baselines(data, "valid")
    assert whole is not None
    assert few.unigram != pytest.approx(whole.unigram.nll_per_row)


def test_without_held_out_pieces_only_the_music_is_known(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(0), tiny.melody(1)], splits="tt")
    found = measure(tiny.job(tmp_path, data))
    assert (found.unigram, found.ngram) == (None, None)
    assert found.music["notes"] == 20


def test_windows_are_asked_about_the_rows_behind_them(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(seed, 40) for seed in range(3)], splits="ttv")
    job = replace(tiny.job(tmp_path, data, cut="windows", sequence_length=25), model=ClassicConfig("notes"))
    counted = baselines(data, "valid", 25)
    assert counted is not None
    assert measure(job).unigram == pytest.approx(counted.unigram.nll_per_row)
    assert measure(replace(job, config=replace(job.config, split="window"))).unigram is None
    assert measure(replace(job, config=replace(job.config, sequence_length=40))).unigram is None
