"""A model judged: its likelihood is the training loop's, and a memoriser and a beginner are told apart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from midigen.checkpoints.run import find_checkpoint, load_checkpoint
from midigen.datasets.build import Dataset
from midigen.errors import UsageError
from midigen.evaluation.baselines import baselines
from midigen.evaluation.evaluate import Measured, Music, judge_music, likelihood, report
from midigen.models.classic import ClassicConfig
from midigen.presets import PRESETS
from midigen.sampling.generate import Request
from midigen.training.config import TrainConfig
from midigen.training.job import Job
from tests import tiny


def tunes(folder: Path) -> Dataset:
    return tiny.dataset(folder, [tiny.melody(seed, 40) for seed in range(12)], splits="t" * 6 + "v" * 6)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Music]:
    folder = tmp_path_factory.mktemp("judged")
    data = tunes(folder)
    return data, judge_music(tiny.trained(folder, data), data, "valid", Request(1, 6, length=40))


def test_the_likelihood_is_what_training_measured(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    checkpoint = tiny.trained(tmp_path, data)
    own = likelihood(checkpoint, data, "valid")
    assert own.nll_per_note == pytest.approx(checkpoint.config["metrics"]["valid_loss"], rel=1e-5)
    assert own.accuracy == pytest.approx(checkpoint.config["metrics"]["valid_accuracy"], rel=1e-5)
    assert sum(own.columns.values()) == pytest.approx(own.nll_per_note)
    assert list(own.columns) == ["pitch", "step", "duration"]
    assert own.end_per_piece > 0


def test_published_networks_are_asked_as_they_were_trained(tmp_path: Path) -> None:
    data = tunes(tmp_path)
    settings = {**asdict(PRESETS["classic-notes"].training), "epochs": 1}
    tiny.run(Job("run", tmp_path / "run", data, ClassicConfig("notes"), TrainConfig(**settings)))
    checkpoint = load_checkpoint(find_checkpoint("run", tmp_path))
    own = likelihood(checkpoint, data, "valid")
    assert own.rows == 6 * (40 - 25)
    assert own.nll_per_note == pytest.approx(checkpoint.config["metrics"]["valid_loss"], rel=1e-5)


def test_music_is_compared_by_every_feature_and_held_against_the_training_pieces(
    judged: tuple[Dataset, Music],
) -> None:
    _, music = judged
    assert (music.generated, music.held_out) == (6, 6)
    assert len(music.statistics) == 13
    assert 0 <= music.originality.shares[4] <= 1
    assert music.held_out_originality.longest < 20
    assert music.two_sample is None
    assert music.frechet is not None
    assert music.frechet > 0


def test_the_report_has_the_keys_that_scripts_rely_on(judged: tuple[Dataset, Music], tmp_path: Path) -> None:
    data, music = judged
    own = likelihood(tiny.trained(tmp_path, data), data, "valid")
    found = report(Measured("valid", 6, own, {}, baselines(data, "valid"), music, 1, None))
    promised = "split, pieces, nll_per_note, bits_per_note, nll_per_token, accuracy, unigram, ngram, "
    promised += "two_sample_accuracy, originality, statistics"
    assert set(promised.split(", ")) <= found.keys()
    assert found["ngram"]["nll_per_note"] > 0
    alone = report(Measured("valid", 6, own, {}, None, None, 1, None))
    assert alone["statistics"] is alone["ngram"] is alone["originality"] is None


def test_a_split_without_pieces_is_an_error(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    with pytest.raises(UsageError, match="has no test pieces: choose another --split"):
        likelihood(tiny.trained(tmp_path, data), data, "test")
