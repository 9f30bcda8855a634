from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from midigen.errors import UsageError
from midigen.sampling.draw import DrawSettings, draw, probabilities

PLAIN = DrawSettings()
SHARES = torch.tensor([[0.1, 0.4, 0.2, 0.3]], dtype=torch.float64)
EVENLY = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
JUST_BELOW_ONE = math.nextafter(1.0, 0.0)


def frequencies(logits: Tensor, temperature: float, settings: DrawSettings = PLAIN) -> Tensor:
    """How often each id comes for uniforms that lie evenly between 0 and 1."""
    ids = draw(logits.expand(len(EVENLY), -1), EVENLY, temperature, settings)
    return torch.bincount(ids, minlength=logits.shape[-1]) / len(EVENLY)


def kept(settings: DrawSettings, shares: Tensor = SHARES) -> list[int]:
    """The ids that can be drawn."""
    return probabilities(shares.log(), 1.0, settings)[0].nonzero().flatten().tolist()


def test_temperature_zero_takes_the_likeliest_id() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert draw(logits, torch.tensor([0.99, 0.99]), 0.0, PLAIN).tolist() == [1, 0]


def test_temperature_one_draws_as_often_as_the_softmax_says() -> None:
    logits = torch.randn(1, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(frequencies(logits, 1.0).double(), logits.double().softmax(-1)[0], atol=2e-4, rtol=0)


def test_a_temperature_divides_the_logits() -> None:
    squares = SHARES**2 / (SHARES**2).sum()
    torch.testing.assert_close(frequencies(SHARES.log(), 0.5).double(), squares[0], atol=2e-4, rtol=0)


def test_a_low_temperature_sharpens_and_a_high_one_flattens() -> None:
    likeliest = [float(frequencies(SHARES.log(), t)[1]) for t in (0.1, 0.5, 1.0, 2.0, 100.0)]
    assert likeliest == sorted(likeliest, reverse=True)
    assert likeliest[0] > 0.9
    assert likeliest[-1] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        (DrawSettings(top_k=1), [1]),
        (DrawSettings(top_k=2), [1, 3]),
        (DrawSettings(top_k=99), [0, 1, 2, 3]),
        (DrawSettings(top_p=0.35), [1]),
        (DrawSettings(top_p=0.5), [1, 3]),
        (DrawSettings(top_p=0.75), [1, 2, 3]),
        (DrawSettings(top_p=1.0), [0, 1, 2, 3]),
        (DrawSettings(min_p=0.6), [1, 3]),
        (DrawSettings(min_p=0.2), [0, 1, 2, 3]),
        (DrawSettings(min_p=1.0), [1]),
        (DrawSettings(top_k=3, top_p=0.7, min_p=0.1), [1, 3]),
    ],
)
def test_only_the_documented_ids_stay(settings: DrawSettings, ids: list[int]) -> None:
    assert kept(settings) == ids


def test_what_stays_keeps_its_proportions_and_sums_to_one() -> None:
    shares = probabilities(SHARES.log(), 1.0, DrawSettings(top_k=2))
    torch.testing.assert_close(shares, torch.tensor([[0, 4 / 7, 0, 3 / 7]], dtype=torch.float64))


def test_what_is_copied_is_not_cut_and_the_rest_keeps_its_weight() -> None:
    copied = torch.tensor([[1.0, 0.0, 0.5, 0.0]], dtype=torch.float64)
    drawn_from = probabilities(SHARES.log(), 1.0, DrawSettings(top_k=1), copied)
    assert drawn_from[0].tolist() == pytest.approx([0.1, 0.8, 0.1, 0.0])
    for settings in (DrawSettings(top_k=1), DrawSettings(top_p=0.1), DrawSettings(min_p=1.0)):
        everything = probabilities(SHARES.log(), 1.0, settings, torch.ones_like(SHARES))
        assert torch.allclose(everything, SHARES)


def test_top_k_keeps_k_ids_also_of_equal_ones() -> None:
    assert len(kept(DrawSettings(top_k=2), torch.full((1, 5), 0.2))) == 2


def test_top_p_reaches_its_share_with_the_fewest_ids() -> None:
    equal = torch.full((1, 4), 0.25, dtype=torch.float64)
    assert len(kept(DrawSettings(top_p=0.5), equal)) == 2


@pytest.mark.parametrize("uniform", [0.0, 0.5, JUST_BELOW_ONE])
def test_an_id_without_any_chance_is_never_drawn(uniform: float) -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]])
    assert draw(logits, torch.tensor([uniform], dtype=torch.float64), 1.0, PLAIN).item() == (3 if uniform else 1)


@given(
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20),
    uniform=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0, 100),
    top_k=st.none() | st.integers(1, 30),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
    min_p=st.none() | st.floats(0, 1, exclude_min=True),
)
def test_whatever_the_settings_an_id_that_may_be_drawn_comes_out(
    logits: list[float],
    uniform: float,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
) -> None:
    settings, row = DrawSettings(1.0, {}, top_k, top_p, min_p), torch.tensor([logits])
    drawn = draw(row, torch.tensor([uniform], dtype=torch.float64), temperature, settings)
    assert 0 <= drawn.item() < len(logits)
    if temperature:
        shares = probabilities(row, temperature, settings)
        assert shares[0, drawn].item() > 0
        assert shares.sum().item() == pytest.approx(1)


def test_a_piece_does_not_depend_on_its_neighbours() -> None:
    logits, uniforms = torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), EVENLY[::1700]
    together = draw(logits, uniforms, 1.0, PLAIN)
    alone = [draw(logits[i : i + 1], uniforms[i : i + 1], 1.0, PLAIN).item() for i in range(6)]
    assert together.tolist() == alone


def test_a_column_may_have_a_temperature_of_its_own() -> None:
    settings = DrawSettings(0.7, {"pitch": 0.0})
    assert (settings.of("pitch"), settings.of("duration")) == (0.0, 0.7)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"temperature": -0.1}, "between 0 and 100, not -0.1"),
        ({"temperature": math.nan}, "between 0 and 100"),
        ({"temperature": math.inf}, "between 0 and 100"),
        ({"temperatures": {"pitch": 101.0}}, "between 0 and 100, not 101.0"),
        ({"top_k": 0}, "--top-k must be 1 or more, not 0"),
        ({"top_p": 0.0}, "--top-p must be above 0 and at most 1"),
        ({"top_p": 1.1}, "--top-p must be above 0"),
        ({"min_p": math.nan}, "--min-p must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DrawSettings(**wrong)  # type: ignore[arg-type]
