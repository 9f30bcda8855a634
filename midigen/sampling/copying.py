"""Copying: a piece that comes back to what it said before.

Two pieces of music in three say something again, word for word: the first half of a chorale is sung twice. A recurrent
network forgets the words. Here a hidden Markov model stands beside it: at each step the piece either goes on as the
network says, or copies what stood d steps earlier, for some d. A copied cell is the earlier one, but for a slip, after
which it is drawn from the network. What is seen of each cell says by Bayes' rule how likely each d is, so that a copied
run of quavers counts for more than a held chord. The mixture is a distribution over the ids at every cell, known from
the past alone. One such model copies whole rows; behind it stands one for each column, for a voice that comes back
alone. In tunes by character and in ensembles only what stands at the same place in the bar is copied.

The idea of mixing a cache of the past into a network is that of Grave, Joulin and Usunier (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from midigen.checkpoints.run import Checkpoint
from midigen.fields import Field
from midigen.models.network import State
from midigen.models.sequence_model import SequenceModel, end_and_rest
from midigen.representations.abc_context import HEADER_KINDS
from midigen.sampling.draw import DrawSettings
from midigen.sampling.stepper import AnyStepper, make_stepper

BEAT, BAR = 4, 16
"""Rows; distances that are a multiple of these are likelier."""
PLACE = ("kind of text", "place in the bar", "left of the bar", "bars of the part", "place behind them")
"""Columns of the context of ABC characters."""
PLACE_OF_PARTS = "place in the metre"
"""Column of the context of an ensemble: it copies from the same place in the bar."""
PHRASE, LONGEST_PART = 4, 16
"""Bars. Only one part of a hundred in the books is longer, but copies of its own bars would go on and on."""
NOWHERE = -1
"""A place in the bar that is in none."""
COLDEST = 0.05
"""Temperature of the network beside copies where 0 is asked for: what is not the likeliest must stay possible."""


@dataclass(frozen=True)
class CopySettings:
    """How one such model copies; all are probabilities or shares from 0 to 1."""

    begin: float = 0.01
    """Chance a row that copying begins."""
    stop: float = 0.02
    """Chance a row that it stops."""
    slip_held: float = 0.03
    """Chance that a cell that would only be held is not copied."""
    slip_moved: float = 0.01
    """The same of a cell that would move."""
    off_beat: float = 0.5
    """Weight of a distance that is no multiple of a beat, beside one that is."""
    off_bar: float = 0.5
    """Weight of a distance that is no multiple of a bar, beside one that is; in tunes by character of what stands in
    another bar of four."""
    nearest: int = 1
    """Rows back from which on copying may begin: what copies the bar before goes round in circles."""


class CopyRecipe(NamedTuple):
    """The models behind one another: for whole rows, then for single columns."""

    rows: CopySettings
    column: CopySettings


RECIPES = {
    "grid": CopyRecipe(
        CopySettings(0.0015, 0.02, 0.029, 0.001, 0.002, 0.05, nearest=2 * BAR),
        CopySettings(0.0032, 0.084, 0.004, 0.001, 0.063, 0.125),
    ),
    "notes": CopyRecipe(CopySettings(begin=1e-9), CopySettings(0.041, 0.053, 0.049, 0.049, 0.945, 0.961)),
    # Not the likeliest: single columns and quick slips give a part the pitches of another.
    "parts": CopyRecipe(CopySettings(0.02, 0.06, 0.03, 0.03, nearest=16), CopySettings(begin=1e-9)),
    "chords": CopyRecipe(CopySettings(0.066, 0.084, 0.78, 0.061, 0.79, 0.85), CopySettings()),
    # Not the likeliest, by 0.004 nats: with those fewer than half as many bars come again as in the books.
    "abc": CopyRecipe(CopySettings(0.06, 0.02, 0.002, 0.002, off_bar=0.014, nearest=24), CopySettings()),
}
"""By representation; fitted on validation pieces (``midigen.evaluation.mixtures``)."""


def recipe_for(checkpoint: Checkpoint) -> CopyRecipe | None:
    """Return how pieces of a checkpoint copy themselves; None for the published networks, which stay as they are.

    Nor do tunes of earlier versions' networks, which know nothing of the place in the bar.
    """
    is_ours = isinstance(checkpoint.model, SequenceModel) and checkpoint.representation.options.get("form", True)
    return RECIPES.get(checkpoint.representation.name) if is_ours else None


def copy_places(fields: Sequence[Field], context: Tensor) -> Tensor | None:
    """Return where rows stand that may copy each other from the same place only, (..., 3), from their context (..., C).

    Of each row the place in the bar and behind the whole bars of the part, NOWHERE in a header and in parts that have
    become too long, and another one in the last of eight bars, where a phrase closes; the bar of a phrase of four; and,
    behind a full bar or a whole number of them, which bar of the part it was, else 0: if the part ends there is copied
    from the same bar only. None where all may copy.
    """
    names = [field.name for field in fields]
    if PLACE_OF_PARTS in names:
        place = context[..., names.index(PLACE_OF_PARTS)]
        return torch.stack([place, torch.zeros_like(place), torch.zeros_like(place)], dim=-1)
    if not set(PLACE) <= set(names):
        return None
    kind, place, left, bars, rest = (context[..., names.index(name)] for name in PLACE)
    is_close = bars % (2 * PHRASE) == 2 * PHRASE - 1
    in_bar = (((kind * 100 + place) * 100 + left) * 100 + rest) * 2 + is_close
    is_copied = (kind >= HEADER_KINDS) & (bars < LONGEST_PART)
    ended = torch.where((left <= 1) | ((rest == 0) & (bars % PHRASE == 0)), bars, 0)
    return torch.stack([torch.where(is_copied, in_bar, NOWHERE), bars % PHRASE, ended], dim=-1)


class Copying:
    """One hidden Markov model over the rows of B pieces, or over one column of them, step by step."""

    def __init__(self, settings: CopySettings) -> None:
        self.settings = settings
        self.none = torch.ones(0)
        """(B,) chance that nothing is copied."""
        self.weights = torch.ones(0)
        """(B, t) chance that what stands so many rows earlier is copied; the distance 1 comes last."""

    def begin_row(self, past: Tensor, places: Tensor | None = None) -> None:
        """Go on to the next row, behind ``past`` (B, t, K); ``places`` (B, t + 1, 3) are those of ``copy_places``."""
        batch, length, _ = past.shape
        self.past = past
        self.intact = (
            torch.ones(batch, length, dtype=torch.bool) if places is None else places[:, :-1, 2] == places[:, -1:, 2]
        )
        if length == 0:
            self.none, self.weights = torch.ones(batch, dtype=torch.float64), torch.zeros(batch, 0, dtype=torch.float64)
            return
        prior = self._by_distance(length) if places is None else self._by_place(places)
        prior[:, max(length - self.settings.nearest + 1, 0) :] = 0
        total = prior.sum(1, keepdim=True)
        begun = self.none * self.settings.begin * (total[:, 0] > 0)
        copying = torch.cat([torch.zeros(batch, 1, dtype=torch.float64), self.weights], dim=1)
        going_on = copying * (1 - self.settings.stop)
        if places is not None:
            going_on = going_on * (prior > 0)
        self.weights = going_on + begun[:, None] * (prior / total.clamp(min=1e-300))
        self.none = self.none - begun + (copying - going_on).sum(1)

    def _by_distance(self, length: int) -> Tensor:
        """Return how likely copying begins at each distance, (1, t), but for a factor."""
        distances = torch.arange(length, 0, -1)
        prior = torch.ones(length, dtype=torch.float64)
        for every, weight in ((BEAT, self.settings.off_beat), (BAR, self.settings.off_bar)):
            prior[distances % every != 0] *= weight
        return prior[None]

    def _by_place(self, places: Tensor) -> Tensor:
        """Return the same, (B, t), where only the same place in the bar is copied from."""
        is_place, is_bar, _ = (places[:, :-1] == places[:, -1:]).unbind(-1)
        likely = torch.where(is_bar, 1.0, self.settings.off_bar).double()
        return torch.where(is_place & (places[:, -1:, 0] != NOWHERE), likely, 0.0)

    def mix(self, column: int, probabilities: Tensor) -> Tensor:
        """Return the network's probabilities of a column's ids, (B, size), with what is copied mixed in."""
        copied = self.weights * (1 - self._slip(column))
        rest = (1 - copied.sum(1)).clamp(min=0)
        return (probabilities * rest[:, None]).scatter_add(1, self.past[:, :, column], copied)

    def see(self, column: int, ids: Tensor, probability: Tensor) -> Tensor:
        """Learn what stands in a column, (B,), and what the network gave that, (B,); return what the mixture did."""
        is_copy = self.past[:, :, column] == ids[:, None]
        slip = self._slip(column)
        explained = slip * probability[:, None] + (1 - slip) * is_copy
        self.weights, self.none = self.weights * explained, self.none * probability
        total = (self.weights.sum(1) + self.none).clamp(min=1e-300)
        self.weights, self.none = self.weights / total[:, None], self.none / total
        self.intact = self.intact & is_copy
        return total

    def _slip(self, column: int) -> Tensor:
        """Return the chance of not copying a cell, (B, t): certain in a row that has slipped or is not to be copied."""
        earlier = self.past[:, :, column]
        slip = torch.where(earlier == earlier[:, -1:], self.settings.slip_held, self.settings.slip_moved)
        return torch.where(self.intact, slip, 1.0)


class CopyStack:
    """The models of a recipe behind one another, over rows of K columns."""

    def __init__(self, recipe: CopyRecipe, columns: int) -> None:
        self.whole = Copying(recipe.rows)
        self.single = [Copying(recipe.column) for _ in range(columns)] if columns > 1 else []

    def begin_row(self, past: Tensor, places: Tensor | None = None) -> None:
        """Go on to the next row, behind ``past`` (B, t, K), with the ``places`` (B, t + 1, 3) of ``copy_places``."""
        for model in (self.whole, *self.single):
            model.begin_row(past, places)

    def mix(self, column: int, probabilities: Tensor) -> Tensor:
        """Return the probabilities of a column's ids, (B, size), of the network and the copies together."""
        mixed = self.whole.mix(column, probabilities)
        return self.single[column].mix(column, mixed) if self.single else mixed

    def see(self, column: int, ids: Tensor, probability: Tensor) -> Tensor:
        """Learn what stands in a column, (B,), and what the network gave that, (B,); return what the mixture did."""
        mixed = self.whole.see(column, ids, probability)
        return self.single[column].see(column, ids, mixed) if self.single else mixed


class CopyingStepper:
    """A stepper whose network is mixed with copies of the pieces' own past; the end is the network's.

    Each column's temperature bears on the network alone: one below 1 that sharpened the mixture would make a copy ever
    more certain, and pieces would go round in circles. So what ``logits`` gives is the mixture once it is divided by
    the temperature, as draws do. Nor do top-k, top-p and min-p cut what is ``copied``: a copy begins as something
    unlikely, and would never do so.
    """

    def __init__(
        self, stepper: AnyStepper, recipe: CopyRecipe, temperatures: Sequence[float], context: Sequence[Field] = ()
    ) -> None:
        """Mix a stepper with copies, at a temperature for each column; ``context`` describes what rows are told."""
        self.stepper, self.start, self.stack = stepper, stepper.start, CopyStack(recipe, len(temperatures))
        self.temperatures, self.context_fields = temperatures, context
        self.past: Tensor | None = None
        """(B, t, K) rows so far; None before the first step."""
        self.places: Tensor | None = None
        self.copied = torch.zeros(0)
        """(B, V) share of each id's probability, in the column asked for last, that is copied."""

    def advance(self, before: Tensor, context: Tensor, state: State) -> tuple[Tensor, State]:
        """See Network. The row before may be another than the one drawn, as in a prompt."""
        if self.past is None:
            self.past = before[:, None][:, :0]
        else:
            self._see(before)
            self.past = torch.cat([self.past, before[:, None]], dim=1)
        place = copy_places(self.context_fields, context[:, None])
        if place is not None:
            self.places = place if self.places is None else torch.cat([self.places, place], dim=1)
        self.stack.begin_row(self.past, self.places)
        hidden, state = self.stepper.advance(before, context, state)
        self.hidden, self.context, self.seen = hidden, context, 0
        self.asked: list[Tensor] = []
        """The network's own probabilities of the columns asked for so far, at their temperatures."""
        return hidden, state

    def logits(self, column: int, hidden: Tensor, context: Tensor, drawn: Tensor) -> Tensor:
        """See Network."""
        self._see(drawn)
        ids = self.stepper.logits(column, hidden, context, drawn)
        ending = None
        if column == 0:
            ending, ids = end_and_rest(ids)
        temperature = self.temperatures[column]
        self.asked.append((ids.double() / max(temperature, COLDEST)).softmax(-1))
        together = self.stack.mix(column, self.asked[column])
        self.copied = self.stack.mix(column, torch.zeros_like(together)) / together.clamp(min=1e-300)
        mixed = together.log() * (temperature or 1)
        if ending is None:
            return mixed
        return torch.cat([mixed, (ending.double() + mixed.logsumexp(-1))[:, None]], dim=-1)

    def _see(self, drawn: Tensor) -> None:
        """Tell the copies of the columns drawn of this row that they do not know yet."""
        for column in range(self.seen, drawn.shape[1]):
            if column == len(self.asked):
                self.logits(column, self.hidden, self.context, drawn[:, :column])
            ids = drawn[:, column]
            self.stack.see(column, ids, self.asked[column].gather(1, ids[:, None])[:, 0])
            self.seen = column + 1


def stepper_of(checkpoint: Checkpoint, settings: DrawSettings) -> AnyStepper | CopyingStepper:
    """Return what takes the steps of a checkpoint's network, with copies where there is a recipe for them."""
    stepper, recipe = make_stepper(checkpoint.model), recipe_for(checkpoint)
    if recipe is None:
        return stepper
    like = checkpoint.representation
    return CopyingStepper(stepper, recipe, [settings.of(field.name) for field in like.fields], like.context_fields)
