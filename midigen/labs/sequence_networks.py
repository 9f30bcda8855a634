"""The shapes of recurrent networks (Hallman, Deep Learning, sections 8.1 to 8.4), built of ``midigen.labs.cells``.

B sequences have T steps; ids are integers from 0. ``midigen.labs.sequence_tasks`` puts each to a musical task.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.cells import Cell, GruCell, Recurrent, gradient_by_lag

MAX_NORM = 1.0
"""Gradients are clipped to this norm."""


def one_hot(ids: Tensor, size: int) -> Tensor:
    """Return (..., size) from ids (...)."""
    return F.one_hot(ids, size).float()


class Reader(nn.Module):
    """A sequence in, and logits at each of its steps: sequence to sequence; at the last step, sequence to vector."""

    def __init__(self, cell: type[Cell], input_size: int, classes: int, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(cell, input_size, hidden_size)
        self.output = nn.Linear(hidden_size, classes)

    def forward(self, xs: Tensor) -> Tensor:
        """Return (B, T, classes) from (B, T, D)."""
        logits: Tensor = self.output(self.recurrent(xs)[0])
        return logits

    def loss(self, xs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean nats of the targets, (B, T)."""
        return F.cross_entropy(self(xs).flatten(0, 1), targets.flatten())

    @torch.no_grad()
    def answer(self, xs: Tensor) -> Tensor:
        """Return the likeliest id at each step, (B, T)."""
        return self(xs).argmax(-1)  # type: ignore[no-any-return]


class Teller(nn.Module):
    """Vector to sequence: h(t) comes from h(t - 1), the id y(t - 1) and the vector x; y(t) is drawn from h(t)."""

    def __init__(self, vector_size: int, ids: int, hidden_size: int) -> None:
        super().__init__()
        self.ids = ids
        self.begin = nn.Linear(vector_size, hidden_size)
        # One more id for the start.
        self.recurrent = Recurrent(GruCell, vector_size + ids + 1, hidden_size)
        self.output = nn.Linear(hidden_size, ids)

    def forward(self, vector: Tensor, ys: Tensor) -> Tensor:
        """Return the mean nats of the ids ys, (B, T), each given those before it and the vector, (B, V)."""
        before = torch.cat([self._start(vector), ys[:, :-1]], dim=1)
        logits, _ = self._advance(vector, before, torch.tanh(self.begin(vector)))
        return F.cross_entropy(logits.flatten(0, 1), ys.flatten())

    @torch.no_grad()
    def tell(self, vector: Tensor, steps: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ids (B, steps), each chosen from its logits (B, ids) and put in at the next step."""
        before, h = self._start(vector), torch.tanh(self.begin(vector))
        told = []
        for _ in range(steps):
            logits, h = self._advance(vector, before, h)
            before = choose(logits[:, -1])[:, None]
            told.append(before)
        return torch.cat(told, dim=1)

    def _start(self, vector: Tensor) -> Tensor:
        return torch.full((len(vector), 1), self.ids)

    def _advance(self, vector: Tensor, before: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        known = vector[:, None].expand(-1, before.shape[1], -1)
        hidden, states = self.recurrent(torch.cat([known, one_hot(before, self.ids + 1)], dim=-1), [(h,)])
        return self.output(hidden), states[0][0]


class EncoderDecoder(nn.Module):
    """The encoder's last hidden state is the vector that the decoder tells from. The last id means the end."""

    def __init__(self, input_size: int, ids: int, hidden_size: int) -> None:
        super().__init__()
        self.end = ids
        self.encoder = Recurrent(GruCell, input_size, hidden_size)
        self.decoder = Teller(hidden_size, ids + 1, hidden_size)

    def loss(self, xs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean nats of the targets, (B, T), and the end after them; xs may have another length."""
        loss: Tensor = self.decoder(self._encode(xs), F.pad(targets, (0, 1), value=self.end))
        return loss

    @torch.no_grad()
    def answer(self, xs: Tensor) -> Tensor:
        """Return the likeliest ids one after the other, (B, T + 1)."""
        return self.decoder.tell(self._encode(xs), xs.shape[1] + 1, lambda logits: logits.argmax(-1))

    def _encode(self, xs: Tensor) -> Tensor:
        hidden, _ = self.encoder(xs)
        return hidden[:, -1]  # type: ignore[no-any-return]


def fit(model: nn.Module, loss: Callable[[], Tensor], updates: int, rate: float) -> None:
    """Train by Adam with clipped gradients, each time on the loss of a fresh batch; the rate ends at nothing."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - update / updates))
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()


def left_out(reader: Reader, xs: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Truncate the gradient of a plain network, whose loss is the sum over all steps (Bahng 5.1.1 and 5.1.3).

    Args:
        reader: of one layer of PlainCell, in double precision.
        xs: (B, T, D).
        targets: ids, (B, T).

    Returns:
        What truncation to 1, 2, ... T steps leaves out, as a share of the gradient's norm, (T,); and how far the
        gradient by hand is from that of torch's automatic differentiation, as such a share.
    """
    w, u, b = reader.recurrent.parameters()
    automatic = torch.autograd.grad(reader.loss(xs, targets) * targets.numel(), (w, u, b))
    with torch.no_grad():
        h, _ = reader.recurrent(xs)
        logits = reader.output(h)
        errors = (logits.softmax(-1) - F.one_hot(targets, logits.shape[-1])) @ reader.output.weight
        parts = gradient_by_lag(F.pad(h, (0, 0, 1, 0)), xs, errors, w)
        whole = parts.sum(0)
        missing = (whole - parts.cumsum(0)).flatten(1).norm(dim=1) / whole.norm()
        gap = (whole - torch.cat([part.reshape(len(w), -1) for part in automatic], dim=1)).norm() / whole.norm()
    return missing, float(gap)
