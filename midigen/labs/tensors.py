"""Tensors: shapes, layers, derivatives and products; what tensors can be taken apart into; why networks are deep.

Sources: Machine Learning, Lab 2, part 1, questions 1 to 6, here in PyTorch's words; Hallman, Deep Learning, chapter 2
(the products are here, the decompositions in ``decompositions``) and chapter 3 (``linear_regions``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from midigen.labs.decompositions import draw_sizes, find_or_train, size_results, study
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.linear_regions import count, draw_regions, draw_teeth, region_results
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACE = (1.1, 0.6)
"""Where derivatives are compared in the picture."""
CLASSES = 1000
REMARKS = (
    (
        "Upper left: a wide step misses the curve and a narrow one drowns in rounding; a tape does neither. (An error "
        "of 0 is drawn as the rounding error of 1.)"
    ),
    (
        "Upper right: about half of the norm can go and hardly any likelihood with it: much of it is the orthogonal "
        "matrix that the weights began with; training adds a few strong directions. Closer weights need not be better "
        "music: a curve may rise with the numbers kept, even above no recurrent weights at all."
    ),
    "Lower left: ten units go up and down eleven times, and ten more do so on each of these eleven ways.",
    (
        "Lower right: depth makes many regions possible, but only chosen weights draw them. Random ones draw about as "
        "many as they have units, deep or not."
    ),
    "Hallman (1): only a tensor of rank one is an outer product of vectors; any other is a sum of several, as in (5).",
    "Hallman (5): the last vector must be u^(N), where N is the order of T; R is the number of terms.",
    (
        "Hallman 3: for five layers of ten on one input, 10^5 is neither the lower bound on the most regions, 110000 "
        "(Montufar and others, 2014), nor the most, 11^5 = 161051 (Serra and others, 2018)."
    ),
    (
        "Lab 2, question 4: Keras begins Dense with Glorot's uniform weights and zero biases; PyTorch draws both "
        "uniformly within 1 / sqrt(inputs) of zero."
    ),
)


@dataclass(frozen=True)
class Number:
    """A number on a tape."""

    value: float
    tape: Tape
    place: int

    def __add__(self, other: Number) -> Number:
        return self.tape.record(self.value + other.value, (self, 1.0), (other, 1.0))

    def __sub__(self, other: Number) -> Number:
        return self.tape.record(self.value - other.value, (self, 1.0), (other, -1.0))

    def __mul__(self, other: Number) -> Number:
        return self.tape.record(self.value * other.value, (self, other.value), (other, self.value))

    def tanh(self) -> Number:
        """Return the hyperbolic tangent; its derivative is 1 - tanh^2."""
        value = math.tanh(self.value)
        return self.tape.record(value, (self, 1 - value**2))


class Tape:
    """Automatic differentiation: what is computed is noted, and played backwards by the chain rule (question 6)."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[int, float]]] = []
        """For each number, the places of those it was computed from, each with the derivative by it."""

    def record(self, value: float, *operands: tuple[Number, float]) -> Number:
        """Return a number of this tape; without operands it is one to differentiate by."""
        self.steps.append([(operand.place, derivative) for operand, derivative in operands])
        return Number(value, self, len(self.steps) - 1)

    def gradient(self, output: Number, inputs: Sequence[Number]) -> list[float]:
        """Return the derivatives of a number by others."""
        derivatives = [0.0] * len(self.steps)
        derivatives[output.place] = 1.0
        for place in reversed(range(output.place + 1)):
            for operand, derivative in self.steps[place]:
                derivatives[operand] += derivative * derivatives[place]
        return [derivatives[number.place] for number in inputs]


Value = TypeVar("Value", Number, Tensor)


def difference_of_squares(a: Value, b: Value) -> Value:
    """Return (a + b)(a - b), the text's computation (question 3)."""
    return (a + b) * (a - b)


def squashed(a: Value, b: Value) -> Value:
    """Return tanh((a + b)(a - b)), whose derivatives do not end after the second."""
    return difference_of_squares(a, b).tanh()


def tape_gradient(function: Callable[[Number, Number], Number], place: tuple[float, float]) -> list[float]:
    """Return the derivatives of a function of two numbers from a tape of our own."""
    tape = Tape()
    inputs = [tape.record(value) for value in place]
    return tape.gradient(function(*inputs), inputs)


def torch_gradient(function: Callable[[Tensor, Tensor], Tensor], place: tuple[float, float]) -> list[float]:
    """Return the same from PyTorch's tape."""
    inputs = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in place]
    return [derivative.item() for derivative in torch.autograd.grad(function(*inputs), inputs)]


def difference_quotients(
    function: Callable[[Tensor, Tensor], Tensor], place: tuple[float, float], ahead: float, behind: float
) -> list[float]:
    """Return (f(x + ahead) - f(x - behind)) / (ahead + behind) along each of the two axes."""
    centre = torch.tensor(place, dtype=torch.float64)
    axes = torch.eye(2, dtype=torch.float64)
    rises = [function(*(centre + ahead * axis)) - function(*(centre - behind * axis)) for axis in axes]
    return [rise.item() / (ahead + behind) for rise in rises]


def second_gradient(*, is_kept: bool) -> str:
    """Play PyTorch's tape of x^2 at 3 twice; return the second derivative, or the error where the tape was not kept."""
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x
    torch.autograd.grad(y, x, retain_graph=is_kept)
    try:
        return f"{torch.autograd.grad(y, x)[0].item():g}"
    except RuntimeError as error:
        return type(error).__name__


def dense(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return relu(x W^T + b), (B, out), for inputs (B, in) and weight (out, in): question 4."""
    return (inputs @ weight.T + bias).clamp(min=0)


class ResidualBlock(nn.Module):
    """A convolution whose result is added to what it read (the text leaves its block open)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, channels_out, H, W)."""
        return torch.relu(self.shortcut(inputs) + self.convolution(inputs))


class ResidualNetwork(nn.Module):
    """The text's subclass (question 5): parts in ``__init__``, the way through them in ``forward``, Keras' ``call``."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(1, 4)
        self.block_2 = ResidualBlock(4, 8)
        self.classifier = nn.Linear(8, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, classes) for pictures (B, 1, H, W)."""
        hidden: Tensor = self.block_2(self.block_1(inputs))
        logits: Tensor = self.classifier(hidden.mean((2, 3)))
        return logits


def outer(*vectors: Tensor) -> Tensor:
    """Return the tensor of order N whose element [i, j, ...] is u_1[i] u_2[j] ...: Hallman (1)."""
    return reduce(lambda product, vector: product[..., None] * vector, vectors)


def kronecker(a: Tensor, b: Tensor) -> Tensor:
    """Return (m p, n q), for (m, n) and (p, q): each element of A times the whole of B, Hallman (2)."""
    return (a[:, None, :, None] * b[None, :, None, :]).reshape(len(a) * len(b), -1)


def khatri_rao(a: Tensor, b: Tensor) -> Tensor:
    """Return (m p, n), for (m, n) and (p, n): the Kronecker product column by column, Hallman (3)."""
    return (a[:, None] * b).reshape(-1, a.shape[1])


def hadamard(a: Tensor, b: Tensor) -> Tensor:
    """Return the product element by element of two tensors of one shape: Hallman (4)."""
    return a * b


def run(settings: Settings) -> Report:
    """Go through the questions, the products, the decompositions of a trained layer, and the counting."""
    from matplotlib.figure import Figure

    trained = find_or_train(settings)
    sizes = study(trained, settings.seed, settings.progress)
    counts = count(settings.seed)
    figure = Figure(figsize=(12, 9), dpi=120, layout="constrained")
    (upper_left, upper_right), (lower_left, lower_right) = figure.subplots(2, 2)
    _draw_derivatives(upper_left)
    draw_sizes(upper_right, sizes)
    draw_teeth(lower_left)
    draw_regions(lower_right, counts)
    torch.manual_seed(settings.seed)
    results = (*_questions(), *_derivatives(), _products())
    return Report((*results, *size_results(trained.name, sizes), *region_results(counts)), figure, REMARKS)


def _questions() -> list[Result]:
    """Questions 1 to 5."""
    vector, matrix, pictures = torch.tensor([1.0, 2.0, 3.0]), torch.ones(2, 3), torch.zeros(10, 150, 150, 1)
    layer = nn.Linear(16, 32)
    inputs = torch.randn(8, 16)
    gap = (dense(inputs, layer.weight, layer.bias) - torch.relu(layer(inputs))).abs().max().item()
    stack = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
    stack.extend([nn.Linear(84, 10), nn.Softmax(dim=-1)])
    shares = stack(torch.randn(8, 28, 28)).sum(-1)
    # PyTorch has the channels before the rows and columns of a picture, TensorFlow behind them.
    logits = ResidualNetwork()(pictures.movedim(-1, 1))
    squares = difference_of_squares(torch.tensor(5), torch.tensor(4)).item()
    return [
        Result("a 1-D tensor: shape, rank", "[n], 1", f"{list(vector.shape)}, {vector.ndim}"),
        Result("a 2-D tensor: shape, rank", "[m, n], 2", f"{list(matrix.shape)}, {matrix.ndim}"),
        Result("a 4-D tensor: shape", "[10, 150, 150, 1]", f"{list(pictures.shape)}"),
        Result("(a + b)(a - b) of 5 and 4", "9", f"{squares}"),
        Result("dense layer, its equation and PyTorch's", "", f"differ by {gap:.1g}"),
        Result("dense layer of 32 units on 16: parameters", "", f"{_size(layer)}"),
        Result("stack of 120, 84 and 10 units on 28 x 28: parameters", "", f"{_size(stack)}"),
        Result("sums of its softmax", "", f"{shares.min():.4f} to {shares.max():.4f}"),
        Result("subclass: logits of the 4-D tensor", f"[10, {CLASSES}]", f"{list(logits.shape)}"),
    ]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _derivatives() -> list[Result]:
    """Question 6."""
    found = {
        "our tape": tape_gradient(difference_of_squares, (5, 4)),
        "PyTorch's": torch_gradient(difference_of_squares, (5, 4)),
        "finite differences": difference_quotients(difference_of_squares, (5, 4), 1e-5, 1e-5),
    }
    return [
        *(
            Result(f"derivatives of (a + b)(a - b), {name}", "", f"{by_a:.8g}, {by_b:.8g}")
            for name, (by_a, by_b) in found.items()
        ),
        Result("a tape played twice", "a runtime error", second_gradient(is_kept=False)),
        Result("a persistent tape played twice", "a gradient", second_gradient(is_kept=True)),
    ]


def _products() -> Result:
    from scipy.linalg import khatri_rao as scipy_khatri_rao

    a, b, c = torch.randn(3, 4).double(), torch.randn(5, 4).double(), torch.randn(3, 4).double()
    gaps = [
        outer(a[0], b[0], c[0]) - torch.einsum("i,j,k->ijk", a[0], b[0], c[0]),
        kronecker(a, b) - torch.kron(a, b),
        khatri_rao(a, b) - torch.from_numpy(scipy_khatri_rao(a.numpy(), b.numpy())),
        hadamard(a, c) - a.mul(c),
    ]
    largest = max(gap.abs().max().item() for gap in gaps)
    return Result("outer, Kronecker, Khatri-Rao, Hadamard: ours and the libraries'", "", f"differ by {largest:.1g}")


def _draw_derivatives(axes: Axes) -> None:
    """Draw how far finite differences of ``squashed`` are from its derivative, over the width of their step."""
    exact = 2 * PLACE[0] * (1 - squashed(*torch.tensor(PLACE, dtype=torch.float64)).item() ** 2)
    steps = torch.logspace(-14, 0, 57, dtype=torch.float64).tolist()
    for name, behind, colour in (("forward", 0.0, PALETTE[1]), ("central", 1.0, PALETTE[0])):
        found = [difference_quotients(squashed, PLACE, step, behind * step)[0] for step in steps]
        axes.plot(steps, [abs(value - exact) for value in found], color=colour, label=f"{name} difference")
    epsilon = torch.finfo(torch.float64).eps
    for name, value, style in (
        ("our tape", tape_gradient(squashed, PLACE)[0], "-"),
        ("PyTorch's tape", torch_gradient(squashed, PLACE)[0], ":"),
    ):
        error = abs(value - exact)
        axes.axhline(max(error, epsilon), color=PALETTE[2], ls=style, label=f"{name} (error {error:.1g})")
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel="error of the derivative")
    axes.set_title("tanh((a + b)(a - b)) differentiated by a")
    axes.legend(fontsize=8)
