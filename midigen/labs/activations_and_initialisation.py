"""What keeps a signal alive through fifty layers (Hallman, Deep Learning, chapter 4; Bahng, sections 1.1 and 1.3).

Two experiments with the formulas of ``activations``:

- A signal runs through fifty layers a = g(W a), a gradient runs back. If the variance of a weight is s^2, a layer of n
  inputs multiplies the mean square of the signal by about n s^2 E[g(z)^2] / E[z^2], that of the gradient by
  n s^2 E[g'(z)^2] (Glorot and Bengio 2010; He et al. 2015). Fifty factors a little below or above 1 are a lot.
- A network of one hidden layer learns to name triads at a rate that is too high for a while and calm afterwards: a unit
  without a slope at any training example is dead and stays so.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.activations import ACTIVATIONS, Activation, Dense, Maxout, glorot, he, lecun, sigmoid, torch_linear
from midigen.labs.lab import Report, Result, Settings
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAYERS, WIDTH, SAMPLES = 50, 256, 128
PITCH_CLASSES, TRIADS, EXAMPLES, HIDDEN, BATCH = 12, 24, 1000, 64, 32
WILD_STEPS, CALM_STEPS, CALM_RATE = 200, 400, 0.1
RATES = (1.0, 2.0, 4.0, 6.0, 8.0, 16.0)
SEEDS = 3
NO_SLOPE = 1e-6
WILD_RATE = 8.0
"""The one of RATES that the report names."""

INITIALISATIONS = {
    "N(0, 0.01²)": 0.01**2,
    "N(0, 0.1²)": 0.1**2,
    "N(0, 1)": 1.0,
    "Glorot": glorot(WIDTH, WIDTH),
    "LeCun": lecun(WIDTH),
    "He": he(WIDTH),
    "nn.Linear's": torch_linear(WIDTH),
}
"""The variance of each weight, for layers of WIDTH units."""

RUNS = {
    ("tanh", "N(0, 0.01²)"): "both go to 0",
    ("tanh", "N(0, 0.1²)"): "both go to 0",
    ("tanh", "N(0, 1)"): "saturates, gradient 0",
    ("ReLU", "N(0, 0.1²)"): "may explode",
    ("tanh", "Glorot"): "to be preferred",
    ("sigmoid", "Glorot"): "to be preferred",
    ("ReLU", "He"): "to be preferred",
    ("ReLU", "Glorot"): "",
    ("ReLU", "nn.Linear's"): "the latest there is",
    ("leaky ReLU", "He"): "",
    ("absolute value", "LeCun"): "",
    ("ELU", "LeCun"): "",
}
"""Activation and initialisation, and what the texts say of the two together."""

COLOURS = dict(zip((*ACTIVATIONS, "maxout"), PALETTE, strict=False))
STYLES = dict(zip(INITIALISATIONS, (":", "--", "-", "-.", "-", "-", ":"), strict=True))
"""No activation is drawn twice in one style."""

REMARKS = (
    (
        "Bahng 1.3: weights of N(0, 0.1) do not always die away. The width decides: n inputs ask for a variance of "
        f"1 / n, or 2 / n with ReLU, and {WIDTH} x 0.1² is {WIDTH * 0.1**2:.1f}."
    ),
    (
        "Bahng 1.3: large weights do saturate tanh, but the gradient explodes: slopes are rare, and where there is one "
        "the large weights multiply it (Poole et al. 2016)."
    ),
    (
        "Hallman 4.3 prefers Glorot's variance for the sigmoid. It assumes a slope of 1 at zero, and the sigmoid's is "
        "1/4: fifty such factors leave nothing. Tanh meets the assumption."
    ),
    "Bahng 1.3: nn.Linear does not bring the latest initialisation. Its variance is 1 / (3 n), a sixth of He's.",
    "Bahng 1.5: max(alpha x, x) is leaky ReLU only for alpha up to 1; a learned alpha needs Hallman's equation 8.",
    "Bahng 1.6: read 'means closer to zero' for 'closer to mean outputs'. Bahng 1.7: maxout is linear in pieces only.",
    "Hallman 4.2: the sentence on saturation breaks off: it leads to a gradient near zero.",
    (
        "On the right of the picture: ReLUs die together and stay dead, ELU and tanh die of saturation, leaky ReLU "
        "lives and recovers. Maxout cannot die either, but its weights overflow where its line ends."
    ),
)


class Signals(NamedTuple):
    """Root mean squares over samples and units."""

    forward: list[float]
    """Of the input and of each layer's output."""
    backward: list[float]
    """Of the gradient at the same places; a standard normal gradient comes in at the end."""


def send_through(activation: Activation, variance: float, seed: int) -> Signals:
    """Send a standard normal signal through LAYERS layers of normal weights, and a gradient back by the chain rule."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    weights = [draw(WIDTH, WIDTH) * math.sqrt(variance) for _ in range(LAYERS)]
    signal = draw(SAMPLES, WIDTH)
    forward, slopes = [_rms(signal)], []
    for weight in weights:
        z = signal @ weight.T
        signal = activation.function(z)
        slopes.append(activation.slope(z))
        forward.append(_rms(signal))
    gradient = draw(SAMPLES, WIDTH)
    backward = [_rms(gradient)]
    for weight, slope in zip(reversed(weights), reversed(slopes), strict=True):
        gradient = (gradient * slope) @ weight
        backward.append(_rms(gradient))
    return Signals(forward, backward[::-1])


def _rms(values: Tensor) -> float:
    return values.square().mean().sqrt().item()


def sample_triads(seed: int) -> tuple[Tensor, Tensor]:
    """Return how loud each pitch class sounds, (EXAMPLES, 12), and which of 24 triads it is: 2 root + (1 if minor).

    The three notes lie between 0.5 and 1.5; of the others three in ten sound, at up to 0.5.
    """
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(TRIADS, (EXAMPLES,), generator=generator)
    root, is_minor = label // 2, label % 2
    notes = torch.stack([root, root + 4 - is_minor, root + 7], dim=1) % PITCH_CLASSES
    loud, faint, chance = torch.rand(3, EXAMPLES, PITCH_CLASSES, generator=generator)
    is_note = torch.zeros(EXAMPLES, PITCH_CLASSES, dtype=torch.bool).scatter(1, notes, value=True)
    return torch.where(is_note, 0.5 + loud, 0.5 * faint * (chance < 0.3)), label


def descend(network: nn.Module, x: Tensor, label: Tensor, rate: float, steps: int) -> None:
    """Train on random batches by gradient descent on the cross-entropy, from torch's present random state."""
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(network(x[batch]), label[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def dead_share(hidden: nn.Module, x: Tensor) -> float:
    """Return the share of units whose output has no slope, with respect to the input, at any row of x."""
    x = x.clone().requires_grad_()
    sums = hidden(x).sum(0)
    slopes = (torch.autograd.grad(unit, x, retain_graph=True)[0].abs().max() for unit in sums)
    return sum(float(slope < NO_SLOPE) for slope in slopes) / len(sums)


LAYER_KINDS = ("ReLU", "leaky ReLU", "ELU", "tanh", "maxout")
CLAIMS = {"ReLU": "never activate, never update", "leaky ReLU": "will not die", "maxout": "will never die"}


def hidden_layer(kind: str) -> nn.Module:
    """Return a fresh layer of HIDDEN units over pitch classes, of one of LAYER_KINDS."""
    if kind == "maxout":
        return Maxout(PITCH_CLASSES, HIDDEN)
    return Dense(PITCH_CLASSES, HIDDEN, ACTIVATIONS[kind].function)


class Survival(NamedTuple):
    """What is left after training at a rate that may be too high; NaN if the weights are no longer numbers."""

    dead: float
    """Share of the hidden units."""
    accuracy: float


def survive(kind: str, rate: float, seed: int) -> Survival:
    """Train at a given rate, then at a calm one."""
    torch.manual_seed(seed)
    x, label = sample_triads(seed)
    hidden = hidden_layer(kind)
    network = nn.Sequential(hidden, nn.Linear(HIDDEN, TRIADS))
    descend(network, x, label, rate, WILD_STEPS)
    descend(network, x, label, CALM_RATE, CALM_STEPS)
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        return Survival(math.nan, math.nan)
    return Survival(dead_share(hidden, x), (network(x).argmax(1) == label).float().mean().item())


def different_units(seed: int) -> int:
    """Train a layer of sigmoids from weights and biases of 0; return how many different units there are then."""
    torch.manual_seed(seed)
    hidden = Dense(PITCH_CLASSES, HIDDEN, sigmoid)
    network = nn.Sequential(hidden, nn.Linear(HIDDEN, TRIADS))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    descend(network, *sample_triads(seed), CALM_RATE, CALM_STEPS)
    weights = hidden.affine.weight.detach()
    # Sums in another order differ in the last digits.
    return len(torch.unique((weights / weights.abs().max() * 1000).round(), dim=0))


def run(settings: Settings) -> Report:
    """Send signals through fifty layers, and let units die."""
    from matplotlib.figure import Figure

    steps = len(RUNS) + len(LAYER_KINDS) * len(RATES)
    signals: dict[tuple[str, str], Signals] = {}
    for activation, initialisation in RUNS:
        variance = INITIALISATIONS[initialisation]
        signals[activation, initialisation] = send_through(ACTIVATIONS[activation], variance, settings.seed)
        settings.progress(len(signals), steps)
    survivals: dict[tuple[str, float], Survival] = {}
    for kind, rate in product(LAYER_KINDS, RATES):
        seeds = [survive(kind, rate, settings.seed + number) for number in range(SEEDS)]
        survivals[kind, rate] = Survival(*(sum(values) / SEEDS for values in zip(*seeds, strict=True)))
        settings.progress(len(signals) + len(survivals), steps)

    figure = Figure(figsize=(13, 7.5), dpi=120, layout="constrained")
    (curves, forward, dead), (slopes, backward, accuracy) = figure.subplots(2, 3)
    _draw_activations(curves, slopes)
    _draw_signals(forward, backward, signals)
    _draw_survivals(dead, accuracy, survivals)
    return Report(
        (
            *(
                Result(f"signal, gradient through {LAYERS} layers: {' with '.join(run)}", claim, _ends(signals[run]))
                for run, claim in RUNS.items()
            ),
            *(
                Result(f"after rate {WILD_RATE:g}: {kind}", CLAIMS.get(kind, ""), _fate(survivals[kind, WILD_RATE]))
                for kind in LAYER_KINDS
            ),
            Result(
                f"different units of {HIDDEN}, trained from 0", "updates alike", f"{different_units(settings.seed)}"
            ),
        ),
        figure,
        REMARKS,
    )


def _ends(signals: Signals) -> str:
    return f"{signals.forward[-1]:.2g}, {signals.backward[0]:.2g}"


def _fate(survival: Survival) -> str:
    if math.isnan(survival.dead):
        return "weights overflow"
    return f"{survival.dead:.0%} of units dead, {survival.accuracy:.0%} right"


def _draw_activations(curves: Axes, slopes: Axes) -> None:
    z = torch.linspace(-3, 3, 601)
    for name, activation in ACTIVATIONS.items():
        curves.plot(z, activation.function(z), color=COLOURS[name])
        slopes.plot(z, activation.slope(z), color=COLOURS[name], label=name)
    curves.set(title="Activations", ylabel="g(z)", ylim=(-1.2, 3))
    slopes.set(title="Their derivatives", xlabel="z", ylabel="g'(z)")
    slopes.legend(loc="lower right")


def _draw_signals(forward: Axes, backward: Axes, signals: dict[tuple[str, str], Signals]) -> None:
    for (activation, initialisation), values in signals.items():
        colour, style = COLOURS[activation], STYLES[initialisation]
        forward.plot(values.forward, color=colour, ls=style, label=f"{activation}, {initialisation}")
        backward.plot(values.backward, color=colour, ls=style)
    forward.set(title="Signal on its way up")
    forward.legend(fontsize=7.5, ncols=2, loc="upper center")
    backward.set(title="Gradient on its way down, from the right", xlabel="layer")
    for axes in (forward, backward):
        axes.set(yscale="log", ylim=(1e-25, 1e25), ylabel="root mean square")


def _draw_survivals(dead: Axes, accuracy: Axes, survivals: dict[tuple[str, float], Survival]) -> None:
    from matplotlib.ticker import PercentFormatter

    for kind in LAYER_KINDS:
        ends = [survivals[kind, rate] for rate in RATES]
        dead.plot(RATES, [end.dead for end in ends], color=COLOURS[kind], marker="o", ms=4, label=kind)
        accuracy.plot(RATES, [end.accuracy for end in ends], color=COLOURS[kind], marker="o", ms=4)
    dead.set(title="Units dead in the end")
    dead.legend(loc="upper left")
    accuracy.set(title="Triads named in the end", xlabel=f"learning rate of the first {WILD_STEPS} steps")
    for axes in (dead, accuracy):
        axes.set_xscale("log", base=2)
        axes.set(ylim=(-0.04, 1.04), xticks=RATES, xticklabels=[f"{rate:g}" for rate in RATES])
        axes.yaxis.set_major_formatter(PercentFormatter(1))
