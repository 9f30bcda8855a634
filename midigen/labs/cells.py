"""Recurrent cells from their equations, gate by gate, and backpropagation through time by hand.

The equations are those of Hallman, Deep Learning, section 8.5, and Bahng, Multilayer Perceptrons, chapter 5, without
their slips (``midigen.labs.recurrent_cells`` names these), in Bahng's letters: W maps the hidden state h to the next
one, U the input x to the hidden state, b is the bias. B sequences have T steps of D inputs; a layer has H units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from midigen.labs.lab import Result

State = tuple[Tensor, ...]
"""Of one layer, each (B, H): h, and with a memory also c. The output of a layer is its h."""


class Gate(nn.Module):
    """W h + U x + b, what a sigmoid or tanh is then put on. All weights start as torch.nn's, within 1 / sqrt(H)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        reach = hidden_size**-0.5
        self.W = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-reach, reach))
        self.U = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-reach, reach))
        self.b = nn.Parameter(torch.empty(hidden_size).uniform_(-reach, reach))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return (B, H) from x (B, D) and h (B, H)."""
        return torch.addmm(self.read(x), h, self.W.T)

    def read(self, x: Tensor) -> Tensor:
        """Return U x + b, (B, H), from x (B, D)."""
        return torch.addmm(self.b, x, self.U.T)


class Cell(nn.Module):
    """One step of one layer. Its gates are its children, in the order in which torch.nn stacks their weights."""

    state_size = 1

    def __init__(self, _input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def start(self, xs: Tensor) -> State:
        """Return a state of zeros for the sequences xs, (B, T, D)."""
        return (xs.new_zeros(len(xs), self.hidden_size),) * self.state_size

    def forward(self, x: Tensor, state: State) -> State:
        """Return the next state from x, (B, D), and a state."""
        raise NotImplementedError


class PlainCell(Cell):
    """h = tanh(W h + U x + b) (Bahng 5.1)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden = Gate(input_size, hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        """See Cell."""
        return (torch.tanh(self.hidden(x, *state)),)


class LstmCell(Cell):
    """A memory c that a forget gate keeps, an input gate writes and an output gate shows (Hallman 8.5.1, Bahng 5.3)."""

    state_size = 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input = Gate(input_size, hidden_size)
        self.forget = Gate(input_size, hidden_size)
        self.candidate = Gate(input_size, hidden_size)
        self.output = Gate(input_size, hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        """See Cell."""
        h, c = state
        i = torch.sigmoid(self.input(x, h))
        f = torch.sigmoid(self.forget(x, h))
        o = torch.sigmoid(self.output(x, h))
        c = f * c + i * torch.tanh(self.candidate(x, h))
        return o * torch.tanh(c), c


class GruCell(Cell):
    """The text's GRU (Hallman 8.5.2): the reset gate is put on h, before the product with W."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.reset = Gate(input_size, hidden_size)
        self.update = Gate(input_size, hidden_size)
        self.candidate = Gate(input_size, hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        """See Cell."""
        (h,) = state
        r = torch.sigmoid(self.reset(x, h))
        z = torch.sigmoid(self.update(x, h))
        return (z * h + (1 - z) * torch.tanh(self.offer(x, h, r)),)

    def offer(self, x: Tensor, h: Tensor, r: Tensor) -> Tensor:
        """Return W (r * h) + U x + b, (B, H)."""
        offered: Tensor = self.candidate(x, r * h)
        return offered


class TorchGruCell(GruCell):
    """PyTorch's GRU (documentation of torch.nn.GRU): the reset gate is put on W h + its own bias, after the product."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.inner_bias = nn.Parameter(torch.zeros(hidden_size))

    def offer(self, x: Tensor, h: Tensor, r: Tensor) -> Tensor:
        """Return r * (W h + inner bias) + U x + b, (B, H)."""
        return self.candidate.read(x) + r * (h @ self.candidate.W.T + self.inner_bias)


class Recurrent(nn.Module):
    """Layers of cells, each of which reads the outputs of the one below (Bahng 5.1.2 and 5.3.1)."""

    def __init__(self, cell: type[Cell], input_size: int, hidden_size: int, layers: int = 1) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * layers
        cells = [cell(sizes[layer], hidden_size) for layer in range(layers)]
        self.cells: Sequence[Cell] = nn.ModuleList(cells)  # type: ignore[assignment]  # a list of cells to its users

    def forward(self, xs: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Run over whole sequences.

        Args:
            xs: (B, T, D).
            states: one for each layer; zeros if none are given.

        Returns:
            The outputs of the last layer, (B, T, H), and the states after the last step.
        """
        after = []
        for index, cell in enumerate(self.cells):
            state = states[index] if states else cell.start(xs)
            outputs = []
            for x in xs.unbind(1):
                state = cell(x, state)
                outputs.append(state[0])
            xs = torch.stack(outputs, 1)
            after.append(state)
        return xs, after


def run_both_ways(onward: Recurrent, backward: Recurrent, xs: Tensor) -> Tensor:
    """Return (B, T, 2 H): what one layer knows of the past of every step, and another of its future (Bahng 5.2)."""
    return torch.cat([onward(xs)[0], backward(xs.flip(1))[0].flip(1)], dim=-1)


@torch.no_grad()
def copy_torch(ours: Recurrent, theirs: nn.RNNBase, suffix: str = "") -> Recurrent:
    """Give our cells the weights of a layer of torch.nn, and return them; suffix "_reverse" means its way back.

    torch.nn has two biases a gate. They add up to one, but for the candidate of its GRU, where the reset gate parts
    them.
    """
    for layer, cell in enumerate(ours.cells):
        own = [getattr(theirs, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        gates = [gate for gate in cell.children() if isinstance(gate, Gate)]
        for gate, u, w, b, inner in zip(gates, *(weights.chunk(len(gates)) for weights in own), strict=True):
            gate.U.copy_(u)
            gate.W.copy_(w)
            if isinstance(cell, TorchGruCell) and gate is cell.candidate:
                gate.b.copy_(b)
                cell.inner_bias.copy_(inner)
            else:
                gate.b.copy_(b + inner)
    return ours


@torch.no_grad()
def difference_to_torch(cell: type[Cell], kind: type[nn.RNN | nn.LSTM | nn.GRU]) -> float:
    """Return the largest difference in outputs between two layers of ours and of torch.nn on the same weights."""
    theirs = kind(10, 20, 2, batch_first=True).double()
    xs = torch.randn(4, 100, 10, dtype=torch.float64)
    ours, _ = copy_torch(Recurrent(cell, 10, 20, 2).double(), theirs)(xs)
    return float((ours - theirs(xs)[0]).abs().max())


@torch.no_grad()
def difference_both_ways() -> float:
    """Return the same for one layer of an LSTM that runs both ways."""
    theirs = nn.LSTM(10, 20, batch_first=True, bidirectional=True).double()
    xs = torch.randn(4, 100, 10, dtype=torch.float64)
    onward, backward = (copy_torch(Recurrent(LstmCell, 10, 20).double(), theirs, way) for way in ("", "_reverse"))
    return float((run_both_ways(onward, backward, xs) - theirs(xs)[0]).abs().max())


def compare_with_torch() -> list[Result]:
    """Return how our cells differ from PyTorch's on the same weights, and the sizes of Bahng's network."""
    ours = Recurrent(PlainCell, 10, 20, layers=2)
    outputs, states = ours(torch.randn(1, 5, 10))
    pairs: dict[str, tuple[type[Cell], type[nn.RNN | nn.LSTM | nn.GRU]]] = {
        "two layers of RNN": (PlainCell, nn.RNN),
        "two layers of LSTM": (LstmCell, nn.LSTM),
        "two layers of GRU, reset after the product": (TorchGruCell, nn.GRU),
        "two layers of GRU, reset before it as in the text": (GruCell, nn.GRU),
    }
    differences = {name: difference_to_torch(*pair) for name, pair in pairs.items()}
    differences["LSTM both ways"] = difference_both_ways()
    sizes = f"{list(outputs[0].shape)}, {list(torch.cat([h for (h,) in states]).shape)}"
    return [
        Result("outputs and states of two layers, five steps", "[5, 20], [2, 20]", sizes),
        Result("... their vectors and matrices", "8 (two biases)", f"{len(list(ours.parameters()))} (one bias)"),
        *(Result(f"difference to torch.nn: {name}", "", f"{value:.0e}") for name, value in differences.items()),
    ]


def gradient_by_lag(h: Tensor, xs: Tensor, errors: Tensor, w: Tensor) -> Tensor:
    """Return the parts of a plain layer's gradient that come from 0, 1, ... T - 1 steps back.

    Their sum is the whole gradient, and that of the first k what truncation to k steps leaves of it. With the errors
    e(t, 0) = dL(t)/dh(t) and the slopes s(t) = 1 - h(t)^2 of the tanh, the part of the lag j by W is the sum over t of
    (s(t - j) * e(t, j)) h(t - j - 1)^T, and e(t, j + 1) = W^T (s(t - j) * e(t, j)): the product of Bahng 5.1.3, one
    factor at a time. By U it has x(t - j) in the place of h(t - j - 1), by b it has 1.

    Args:
        h: hidden states from the one before the first step on, (B, T + 1, H).
        xs: inputs, (B, T, D).
        errors: the derivatives of each step's own loss by its own hidden state, (B, T, H).
        w: (H, H).

    Returns:
        (T, H, H + D + 1): by W, U and b, side by side.
    """
    slopes = 1 - h[:, 1:] ** 2
    seen = torch.cat([h[:, :-1], xs, xs.new_ones(*xs.shape[:2], 1)], dim=-1)
    parts = []
    for steps in range(errors.shape[1], 0, -1):
        errors = slopes[:, :steps] * errors
        parts.append(torch.einsum("bti,btj->ij", errors, seen[:, :steps]))
        # What has come to the first step has no step before it to go on to.
        errors = (errors @ w)[:, 1:]
    return torch.stack(parts)
