"""Guides: what bears on the draws besides the network."""

from __future__ import annotations

from typing import NamedTuple

import torch

from midigen.representations.representation import Representation
from midigen.sampling.constraints import TuneConstraint
from midigen.sampling.draw import DrawSettings
from midigen.sampling.lane import Lane
from midigen.sampling.order import legal_ids
from midigen.sampling.steering import Steerer
from midigen.scores.score import Ints


class Guides(NamedTuple):
    """What bears on the draws besides the network."""

    settings: DrawSettings
    constraint: TuneConstraint | None
    steerer: Steerer | None
    ordered: Representation | None = None
    """Of the rows, if they are kept in order."""

    def bend(
        self, lanes: list[Lane], column: int, logits: torch.Tensor, context: Ints, drawn: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits (B, V) of a column as the steering wants them."""
        if self.ordered is not None:
            logits = self._in_order(self.ordered, lanes, column, logits, drawn)
        if self.steerer is None:
            return logits
        bent = [
            logits[index]
            if lane.ended
            else self.steerer.bend(lane, column, logits[index], context[index], drawn[index].numpy())
            for index, lane in enumerate(lanes)
        ]
        return torch.stack([row.double() for row in bent])

    def _in_order(
        self, ordered: Representation, lanes: list[Lane], column: int, logits: torch.Tensor, drawn: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits of what is legal, or all where the network thinks nothing of that possible."""
        any_range = self.steerer is not None and self.steerer.has_ranges
        logits = logits.clone()
        for index, lane in enumerate(lanes):
            legal = None if lane.ended else legal_ids(ordered, lane, column, drawn[index].numpy(), any_range=any_range)
            if legal is not None:
                kept = logits[index].where(torch.from_numpy(legal), -torch.inf)
                logits[index] = kept if bool(torch.isfinite(kept).any()) else logits[index]
        return logits

    def advance(self, index: int, lane: Lane) -> None:
        """Go on behind the row that was added to a lane."""
        if self.constraint is not None:
            self.constraint.advance(index, int(lane.rows[-1, 0]))
        if self.steerer is not None and not lane.ended:
            lane.ended = self.steerer.is_over(lane)

    def hold_back(self, lanes: list[Lane], ending: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of the end, (B,), where the steering lets a piece end or nothing else is legal."""
        if self.steerer is None:
            return ending
        may_end = [lane.ended or self.steerer.may_end(lane) for lane in lanes]
        may_go_on = torch.isfinite(logits).any(-1)
        return ending.masked_fill(~torch.tensor(may_end) & may_go_on & (ending < torch.inf), -torch.inf)
