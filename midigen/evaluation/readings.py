"""Readings: the likelihood of a chorale of which neither key nor bars are told.

A network that learned with both is asked under every reading that the piece may have: in each key, in each metre with
each pick-up of the training pieces. How likely a reading is follows by Bayes' rule from how many training pieces have
it and from what the network gave the past under it, with a small chance of another one at every row. So the mixture
over all readings is a distribution over the next id that knows nothing but the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from midigen.representations.grid_plan import NO_TONIC, Summary, plan_table
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid
from midigen.scores.score import Ints

OPENING = 32
"""Rows after which readings that became unlikely are dropped."""
LEAST = 1e-3
"""Chance below which they are."""
CHANGE = 0.003
"""Chance a row that another reading holds from here on, for pieces modulate; chosen on validation pieces."""
PITCH_CLASSES = 12

Ask = Callable[[Ints, list[Ints]], Tensor]
"""Rows (T, K) and R plans to what the ids get under each, (R, T, K)."""


def unread_grid(representation: Representation) -> VoiceGrid | None:
    """Return the grid of a network that knows key and bars of its training pieces, but may be told those of no other.

    None for any other representation.
    """
    return representation if isinstance(representation, VoiceGrid) and not representation.ahead else None


def told_in_advance(representation: Representation) -> str | None:
    """Return what a network of the grid sees of a whole piece before its first note; None for other representations."""
    if not isinstance(representation, VoiceGrid):
        return None
    return "key, bars, fermatas and length" if representation.ahead else "key and bars"


def readings(grid: VoiceGrid, length: int) -> tuple[Tensor, list[Ints]]:
    """Return the chances, (R,), and the plans of all readings of a piece of so many rows.

    Bars and keys are counted apart, each key once more than it occurs. Pieces without a key count where all are.
    """
    told = [plan for plan in grid.plans if plan.tonic != NO_TONIC]
    bars = Counter((plan.pickup, plan.bar) for plan in told or grid.plans)
    keys = Counter((mode, tonic) for mode in {plan.mode for plan in told} for tonic in range(PITCH_CLASSES))
    keys.update((plan.mode, plan.tonic) for plan in told or grid.plans)
    weights = torch.tensor([often * count for often in bars.values() for count in keys.values()], dtype=torch.float64)
    plans = [grid.told(plan_table(Summary(*bar, length, (), *key))) for bar in bars for key in keys]
    return weights / weights.sum(), plans


def read(grid: VoiceGrid, rows: Ints, ask: Ask, ask_well: Ask) -> Tensor:
    """Return what the ids of a piece get, (T, K), its readings being unknown.

    Args:
        grid: the representation.
        rows: the piece, (T, K).
        ask: asks about the opening, under all readings.
        ask_well: asks about the whole piece under the few that are left behind it.
    """
    prior, plans = readings(grid, len(rows))
    opening, chances = _mix(prior, prior, ask(rows[:OPENING], [plan[: OPENING + 1] for plan in plans]))
    if len(rows) <= OPENING:
        return opening
    left = (chances > LEAST).nonzero()[:, 0]
    given = ask_well(rows, [plans[index] for index in left.tolist()])
    rest, _ = _mix(prior[left], chances[left], given[:, OPENING:])
    return torch.cat([opening, rest])


def _mix(prior: Tensor, chances: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return what T rows get from R readings together, (T, K), and the readings' chances behind them, (R,).

    Args:
        prior: what the readings are as likely as when a new one begins, (R,).
        chances: what they are as likely as before the first row, (R,).
        given: what the ids get under each reading, (R, T, K).
    """
    prior, chances = prior / prior.sum(), chances / chances.sum()
    mixed = []
    for row in given.unbind(1):
        chances = (1 - CHANGE) * chances + CHANGE * prior
        got = []
        for cell in row.unbind(1):
            got.append((chances * cell).sum())
            chances = chances * cell / got[-1]
        mixed.append(torch.stack(got))
    return torch.stack(mixed), chances
