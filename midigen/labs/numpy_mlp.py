"""A network of two layers in NumPy alone (Bahng, Multilayer Perceptrons, 2.1, 2.2), and the PyTorch quick start (2.3).

As in the text a column is a picture, so that the code reads like the equations, with sums over N pictures:

    Z1 = W1 X + b1    A1 = ReLU(Z1)    Z2 = W2 A1 + b2    A2 = softmax(Z2)    E = -1/N sum ln A2[label]
    delta2 = A2 - Y    delta1 = ReLU'(Z1) * W2^T delta2    dE/dWl = 1/N deltal A(l-1)^T    dE/dbl = 1/N sum deltal
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.digits import CLASSES, Digits, Ints, Pictures, bundled_digits, read_mnist
from midigen.labs.lab import Report, Result, Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.floating[Any]]

HIDDEN, RATE, ITERATIONS = 10, 0.1, 500
SEEDS = 10
PRINTED = {0: 0.10175, 10: 0.20715, 20: 0.2333, 30: 0.2579, 470: 0.7645, 480: 0.7647, 490: 0.7728}
"""What the text prints on MNIST: accuracy on the training pictures by iteration."""

WIDE, BATCH, QUICK_RATE, EPOCHS = 512, 64, 1e-3, 5
TEXT_STEPS = 5 * 938
"""Batches in the text's five epochs of 60000 pictures."""

REMARKS = (
    "The text's 77% is of the 60000 pictures it learned from; without --data we have 1500, of 8 x 8 pixels.",
    f"The quick start's rate of {QUICK_RATE:g} needs many batches: the last row has the text's {TEXT_STEPS} of them.",
    "The quick start's test loop averages the means of batches, so a short last batch counts too much; ours does not.",
    "Slip of 2.1: in the last line of the output's delta, 1 is the sum of y alone, without the - y_j beside it.",
    "Slips of 2.2: the comments speak of 12 hidden units, there are 10; softMax is called by the name softmax.",
    "Slip of 2.2: softMax_d, which nothing calls, gives the derivative with its sign reversed.",
    "Slip of 2.3: three pictures go in, and the logits, probabilities and class of one are shown to come out.",
)


class Parameters(NamedTuple):
    """Weights and biases of two layers, or the derivatives by them; P pixels, H hidden units, C classes."""

    w1: Floats
    """(H, P)."""
    b1: Floats
    """(H, 1)."""
    w2: Floats
    """(C, H)."""
    b2: Floats
    """(C, 1)."""


@dataclass(frozen=True)
class Training:
    """A trained network, with cross-entropy and accuracy on the training pictures before each step and at the end."""

    parameters: Parameters
    losses: list[float]
    accuracies: list[float]


def columns(pictures: Pictures) -> Floats:
    """Return the pictures as the columns of a matrix, (P, N)."""
    return np.ascontiguousarray(pictures.pixels.reshape(len(pictures.pixels), -1).T)


def initial_parameters(pixels: int, rng: np.random.Generator) -> Parameters:
    """Draw all weights and biases evenly from -1 to 1, as the text does."""
    shapes = (HIDDEN, pixels), (HIDDEN, 1), (CLASSES, HIDDEN), (CLASSES, 1)
    return Parameters(*(rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes))


def forward(parameters: Parameters, x: Floats) -> tuple[Floats, Floats]:
    """Return the hidden activations A1, (H, N), and the logits Z2, (C, N), of pictures (P, N)."""
    a1 = np.maximum(parameters.w1 @ x + parameters.b1, 0)
    return a1, parameters.w2 @ a1 + parameters.b2


def log_softmax(z: Floats) -> Floats:
    """Return the logarithm of the softmax of each column; logits of any size are safe."""
    shifted = z - z.max(axis=0)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=0)))


def cross_entropy(z: Floats, labels: Ints) -> float:
    """Return the mean over N of -ln softmax(z)[label], for logits (C, N) and labels (N,)."""
    return float(-log_softmax(z)[labels, np.arange(labels.size)].mean())


def accuracy(z: Floats, labels: Ints) -> float:
    """Return the share of columns whose highest logit is the label's."""
    return float((z.argmax(axis=0) == labels).mean())


def backward(parameters: Parameters, x: Floats, a1: Floats, z2: Floats, labels: Ints) -> Parameters:
    """Return the derivatives of the cross-entropy by all parameters, from what ``forward`` gave."""
    n = labels.size
    delta2 = np.exp(log_softmax(z2))
    delta2[labels, np.arange(n)] -= 1
    delta1 = (a1 > 0) * (parameters.w2.T @ delta2)
    return Parameters(
        delta1 @ x.T / n,
        delta1.sum(axis=1, keepdims=True) / n,
        delta2 @ a1.T / n,
        delta2.sum(axis=1, keepdims=True) / n,
    )


def finite_differences(parameters: Parameters, x: Floats, labels: Ints, step: float = 1e-6) -> Parameters:
    """Return the same derivatives from (E(theta + step) - E(theta - step)) / 2 step, one parameter after another."""
    moved = Parameters(*(np.array(part, np.float64) for part in parameters))
    slopes = Parameters(*map(np.zeros_like, moved))
    for part, slope in zip(moved, slopes, strict=True):
        for index in np.ndindex(*part.shape):
            kept, ends = part[index], []
            for part[index] in (kept + step, kept - step):
                ends.append(cross_entropy(forward(moved, x)[1], labels))
            part[index] = kept
            slope[index] = (ends[0] - ends[1]) / (2 * step)
    return slopes


def train(x: Floats, labels: Ints, rng: np.random.Generator, rate: float = RATE) -> Training:
    """Take 500 steps of gradient descent, each on all pictures (P, N)."""
    parameters = initial_parameters(len(x), rng)
    losses, accuracies = [], []
    for step in range(ITERATIONS + 1):
        a1, z2 = forward(parameters, x)
        losses.append(cross_entropy(z2, labels))
        accuracies.append(accuracy(z2, labels))
        if step < ITERATIONS:
            slopes = backward(parameters, x, a1, z2, labels)
            parameters = Parameters(*(p - rate * s for p, s in zip(parameters, slopes, strict=True)))
    return Training(parameters, losses, accuracies)


def quick_start_network(pixels: int) -> nn.Sequential:
    """Return the text's three linear layers with 512 units between them, from torch's present random state."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels, WIDE),
        nn.ReLU(),
        nn.Linear(WIDE, WIDE),
        nn.ReLU(),
        nn.Linear(WIDE, CLASSES),
    )


def train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """Go once through all pictures (N, H, W) and labels (N,), in shuffled batches of 64: the text's train loop."""
    network.train()
    for batch in torch.split(torch.randperm(len(x)), BATCH):
        F.cross_entropy(network(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def evaluate(network: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return accuracy and mean cross-entropy: the text's test loop, but for a mean over pictures, not over batches."""
    network.eval()
    logits = network(x)
    return (logits.argmax(1) == y).float().mean().item(), F.cross_entropy(logits, y).item()


def quick_start(digits: Digits) -> list[tuple[float, float]]:
    """Train the quick-start network for as many steps as the text does, but for five epochs at least.

    Returns:
        Accuracy and cross-entropy on the test pictures after each epoch.
    """
    (x, y), (test_x, test_y) = ([torch.from_numpy(part) for part in pictures] for pictures in digits)
    network = quick_start_network(x[0].numel())
    optimizer = torch.optim.SGD(network.parameters(), lr=QUICK_RATE)
    history = []
    for _ in range(max(EPOCHS, round(TEXT_STEPS / -(-len(x) // BATCH)))):
        train_epoch(network, optimizer, x, y)
        history.append(evaluate(network, test_x, test_y))
    return history


def run(settings: Settings) -> Report:
    """Train the network of the text from several seeds, check its gradients, and run the quick start."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    digits = bundled_digits() if settings.data is None else read_mnist(settings.data)
    # Matrices this small lose more by sharing their work than they gain.
    with threadpool_limits(1):
        trainings, history = _train_all(settings, digits)

    first = trainings[0]
    answers = forward(first.parameters, columns(digits.test))[1]
    ends = [training.accuracies[-1] for training in trainings]
    return Report(
        (
            Result("training accuracy at iteration 0", f"{PRINTED[0]:.1%} (MNIST)", f"{first.accuracies[0]:.1%}"),
            Result("training accuracy at iteration 490", f"{PRINTED[490]:.1%} (MNIST)", f"{first.accuracies[490]:.1%}"),
            Result(f"after {ITERATIONS} iterations", "77% (MNIST)", f"{first.accuracies[-1]:.1%}"),
            Result("the same, lowest and highest seed", "", f"{min(ends):.1%}, {max(ends):.1%} (of {len(ends)})"),
            Result("accuracy on the test pictures", "", f"{accuracy(answers, digits.test.labels):.1%}"),
            Result("gradients less finite differences, at most", "", f"{_gradient_error(digits.train):.1e}"),
            *(
                Result(f"quick start, test accuracy after {epochs} epochs", "", f"{history[epochs - 1][0]:.1%}")
                for epochs in sorted({EPOCHS, len(history)})
            ),
        ),
        _draw(trainings, history, digits.test, answers.argmax(axis=0)),
        REMARKS,
    )


def _train_all(settings: Settings, digits: Digits) -> tuple[list[Training], list[tuple[float, float]]]:
    # On MNIST, forty times the pictures, one seed has to do.
    seeds = SEEDS if settings.data is None else 1
    x = columns(digits.train)
    trainings = []
    for number in range(seeds):
        trainings.append(train(x, digits.train.labels, np.random.default_rng(settings.seed + number)))
        settings.progress(number + 1, seeds + 1)
    torch.manual_seed(settings.seed)
    history = quick_start(digits)
    settings.progress(seeds + 1, seeds + 1)
    return trainings, history


def _gradient_error(pictures: Pictures, count: int = 20) -> float:
    """Return how far the gradients at some pictures are from finite differences, in numbers of 64 bits."""
    x, labels = columns(pictures)[:, :count].astype(np.float64), pictures.labels[:count]
    parameters = initial_parameters(len(x), np.random.default_rng(0))
    slopes = backward(parameters, x, *forward(parameters, x), labels)
    by_difference = finite_differences(parameters, x, labels)
    return max(float(np.abs(a - b).max()) for a, b in zip(slopes, by_difference, strict=True))


def _draw(trainings: list[Training], history: list[tuple[float, float]], test: Pictures, answers: Ints) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), dpi=120, layout="constrained")
    left, middle, right = figure.subfigures(1, 3, squeeze=False, width_ratios=(1.1, 1, 0.9))[0]
    curves = left.subplots()
    for number, training in enumerate(trainings):
        label = None if number else "here, a line a seed"
        curves.plot(training.accuracies, color="C0", lw=0.8, alpha=0.6, label=label)
    curves.plot(*zip(*PRINTED.items(), strict=True), "o", color="C1", label="printed in the text (MNIST)")
    _label(curves, "iteration", "accuracy on training pictures", "NumPy, 10 hidden units")
    curve = middle.subplots()
    curve.plot(range(1, len(history) + 1), [share for share, _ in history])
    curve.axvline(EPOCHS, color="0.5", ls=":", label=f"the text's {EPOCHS} epochs")
    _label(curve, "epoch", "accuracy on test pictures", "PyTorch, 512 and 512 hidden units")

    right.suptitle("NumPy, mistakes on test pictures")
    wrong = np.flatnonzero(answers != test.labels)
    for axes, index in zip(right.subplots(3, 4).flat, [*wrong, *[None] * 12], strict=False):
        axes.axis("off")
        if index is not None:
            axes.imshow(test.pixels[index], cmap="gray_r")
            axes.set_title(f"{test.labels[index]}, not {answers[index]}", size=9)
    return figure


def _label(axes: Axes, x: str, y: str, title: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set(xlabel=x, ylabel=y, title=title, ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")
