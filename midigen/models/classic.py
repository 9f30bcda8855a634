"""The three published networks, as their texts describe them. All take ``cell="gru"`` too.

- ChordNetwork: the lab on recurrent networks of "Foundations of Applied Mathematics", volume 3. It reads the last 100
  elements and foretells the next.
- TextNetwork: the lab on music generation that "Machine Learning, Lab 2" sums up: a network over the characters of one
  long text.
- NoteNetwork: section 8.6 of M. Hallman's "Deep Learning". It reads the pitch, step and duration of the last 25 notes
  as real numbers and foretells the next note's.

They know no beginning and no end of a piece. The two that read a window keep it as their state; before the first row
their recurrent layers are at their zero state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.datasets.batches import Batch
from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.network import Loss, State
from midigen.models.sequence_model import end_and_rest

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class ClassicConfig:
    """Which of the published networks, and with which cell.

    Raises:
        UsageError: there is no such network or cell.
    """

    classic: str
    """"chords", "text" or "notes"."""
    cell: str = "lstm"

    def __post_init__(self) -> None:
        if self.classic not in NETWORKS:
            raise UsageError(f"The published networks are {', '.join(NETWORKS)}, not {self.classic!r}.")
        if self.cell not in CELLS:
            raise UsageError(f"The model is lstm or gru, not {self.cell!r}.")


class _WindowNetwork(nn.Module):
    """What reads the last ``window`` rows from a zero state, and nothing else."""

    window: int
    fields: tuple[Field, ...]
    recurrent: nn.LSTM | nn.GRU

    def start(self, batch_size: int) -> State:
        """See Network. The state is the window, (window, B, K), with -1 where there is no row yet."""
        device = next(self.parameters()).device
        return (torch.full((self.window, batch_size, len(self.fields)), -1, device=device),)

    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """See Network."""
        (window,) = state
        if bool((before[:, 0] < self.fields[0].size).all()):  # else it is the start
            window = torch.cat([window[1:], before[None]])
        rows = window[window[:, 0, 0] >= 0].transpose(0, 1)
        return self._read(rows), (window,)

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """The same as ``loss``; what wraps a module for several processes calls it by this name."""
        return self.loss(batch, state)

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """See Network. Of each window only the row behind it is a target."""
        raise NotImplementedError

    def _read(self, rows: Tensor) -> Tensor:
        """Return the last output of the recurrent layers over (B, T, K): (B, H); zeros for no rows."""
        if rows.shape[1] == 0:
            return next(self.parameters()).new_zeros(len(rows), self.recurrent.hidden_size)
        outputs, _ = self.recurrent(self._embed(rows))
        return outputs[:, -1]  # type: ignore[no-any-return]

    def _embed(self, rows: Tensor) -> Tensor:
        raise NotImplementedError


class ChordNetwork(_WindowNetwork):
    """Embedding 32, three layers of 512, two linear layers, batch normalisation behind each."""

    def __init__(self, fields: Sequence[Field], cell: str = "lstm") -> None:
        super().__init__()
        self.window, self.fields = 100, tuple(fields)
        self.embedding = nn.Embedding(fields[0].size, 32)
        self.recurrent = CELLS[cell](32, 512, num_layers=3, batch_first=True, dropout=0.3)
        self.head = nn.Sequential(
            nn.BatchNorm1d(512),
            nn.Dropout(0.3),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.Linear(512, fields[0].size),
            nn.BatchNorm1d(fields[0].size),
        )

    def _embed(self, rows: Tensor) -> Tensor:
        return self.embedding(rows[..., 0])  # type: ignore[no-any-return]

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:  # noqa: ARG002
        """See Network. There is no end."""
        return F.pad(self.head(hidden), (0, 1), value=-math.inf)

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """See Network."""
        logits, target, seen = self.head(self._read(batch.before)), batch.rows[:, -1, 0], batch.is_row[:, -1]
        nats = (F.cross_entropy(logits, target, reduction="none") * seen).sum()
        correct = ((logits.argmax(-1) == target) & seen).sum()
        return Loss(nats[None], nats.new_zeros(()), correct[None], seen.sum(), nats), state or ()


class NoteNetwork(_WindowNetwork):
    """One layer of 128 over three real numbers; heads for the pitch's class, the step and the duration.

    What is minimised is cross-entropy plus two squared errors in quarters (or seconds). As a likelihood the two errors
    are read as normal distributions, their variances the mean squared errors in training, integrated over a quantum.
    """

    MOST_SILENCE = 1.0
    """Longest step when it composes, in quarters or seconds."""
    ERROR_MEMORY = 0.99
    SHORTEST = (0, 0, 1)
    """Quanta that the id 0 of each column stands for."""

    def __init__(self, fields: Sequence[Field], quantum: int, cell: str = "lstm") -> None:
        super().__init__()
        if [field.name for field in fields] != ["pitch", "step", "duration"]:
            raise UsageError("This network is for pitch, step and duration alone: take the preset classic-notes.")
        self.window, self.fields, self.quantum = 25, tuple(fields), quantum
        self.recurrent = CELLS[cell](3, 128, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.pitch = nn.Linear(128, fields[0].size)
        self.step, self.duration = nn.Linear(128, 1), nn.Linear(128, 1)
        self.register_buffer("squared_error", torch.ones(2))

    def _embed(self, rows: Tensor) -> Tensor:
        times = (rows[..., 1:] + rows.new_tensor(self.SHORTEST[1:])).float() / self.quantum
        return torch.cat([rows[..., :1].float(), times], dim=-1)

    def _heads(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pitch's logits, (B, 128), and step and duration in quarters or seconds, (B, 2)."""
        hidden = self.dropout(hidden)
        return self.pitch(hidden), torch.cat([self.step(hidden), self.duration(hidden)], dim=-1)

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:  # noqa: ARG002
        """See Network. Step and duration are not drawn: all but the nearest id are impossible."""
        if column == 0:
            return F.pad(self._heads(hidden)[0], (0, 1), value=-math.inf)
        size = self.fields[column].size
        return F.one_hot(self._means(column, hidden).round().long().clamp(0, size - 1), size).float().log()

    def spread(self, column: int, hidden: Tensor) -> Tensor:
        """Return the log-likelihoods, (B, size), of all steps or durations around the one that is computed."""
        ids = torch.arange(size := self.fields[column].size, device=hidden.device)
        deviation = self.squared_error[column - 1].sqrt() * self.quantum  # type: ignore[index]
        return log_mass(self._means(column, hidden)[:, None], deviation, ids, size)

    def _means(self, column: int, hidden: Tensor) -> Tensor:
        """Return the step or the duration that is computed, (B,), as a real id."""
        time = self._heads(hidden)[1][:, column - 1].clamp(max=self.MOST_SILENCE if column == 1 else math.inf)
        return time * self.quantum - self.SHORTEST[column]

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """See Network."""
        seen, target = batch.is_row[:, -1], batch.rows[:, -1]
        pitch, times = self._heads(self._read(batch.before))
        wanted = self._embed(target)[:, 1:]
        squared = ((times - wanted) ** 2 * seen[:, None]).sum(0)
        pitch_nats = (F.cross_entropy(pitch, target[:, 0], reduction="none") * seen).sum()
        if self.training:
            with torch.no_grad():
                self.squared_error.lerp_(squared / seen.sum().clamp(min=1), 1 - self.ERROR_MEMORY)  # type: ignore[operator]
        nats, correct = [pitch_nats], [(pitch.argmax(-1) == target[:, 0]) & seen]
        deviations = self.squared_error.sqrt()  # type: ignore[operator]
        for column in (1, 2):
            size = self.fields[column].size
            mean = times[:, column - 1] * self.quantum - self.SHORTEST[column]
            logs = log_mass(mean, deviations[column - 1] * self.quantum, target[:, column], size)
            nats.append(-(logs * seen).sum())
            # A mean below 0 or beyond the last id is played as the first or the last.
            correct.append((mean.round().clamp(0, size - 1) == target[:, column]) & seen)
        hits = torch.stack([hit.sum() for hit in correct])
        objective = pitch_nats + squared.sum()
        return Loss(torch.stack(nats), objective.new_zeros(()), hits, seen.sum(), objective), state or ()


def log_mass(mean: Tensor, deviation: Tensor, ids: Tensor, size: int) -> Tensor:
    """Return the log probability, (B,), of ids under a normal distribution integrated from id - 1/2 to id + 1/2.

    The first and the last of the ``size`` ids take the tails. Computed through the nearer tail, so that it stays finite
    up to some 13 deviations; beyond, it is cut there.
    """
    infinity = torch.full_like(mean, math.inf)
    low = torch.where(ids > 0, (ids - 0.5 - mean) / deviation, -infinity).double()
    high = torch.where(ids < size - 1, (ids + 0.5 - mean) / deviation, infinity).double()
    low, high = torch.where(low > 0, -high, low), torch.where(low > 0, -low, high)
    mass = torch.special.ndtr(high) - torch.special.ndtr(low)
    logs: Tensor = mass.clamp(min=1e-38).log().float()
    return logs


class _Unfolded(NamedTuple):
    """The logits of one step after another."""

    logits: Tensor
    """(..., size + 1): the ids, then the end."""
    plain: Tensor
    """(..., size): as the text has them, the end being the separator once more."""


class TextNetwork(nn.Module):
    """Embedding 256, one layer of 1024, a linear layer; Glorot's initialisation as in Keras.

    The network knows a text of pieces that are divided by an empty line. So the ``separator`` (the id of the line feed)
    stands for the start of a piece, and behind itself for its end.
    """

    window = None
    """See SequenceModel."""

    def __init__(self, fields: Sequence[Field], separator: int = 0, cell: str = "lstm") -> None:
        super().__init__()
        self.fields, self.separator = tuple(fields), separator
        self.embedding = nn.Embedding(fields[0].size, 256)
        self.recurrent = CELLS[cell](256, 1024, batch_first=True)
        self.linear = nn.Linear(1024, fields[0].size)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        for weight in (self.recurrent.weight_ih_l0, self.recurrent.weight_hh_l0, self.linear.weight):
            nn.init.xavier_uniform_(weight)
        for bias in (self.recurrent.bias_ih_l0, self.recurrent.bias_hh_l0, self.linear.bias):
            nn.init.zeros_(bias)
        if isinstance(self.recurrent, nn.LSTM):
            with torch.no_grad():
                self.recurrent.bias_ih_l0.chunk(4)[1].fill_(1.0)  # type: ignore[operator]  # the forget gate

    def start(self, batch_size: int) -> State:
        """See Network."""
        shape = (1, batch_size, 1024)
        parts = 2 if isinstance(self.recurrent, nn.LSTM) else 1
        return tuple(self.linear.weight.new_zeros(shape) for _ in range(parts))

    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """See Network."""
        logits, state = self._unfold(before[:, None], state)
        return logits.logits[:, 0], state

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:  # noqa: ARG002
        """See Network."""
        return hidden

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """The same as ``loss``; what wraps a module for several processes calls it by this name."""
        return self.loss(batch, state)

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Loss, State]:
        """See Network."""
        state = self.start(len(batch.rows)) if state is None else state
        state = tuple(part * ~batch.fresh[None, :, None] for part in state)
        unfolded, state = self._unfold(batch.before, state)
        ids = torch.where(batch.is_row, batch.rows[..., 0], self.separator)
        cost = F.cross_entropy(unfolded.plain.flatten(0, 1), ids.flatten(), reduction="none").view(ids.shape)
        seen = batch.is_row | batch.is_end
        ending, rest = end_and_rest(unfolded.logits)
        can_end = seen & ending.isfinite()
        odds = torch.where(can_end, ending, 0.0)
        end = F.binary_cross_entropy_with_logits(odds, batch.is_end.float(), can_end.float(), reduction="sum")
        nats = -(rest.log_softmax(-1).gather(-1, ids[..., None])[..., 0].where(batch.is_row, 0.0)).sum()
        correct = ((rest.argmax(-1) == ids) & batch.is_row).sum()
        return Loss(nats[None], end, correct[None], batch.is_row.sum(), (cost * seen).sum()), state

    def _unfold(self, before: Tensor, state: State) -> tuple[_Unfolded, State]:
        """Run over the ids before, (B, T, 1); return the logits of each step and the state after the last."""
        ids = torch.where(before[..., 0] < self.fields[0].size, before[..., 0], self.separator)
        given = state if isinstance(self.recurrent, nn.LSTM) else state[0]
        outputs, after = self.recurrent(self.embedding(ids), given)
        plain = self.linear(outputs)
        # A piece cannot begin with an empty line, so that its start does not count as a separator here.
        is_behind = (before[..., 0] == self.separator)[..., None]
        logits = torch.cat([plain, torch.where(is_behind, plain[..., [self.separator]], -math.inf)], dim=-1)
        at_separator = torch.arange(logits.shape[-1], device=logits.device) == self.separator
        logits = logits.masked_fill(is_behind & at_separator, -math.inf)
        return _Unfolded(logits, plain), after if isinstance(after, tuple) else (after,)


NETWORKS = {"chords": ChordNetwork, "text": TextNetwork, "notes": NoteNetwork}
