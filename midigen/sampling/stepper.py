"""Stepper: the recurrent layers of a network, packed for one step at a time.

PyTorch's own LSTM prepares its weights anew at every call, which costs more than a single step. Here they are laid out
once: a step is one matrix product a layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from midigen.models.build import Model
from midigen.models.classic import ChordNetwork, NoteNetwork, TextNetwork
from midigen.models.network import State
from midigen.models.sequence_model import SequenceModel


class Stepper:
    """``start``, ``advance`` and ``logits`` of a network, equal to its own within rounding; for inference only."""

    def __init__(self, model: SequenceModel) -> None:
        self.model = model.eval()
        self.is_lstm = model.config.cell == "lstm"
        self.start, self.logits = model.start, model.logits
        self.layers: list[tuple[Tensor, ...]] = []
        for layer in model.recurrent:
            into, across, into_bias, across_bias = (parameter.detach() for parameter in layer.parameters())
            if self.is_lstm:
                packed = torch.cat([into, across], dim=1).T.contiguous()
                self.layers.append((packed, into_bias + across_bias))
            else:
                self.layers.append((into.T.contiguous(), into_bias, across.T.contiguous(), across_bias))

    @torch.inference_mode()
    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:
        """See Network."""
        inputs = values = self.model.embed(before, context)
        after = []
        for index, layer in enumerate(self.layers):
            own = tuple(part[index] for part in state)
            own = _lstm_step(values, own, *layer) if self.is_lstm else _gru_step(values, own, *layer)
            values = own[0]
            after.append(own)
        return torch.cat([values, inputs], dim=-1), tuple(torch.stack(parts) for parts in zip(*after, strict=True))


class DrawnTimes:
    """The published note network, but that steps and durations are drawn as its likelihood has them, not computed."""

    def __init__(self, network: NoteNetwork) -> None:
        self._network = network
        self.start, self.advance = network.start, network.advance

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:
        """See Network."""
        return self._network.spread(column, hidden) if column else self._network.logits(0, hidden, context, drawn)


AnyStepper = Stepper | ChordNetwork | NoteNetwork | TextNetwork | DrawnTimes


def make_stepper(model: Model) -> AnyStepper:
    """Return what takes the steps of a network: a Stepper for ours, the published ones themselves."""
    return Stepper(model) if isinstance(model, SequenceModel) else model.eval()


def _lstm_step(values: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    """Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000); PyTorch's order of gates: i, f, g, o."""
    hidden, cell = state
    gates = torch.addmm(bias, torch.cat([values, hidden], dim=-1), weight)
    into, forget, candidate, out = gates.chunk(4, dim=-1)
    cell = forget.sigmoid() * cell + into.sigmoid() * candidate.tanh()
    return out.sigmoid() * cell.tanh(), cell


def _gru_step(  # the four tensors of a layer
    values: Tensor, state: State, into: Tensor, into_bias: Tensor, across: Tensor, across_bias: Tensor
) -> State:
    """Cho et al. 2014, in PyTorch's form: the reset gate acts behind the recurrent product; gates r, z, n."""
    (hidden,) = state
    reset_in, update_in, new_in = torch.addmm(into_bias, values, into).chunk(3, dim=-1)
    reset_across, update_across, new_across = torch.addmm(across_bias, hidden, across).chunk(3, dim=-1)
    reset, update = (reset_in + reset_across).sigmoid(), (update_in + update_across).sigmoid()
    new = (new_in + reset * new_across).tanh()
    return ((1 - update) * new + update * hidden,)
