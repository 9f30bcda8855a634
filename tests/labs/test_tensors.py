"""Tensors: derivatives as they are, products as the libraries have them, layers as their equations say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.labs.lab import Settings
from midigen.labs.tensors import (
    Number,
    ResidualNetwork,
    Tape,
    Value,
    dense,
    difference_of_squares,
    difference_quotients,
    hadamard,
    khatri_rao,
    kronecker,
    outer,
    run,
    second_gradient,
    squashed,
    tape_gradient,
    torch_gradient,
)
from tests import tiny

coordinates = st.tuples(st.floats(-2, 2), st.floats(-2, 2))


def tangled(a: Value, b: Value) -> Value:
    """Use numbers more than once, and one result twice."""
    c = (a * b).tanh() + a
    return c * c - b * c


@given(place=coordinates)
def test_our_tape_agrees_with_pytorch_and_with_finite_differences(place: tuple[float, float]) -> None:
    for ours, theirs in ((tape_gradient(f, place), torch_gradient(f, place)) for f in (squashed, tangled)):
        assert ours == pytest.approx(theirs, abs=1e-12)
    assert tape_gradient(tangled, place) == pytest.approx(difference_quotients(tangled, place, 1e-5, 1e-5), abs=1e-7)


def test_the_difference_of_squares_of_the_text_is_9_and_rises_by_twice_its_terms() -> None:
    assert difference_of_squares(torch.tensor(5), torch.tensor(4)).item() == 9
    assert tape_gradient(difference_of_squares, (5, 4)) == [10, -8]


def test_what_a_number_does_not_depend_on_has_no_derivative() -> None:
    tape = Tape()
    a, b = tape.record(2.0), tape.record(3.0)
    later: Number = a * a
    assert tape.gradient(a + b, [a, b, later]) == [1, 1, 0]


def test_a_tape_is_played_once_unless_it_is_kept() -> None:
    assert second_gradient(is_kept=False) == "RuntimeError"
    assert second_gradient(is_kept=True) == "6"


def test_a_dense_layer_is_its_equation() -> None:
    layer, inputs = torch.nn.Linear(16, 32), torch.randn(8, 16)
    torch.testing.assert_close(dense(inputs, layer.weight, layer.bias), torch.relu(layer(inputs)))


def test_the_subclass_classifies_pictures_of_any_size() -> None:
    assert ResidualNetwork(7)(torch.zeros(2, 1, 9, 5)).shape == (2, 7)


def test_the_outer_product_multiplies_one_element_of_each_vector() -> None:
    a, b, c = torch.randn(2), torch.randn(3), torch.randn(4)
    product = outer(a, b, c)
    assert product.shape == (2, 3, 4)
    torch.testing.assert_close(product[1, 2, 3], a[1] * b[2] * c[3])
    torch.testing.assert_close(outer(a, b), torch.outer(a, b))


def test_the_products_of_matrices_are_those_of_their_definitions() -> None:
    a, b, c = torch.randn(2, 3), torch.randn(4, 3), torch.randn(2, 3)
    torch.testing.assert_close(kronecker(a, b), torch.kron(a, b))
    torch.testing.assert_close(kronecker(a, b)[4:8, 3:6], a[1, 1] * b)
    for column in range(3):
        torch.testing.assert_close(khatri_rao(a, b)[:, column], torch.kron(a[:, column], b[:, column]))
    assert hadamard(a, c)[1, 2] == a[1, 2] * c[1, 2]


def test_a_sum_of_outer_products_unfolds_into_a_khatri_rao_product() -> None:
    a, b, c = torch.randn(4, 2).double(), torch.randn(5, 2).double(), torch.randn(6, 2).double()
    tensor = sum((outer(a[:, r], b[:, r], c[:, r]) for r in range(2)), torch.zeros(()))
    torch.testing.assert_close(tensor.flatten(1), a @ khatri_rao(b, c).T)


def test_the_lab_shows_the_text_beside_ours(tmp_path: Path) -> None:
    tiny.trained(tmp_path / "checkpoints", tiny.melodies(tmp_path / "data"))
    report = run(Settings(seed=2, checkpoints=tmp_path / "checkpoints"))
    by_name = {result.quantity: result for result in report.results}
    assert by_name["(a + b)(a - b) of 5 and 4"][1:] == ("9", "9")
    assert by_name["linear regions, 5 layers of 10, weights that fold"][1:] == ("10^5", "161051")
    assert by_name["network taken apart"].ours == "run, recurrent weights 4 x 8 x 8"
    assert len(report.figure.axes) == 4
