"""Kernels: the sums are NumPy's and PyTorch's, in one dimension and in two, and one sparse matrix does the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from midigen.labs.kernels import (
    KERNELS,
    MARGIN,
    Floats,
    apply_kernel,
    convolve,
    correlate,
    correlation_matrix,
    note_answer,
    piano_roll,
    show,
)
from midigen.scores.score import Score


@st.composite
def signals(draw: st.DrawFn, dimensions: int) -> tuple[Floats, Floats]:
    """An input and a kernel no larger than it, of other sizes along each dimension."""
    sizes = [draw(st.integers(1, 9)) for _ in range(dimensions)]
    kernel_sizes = [draw(st.integers(1, size)) for size in sizes]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return rng.normal(size=sizes), rng.normal(size=kernel_sizes)


def torch_correlate(x: Floats, kernel: Floats) -> torch.Tensor:
    layer = F.conv1d if x.ndim == 1 else F.conv2d
    return layer(torch.from_numpy(x)[None, None], torch.from_numpy(kernel)[None, None])[0, 0]


@given(signals(1))
def test_convolution_in_one_dimension_is_numpys(pair: tuple[Floats, Floats]) -> None:
    x, kernel = pair
    assert np.allclose(convolve(x, kernel), np.convolve(x, kernel))
    assert np.allclose(correlate(x, kernel), np.correlate(x, kernel, "valid"))


@given(st.one_of(signals(1), signals(2)))
def test_cross_correlation_is_what_pytorch_calls_convolution(pair: tuple[Floats, Floats]) -> None:
    assert np.allclose(correlate(*pair), torch_correlate(*pair).numpy())


@given(st.one_of(signals(1), signals(2)))
def test_convolution_is_cross_correlation_with_the_kernel_reversed(pair: tuple[Floats, Floats]) -> None:
    x, kernel = pair
    padded = np.pad(x, [(k - 1, k - 1) for k in kernel.shape])
    assert np.allclose(convolve(x, kernel), correlate(padded, np.flip(kernel)))


@given(st.one_of(signals(1), signals(2)))
def test_convolution_commutes(pair: tuple[Floats, Floats]) -> None:
    x, kernel = pair
    assert np.allclose(convolve(x, kernel), convolve(kernel, x))


def test_the_sums_of_a_small_example_by_hand() -> None:
    x, kernel = np.array([1.0, 2, 3]), np.array([0.0, 1, 10])
    assert convolve(x, kernel).tolist() == [0, 1, 12, 23, 30]
    assert correlate(x, kernel).tolist() == [32]


@given(st.one_of(signals(1), signals(2)))
def test_a_sparse_matrix_does_the_same(pair: tuple[Floats, Floats]) -> None:
    x, kernel = pair
    matrix = correlation_matrix(x.shape, kernel)
    assert np.allclose(matrix @ x.ravel(), correlate(x, kernel).ravel())
    assert np.allclose(matrix @ x.ravel(), torch_correlate(x, kernel).numpy().ravel())
    assert matrix.nnz == kernel.size * matrix.shape[0]


@given(signals(2))
def test_the_gradient_goes_back_through_the_transposed_matrix_and_that_is_convolution(
    pair: tuple[Floats, Floats],
) -> None:
    x, kernel = pair
    slope = np.random.default_rng(0).normal(size=correlate(x, kernel).shape)
    by_matrix = (correlation_matrix(x.shape, kernel).T @ slope.ravel()).reshape(x.shape)
    tensor = torch.tensor(x[None, None], requires_grad=True)
    F.conv2d(tensor, torch.from_numpy(kernel)[None, None]).backward(torch.from_numpy(slope)[None, None])  # type: ignore[no-untyped-call]
    assert tensor.grad is not None
    assert np.allclose(by_matrix, tensor.grad[0, 0].numpy())
    assert np.allclose(by_matrix, convolve(slope, kernel))


@pytest.mark.parametrize("name", ["mean", "Gaussian", "sharpen"])
def test_blurs_and_sharpening_keep_an_even_picture(name: str) -> None:
    assert KERNELS[name].sum() == pytest.approx(1)
    assert np.allclose(apply_kernel(np.full((9, 7), 0.3), KERNELS[name]), 0.3)


def test_a_blur_lessens_what_differs_and_sharpening_enlarges_it() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 50))
    spread = {name: apply_kernel(noise, kernel).std() for name, kernel in KERNELS.items()}
    assert spread["mean"] < spread["Gaussian"] < noise.std() < spread["sharpen"]


@pytest.mark.parametrize(("name", "level", "upright"), [("Horizontal", 0, 4), ("Vertical", 4, 0)])
def test_each_edge_kernel_finds_the_edges_across_the_direction_of_its_name(
    name: str, level: float, upright: float
) -> None:
    black_over_white = np.repeat([0.0, 1.0], 3)[:, None] * np.ones(6)
    assert correlate(black_over_white, KERNELS[name]).max() == level
    assert correlate(black_over_white.T, KERNELS[name]).max() == upright
    assert not apply_kernel(np.ones((6, 6)), KERNELS[name]).any()


PIECE = Score.from_notes([(0, 480, 72, 80, 0), (480, 240, 72, 80, 0), (720, 240, 67, 80, 0), (0, 960, 60, 80, 0)])


def test_a_piano_roll_has_a_row_a_semitone_and_a_column_a_thirty_second() -> None:
    roll = piano_roll(PIECE)
    assert roll.sounding.shape == (12 + 1 + 2 * MARGIN, 8 + 16 + 8)
    assert np.flatnonzero(roll.sounding[MARGIN]).tolist() == list(range(8, 20))
    assert np.flatnonzero(roll.sounding[MARGIN + 5]).tolist() == list(range(20, 24))
    assert np.flatnonzero(roll.sounding[MARGIN + 12]).tolist() == list(range(8, 24))
    assert roll.sounding.sum() == 12 + 4 + 16


@given(st.integers(2, 40), st.integers(2, 40))
def test_horizontal_answers_to_a_notes_ends_and_vertical_to_its_length(short: int, long: int) -> None:
    assert note_answer(KERNELS["Horizontal"], short) == note_answer(KERNELS["Horizontal"], long)
    per_frame = [note_answer(KERNELS["Vertical"], frames) / frames for frames in (short, long)]
    assert per_frame[0] == pytest.approx(per_frame[1])


def test_the_lab_counts_the_notes_that_can_be_seen_to_begin() -> None:
    picture = np.random.default_rng(0).uniform(size=(270, 340))
    report = show(picture, PIECE, "three notes and a bass")
    ours = {result.quantity: result.ours for result in report.results}
    assert ours["notes of three notes and a bass that Horizontal answers"] == "3 of 4"
    assert ours["notes repeated without a rest, and of them answered"] == "1, 0"
    assert ours["Horizontal's answer to a level edge, an upright edge"] == "0, 4"
    assert all(float(ours[name]) < 1e-12 for name in ours if name.endswith("at most"))
    assert len(report.figure.axes) == 12
