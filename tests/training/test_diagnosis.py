from __future__ import annotations

from dataclasses import replace

import pytest

from midigen.training.diagnosis import diagnose, diagnose_split
from midigen.training.yardsticks import Yardsticks

MUSIC = {"notes": 100.0, "loop_rate": 0.2, "pitches": 20.0, "durations": 5.0}
KNOWN = Yardsticks(uniform=4.0, unigram=2.7, ngram=1.2, counted=(10, 10), music=MUSIC)


def course(train: list[float], valid: list[float] | None = None) -> list[dict[str, float]]:
    """Return the history of a run from its losses."""
    rows = [{"epoch": float(epoch), "train_loss": loss} for epoch, loss in enumerate(train, 1)]
    return [row | {"valid_loss": loss} for row, loss in zip(rows, valid, strict=True)] if valid else rows


def said(
    train: list[float], valid: list[float] | None = None, used: float = 1.0, known: Yardsticks = KNOWN
) -> dict[str, str]:
    return diagnose(course(train, valid), [], known, used)


def said_of(sample: dict[str, float], used: float = 1.0, music: dict[str, float] = MUSIC) -> str:
    known = replace(KNOWN, music=music)
    return diagnose(course([1.0], [1.0]), [MUSIC, MUSIC | sample], known, used).get("sample", "")


def test_nothing_is_said_of_a_run_that_learns() -> None:
    assert said([2.0, 1.0, 0.8], [1.9, 1.1, 0.9]) == {}
    assert diagnose([], [], KNOWN, 0.0) == {}


def test_a_training_loss_that_rises_from_the_start_is_the_learning_rates_fault() -> None:
    assert "risen from 2.000 to 2.500" in said([2.0, 2.2, 2.5])["learning rate"]
    assert "--learning-rate" in said([2.0, 2.2, 2.5])["learning rate"]
    assert said([2.0, 2.01]) == {}


def test_a_loss_twice_that_of_guessing_is_too() -> None:
    assert "blind guessing (4.000)" in said([8.1])["learning rate"]
    assert said([3.0], [8.1]).keys() == {"learning rate"}
    assert said([7.9]) == {}


@pytest.mark.parametrize(
    ("loss", "used", "is_said"), [(2.66, 0.3, True), (2.9, 1, True), (2.6, 1, False), (2.7, 0.2, False)]
)
def test_a_loss_like_the_unigrams_has_learned_no_order(loss: float, used: float, is_said: bool) -> None:  # noqa: FBT001
    found = said([loss], [loss], used)
    assert ("nothing learned about order yet" in found.get("unigram", "")) == is_said


@pytest.mark.parametrize(("loss", "used", "is_said"), [(1.3, 0.5, True), (1.3, 0.4, False), (1.1, 1.0, False)])
def test_behind_half_the_budget_counting_should_be_beaten(loss: float, used: float, is_said: bool) -> None:  # noqa: FBT001
    found = said([loss], [loss], used)
    assert ("above the n-gram's 1.200" in found.get("n-gram", "")) == is_said
    assert found.keys() <= {"n-gram"}


def test_the_best_epoch_is_held_against_counting_not_the_last() -> None:
    assert said([1.2, 1.2], [1.1, 1.3]) == {}


def test_overfitting_is_a_training_loss_that_falls_away_from_a_rising_validation_loss() -> None:
    found = said([2.0, 1.0, 0.8, 0.6, 0.4], [1.5, 1.1, 1.2, 1.3, 1.4])
    assert found.keys() == {"overfitting"}
    assert "since epoch 2: training 0.400, validation 1.400" in found["overfitting"]
    assert "--dropout" in found["overfitting"]


@pytest.mark.parametrize(
    ("train", "valid"),
    [
        ([2.0, 1.0, 0.6, 0.4], [1.5, 1.1, 1.2, 1.3]),  # worse for two epochs only
        ([2.0, 1.0, 0.8, 0.6, 0.4], [1.5, 1.1, 1.11, 1.11, 1.11]),  # hardly worse
        ([2.0, 1.3, 1.3, 1.3, 1.3], [1.5, 1.1, 1.2, 1.3, 1.4]),  # training is no better
    ],
)
def test_a_moment_without_progress_is_not_overfitting(train: list[float], valid: list[float]) -> None:
    assert "overfitting" not in said(train, valid)


def test_without_validation_or_counting_only_what_is_known_is_judged() -> None:
    assert said([3.0]) == {}
    assert said([3.0], [3.0], known=Yardsticks(4.0, None, None, (10, 10), MUSIC)) == {}


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ({"notes": 0.0, "pitches": 0.0, "durations": 0.0}, "silent"),
        ({"pitches": 1.0}, "one pitch only"),
        ({"durations": 1.0}, "one duration only"),
        ({"loop_rate": 0.61}, "in a loop (loop rate 61%, in the corpus 20%)"),
    ],
)
def test_a_sample_that_is_no_music_is_said(sample: dict[str, float], words: str) -> None:
    assert words in said_of(sample)
    assert "--minutes" in said_of(sample)
    assert said_of(sample, used=0.2) == ""


def test_a_sample_may_do_what_the_corpus_does() -> None:
    drums = MUSIC | {"pitches": 1.0, "durations": 1.0, "loop_rate": 0.9}
    assert said_of({"pitches": 1.0, "durations": 1.0, "loop_rate": 0.94}, music=drums) == ""
    assert "loop" in said_of({"loop_rate": 0.96}, music=drums)
    assert said_of({"loop_rate": 0.59}) == ""


def test_a_few_notes_may_be_alike() -> None:
    assert said_of({"notes": 15.0, "pitches": 1.0}) == ""


def test_a_sample_is_not_blamed_for_the_learning_rate() -> None:
    assert diagnose(course([2.0, 2.5]), [MUSIC | {"pitches": 1.0}], KNOWN, 1.0).keys() == {"learning rate"}


def test_too_few_held_out_pieces_are_said_before_training() -> None:
    assert "no validation" in diagnose_split(0)["no validation"]
    assert "Only 1 piece is held out" in diagnose_split(1)["little validation"]
    assert "2 pieces are" in diagnose_split(2)["little validation"]
    assert diagnose_split(3) == {}
