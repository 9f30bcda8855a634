"""A line through points by gradient descent (Hallman, Deep Learning, section 3.1).

y = 3x + 1 + noise, with x ten times a standard normal and the noise a standard normal. The text's rate of 0.01 is at
the edge of stability. With theta = (slope, intercept) the loss is quadratic, and a step of gradient descent multiplies
the error by I - rate H, where H = 2 E[(x, 1)(x, 1)^T]: its largest eigenvalue is near 2 E[x^2] = 200, so that the error
shrinks only for rates below 2 / 200 = 0.01 (Goodfellow, Bengio, Courville, Deep Learning, section 4.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.lab import Report, Result, Settings

SLOPE, INTERCEPT = 3.0, 1.0
POINTS, BATCH, EPOCHS = 100, 10, 100
TEXT_RATE, CALM_RATE = 0.01, 0.001
SEEDS = 20


@dataclass(frozen=True)
class Fit:
    """A trained line: its two numbers, and the mean squared error after each epoch."""

    slope: float
    intercept: float
    losses: list[float]


def sample_points(seed: int) -> tuple[Tensor, Tensor]:
    """Return x and y, each (100, 1)."""
    torch.manual_seed(seed)
    x = torch.randn(POINTS, 1) * 10
    return x, SLOPE * x + INTERCEPT + torch.randn(POINTS, 1)


def fit_line(x: Tensor, y: Tensor, rate: float, epochs: int = EPOCHS) -> Fit:
    """Train one linear unit by gradient descent on shuffled batches of ten, from torch's present random state."""
    line = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(line.parameters(), lr=rate)
    losses = []
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(x)), BATCH):
            optimizer.zero_grad()
            F.mse_loss(line(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            losses.append(F.mse_loss(line(x), y).item())
    return Fit(line.weight.item(), line.bias.item(), losses)


def least_squares(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return slope and intercept of the line with the least squared error: what descent should come to."""
    slope, intercept = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], dim=1), y).solution.flatten().tolist()
    return slope, intercept


def highest_stable_rate(x: Tensor) -> float:
    """Return the rate above which descent on the whole data as one batch diverges.

    It is 2 over the largest eigenvalue of the loss's Hessian.
    """
    inputs = torch.cat([x, torch.ones_like(x)], dim=1)
    return 2 / float(torch.linalg.eigvalsh(2 * inputs.T @ inputs / len(x))[-1])


def run(settings: Settings) -> Report:
    """Fit the line as the text does, over several seeds, and at a rate that is safe."""
    from matplotlib.figure import Figure

    x, y = sample_points(settings.seed)
    as_text = fit_line(x, y, TEXT_RATE)
    spread: dict[float, list[Fit]] = {TEXT_RATE: [], CALM_RATE: []}
    for number in range(SEEDS):
        for rate, fits in spread.items():
            fits.append(fit_line(*sample_points(settings.seed + number), rate))
        settings.progress(number + 1, SEEDS)
    calm = spread[CALM_RATE][0]
    best = least_squares(x, y)

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for rate, fits in spread.items():
        for number, fit in enumerate(fits):
            label = f"rate {rate:g}, {SEEDS} seeds" if number == 0 else None
            left.plot(fit.losses, color="C1" if rate == TEXT_RATE else "C0", lw=0.7, alpha=0.6, label=label)
    left.set(xlabel="epoch", ylabel="mean squared error", yscale="log", title="Loss")
    left.legend()
    right.scatter(x, y, s=8, color="0.5")
    ends = torch.tensor([x.min(), x.max()])
    right.plot(ends, calm.slope * ends + calm.intercept, label=f"y = {calm.slope:.3f} x + {calm.intercept:.3f}")
    right.set(xlabel="x", ylabel="y", title=f"Fit at rate {CALM_RATE:g}")
    right.legend()
    return Report(
        (
            Result(f"slope (rate {TEXT_RATE:g})", "2.9757", f"{as_text.slope:.4f}"),
            Result(f"intercept (rate {TEXT_RATE:g})", "0.9874", f"{as_text.intercept:.4f}"),
            *(Result(f"slope over {SEEDS} seeds (rate {rate:g})", "", _spread(fits)) for rate, fits in spread.items()),
            Result("slope and intercept of least squares", "", f"{best[0]:.4f}, {best[1]:.4f}"),
            Result("highest stable rate of the whole data", "", f"{highest_stable_rate(x):.4f}"),
        ),
        figure,
        ("The limit of a batch whose x happen to be large is lower still: at the text's rate a seed's end is luck.",),
    )


def _spread(fits: list[Fit]) -> str:
    slopes = torch.tensor([fit.slope for fit in fits])
    return f"{slopes.min():.4g} to {slopes.max():.4g}, median {slopes.median():.4g}"
