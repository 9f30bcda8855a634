"""Guides: what bears on the draws besides the network."""

from __future__ import annotations

from typing import NamedTuple

import torch

from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.parts import Parts
from midigen.sampling.constraints import TuneConstraint
from midigen.sampling.draw import DrawSettings
from midigen.sampling.lane import Lane
from midigen.sampling.steering import Steerer
from midigen.scores.score import Ints


class Guides(NamedTuple):
    """What bears on the draws besides the network."""

    settings: DrawSettings
    constraint: TuneConstraint | None
    steerer: Steerer | None
    keeper: Parts | MidiTokTokens | None = None
    """What keeps parts in their ranges, and tokens in their order."""

    def bend(
        self, lanes: list[Lane], column: int, logits: torch.Tensor, context: Ints, drawn: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits (B, V) of a column as the steering wants them."""
        if self.keeper is not None:
            logits = self._keep(self.keeper, lanes, column, logits, drawn)
        if self.steerer is None:
            return logits
        bent = [
            logits[index]
            if lane.ended
            else self.steerer.bend(lane, column, logits[index], context[index], drawn[index].numpy())
            for index, lane in enumerate(lanes)
        ]
        return torch.stack([row.double() for row in bent])

    @staticmethod
    def _keep(
        keeper: Parts | MidiTokTokens, lanes: list[Lane], column: int, logits: torch.Tensor, drawn: torch.Tensor
    ) -> torch.Tensor:
        logits = logits.clone()
        for index, lane in enumerate(lanes):
            legal = None if lane.ended else keeper.legal(lane.rows, column, drawn[index].numpy())
            if legal is not None:
                logits[index].masked_fill_(~torch.from_numpy(legal), -torch.inf)
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
