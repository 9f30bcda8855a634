"""What keeps a network from learning by heart, each from its equation.

The lab ``regularisation`` trains with them. Sources: Hallman, Deep Learning, chapter 5; Bahng, Multilayer Perceptrons,
sections 3.2 to 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def l1_penalty(weights: Iterable[Tensor], strength: float) -> Tensor:
    """Return strength times the sum of absolute values (Hallman, equation 12): all weights pulled down alike."""
    return strength * torch.stack([weight.abs().sum() for weight in weights]).sum()


def l2_penalty(weights: Iterable[Tensor], strength: float) -> Tensor:
    """Return strength / 2 times the sum of squares (Hallman, equation 11): weights pulled down by their own size."""
    return strength / 2 * torch.stack([weight.square().sum() for weight in weights]).sum()


@torch.no_grad()
def limit_norms(weight: Tensor, most: float) -> None:
    """Shorten in place each unit's incoming weights, a row of (outputs, inputs), that are longer than ``most``.

    Source: Bahng, section 3.4.1 (max-norm).
    """
    norms = weight.norm(dim=1, keepdim=True)
    weight.mul_(most / norms.clamp(min=most))


class Dropout(nn.Module):
    """Set each value to 0 with the chance ``share`` while training, and divide the others by 1 - share.

    With r ~ Bernoulli(1 - share), E[r a / (1 - share)] = a: what comes out is right on average, and nothing has to be
    done when not training (inverted dropout). Source: Bahng, section 3.2, whose p is the chance to be kept; the share,
    as torch's p, is the chance to be dropped.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, a: Tensor) -> Tensor:
        """Return values of the same shape."""
        if not self.training:
            return a
        r = torch.rand_like(a) >= self.share
        return a * r / (1 - self.share)


class BatchNorm(nn.Module):
    """Give each feature of a batch (B, features) the mean beta and the deviation gamma, both learned.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta. While training, mean and variance (over B) are the batch's;
    otherwise running averages of those, with the variance over B - 1, stand in for a pass over the training set.
    Source: Ioffe and Szegedy 2015; Bahng, section 3.4.
    """

    EPSILON, MOMENTUM = 1e-5, 0.1
    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_variance", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, features). A batch to train on needs two rows or more."""
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            mean, variance = x.mean(0), x.var(0, correction=0)
            self.running_mean.lerp_(mean.detach(), self.MOMENTUM)
            self.running_variance.lerp_(x.detach().var(0, correction=1), self.MOMENTUM)
        return self.gamma * (x - mean) / (variance + self.EPSILON).sqrt() + self.beta


class EarlyStopping:
    """Keeps the weights of the lowest validation loss, and says when nothing better is to be hoped for.

    Source: Hallman, section 5.2.
    """

    def __init__(self, patience: int, least_gain: float = 0.0) -> None:
        """Wait for ``patience`` epochs without a loss lower by more than ``least_gain``: smaller gains do not count."""
        self.patience, self.least_gain = patience, least_gain
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: dict[str, Tensor] = {}
        self._epoch = 0

    def is_over(self, loss: float, network: nn.Module) -> bool:
        """Note an epoch's validation loss, and the weights if it is the lowest; return whether to stop."""
        self._epoch += 1
        if loss < self.best_loss - self.least_gain:
            self.best_loss, self.best_epoch = loss, self._epoch
            self.best_weights = {name: value.clone() for name, value in network.state_dict().items()}
        return self._epoch - self.best_epoch >= self.patience
