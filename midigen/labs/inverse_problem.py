"""The density of a rod from its temperature (Recurrent Neural Networks and Inverse Problems, chapter 2).

In a rod at rest, -(a u')' = f on (0, 1), with a(0) u'(0) = c0 and a(1) u'(1) = c1. From the temperature u, the sources
of heat f and the flux through the ends follows the density a, which physics calls conductivity: integrated from 0 to x,

    a(x) = (c0 - integral of f from 0 to x) / u'(x)                                                              (2.4)

so that a is large wherever u' is small, however little u itself has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from midigen.labs.lab import Report, Result, Settings
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

NODES = np.linspace(0, 1, 11)
FINE = np.linspace(0, 1, 2001)
TEXT_EPSILON, TEXT_BOUND = 0.8, 0.66049142
EPSILONS = (0.661, 0.67, 0.7, TEXT_EPSILON, 2.0)
TOO_SMALL = 0.1
FIRST_GUESS = 1.0
NOISE = 1e-3
"""Standard deviation of a measured temperature."""
INTERVALS = (10, 100, 400)
REMARKS = (
    "Left: a = x^2 - x + 3/4 up to 1/2, and 1/2 from there on. The printed c0, c1, f and u agree with each other.",
    (
        "Middle: as epsilon falls to the text's bound, u changes by no more than epsilon, but u'(1) goes to 0 and a(1) "
        "to infinity. The bound solves epsilon^2 arccos(-epsilon) = 1; it is 0.660491409, which the text rounds up. "
        "Below it a has a pole within the rod and is negative behind it."
    ),
    (
        "The text's disturbances are not small. Those of a small epsilon are worse still: wherever the disturbed u "
        "turns round a has a pole, and eleven points step over most of them."
    ),
    "Right: the same where u is measured. The closer the points, the further the density is from the truth.",
    (
        "From a guess below 0 or far too large minimize does not arrive: (b / a - u')^2 has a pole at 0 and is flat "
        "far out. Its one minimum is a = b / u', so that no search is needed."
    ),
    "Below (2.1), the solution u = 0 is printed for the initial data f(x); it belongs to the initial data 0.",
)


@dataclass(frozen=True)
class Rod:
    """What is known of a rod."""

    temperature: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    """u', the derivative of the temperature."""
    source: Callable[[float], float]
    """f, the heat that is put in."""
    left: float
    """c0, the flux a u' at 0."""
    right: float
    """c1, the flux at 1."""

    def flux(self, x: Array) -> Array:
        """Return a u' = c0 - the integral of f, at points that rise from 0."""
        from scipy.integrate import quad

        steps = [quad(self.source, start, stop)[0] for start, stop in pairwise(x)]
        return self.left - np.concatenate([[0.0], np.cumsum(steps)])


PROBLEM_1 = Rod(
    temperature=lambda x: x**2 + x / 2 + 5 / 16,
    slope=lambda x: 2 * x + 1 / 2,
    source=lambda x: -6 * x**2 + 3 * x - 1 if x <= 1 / 2 else -1.0,
    left=3 / 8,
    right=5 / 4,
)


def problem_2(epsilon: float) -> Rod:
    """Return the rod of problem 2, whose temperature x + 1 is disturbed by epsilon sin(x / epsilon^2)."""
    return Rod(
        temperature=lambda x: x + 1 + epsilon * np.sin(x / epsilon**2),
        slope=lambda x: 1 + np.cos(x / epsilon**2) / epsilon,
        source=lambda _: -1.0,
        left=1.0,
        right=2.0,
    )


def density(rod: Rod, x: Array) -> Array:
    """Return the density at points that rise from 0, from (2.4)."""
    return rod.flux(x) / rod.slope(x)


def fitted_density(rod: Rod, x: Array, guess: float = FIRST_GUESS) -> Array:
    """Return the density at the points x as the text finds it: each the minimum of (flux / a - u')^2.

    Args:
        rod: what is known.
        x: points that rise from 0.
        guess: where the search begins at each point. From the wrong side of zero it runs away from the pole there.
    """
    from scipy.optimize import minimize

    flux, slope = rod.flux(x), rod.slope(x)
    found = minimize(lambda a: float(((flux / a - slope) ** 2).sum()), np.full(len(x), guess))
    return np.asarray(found.x)


def smallest_epsilon() -> float:
    """Return the epsilon above which the disturbed temperature rises everywhere, so that the density has no pole.

    u' = 1 + cos(x / epsilon^2) / epsilon is zero first at x = epsilon^2 arccos(-epsilon), which is 1 for this epsilon.
    """
    from scipy.optimize import brentq

    return float(brentq(lambda epsilon: epsilon**2 * np.arccos(-epsilon) - 1, 0.5, 1.0))


def poles(epsilon: float) -> Array:
    """Return the points of [0, 1] at which the disturbed temperature neither rises nor falls: poles of the density."""
    if epsilon > 1:
        return np.array([])
    turn = np.arccos(-epsilon)
    waves = 2 * np.pi * np.arange(np.ceil(epsilon**-2 / (2 * np.pi)) + 1)
    places = epsilon**2 * np.sort(np.concatenate([waves + turn, waves + 2 * np.pi - turn]))
    return places[places <= 1]


def measured_density(rod: Rod, intervals: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return points and the density there, from a temperature that is measured with a little noise.

    Its derivative is taken by central differences, which are exact for problem 1 but for the noise: that is multiplied
    by about the number of intervals.
    """
    x = np.linspace(0, 1, intervals + 1)
    temperature = rod.temperature(x) + NOISE * rng.standard_normal(len(x))
    return x, rod.flux(x) / np.gradient(temperature, x, edge_order=2)


def run(settings: Settings) -> Report:
    """Solve both problems, and problem 1 from noisy measurements."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(settings.seed)
    measured = {intervals: measured_density(PROBLEM_1, intervals, rng) for intervals in INTERVALS}
    figure = Figure(figsize=(14, 4.5), dpi=120, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_problem_1(left)
    _draw_problem_2(middle)
    _draw_measured(right, measured)
    return Report((*_results_1(), *_results_2(), *_results_measured(measured)), figure, REMARKS)


def _results_1() -> list[Result]:
    exact, fitted = density(PROBLEM_1, NODES), fitted_density(PROBLEM_1, NODES)
    between = np.interp(FINE, NODES, exact) - density(PROBLEM_1, FINE)
    values = ", ".join(f"{fitted[node]:.4f}" for node in (0, 5, 10))
    return [
        Result("problem 1: flux at 1", "5/4", f"{PROBLEM_1.flux(NODES)[-1]:.6f}"),
        Result("problem 1: density at 0, 1/2 and 1", "", values),
        Result("problem 1: minimize and the formula differ by at most", "", f"{_largest(fitted - exact):.1e}"),
        Result("problem 1: eleven tents and the density differ by at most", "", f"{_largest(between):.4f}"),
    ]


def _results_2() -> list[Result]:
    text = problem_2(TEXT_EPSILON)
    ends = fitted_density(text, NODES)[[0, -1]]
    changes = []
    for epsilon in EPSILONS:
        rod = problem_2(epsilon)
        warmer, denser = _largest(rod.temperature(FINE) - (FINE + 1)), _largest(density(rod, FINE) - (FINE + 1))
        changes.append(
            Result(f"epsilon {epsilon:g}: changes of u and of a, at most", "", f"{warmer:.3g}, {denser:.3g}")
        )
    return [
        Result("problem 2: flux at 1", "2", f"{text.flux(NODES)[-1]:.6f}"),
        Result("problem 2: smallest epsilon without a pole", f"{TEXT_BOUND}", f"{smallest_epsilon():.8f}"),
        Result(f"epsilon {TEXT_EPSILON}: density at 0 and 1", "", f"{ends[0]:.4f}, {ends[1]:.4f}"),
        *changes,
        Result(f"epsilon {TOO_SMALL}: poles of the density", "", f"{len(poles(TOO_SMALL))}"),
    ]


def _results_measured(measured: dict[int, tuple[Array, Array]]) -> list[Result]:
    return [
        Result(
            f"temperature off by {NOISE:g}, {intervals} intervals: error of the density",
            "",
            f"median {np.median(error):.2g}, largest {error.max():.2g}",
        )
        for intervals, (x, found) in measured.items()
        for error in [np.abs(found - density(PROBLEM_1, x))]
    ]


def _largest(values: Array) -> float:
    return float(np.abs(values).max())


def _draw_problem_1(axes: Axes) -> None:
    axes.plot(FINE, density(PROBLEM_1, FINE), color="0.6", lw=3, label="(2.4)")
    axes.plot(
        NODES, fitted_density(PROBLEM_1, NODES), "o-", ms=4, color=PALETTE[0], label="eleven tents, least squares"
    )
    axes.set(xlabel="x", ylabel="density a(x)", title="Problem 1")
    axes.legend()


def _draw_problem_2(axes: Axes) -> None:
    axes.plot(NODES, NODES + 1, "k--", label="undisturbed, 1 + x")
    for epsilon, colour in zip(EPSILONS, PALETTE, strict=False):
        width = 2.5 if epsilon == TEXT_EPSILON else 1.2
        axes.plot(NODES, density(problem_2(epsilon), NODES), "o-", ms=3, lw=width, color=colour, label=f"{epsilon:g}")
    axes.set(xlabel="x", ylabel="density a(x)", yscale="log", title="Problem 2")
    axes.legend(title="epsilon")


def _draw_measured(axes: Axes, measured: dict[int, tuple[Array, Array]]) -> None:
    for (intervals, (x, found)), colour in zip(reversed(measured.items()), ("#56B4E980", *PALETTE[1::-1]), strict=True):
        axes.plot(x, found, lw=1.2, color=colour, label=f"{intervals} intervals")
    axes.plot(FINE, density(PROBLEM_1, FINE), "k--", label="exact temperature")
    axes.set(xlabel="x", ylabel="density a(x)", ylim=(0.3, 1.1), title=f"Problem 1, temperature off by {NOISE:g}")
    axes.legend()
