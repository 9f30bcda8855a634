"""Training of image classifiers as in the text: Adam, batches of 32, early stopping that restores the best weights.

The text (Hallman, Deep Learning, section 7.4) shows epochs, but the call that makes its early stopping is lost. What it
prints fits one that waits three epochs for a validation loss lower than the best by more than 0.001.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.labelled_images import ImageSets, LabelledImages
from midigen.labs.regularisers import EarlyStopping

BATCH, EPOCHS = 32, 10
PATIENCE, LEAST_GAIN = 3, 1e-3


class Judgement(NamedTuple):
    """Mean loss in nats, and the share of images that are told right."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Trained:
    """A network with its best weights, and what came before them: training and validation epoch by epoch."""

    network: nn.Module
    best_epoch: int
    train: list[Judgement]
    valid: list[Judgement]
    test: Judgement

    @property
    def best(self) -> Judgement:
        """Validation at the best epoch."""
        return self.valid[self.best_epoch - 1]


def predict(network: nn.Module, pixels: Tensor, highest: int) -> Tensor:
    """Return the logits of images (N, C, H, W) of bytes, (N, classes)."""
    with torch.inference_mode():
        return torch.cat([network(batch.float() / highest) for batch in torch.split(pixels, BATCH)])


def judge(logits: Tensor, labels: Tensor) -> Judgement:
    """Compare logits (N, classes) with labels (N,)."""
    return Judgement(F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item())


def fit(
    network: nn.Module,
    sets: ImageSets,
    epoch_done: Callable[[int], None],
    epochs: int = EPOCHS,
    patience: int = PATIENCE,
) -> Trained:
    """Train until validation gets no better, and put the best weights back.

    As Keras does, training is judged while the weights still change, batch by batch. The order of the images comes
    from torch's present random state.
    """
    optimizer = torch.optim.Adam(network.parameters())
    stopping = EarlyStopping(patience, LEAST_GAIN)
    train, valid = list[Judgement](), list[Judgement]()
    for epoch in range(1, epochs + 1):
        train.append(_train_epoch(network, optimizer, sets))
        valid.append(_judge_set(network, sets.valid, sets.highest))
        epoch_done(epoch)
        if stopping.is_over(valid[-1].loss, network):
            break
    network.load_state_dict(stopping.best_weights)
    return Trained(network, stopping.best_epoch, train, valid, _judge_set(network, sets.test, sets.highest))


def _judge_set(network: nn.Module, images: LabelledImages, highest: int) -> Judgement:
    return judge(predict(network, images.pixels, highest), images.labels)


def _train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, sets: ImageSets) -> Judgement:
    sums = torch.zeros(2)
    pixels, labels = sets.train
    for batch in torch.split(torch.randperm(len(labels)), BATCH):
        optimizer.zero_grad()
        logits = network(pixels[batch].float() / sets.highest)
        loss = F.cross_entropy(logits, labels[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sums += torch.tensor(judge(logits.detach(), labels[batch])) * len(batch)
    return Judgement(*(sums / len(labels)).tolist())
