"""Linear regions: counted as a fine grid counts them, and as many as theory says there can be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.labs.linear_regions import (
    WHOLE_LINE,
    Affine,
    count_regions,
    guaranteed_regions,
    random_network,
    run_network,
    zigzag,
)


@given(seed=st.integers(0, 10_000), layers=st.integers(1, 4))
def test_the_count_is_what_a_fine_grid_sees(seed: int, layers: int) -> None:
    torch.manual_seed(seed)
    network = random_network(4, layers)
    x = torch.linspace(-2, 2, 40_001, dtype=torch.float64)
    slopes = run_network(network, x[:, None])[:, 0].diff() / x.diff()
    is_bent = (slopes.diff().abs() > 1e-7).int()
    # A kink within an interval of the grid bends it at both ends, which is one run of bends.
    bends = is_bent[0] + (is_bent.diff() > 0).sum()
    counted = count_regions(network, -2, 2)
    assert bends + 1 <= counted <= bends + 2  # the grid may take two kinks that nearly meet for one


@given(units=st.integers(3, 10), layers=st.integers(1, 4))
def test_the_zigzag_reaches_the_most_regions_there_can_be(units: int, layers: int) -> None:
    network = zigzag(units, layers)
    assert count_regions(network, 0, 1) == (units + 1) ** layers
    assert [tuple(layer.weight.shape) for layer in network] == [
        (units, 1),
        *[(units, units)] * (layers - 1),
        (1, units),
    ]


def test_the_zigzag_goes_up_and_down_between_0_and_1() -> None:
    ends = torch.tensor([0, 2, 4, 6, 7], dtype=torch.float64)[:, None] / 7
    assert run_network(zigzag(3, 1), ends).flatten().tolist() == pytest.approx([0, 1, 0, 1, 0], abs=1e-12)


def test_a_single_layer_has_a_region_more_than_it_has_kinks() -> None:
    layer, _ = network = random_network(50, 1)
    kinks = (-layer.bias / layer.weight[:, 0]).tolist()
    assert count_regions(network, *WHOLE_LINE) == 51
    assert count_regions(network, 0, 1) == 1 + sum(0 < kink < 1 for kink in kinks)


def test_units_that_nobody_reads_make_no_region() -> None:
    (weight, bias), last = random_network(5, 1)
    deaf = Affine(last.weight * torch.tensor([1, 1, 1, 0, 0]), last.bias)
    assert count_regions([Affine(weight, bias), deaf], *WHOLE_LINE) == 4


def test_the_guarantee_lies_below_the_maximum_and_above_the_text() -> None:
    assert 10**5 < guaranteed_regions(1, 10, 5) == 110_000 < 11**5
    assert guaranteed_regions(2, 4, 1) == 11  # four lines cut a plane into eleven parts
