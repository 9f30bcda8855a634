"""From logits to ids: temperature, top-k, top-p and min-p. A pure function; the caller brings the random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from midigen.errors import UsageError

SMALLEST = 1e-300
"""A sum that may be divided by."""


@dataclass(frozen=True)
class DrawSettings:
    """How ids are drawn.

    Raises:
        UsageError: a value is out of range.
    """

    temperature: float = 1.0
    """Divides the logits: below 1 safer, above 1 bolder, 0 takes the likeliest id."""
    temperatures: Mapping[str, float] = field(default_factory=dict)
    """Temperatures of single columns, by name."""
    top_k: int | None = None
    """Draw from the k likeliest ids only."""
    top_p: float | None = None
    """Draw from the likeliest ids that together reach this probability: Holtzman et al. 2020."""
    min_p: float | None = None
    """Draw from the ids at least this share as probable as the likeliest: Nguyen et al. 2024."""

    def __post_init__(self) -> None:
        for value in (self.temperature, *self.temperatures.values()):
            if not 0 <= value <= 100:
                raise UsageError(f"A temperature lies between 0 and 100, not {value}.")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"--top-k must be 1 or more, not {self.top_k}.")
        for name, share in (("--top-p", self.top_p), ("--min-p", self.min_p)):
            if share is not None and not 0 < share <= 1:
                raise UsageError(f"{name} must be above 0 and at most 1, not {share}.")

    def of(self, column: str) -> float:
        """Return the temperature of a column."""
        return self.temperatures.get(column, self.temperature)


def probabilities(logits: Tensor, temperature: float, settings: DrawSettings, copied: Tensor | None = None) -> Tensor:
    """Return what is drawn from, (B, V): each row sums to 1. A temperature of 0 is not possible. See ``draw``."""
    # Below 0 before the division, so that the lowest of temperatures gives no two infinities.
    lowered = logits.double() - logits.double().max(-1, keepdim=True).values
    shares = (lowered / temperature).softmax(-1)
    if copied is None:
        return _cut(shares, settings)
    own = shares * (1 - copied)
    # The network's part keeps its weight, whatever of it is left.
    return _cut(own, settings) * own.sum(-1, keepdim=True) + shares * copied


def _cut(shares: Tensor, settings: DrawSettings) -> Tensor:
    """Return shares (B, V) without those that the settings leave out: each row sums to 1, or to 0 if it was 0."""
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=SMALLEST)
    if settings.top_k is not None and settings.top_k < shares.shape[-1]:
        likeliest = shares.topk(settings.top_k, dim=-1)
        shares = torch.zeros_like(shares).scatter(-1, likeliest.indices, likeliest.values)
        shares = shares / shares.sum(-1, keepdim=True).clamp(min=SMALLEST)
    if settings.top_p is not None:
        ordered, order = shares.sort(dim=-1, descending=True, stable=True)
        # What is likelier than an id must not reach top_p yet; the likeliest itself always stays.
        outside = ordered.cumsum(-1) - ordered >= settings.top_p
        shares = shares.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), 0)
    if settings.min_p is not None:
        shares = shares.masked_fill(shares < settings.min_p * shares.max(-1, keepdim=True).values, 0)
    return shares / shares.sum(-1, keepdim=True).clamp(min=SMALLEST)


def draw(
    logits: Tensor, uniforms: Tensor, temperature: float, settings: DrawSettings, copied: Tensor | None = None
) -> Tensor:
    """Draw one id a row.

    Args:
        logits: (B, V).
        uniforms: (B,) random numbers from 0 to below 1, one a row, so that a piece does not depend on its neighbours.
        temperature: of this column; 0 takes the likeliest id.
        settings: top-k, top-p and min-p.
        copied: (B, V) share of each id's probability that comes from elsewhere than the network and is not cut.

    Returns:
        (B,) int64.
    """
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = probabilities(logits, temperature, settings, copied).cumsum(-1)
    # Counting up to the last id with any share guards against sums that rounding leaves below 1.
    threshold = uniforms[:, None].double() * cumulative[:, -1:]
    return (cumulative <= threshold).sum(-1)
