"""Drawing: the rows of several pieces, step by step side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from midigen.models.sequence_model import end_and_rest
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid
from midigen.sampling.copying import CopyingStepper
from midigen.sampling.draw import draw
from midigen.sampling.guides import Guides
from midigen.sampling.lane import Lane, plans_side_by_side
from midigen.sampling.stepper import AnyStepper
from midigen.scores.score import Ints

LEAST_ROWS = 16
"""Of a piece that ends by itself."""


@torch.inference_mode()
def draw_rows(
    stepper: AnyStepper | CopyingStepper,
    representation: Representation,
    lanes: list[Lane],
    guides: Guides,
    progress: Callable[[int, int], None],
    *,
    may_end: bool,
) -> None:
    """Fill the lanes with rows, all of them step by step together, until each has come to its end.

    Args:
        stepper: takes the steps of the network.
        representation: of the rows.
        lanes: the pieces; all have as many rows that are given.
        guides: what bears on the draws.
        progress: is told how many steps are done, and of how many.
        may_end: whether the network decides where a piece ends.
    """
    may_end = may_end or guides.constraint is not None
    if isinstance(representation, VoiceGrid) and not representation.ahead:
        # A network that is not told how many bars are left cannot know the end; the plan does.
        may_end = False
    # A network ends a piece after three notes now and then; the grammar of tunes does not.
    least = LEAST_ROWS if guides.constraint is None else 0
    plans = plans_side_by_side(lanes)
    before = np.tile([column.size for column in representation.fields], (len(lanes), 1))
    context = representation.first_context(plans[:, 0])
    state = stepper.start(len(lanes))
    for step in range(plans.shape[1] - 1):
        hidden, state = stepper.advance(torch.from_numpy(before), torch.from_numpy(context), state)
        if step < lanes[0].given:
            before = np.stack([lane.table[step] for lane in lanes])
        else:
            before, ends = _draw_row(stepper, representation, lanes, hidden, context, guides)
            for index, lane in enumerate(lanes):
                is_end = may_end and ends[index] and step > max(lane.given, least)
                lane.ended |= step >= len(lane.plan) - 1 or bool(is_end)
                if not lane.ended:
                    lane.add(before[index], representation)
                    guides.advance(index, lane)
            if all(lane.ended for lane in lanes):
                break
        context = representation.next_context(context, before, plans[:, step + 1])
        progress(step + 1, plans.shape[1] - 1)


def _draw_row(
    stepper: AnyStepper | CopyingStepper,
    representation: Representation,
    lanes: list[Lane],
    hidden: torch.Tensor,
    context: Ints,
    guides: Guides,
) -> tuple[Ints, Ints]:
    """Return the next row of every lane, (B, K), and whether the piece ends before it, (B,)."""
    settings, columns = guides.settings, len(representation.fields)
    uniforms = torch.from_numpy(np.array([lane.rng.random(columns + 1) for lane in lanes]))
    known = torch.from_numpy(context)
    drawn = torch.zeros((len(lanes), 0), dtype=torch.int64)
    ends = torch.zeros(len(lanes), dtype=torch.bool)
    for column, described in enumerate(representation.fields):
        logits = stepper.logits(column, hidden, known, drawn)
        if column == 0:
            ending, logits = end_and_rest(logits)
            if guides.constraint is not None:
                going_on = [index for index, lane in enumerate(lanes) if not lane.ended]
                logits, ending = guides.constraint.apply(logits, ending, going_on)
            ending = guides.hold_back(lanes, ending, logits)
            is_argmax = settings.of(described.name) == 0
            ends = ending > 0 if is_argmax else uniforms[:, -1] < ending.double().sigmoid()
        logits = guides.bend(lanes, column, logits, context, drawn)
        copied = stepper.copied if isinstance(stepper, CopyingStepper) else None
        ids = draw(logits, uniforms[:, column], settings.of(described.name), settings, copied)
        drawn = torch.cat([drawn, ids[:, None]], dim=1)
    return drawn.numpy(), ends.numpy()
