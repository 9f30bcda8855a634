"""Convolutional networks: those of the texts, stopped where the text stopped, on sides that share nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from midigen.corpora.store import Piece
from midigen.errors import SourceError
from midigen.evaluation.style import ImageClassifier
from midigen.labs import cnn
from midigen.labs.cnn import FiveLayers, digit_sets, parameter_count, run
from midigen.labs.image_training import LEAST_GAIN, PATIENCE, fit, judge, predict
from midigen.labs.lab import Settings
from midigen.labs.labelled_images import ImageSets, LabelledImages, folder_sets, music_sets, split_styles
from midigen.labs.regularisers import EarlyStopping
from midigen.scores.score import Score
from tests.tiny import melody

# The validation losses that the text prints, the best epoch it names and the one at which it stops, if it does.
PRINTED = [
    ([None, 0.0240, 0.0148, 0.0062, 0.0042, 0.0039, 0.0041, 0.0032], 5, 8),
    ([0.4816, 0.0609, 0.0182, 0.0076, 0.0030, 0.0019, 0.0013, 0.0011, 8.4804e-4, 7.7833e-4], 9, None),
    ([0.1999, 0.0188, 0.0071, 0.0011, 7.4349e-4, 3.2628e-4, 3.2290e-4], 4, 7),
    ([0.1421, 0.0080, 0.0020, 0.0017, 0.0136, 2.4979e-4, 1.3199e-4, 9.6794e-5, 7.7891e-5], 6, 9),
]


@pytest.mark.parametrize(("losses", "best", "last"), PRINTED)
def test_early_stopping_stops_where_the_text_did(losses: list[float | None], best: int, last: int | None) -> None:
    network, stopping = torch.nn.Linear(1, 1), EarlyStopping(PATIENCE, LEAST_GAIN)
    said = [stopping.is_over(1.0 if loss is None else loss, network) for loss in losses]
    assert said == [epoch == last for epoch in range(1, len(losses) + 1)]
    assert stopping.best_epoch == best


@pytest.mark.parametrize(("layers", "parameters"), [(1, 8_129_475), (2, 3_692_003), (3, 1_629_731), (4, 687_779)])
def test_the_networks_of_the_text_have_the_parameters_counted_by_hand(layers: int, parameters: int) -> None:
    assert parameter_count(ImageClassifier(3, 128, layers, cnn.DENSE, 3)) == parameters


def test_the_five_layers_have_the_parameters_counted_by_hand() -> None:
    network = FiveLayers(3, 10)
    by_layer = 6 * (75 + 1), 16 * (150 + 1), 120 * (400 + 1), 84 * (120 + 1), 10 * (84 + 1)
    assert parameter_count(network) == sum(by_layer) == 62_006
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def images(count: int) -> LabelledImages:
    """Noise of 14 x 14, brighter on the side that is the class."""
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 100, (count, 1, 14, 14))
    pixels[labels == 0, :, :, :7] += 100
    pixels[labels == 1, :, :, 7:] += 100
    return LabelledImages(pixels.to(torch.uint8), labels)


@pytest.fixture
def sides() -> ImageSets:
    torch.manual_seed(0)
    return ImageSets(("left", "right"), images(128), images(32), images(32), highest=255)


def test_what_can_be_seen_is_learnt(sides: ImageSets) -> None:
    trained = fit(ImageClassifier(1, 14, 2, 16, 2), sides, lambda _epoch: None)
    assert trained.test.accuracy == 1


def test_training_stops_when_validation_gets_worse_and_puts_the_best_weights_back(sides: ImageSets) -> None:
    pixels, labels = sides.valid
    misleading = replace(sides, valid=LabelledImages(pixels, 1 - labels))
    epochs = list[int]()
    trained = fit(ImageClassifier(1, 14, 1, 16, 2), misleading, epochs.append)
    assert trained.best_epoch == 1
    assert epochs == [1, 2, 3, 4]
    restored = judge(predict(trained.network, pixels, sides.highest), 1 - labels)
    assert restored == pytest.approx(trained.best)
    assert restored.loss < trained.valid[-1].loss


def test_the_digits_are_enlarged_and_none_is_on_two_sides() -> None:
    digits = digit_sets()
    assert [part.pixels.shape for part in (digits.train, digits.valid, digits.test)] == [
        (count, 1, 32, 32) for count in (1200, 300, 297)
    ]
    assert torch.equal(digits.train.pixels[:, :, ::4, ::4], digits.train.pixels[:, :, 3::4, 3::4])
    assert digits.train.pixels.max() == digits.highest


def write_pictures(folder: Path, levels: range) -> None:
    folder.mkdir(parents=True)
    for level in levels:
        Image.fromarray(np.full((9, 12), level, np.uint8)).save(folder / f"{level}.png")


def test_pictures_of_a_folder_are_resized_and_each_is_on_one_side(tmp_path: Path) -> None:
    for name, first in (("rock", 10), ("paper", 50)):
        write_pictures(tmp_path / name, range(first, first + 20))
    (tmp_path / "rock" / "notes.txt").write_text("no picture")
    found = folder_sets(tmp_path, seed=1, size=8)
    assert found.classes == ("paper", "rock")
    assert [len(part.labels) for part in (found.train, found.valid, found.test)] == [28, 6, 6]
    pixels = torch.cat([found.train.pixels, found.valid.pixels, found.test.pixels])
    assert pixels.shape == (40, 3, 8, 8)
    assert len(set(pixels[:, 0, 0, 0].tolist())) == 40
    assert ((found.train.pixels[:, 0, 0, 0] < 40) == (found.train.labels == 1)).all()


def test_a_test_set_of_its_own_is_kept_as_it_is(tmp_path: Path) -> None:
    for split, first in (("train", 10), ("test", 100)):
        for name in ("rock", "paper"):
            write_pictures(tmp_path / split / name, range(first, first + 10))
    found = folder_sets(tmp_path, seed=0, size=8)
    assert [len(part.labels) for part in (found.train, found.valid, found.test)] == [14, 6, 20]
    assert found.test.pixels.min() == 100
    assert max(found.train.pixels.max(), found.valid.pixels.max()) < 20


def test_folders_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        folder_sets(tmp_path / "nowhere", seed=0, size=8)
    write_pictures(tmp_path / "rock", range(10))
    with pytest.raises(SourceError, match="two classes or more"):
        folder_sets(tmp_path, seed=0, size=8)
    write_pictures(tmp_path / "paper", range(2))
    with pytest.raises(SourceError, match="too few pictures of paper: there are none for valid"):
        folder_sets(tmp_path, seed=0, size=8)
    (tmp_path / "paper" / "3.png").write_bytes(b"\x89PNG and no more")
    with pytest.raises(SourceError, match=r"3\.png is no picture"):
        folder_sets(tmp_path, seed=0, size=8)


def piece(name: str, score: Score, split: str | None = None) -> Piece:
    return Piece(name, score, f"{name}.mid", "", split)


def test_a_tune_of_two_collections_is_left_out_and_copies_stay_on_one_side() -> None:
    own = [piece(str(seed), melody(seed)) for seed in range(20)]
    copies = [piece(f"{item.name} again", item.score) for item in own]
    shared = piece("shared", melody(99))
    styles = split_styles({"one": [*own, *copies, shared], "other": [shared, piece("its own", melody(98))]})
    assert [item.name for item in styles["other"]] == ["its own"]
    split_of = {item.name: item.split for item in styles["one"]}
    assert "shared" not in split_of
    assert all(split_of[item.name] == split_of[f"{item.name} again"] for item in own)
    assert set(split_of.values()) == {"train", "valid", "test"}


def test_music_is_drawn_within_the_limits_and_by_split() -> None:
    splits = ["train"] * 4 + ["valid"] * 2 + ["test"] * 2
    styles = {
        name: [piece(str(i), melody(i + at, 60), splits[i]) for i in range(8)] for name, at in (("a", 0), ("b", 50))
    }
    found = music_sets(styles, {"train": 3, "valid": 9, "test": 1}, seed=0)
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.test.labels.tolist() == [0, 1]
    seen = {image.numpy().tobytes() for image in found.train.pixels}
    assert not seen & {image.numpy().tobytes() for image in found.valid.pixels}
    with pytest.raises(SourceError, match="a has no piece with notes for the valid split"):
        music_sets({"a": styles["a"][:1]}, {"train": 3, "valid": 9, "test": 1}, seed=0)


def test_the_lab_shows_the_text_beside_ours_on_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnn, "DIGIT_EPOCHS", 1)
    monkeypatch.setattr(cnn, "PICTURE_SIZE", 48)
    for name, first in (("dark", 0), ("light", 200)):
        write_pictures(tmp_path / name, range(first, first + 8))
    report = run(Settings(seed=2, data=tmp_path))
    texts = [result.text for result in report.results if result.quantity.startswith("2 layers: best")]
    assert texts == ["9, 1.0000; 1.0663, 0.7634 (Rock-Paper-Scissors)"]
    assert [axes.get_title() for axes in report.figure.axes[:2]] == [
        "Loss (dashed: training; marked: best)",
        "Accuracy (dashed: training; marked: best)",
    ]
