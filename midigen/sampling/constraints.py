"""Constraints: characters that would break a tune are not drawn. Legal ones keep their relative probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from midigen.errors import SamplingError
from midigen.representations.abc_characters import UNKNOWN
from midigen.sampling.abc_grammar import END, TuneGrammar
from midigen.sampling.abc_headers import MAX_TEXT
from midigen.scores.score import Ints


@dataclass
class Cut:
    """How much a constraint changed."""

    draws: int = 0
    mass: float = 0.0
    """Sum over the draws of the probability of what was not legal."""
    likeliest: int = 0
    """Draws in which the likeliest character was not legal."""

    @property
    def mean_mass(self) -> float:
        """Probability that was cut, per draw."""
        return self.mass / max(self.draws, 1)

    @property
    def share(self) -> float:
        """Share of the draws in which the likeliest character was not legal."""
        return self.likeliest / max(self.draws, 1)


class TuneConstraint:
    """Keeps several tunes, drawn side by side, valid."""

    def __init__(
        self,
        characters: str,
        longest: Sequence[int],
        given: Ints,
        bars: int | None = None,
        *,
        closes: bool = False,
    ) -> None:
        """Begin tunes with characters that are given already.

        Args:
            characters: what each id stands for.
            longest: at most how many characters each tune may have.
            given: ids with which all of them begin, (T, 1).
            bars: how many come behind that; None for as many as come.
            closes: whether the last of these bars ends with the tonic, see ``TuneGrammar``.

        Raises:
            SamplingError: a valid tune cannot begin like that; the sentence says which sign is in the way.
        """
        self.characters = characters
        self.cut = Cut()
        self._masks: dict[frozenset[str], Tensor] = {}
        self._grammars = [TuneGrammar(characters, most, len(given), bars, closes=closes) for most in longest]
        self._begin("".join(characters[row] for row in given[:, 0].tolist()))

    def _begin(self, text: str) -> None:
        for place, character in enumerate(text):
            if character not in self._grammars[0].legal:
                line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
                sign = "a sign that the model does not know" if character == UNKNOWN else repr(character)
                raise SamplingError(
                    f"The prompt cannot begin a valid tune: {sign} stands in line {line}, column {column}; "
                    "leave it out, or use --no-constrain."
                )
            for grammar in self._grammars:
                grammar.advance(character)

    def apply(self, logits: Tensor, ending: Tensor, lanes: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return logits (B, V) and log-odds of the end (B,), of which only what is legal is left for some lanes.

        Raises:
            SamplingError: the vocabulary lacks what would have to come next.
        """
        logits, ending = logits.double(), ending.double()
        shares, ends = logits.softmax(-1), ending.sigmoid()
        masked, odds = logits.clone(), ending.clone()
        for lane in lanes:
            legal = self._grammars[lane].legal
            if not legal:
                raise SamplingError(
                    "The model learned from tunes without the characters that a valid tune needs here: train it on "
                    "complete tunes, or use --no-constrain."
                )
            mask = self._mask(legal)
            kept, end = float(shares[lane][mask].sum()), float(ends[lane]) if END in legal else 0.0
            total = kept * (1 - float(ends[lane])) + end
            self.cut.draws += 1
            self.cut.mass += 1 - total
            self.cut.likeliest += not bool(mask[logits[lane].argmax()])
            odds[lane] = -torch.inf
            if END in legal:
                odds[lane] = ending[lane] - math.log(kept) if kept else torch.inf
            if mask.any():
                masked[lane].masked_fill_(~mask, -torch.inf)
        return masked, odds

    def _mask(self, legal: frozenset[str]) -> Tensor:
        if legal not in self._masks:
            self._masks[legal] = torch.tensor([character in legal for character in self.characters])
        return self._masks[legal]

    def advance(self, lane: int, index: int) -> None:
        """Go on behind a legal character that was drawn."""
        self._grammars[lane].advance(self.characters[index])

    def require_ends(self) -> None:
        """Check that every tune may end where it does.

        Raises:
            SamplingError: one cannot, for it had too few characters.
        """
        if not all(END in grammar.legal for grammar in self._grammars):
            raise SamplingError(
                f"No valid tune ends within so few characters: give --length {MAX_TEXT} or more, or --no-constrain."
            )
