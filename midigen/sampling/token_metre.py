"""TokenMetre: the metre of pieces in MidiTok's tokens. See ``midigen.sampling.steering``."""

from __future__ import annotations

from torch import Tensor

from midigen.errors import RepresentationError, UsageError
from midigen.representations.miditok_bars import Octuple
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.sampling.lane import Lane
from midigen.sampling.rules import Rule, only
from midigen.scores.score import Ints, Metre


class TokenMetre(Rule):
    """No metre but one.

    Raises:
        UsageError: the metre has no token.
    """

    def __init__(self, tokens: MidiTokTokens, metre: Metre) -> None:
        try:
            known = tokens.in_metre(metre)
        except RepresentationError as error:
            raise UsageError(f"--meter is not possible here: {error}.") from error
        self._biases = {} if known is None else {known[0]: only(known[1])}
        self._opening = only(tokens.within(metre)) if isinstance(tokens, Octuple) else None

    def bias(self, lane: Lane, column: int, context: Ints, drawn: Ints) -> Tensor | None:  # noqa: ARG002
        """See Rule. The first row of Octuple tells a position before it tells the metre."""
        if self._opening is not None and lane.count == 0 and column == 1:
            return self._opening
        return self._biases.get(column)
