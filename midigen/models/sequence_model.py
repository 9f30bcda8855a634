"""SequenceModel: our recurrent network over rows.

One LSTM or GRU step a row. Its input is the row before, the context and the intervals between the voices that sound.
Then one small head a column, in the order in which the columns are drawn: it reads the recurrent output, the input
itself and the columns drawn already. The logits of a column on an axis are the sum of an absolute part and of parts
that are looked up by distance: to this column's last position, to the other columns of its axis that are known, and to
where the column would go in parallel with each of those. What is learned of a fifth holds in every key.

The regularisation is that of AWD-LSTM (Merity, Keskar, Socher 2018): one dropout mask a sequence on the input and after
every layer, dropped recurrent weights. Beside that, some ids of the row before are hidden, and the heads drop units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.datasets.batches import Batch
from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.heads import INTERVAL_EMBEDDING, Head, distance
from midigen.models.network import Loss, State

CONTEXT_EMBEDDING = 12
GATES = {"lstm": 4, "gru": 3}


@dataclass(frozen=True)
class ModelConfig:
    """The architecture.

    Raises:
        UsageError: a value is out of range.
    """

    cell: str = "lstm"
    """"lstm" or "gru"."""
    layers: int = 2
    hidden_size: int = 256
    embedding_size: int = 32
    """Of an id of the row before. Context fields have 12, intervals 24."""
    head_size: int = 192
    dropout: float = 0.5
    """Of recurrent outputs, recurrent weights and heads; half of it of the input; a fifth of it of the ids."""
    tied: bool = False
    """Whether the absolute logits share the embedding of the column's ids."""
    small_start: bool = True
    """Whether embeddings begin near 0 and recurrent weights orthogonal, or all weights as torch makes them. Embeddings
    that begin large hold back more: chorales, of which there are few, gain by it."""

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise UsageError(f"The model is lstm or gru, not {self.cell!r}.")
        if min(self.layers, self.hidden_size, self.embedding_size, self.head_size) < 1:
            raise UsageError("Layers and sizes of the model must be 1 or more.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"Dropout is a share from 0 to below 1, not {self.dropout}.")


class SequenceModel(nn.Module):
    """See the module's text. ``fields`` describe the K columns, ``context_fields`` the C columns of the context."""

    window = None
    """Rows that a network reads which keeps no state of its own."""

    def __init__(self, fields: Sequence[Field], context_fields: Sequence[Field], config: ModelConfig) -> None:
        super().__init__()
        self.fields, self.context_fields, self.config = tuple(fields), tuple(context_fields), config
        self.context_index = {field.name: index for index, field in enumerate(context_fields)}
        names = [field.name for field in fields]
        self.choosers = [names.index(field.chosen_by) if field.chosen_by else None for field in fields]
        # One more id for the start, one more for a blank.
        self.embeddings = nn.ModuleList(nn.Embedding(f.size + 2, config.embedding_size) for f in fields)
        self.known = [index for index, field in enumerate(context_fields) if not field.axis]
        self.context_embeddings = nn.ModuleList(
            nn.Embedding(context_fields[index].size, CONTEXT_EMBEDDING) for index in self.known
        )
        sounding = [index for index, field in enumerate(context_fields) if field.axis]
        self.pairs = [p for p in combinations(sounding, 2) if context_fields[p[0]].axis == context_fields[p[1]].axis]
        self.intervals = nn.ModuleList(
            nn.Embedding(2 * context_fields[first].axis, INTERVAL_EMBEDDING) for first, _ in self.pairs
        )
        self.input_size = (
            len(fields) * config.embedding_size
            + len(self.known) * CONTEXT_EMBEDDING
            + len(self.pairs) * INTERVAL_EMBEDDING
        )
        recurrent = nn.LSTM if config.cell == "lstm" else nn.GRU
        sizes = [self.input_size] + [config.hidden_size] * config.layers
        self.recurrent = nn.ModuleList(
            recurrent(sizes[i], sizes[i + 1], batch_first=True) for i in range(config.layers)
        )
        self.heads = nn.ModuleList(Head(self, column) for column in range(len(fields)))
        if config.small_start:
            self._start_small()

    def _start_small(self) -> None:
        for embedding in [*self.embeddings, *self.context_embeddings, *self.intervals]:
            nn.init.normal_(embedding.weight, std=0.1)
        for name, parameter in self.recurrent.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.chunk(GATES[self.config.cell]):
                    nn.init.orthogonal_(gate)
            if self.config.cell == "lstm" and "bias_ih" in name:
                # An open forget gate lets early gradients through (Jozefowicz, Zaremba, Sutskever 2015).
                with torch.no_grad():
                    parameter.chunk(4)[1].fill_(1.0)

    def start(self, batch_size: int) -> State:
        """See Network."""
        weight = self.recurrent[0].weight_hh_l0
        shape = (self.config.layers, batch_size, self.config.hidden_size)
        return tuple(weight.new_zeros(shape) for _ in range(2 if self.config.cell == "lstm" else 1))  # type: ignore[operator]

    def embed(self, before: Tensor, context: Tensor) -> Tensor:
        """Return the network's input, (..., input_size), from the row before (..., K) and the context (..., C)."""
        parts = [embedding(before[..., column]) for column, embedding in enumerate(self.embeddings)]
        parts += [e(context[..., index]) for index, e in zip(self.known, self.context_embeddings, strict=True)]
        parts += [
            embedding(distance(context[..., first], context[..., second], self.context_fields[first].axis))
            for (first, second), embedding in zip(self.pairs, self.intervals, strict=True)
        ]
        return torch.cat(parts, dim=-1)

    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:
        """See Network."""
        inputs = self.embed(before, context).unsqueeze(1)
        outputs, state = self._recur(inputs, state)
        return torch.cat([outputs, inputs], dim=-1).squeeze(1), state

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:
        """See Network."""
        return self.heads[column](self, hidden, context, drawn)  # type: ignore[no-any-return]

    def forward(
        self, batch: Batch, state: State | None = None, taught: Sequence[Tensor] | None = None
    ) -> tuple[Loss, State]:
        """The same as ``loss``; what wraps a module for several processes calls it by this name."""
        return self.loss(batch, state, taught)

    def loss(
        self, batch: Batch, state: State | None = None, taught: Sequence[Tensor] | None = None
    ) -> tuple[Loss, State]:
        """See Network. ``taught`` are chances of each column's ids, (B, T, size), to learn in place of the ids."""
        hidden, state = self._hidden(batch, state)
        seen = batch.is_row | batch.is_end
        nats, correct, objective = [], [], hidden.new_zeros(())
        end = hidden.new_zeros(())
        for column in range(len(self.fields)):
            logits = self.logits(column, hidden, batch.context, batch.rows[..., :column]).float()
            target = batch.rows[..., column]
            if column == 0:
                ending, logits = end_and_rest(logits)
                end = F.binary_cross_entropy_with_logits(ending, batch.is_end.float(), seen.float(), reduction="sum")
                target = torch.where(batch.is_row, target, 0)
            cost = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(target.shape)
            nats.append((cost * batch.is_row).sum())
            if taught is not None:
                cost = -(taught[column] * logits.log_softmax(-1)).sum(-1)
            objective = objective + (cost * batch.is_row).sum()
            correct.append(((logits.argmax(-1) == target) & batch.is_row).sum())
        objective = (objective + end) / len(self.fields)
        return Loss(torch.stack(nats), end, torch.stack(correct), batch.is_row.sum(), objective), state

    def distributions(self, batch: Batch) -> list[Tensor]:
        """Return the log-probabilities of each column's ids, (B, T, size), of pieces from their beginning."""
        hidden, _ = self._hidden(batch, None)
        logits = [
            self.logits(column, hidden, batch.context, batch.rows[..., :column]) for column in range(len(self.fields))
        ]
        logits[0] = end_and_rest(logits[0])[1]
        return [of_column.log_softmax(-1) for of_column in logits]

    def _hidden(self, batch: Batch, state: State | None) -> tuple[Tensor, State]:
        """Return what the heads read, (B, T, H + input_size), and the state after the last step."""
        state = self.start(len(batch.rows)) if state is None else state
        state = tuple(part * ~batch.fresh[None, :, None] for part in state)
        inputs = self.embed(*self._blanked(batch.before, batch.context))
        inputs = locked_dropout(inputs, self.config.dropout / 2, self)
        outputs, state = self._recur(inputs, state)
        return torch.cat([outputs, inputs], dim=-1), state

    def _recur(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the layers over (B, T, input_size); return (B, T, H) and the state after the last step."""
        after = []
        function = torch.lstm if self.config.cell == "lstm" else torch.gru
        for index, layer in enumerate(self.recurrent):
            own = tuple(part[index : index + 1] for part in state)
            dropped = F.dropout(layer.weight_hh_l0, self.config.dropout, self.training)  # type: ignore[arg-type]
            weights = [layer.weight_ih_l0, dropped, layer.bias_ih_l0, layer.bias_hh_l0]
            given = own if self.config.cell == "lstm" else own[0]
            inputs, *own_after = function(inputs, given, weights, True, 1, 0.0, self.training, False, True)  # type: ignore[arg-type]
            inputs = locked_dropout(inputs, self.config.dropout, self)
            after.append(own_after)
        return inputs, tuple(torch.cat(parts) for parts in zip(*after, strict=True))

    def _blanked(self, before: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Hide some ids of the rows before, and where they lie on their axis, each with the same chance in training."""
        if not self.training:
            return before, context
        blanks = torch.tensor([field.size + 1 for field in self.fields], device=before.device)
        chosen = torch.rand(before.shape, device=before.device) < self.config.dropout / 5
        context = context.clone()
        for column, field in enumerate(self.fields):
            chooser = self.choosers[column]
            for index, name in enumerate(field.relative_to if chooser is not None else field.relative_to[:1]):
                is_own = True if chooser is None else before[..., chooser] == index
                context[..., self.context_index[name]][chosen[..., column] & is_own] = field.axis
        return torch.where(chosen, blanks, before), context


def end_and_rest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Split the first column's logits (..., size + 1) into the log odds of the end, (...), and the ids' (..., size).

    The softmax over all classes equals the chance of the end times, where the piece goes on, the softmax over the ids.
    """
    ids = logits[..., :-1]
    return logits[..., -1] - ids.logsumexp(-1), ids


def locked_dropout(values: Tensor, share: float, module: nn.Module) -> Tensor:
    """Drop the same features at every step of a sequence (B, T, H): Gal and Ghahramani 2016."""
    if not module.training or share == 0:
        return values
    mask = F.dropout(values.new_ones(values.shape[0], 1, values.shape[2]), share)
    return values * mask
