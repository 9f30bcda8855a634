from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import UsageError
from midigen.training.config import TrainConfig


def test_the_rate_rises_to_the_highest_and_falls_to_nothing() -> None:
    config = TrainConfig(warm_up=0.1)
    assert config.rate(0.05) == pytest.approx(0.5)
    assert config.rate(0.1) == pytest.approx(1.0)
    assert config.rate(0.55) == pytest.approx(0.5)
    assert config.rate(1.0) == pytest.approx(0.0)


@given(st.floats(0, 2))
def test_the_rate_is_a_share(progress: float) -> None:
    assert 0 <= TrainConfig().rate(progress) <= 1


def test_the_first_batch_has_a_rate_already() -> None:
    assert TrainConfig().rate(0.0) > 0


@pytest.mark.parametrize(
    "option", ["epochs", "minutes", "batch_size", "sequence_length", "learning_rate", "clip", "patience"]
)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_values_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"The {option.replace('_', ' ')} must be above 0"):
        TrainConfig(**{option: value})  # type: ignore[arg-type]


def test_training_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match="a number of epochs or of minutes"):
        TrainConfig(epochs=None, minutes=None)
