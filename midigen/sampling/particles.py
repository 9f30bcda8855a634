"""Particles: sequential Monte Carlo over a network's own probabilities, for pieces of which some cells are fixed.

Many copies of a piece, the particles, grow row by row. A free cell is drawn. A fixed cell is forced, and the weight of
the particle is multiplied by the probability that the network gave to that cell: the weight tells how well a particle's
past explains the fixed notes. Before the first free cell of a row the particles are resampled in proportion to their
weights if the effective sample size has fallen below half of their number; so what is to come decides which past lives.

    w <- w p(fixed cell | past of the particle)          effective sample size = (sum of w)^2 / sum of w^2

The product of the mean weights at the resamplings and at the end estimates p(fixed cells) without bias (Del Moral
2004), at temperature 1: colder draws are not corrected for. Gordon, Salmond and Smith 1993 (the bootstrap filter); Liu
and Chen 1995 (when to resample); Kitagawa 1996 (systematic resampling); Lew et al. 2023 (language models).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.corpora.fetch import no_progress
from midigen.errors import UsageError
from midigen.models.network import State
from midigen.models.sequence_model import end_and_rest
from midigen.representations.representation import Representation
from midigen.sampling.draw import DrawSettings, draw
from midigen.sampling.stepper import AnyStepper
from midigen.scores.score import Ints

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RESAMPLE_BELOW = 0.5
"""Effective sample size, as a share of the particles."""
MOST_LANES = 10_000
"""Particles of all pieces together."""


@dataclass(frozen=True)
class Task:
    """A piece of which some cells are fixed."""

    plan: Ints
    """(T + 1, P)."""
    free: Bools
    """(T, K): which cells are drawn; at least one."""
    fixed: Callable[[int, Ints], Ints]
    """From a step and the contexts there, (B, C), to the ids of the row's fixed cells, (B, K)."""
    ends: bool
    """Whether the piece ends behind these rows; then its end is weighed like a fixed cell."""


@dataclass(frozen=True)
class ParticleSettings:
    """How many particles and pieces, and how free cells are drawn.

    The temperature bears on what is drawn alone: weights are always the network's own probabilities.

    Raises:
        UsageError: a value is out of range.
    """

    seed: int
    particles: int = 50
    count: int = 1
    """Pieces, each with its own particles and random numbers."""
    draw: DrawSettings = field(default_factory=DrawSettings)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"--seed must be 0 or more, not {self.seed}.")
        if self.particles < 1:
            raise UsageError(f"--particles must be 1 or more, not {self.particles}.")
        if self.count < 1:
            raise UsageError(f"--count must be 1 or more, not {self.count}.")
        if self.particles * self.count > MOST_LANES:
            raise UsageError(f"--particles times --count must be at most {MOST_LANES}: they grow side by side.")


@dataclass(frozen=True)
class Drawn:
    """One piece, drawn from the last particles by their weights."""

    rows: Ints
    """(T, K)."""
    log_likelihood: float
    """Of all its cells under the network, in nats; of its end too, where the task weighs that."""
    log_evidence: float
    """Estimate of the log of the probability of the fixed cells, whatever the free ones are."""


@dataclass
class _Lanes:
    """All particles of all pieces side by side: lane = piece * particles + particle."""

    state: State
    context: Ints
    rows: Ints
    """(B, T, K), filled as far as the step."""
    log_weights: Floats
    """(B,), since the last resampling."""
    log_likelihood: Floats
    """(B,)."""

    def take(self, order: Ints) -> None:
        """Go on with these lanes, some perhaps more than once."""
        self.state = tuple(part[:, order] for part in self.state)
        self.context, self.rows = self.context[order], self.rows[order]
        self.log_weights, self.log_likelihood = self.log_weights[order], self.log_likelihood[order]

    def explain(self, log_probability: torch.Tensor, *, is_fixed: bool) -> None:
        """Add the log probability of an event, (B,), to the likelihood, and to the weight if the event is given."""
        self.log_likelihood = self.log_likelihood + log_probability.numpy()
        if is_fixed:
            self.log_weights = self.log_weights + log_probability.numpy()


@torch.inference_mode()
def draw_pieces(
    stepper: AnyStepper,
    representation: Representation,
    task: Task,
    settings: ParticleSettings,
    progress: Callable[[int, int], None] = no_progress,
) -> list[Drawn]:
    """Draw pieces given the fixed cells. The same task and settings give the same pieces."""
    swarm = _Swarm(stepper, representation, task, settings)
    for step in range(len(task.free)):
        swarm.grow(step)
        progress(step + 1, len(task.free))
    return swarm.choose()


class _Swarm:
    """The particles in the making. While no cell was free, one lane stands for all."""

    def __init__(
        self, stepper: AnyStepper, representation: Representation, task: Task, settings: ParticleSettings
    ) -> None:
        self.stepper, self.representation, self.task, self.settings = stepper, representation, task, settings
        # Each piece has random numbers of its own, so that the third of ten is the third of three.
        self.generators = [np.random.default_rng([settings.seed, piece]) for piece in range(settings.count)]
        self.log_evidence = np.zeros(settings.count)
        self.sizes = [column.size for column in representation.fields]
        self.lanes = _Lanes(
            stepper.start(1),
            representation.first_context(task.plan[:1]),
            np.zeros((1, *task.free.shape), np.int64),
            np.zeros(1),
            np.zeros(1),
        )

    def grow(self, step: int) -> None:
        """Add a row to every particle."""
        task, lanes = self.task, self.lanes
        hidden = self._advance(step)
        drawn = lanes.rows[:, step, :0]
        for column, described in enumerate(self.representation.fields):
            is_free = bool(task.free[step, column])
            if is_free and not task.free[step, :column].any():
                order = self._resample()
                if order is not None:
                    lanes.take(order)
                    hidden, drawn = hidden[order], drawn[order]
            logits = self._logits(column, hidden, drawn)
            if column == 0:
                ending, logits = end_and_rest(logits)
                lanes.explain(F.logsigmoid(-ending), is_fixed=True)
            if is_free:
                ids = self._draw(logits, described.name)
            else:
                ids = torch.from_numpy(task.fixed(step, lanes.context)[:, column])
            lanes.explain(logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0], is_fixed=not is_free)
            drawn = np.concatenate([drawn, ids.numpy()[:, None]], axis=1)
        lanes.rows[:, step] = drawn
        following = np.repeat(task.plan[step + 1 : step + 2], len(drawn), axis=0)
        lanes.context = self.representation.next_context(lanes.context, drawn, following)

    def choose(self) -> list[Drawn]:
        """Weigh the end and draw one particle of each piece by its weight."""
        if self.task.ends:
            ending, _ = end_and_rest(self._logits(0, self._advance(len(self.task.free)), self.lanes.rows[:, 0, :0]))
            self.lanes.explain(F.logsigmoid(ending), is_fixed=True)
        drawn = []
        for piece, weights in enumerate(self._log_weights()):
            shares, log_mean = _normalise(weights)
            # One position of a systematic draw is a draw by weight.
            lane = piece * len(weights) + int(systematic(shares, self.generators[piece].random(), 1)[0])
            rows, log_likelihood = self.lanes.rows[lane], float(self.lanes.log_likelihood[lane])
            drawn.append(Drawn(rows, log_likelihood, float(self.log_evidence[piece] + log_mean)))
        return drawn

    def _advance(self, step: int) -> torch.Tensor:
        lanes = self.lanes
        before = lanes.rows[:, step - 1] if step else np.tile(self.sizes, (len(lanes.rows), 1))
        hidden, lanes.state = self.stepper.advance(
            torch.from_numpy(before), torch.from_numpy(lanes.context), lanes.state
        )
        return hidden

    def _logits(self, column: int, hidden: torch.Tensor, drawn: Ints) -> torch.Tensor:
        known = torch.from_numpy(self.lanes.context)
        return self.stepper.logits(column, hidden, known, torch.from_numpy(drawn)).double()

    def _draw(self, logits: torch.Tensor, column: str) -> torch.Tensor:
        uniforms = np.concatenate([generator.random(self.settings.particles) for generator in self.generators])
        return draw(logits, torch.from_numpy(uniforms), self.settings.draw.of(column), self.settings.draw)

    def _log_weights(self) -> Floats:
        return self.lanes.log_weights.reshape(self.settings.count, self.settings.particles)

    def _resample(self) -> Ints | None:
        """Return the lanes to go on with, None for all; those resampled have equal weights from now on."""
        count, particles = self.settings.count, self.settings.particles
        if len(self.lanes.rows) < count * particles:
            return np.zeros(count * particles, np.int64)
        order = np.arange(count * particles).reshape(count, particles)
        weights = self._log_weights()
        is_resampled = np.zeros(count, bool)
        for piece in range(count):
            shares, log_mean = _normalise(weights[piece])
            if 1 / (shares**2).sum() < RESAMPLE_BELOW * particles:
                order[piece] = order[piece][systematic(shares, self.generators[piece].random(), particles)]
                self.log_evidence[piece] += log_mean
                is_resampled[piece] = True
        self.lanes.log_weights = np.where(is_resampled[:, None], 0, weights).ravel()
        return order.ravel() if is_resampled.any() else None


def systematic(shares: Floats, uniform: float, count: int) -> Ints:
    """Return so many indices: each as often as ``count`` times its share, rounded up or down.

    Args:
        shares: (N,), summing to 1.
        uniform: one random number from 0 to below 1.
        count: number of indices.
    """
    positions = (uniform + np.arange(count)) / count
    return np.minimum(np.searchsorted(shares.cumsum(), positions, side="right"), len(shares) - 1)


def _normalise(log_weights: Floats) -> tuple[Floats, float]:
    """Return the weights as shares that sum to 1, and the log of their mean."""
    highest = log_weights.max()
    weights = np.exp(log_weights - highest)
    return weights / weights.sum(), float(highest + np.log(weights.mean()))
