"""RNN, LSTM and GRU gate by gate, and what reaches back through time.

Hallman, Deep Learning, sections 8.1 to 8.5, and Bahng, Multilayer Perceptrons, chapter 5. The cells and their
comparison with PyTorch stand in ``midigen.labs.cells``, the musical tasks in ``midigen.labs.sequence_tasks``. The
experiments on vanishing gradients, clipping and truncation are here; as they need long sequences, they run on
PyTorch's layers, which that comparison shows to be the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.corpora.source import read_source
from midigen.labs.cells import PlainCell, compare_with_torch
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.sequence_networks import MAX_NORM, Reader, fit, left_out, one_hot
from midigen.labs.sequence_tasks import INTERVALS, Phrases, gather_phrases, move, name_and_tell, shares, tune_of
from midigen.scores.score import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIDDEN = 32
TONES = 8
LONGEST = 500
LAGS = (10, 30, 100, 500)
UPDATES, RATE = 100, 0.03
MOMENTUM_RATE, MOMENTUM, NETWORKS = 0.3, 0.9, 4
SURE = 10
"""Updates in a row with all tones right, after which training stops."""
TUNES, TEXT_STEPS, TEXT_WINDOW = 64, 100, 20
"""Bahng's example of truncation, on so many tunes."""
RECALL_STEPS, WINDOWS = 20, (20, 15, 10)
CORPORA = {"Bach": "bach-chorales", "fiddlers": "ryans-mammoth"}

REMARKS = (
    (
        "An LSTM avoids vanishing gradients only where its gates begin open: as PyTorch starts them, LSTM and GRU lose "
        "the gradient as fast as the plain network. Opened for 500 steps (Tallec and Ollivier 2018) they carry it."
    ),
    (
        "Clipping saves descent from a gradient that explodes. One that has vanished it does not bring back, and Adam "
        "scales its steps anyway: with one seed, most of the gap between solid and dashed lines is luck, as is what "
        "the plain network does beyond ten steps."
    ),
    (
        "Truncation takes next to nothing from a fresh network's gradient and more from a trained one's. What lies "
        "farther back than the gradient reaches is hardly learned."
    ),
    "Most of what tells the composers apart is which steps they take, not their order: see the shuffled phrases.",
    "The text's GRU and PyTorch's are two functions: on the same weights they differ.",
    (
        "Slips in Hallman: 8.1 calls T the length of the input, which is a vector; 8.2 has y_t for y; 8.5.1 has b_t "
        "for b_i, W_xt for W_xf and C_t for the candidate; 8.5.2 has W_ht for W_hz, H_t - W_xh for X_t W_xh and, in "
        "the last line, H_t for the candidate."
    ),
    (
        "Slips in Bahng: the two biases of 5.2.1 do not cancel out but add up, and the listing there reads 'weights' "
        "before it is bound; 5.3 takes clipping for max-norm regularisation, which bounds weights; 5.3.1 says that the "
        "output comes from c, and its equation has h."
    ),
)


def plain(gain: float | None = None) -> nn.RNN:
    """Return a plain layer for tones and rests; with a gain, that times an orthogonal W in the place of torch.nn's."""
    layer = nn.RNN(TONES + 1, HIDDEN, batch_first=True)
    if gain is not None:
        nn.init.orthogonal_(layer.weight_hh_l0, gain)  # type: ignore[arg-type]
    return layer


def gated(kind: type[nn.LSTM | nn.GRU], steps: int | None = None) -> nn.LSTM | nn.GRU:
    """Return an LSTM or GRU for tones and rests; with steps, its gates begin as open as that many need.

    A gate that keeps the share f each step forgets in about 1 / (1 - f) steps. The biases log u make these times u + 1,
    with u between 1 and the steps. Source: Tallec and Ollivier, Can recurrent neural networks warp time?, ICLR 2018.
    """
    layer = kind(TONES + 1, HIDDEN, batch_first=True)
    if steps is not None:
        keep = torch.empty(HIDDEN).uniform_(1, steps - 1).log()
        gates = layer.bias_ih_l0.detach().chunk(4 if kind is nn.LSTM else 3)  # type: ignore[operator]
        # The LSTM's forget gate and the GRU's update gate are both second; the LSTM's input gate, first, is closed.
        gates[1].copy_(keep)
        if kind is nn.LSTM:
            gates[0].copy_(-keep)
    return layer


def gradient_by_distance(layer: nn.RNNBase) -> Tensor:
    """Return the norm of the derivative of the last step's output by the input 0, 1, ... 499 steps before it, (500,).

    The output is summed up as half its squared norm; 16 sequences of random tones are taken together.
    """
    layer = layer.double()
    xs = F.one_hot(torch.randint(TONES, (16, LONGEST)), TONES + 1).double().requires_grad_()
    gradient: Tensor = torch.autograd.grad(layer(xs)[0][:, -1].square().sum() / 2, xs)[0]
    return gradient.pow(2).sum((0, 2)).sqrt().flip(0)


LAYERS: dict[str, Callable[[int], nn.RNNBase]] = {
    "RNN": lambda _: plain(),
    "RNN, orthogonal W": lambda _: plain(1.0),
    "RNN, 2 x orthogonal W": lambda _: plain(2.0),
    "LSTM": lambda _: gated(nn.LSTM),
    "LSTM, open gates": lambda steps: gated(nn.LSTM, steps),
    "GRU": lambda _: gated(nn.GRU),
    "GRU, open gates": lambda steps: gated(nn.GRU, steps),
}
"""What makes a layer for so many steps."""
RECALLING = ("RNN, orthogonal W", "LSTM", "LSTM, open gates", "GRU, open gates")


class Recall(NamedTuple):
    """How well a tone was named after rests: the share right in the last ten updates, and the largest gradient."""

    right: float
    norm: float


def recall(
    layer: nn.RNNBase, steps: int, max_norm: float, window: int | None = None, *, momentum: bool = False
) -> Recall:
    """Train a layer to name the first of its inputs, one of eight tones, after rests up to the last step.

    Args:
        layer: from the functions above.
        steps: 1 for the tone, the others for rests.
        max_norm: the gradient is clipped to this; infinity leaves it as it is.
        window: how many steps the gradient reaches back; all if None.
        momentum: whether to train by descent with momentum instead of Adam.
    """
    tones = torch.arange(TONES)
    heard = torch.full((TONES, steps), TONES)
    heard[:, 0] = tones
    before, after = F.one_hot(heard, TONES + 1).float().tensor_split([steps - (window or steps)], dim=1)
    output = nn.Linear(HIDDEN, TONES)
    parameters = [*layer.parameters(), *output.parameters()]
    optimizer = torch.optim.SGD(parameters, MOMENTUM_RATE, MOMENTUM) if momentum else torch.optim.Adam(parameters, RATE)
    right, norms = [], []
    for _ in range(UPDATES):
        with torch.no_grad():
            state = layer(before)[1] if before.shape[1] else None
        logits = output(layer(after, state)[0][:, -1])
        optimizer.zero_grad()
        F.cross_entropy(logits, tones).backward()  # type: ignore[no-untyped-call]
        norms.append(nn.utils.clip_grad_norm_(parameters, max_norm).item())
        optimizer.step()
        right.append((logits.argmax(-1) == tones).float().mean().item())
        if sum(right[-SURE:]) == SURE:
            break
    return Recall(sum(right[-SURE:]) / SURE, max(norms))


def melodies(fiddle_tunes: Sequence[Score]) -> Tensor:
    """Return the ids of the first 101 steps of 64 tunes, (64, 101)."""
    long = [tune for score in fiddle_tunes if len(tune := tune_of(score)) > TEXT_STEPS + 1][:TUNES]
    return Phrases.of([(tune[: TEXT_STEPS + 2], 0) for tune in long]).steps


def truncation(steps: Tensor) -> tuple[dict[str, Tensor], list[Result]]:
    """Return what truncation leaves out of the gradient of a network that reads melodies, fresh and trained."""
    reader = Reader(PlainCell, INTERVALS, INTERVALS, HIDDEN).double()
    xs, targets = one_hot(steps[:, :-1], INTERVALS).double(), steps[:, 1:]
    fresh, gap = left_out(reader, xs, targets)
    fit(reader, lambda: reader.loss(xs, targets), UPDATES, 0.01)
    trained, _ = left_out(reader, xs, targets)
    learned = [recall(gated(nn.GRU, RECALL_STEPS), RECALL_STEPS, MAX_NORM, window).right for window in WINDOWS]
    windows = ", ".join(map(str, WINDOWS))
    return {"fresh": fresh, "trained": trained}, [
        Result("gradient by hand, its distance from torch's own", "", f"{gap:.0e}"),
        Result(
            "left out of the gradient: RNN fresh, trained",
            f"e.g. {TEXT_WINDOW} of {TEXT_STEPS} steps",
            f"{fresh[TEXT_WINDOW - 1]:.0e}, {trained[TEXT_WINDOW - 1]:.0%}",
        ),
        Result(f"a tone named after {RECALL_STEPS} steps, gradient over {windows}", "", shares(learned)),
    ]


def vanishing(tick: Callable[[], None]) -> tuple[dict[str, Tensor], dict[str, list[list[Recall]]], list[Result]]:
    """Return gradients by distance and recalls by lag (clipped, and not), each by the layer's name, and the results."""
    norms = {name: gradient_by_distance(make(LONGEST)) for name, make in LAYERS.items()}
    recalls = {}
    for name in RECALLING:
        recalls[name] = [
            [recall(LAYERS[name](lag), lag, max_norm) for lag in LAGS] for max_norm in (MAX_NORM, math.inf)
        ]
        tick()
    far = (10, 100, LONGEST - 1)
    said = {"RNN": "vanishes or explodes", "LSTM": "does not vanish", "GRU": ""}
    results = [
        Result(
            f"gradient from {', '.join(map(str, far))} steps back, to that from the last step: {name}",
            said[name.split(",")[0]],
            ", ".join(f"{norm[steps] / norm[0]:.0e}" for steps in far),
        )
        for name, norm in norms.items()
    ]
    said = {"RNN": "tends to forget", "LSTM": "learns what to remember", "GRU": "learns what to remember"}
    for name, (clipped, free) in recalls.items():
        quantity = f"a tone named after {', '.join(map(str, LAGS))} steps: {name}"
        results.append(Result(quantity, said[name.split(",")[0]], shares([one.right for one in clipped])))
        worst = max(one.norm for one in free)
        results.append(
            Result("... not clipped", "", f"{shares([one.right for one in free])} (largest gradient {worst:.0f})")
        )
    return norms, recalls, [*results, exploding()]


def exploding() -> Result:
    """Return how far descent with momentum gets with clipped gradients and without, on average of a few networks."""
    right = [
        sum(recall(plain(1.0), LAGS[0], norm, momentum=True).right for _ in range(NETWORKS)) / NETWORKS
        for norm in (MAX_NORM, math.inf)
    ]
    return Result(
        f"a tone named after {LAGS[0]} steps, RNN by momentum: clipped, not", "clipping mends explosion", shares(right)
    )


def run(settings: Settings) -> Report:
    """Check the cells, follow the gradient back through time, and put each shape of network to its musical task."""
    stage = itertools.count(1)

    def tick() -> None:
        settings.progress(next(stage), len(RECALLING) + 4)

    composers = [[piece.score for piece in read_source(name, settings.corpora).pieces] for name in CORPORA.values()]
    torch.manual_seed(settings.seed)
    results = compare_with_torch()
    tick()
    norms, recalls, found = vanishing(tick)
    results += found
    missing, found = truncation(melodies(composers[1]))
    results += found
    tick()
    train, test = gather_phrases(composers)
    told = name_and_tell(train, test, list(CORPORA))
    tick()
    moved = move(train, test)
    tick()
    figure = draw(norms, recalls, missing, {**told.right, **moved.right})
    return Report((*results, *told.results, *moved.results), figure, REMARKS, told.scores)


def draw(
    norms: dict[str, Tensor],
    recalls: dict[str, list[list[Recall]]],
    missing: dict[str, Tensor],
    right: Mapping[str, tuple[Sequence[int], list[float]]],
) -> Figure:
    """Draw gradients by distance, recalls by lag, what truncation leaves out, and the tasks by the phrase's length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), dpi=120, layout="constrained")
    (back, named), (cut, music) = figure.subplots(2, 2)
    colours = {name: f"C{number}" for number, name in enumerate(norms)}
    for name, norm in norms.items():
        back.plot(norm, color=colours[name], label=name)
    back.set(xlabel="steps back", ylabel="norm of the gradient", yscale="log", ylim=(1e-60, 1e30))
    back.set_title("What reaches back from the last output to an input")
    for name, both in recalls.items():
        for line, found in zip(("-o", "--x"), both, strict=True):
            named.plot(LAGS, [one.right for one in found], line, color=colours[name])
    named.axhline(1 / TONES, color="0.6", lw=0.8)
    named.set(xlabel="steps of the sequence", ylabel="share named rightly", xscale="log", ylim=(0, 1.05))
    named.set_xticks(LAGS, map(str, LAGS), minor=False)
    named.minorticks_off()
    named.set_title("Naming a tone after rests (colours as left; dashed: not clipped)")
    for name, share in missing.items():
        cut.plot(range(1, TEXT_STEPS), share[:-1], label=f"RNN on fiddle tunes, {name}")
    cut.axvline(TEXT_WINDOW, color="0.6", lw=0.8)
    cut.set(
        xlabel="steps the gradient reaches back", ylabel="share of the gradient left out", yscale="log", ylim=(1e-8, 2)
    )
    cut.set_title(f"What truncation leaves out of {TEXT_STEPS} steps")
    for name, (notes, rightly) in right.items():
        music.plot(notes, rightly, "-o", label=name)
    music.set(
        xlabel="notes of the phrase", ylabel="share right", ylim=(0.4, 1.02), title="Musical tasks, on pieces held out"
    )
    for axes, place in ((back, "lower right"), (cut, "upper right"), (music, "lower right")):
        axes.legend(fontsize=8, loc=place)
    return figure
