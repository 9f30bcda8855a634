"""NumPy MLP: the gradients are those of the equations, of PyTorch and of finite differences; MNIST's files are read."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from midigen.errors import SourceError
from midigen.labs import numpy_mlp
from midigen.labs.digits import Bytes, Digits, Ints, bundled_digits, read_mnist
from midigen.labs.lab import Settings
from midigen.labs.numpy_mlp import (
    Floats,
    accuracy,
    backward,
    columns,
    cross_entropy,
    finite_differences,
    forward,
    initial_parameters,
    log_softmax,
    quick_start_network,
    run,
    train,
)

PHOTOS, ANSWERS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def digits() -> Digits:
    return bundled_digits()


def idx(numbers: Bytes) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in numbers.shape)
    return bytes([0, 0, 8, numbers.ndim]) + sizes + numbers.tobytes()


def write_mnist(folder: Path, joint: str = "-", end: str = "") -> None:
    """Sixteen pictures of 3 x 2 pixels to learn from, and four for the test."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("t10k", 4)):
        for kind, sizes, top in (("images", (count, 3, 2), 256), ("labels", (count,), 10)):
            content = idx(rng.integers(0, top, sizes, np.uint8))
            name = f"{split}-{kind}{joint}idx{len(sizes)}-ubyte{end}"
            (folder / name).write_bytes(gzip.compress(content) if end else content)


def some_pictures(seed: int, pixels: int, count: int) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (pixels, count)), rng.integers(0, 10, count)


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 5))
def test_gradients_equal_finite_differences(seed: int, pixels: int, count: int) -> None:
    x, labels = some_pictures(seed, pixels, count)
    parameters = initial_parameters(pixels, np.random.default_rng(seed))
    slopes = backward(parameters, x, *forward(parameters, x), labels)
    for ours, differences in zip(slopes, finite_differences(parameters, x, labels), strict=True):
        assert ours.shape == differences.shape
        assert np.allclose(ours, differences, atol=1e-7)


def test_gradients_equal_those_of_pytorch() -> None:
    x, labels = some_pictures(0, 20, 50)
    parameters = initial_parameters(20, np.random.default_rng(0))
    w1, b1, w2, b2 = (torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in parameters)
    logits = (w2 @ torch.relu(w1 @ torch.from_numpy(x) + b1) + b2).T
    F.cross_entropy(logits, torch.from_numpy(labels)).backward()  # type: ignore[no-untyped-call]
    for ours, theirs in zip(backward(parameters, x, *forward(parameters, x), labels), (w1, b1, w2, b2), strict=True):
        assert theirs.grad is not None
        assert np.allclose(ours, theirs.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e5])
def test_cross_entropy_is_pytorchs_however_large_the_logits(size: float) -> None:
    rng = np.random.default_rng(0)
    z, labels = size * rng.normal(size=(10, 30)), rng.integers(0, 10, 30)
    expected = F.cross_entropy(torch.from_numpy(z.T), torch.from_numpy(labels)).item()
    assert cross_entropy(z, labels) == pytest.approx(expected)
    assert np.exp(log_softmax(z)).sum(axis=0) == pytest.approx(1)


def test_training_starts_at_a_guess_and_learns_the_digits(digits: Digits) -> None:
    training = train(columns(digits.train), digits.train.labels, np.random.default_rng(0))
    assert training.accuracies[0] < 0.3
    assert training.accuracies[-1] > 0.8
    assert training.losses[-1] < 0.5 < training.losses[0]
    z2 = forward(training.parameters, columns(digits.test))[1]
    assert accuracy(z2, digits.test.labels) > 0.7


def test_a_rate_of_nothing_changes_nothing(digits: Digits) -> None:
    training = train(columns(digits.test), digits.test.labels, np.random.default_rng(3), rate=0)
    assert training.losses[0] == training.losses[-1]
    for begun, ended in zip(initial_parameters(64, np.random.default_rng(3)), training.parameters, strict=True):
        assert np.array_equal(begun, ended)


def test_the_quick_start_network_is_the_texts() -> None:
    shapes = [tuple(parameter.shape) for parameter in quick_start_network(784).parameters()]
    assert shapes == [(512, 784), (512,), (512, 512), (512,), (10, 512), (10,)]
    assert quick_start_network(784)(torch.rand(3, 28, 28)).shape == (3, 10)


def test_no_test_picture_is_learned_from(digits: Digits) -> None:
    learned = {picture.tobytes() for picture in digits.train.pixels}
    assert len(digits.train.labels) == 1500
    assert not any(picture.tobytes() in learned for picture in digits.test.pixels)


@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist_is_read_by_all_its_usual_names(tmp_path: Path, joint: str, end: str) -> None:
    write_mnist(tmp_path, joint, end)
    digits = read_mnist(tmp_path)
    rng = np.random.default_rng(0)
    assert np.array_equal(np.rint(digits.train.pixels * 255), rng.integers(0, 256, (16, 3, 2), np.uint8))
    assert digits.train.labels.tolist() == rng.integers(0, 10, 16, np.uint8).tolist()
    assert digits.test.pixels.shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (PHOTOS, lambda _: b"", "idx3-ubyte is damaged"),
        (PHOTOS, lambda content: content[:10], "idx3-ubyte is damaged"),
        (PHOTOS, lambda content: content[:-1], "idx3-ubyte is damaged"),
        (PHOTOS, lambda content: content + b"0", "idx3-ubyte is damaged"),
        (PHOTOS, lambda _: idx(np.zeros(24, np.uint8)), "no IDX file of 3 dimensions"),
        (PHOTOS, lambda _: idx(np.zeros((4, 2, 2), np.uint8)), "two sizes, (3, 2) and (2, 2)"),
        (PHOTOS, lambda _: idx(np.zeros((0, 3, 2), np.uint8)), "0 pictures and 4 labels"),
        (PHOTOS, lambda content: gzip.compress(content)[:-12], "cannot be read"),
        (ANSWERS, lambda _: idx(np.zeros(3, np.uint8)), "4 pictures and 3 labels"),
        (ANSWERS, lambda _: idx(np.full(4, 10, np.uint8)), "one label, 0 to 9"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_so(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(change((tmp_path / name).read_bytes()))
    with pytest.raises(SourceError) as caught:
        read_mnist(tmp_path)
    assert message in str(caught.value)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / ANSWERS).unlink()
    with pytest.raises(SourceError, match="has no t10k-labels-idx1-ubyte"):
        read_mnist(tmp_path)


def test_the_lab_runs_on_the_users_files_and_shows_the_text_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_mlp, "TEXT_STEPS", 10)
    write_mnist(tmp_path)
    report, again = run(Settings(seed=1, data=tmp_path)), run(Settings(seed=1, data=tmp_path))
    by_name = {result.quantity: result for result in report.results}
    assert by_name["after 500 iterations"].text == "77% (MNIST)"
    assert float(by_name["gradients less finite differences, at most"].ours) < 1e-6
    assert "quick start, test accuracy after 10 epochs" in by_name
    assert report.results == again.results
