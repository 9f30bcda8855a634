"""Mixtures: the likelihood of held-out pieces when more than the network alone has a say.

First the network is asked about a piece in keys around its own, and the distributions that it answers, each moved back,
are averaged. Behind that the piece may copy itself (``midigen.sampling.copying``). Both give distributions over the
next id that know nothing but the past, so what comes out is a likelihood like the network's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.checkpoints.run import Checkpoint
from midigen.corpora.fetch import Progress, no_progress
from midigen.datasets.batches import Steps, collate, prepare_steps
from midigen.datasets.build import Dataset
from midigen.evaluation.readings import read, unread_grid
from midigen.models.sequence_model import SequenceModel
from midigen.representations.notes import DRUMS, Notes
from midigen.representations.representation import Representation
from midigen.sampling.copying import NOWHERE, CopyRecipe, CopySettings, CopyStack, copy_places, recipe_for
from midigen.scores.score import Ints

MOST_SHIFT = 3
"""Semitones up and down in which the network is asked. Farther, the lowest notes would leave the grid."""
NOTHING = -1
"""Stands behind the end of a shorter piece."""
ASKED_TOGETHER = 64
"""Versions of a piece."""
MOST_CELLS = 400_000
MOST_COMPARED = 3_000_000_000
"""Cells times the rows that each is held against; a single long piece has many."""
LONGEST_TRANSPOSED = 1000
"""Rows of a piece that is asked about in every key."""
FITTED = ("begin", "stop", "slip_held", "slip_moved", "off_beat", "off_bar")
FIRST_STEP, LAST_STEP = 1.0, 0.25
"""Of the search for settings, in log odds."""


@dataclass(frozen=True)
class Cells:
    """P pieces side by side, padded."""

    rows: Tensor
    """(P, T, K) ids; NOTHING behind the end."""
    probabilities: Tensor
    """(P, T, K) what the network gave them; 1 behind the end."""
    places: Tensor | None = None
    """(P, T, 3) where copies may come from, see ``copy_places``."""

    def of(self, chosen: tuple[slice, ...]) -> Cells:
        """Return some pieces, or the same rows of all."""
        places = None if self.places is None else self.places[chosen]
        return Cells(self.rows[chosen], self.probabilities[chosen], places)

    @property
    def nll(self) -> float:
        """Nats a cell."""
        return float(-self.probabilities.log().sum() / (self.rows != NOTHING).sum())


def mixed_likelihoods(
    checkpoint: Checkpoint, dataset: Dataset, split: str, progress: Progress = no_progress
) -> dict[str, float]:
    """Return nats a note of a split, by what has a say beside the network.

    Nothing for a network that is not asked so when it composes, or where it would take more than minutes.
    """
    representation = checkpoint.representation
    # What is known of keys, bars and ranges is what the network's own training pieces say, whatever is measured.
    dataset = replace(dataset, representation=representation)
    recipe = recipe_for(checkpoint)
    rows = [dataset.manifest["pieces"][index]["rows"] for index in dataset.indices(split)]
    each = len(representation.fields) / representation.notes_per_row
    compared = len(rows) * max(rows) ** 2 * len(representation.fields)
    if recipe is None or not isinstance(checkpoint.model, SequenceModel):
        return {}
    if sum(rows) * each > MOST_CELLS or compared > MOST_COMPARED:
        return {}
    found = {}
    transposed = max(rows) <= LONGEST_TRANSPOSED and can_be_asked_in_keys(representation)
    is_unread = unread_grid(representation) is not None
    if is_unread or not transposed:
        cells = network_cells(checkpoint.model, dataset, split, progress, transposed=False)
    if is_unread:
        found["key and bars inferred"] = cells.nll * each
    if transposed:
        cells = network_cells(checkpoint.model, dataset, split, progress, transposed=True)
        found["averaged over transpositions"] = cells.nll * each
    return {**found, "copying itself": copied_cells(cells, recipe).nll * each}


def can_be_asked_in_keys(representation: Representation) -> bool:
    """Return whether every cell can be moved by itself: its pitch lies on an axis, and no later one decides if it does.

    Chord tokens lie on none. Whether a note moves with the key or is a drum's is drawn behind its pitch.
    """
    is_of_drums = isinstance(representation, Notes) and DRUMS in representation.programs
    return any(field.axis for field in representation.fields) and not is_of_drums


@torch.inference_mode()
def network_cells(
    model: SequenceModel, dataset: Dataset, split: str, progress: Progress = no_progress, *, transposed: bool
) -> Cells:
    """Return what a network gives the ids of a split, averaged over transpositions (where it can be) or not.

    Key and bars are inferred where they may not be told (``midigen.evaluation.readings``).
    """
    representation = dataset.representation
    ask = partial(_asked, model.eval(), representation)
    ask_well = partial(_averaged, model, representation) if transposed and can_be_asked_in_keys(representation) else ask
    grid = unread_grid(representation)
    pieces = [dataset.piece(index) for index in dataset.indices(split)]
    longest = max(len(rows) for rows, _ in pieces)
    shape = (len(pieces), longest, len(representation.fields))
    ids, probabilities = torch.full(shape, NOTHING), torch.ones(shape, dtype=torch.float64)
    for index, (rows, plan) in enumerate(pieces):
        ids[index, : len(rows)] = torch.from_numpy(rows)
        given = read(grid, rows, ask, ask_well) if grid else ask_well(rows, [plan])[0]
        probabilities[index, : len(rows)] = given
        progress(index + 1, len(pieces))
    return Cells(ids, probabilities, _places(dataset, split, longest))


def _places(dataset: Dataset, split: str, longest: int) -> Tensor | None:
    """Return the places of the rows of a split, padded to (P, longest, 3)."""
    found = []
    for index in dataset.indices(split):
        rows, plan = dataset.piece(index)
        context = torch.from_numpy(dataset.representation.context(rows, plan)[:-1])
        places = copy_places(dataset.representation.context_fields, context)
        if places is None:
            return None
        found.append(F.pad(places, (0, 0, 0, longest - len(rows)), value=NOWHERE))
    return torch.stack(found)


def _asked(model: SequenceModel, representation: Representation, rows: Ints, plans: list[Ints]) -> Tensor:
    """Return what the network gives the ids of a piece under each of R plans, (R, T, K)."""
    steps = [prepare_steps(representation, rows, plan) for plan in plans]
    given = []
    for first in range(0, len(steps), ASKED_TOGETHER):
        part = steps[first : first + ASKED_TOGETHER]
        asked = model.distributions(collate(part, [0] * len(part), len(part[0])))
        given.append(_of_ids([of_column[:, : len(rows)].double().exp() for of_column in asked], rows))
    return torch.cat(given)


def _of_ids(distributions: Sequence[Tensor], rows: Ints) -> Tensor:
    """Return the chances of a piece's ids, (..., T, K), from those of each column's ids, (..., T, size)."""
    ids = torch.from_numpy(rows)
    chosen = [d.gather(-1, ids[:, column, None].expand(*d.shape[:-1], 1)) for column, d in enumerate(distributions)]
    return torch.cat(chosen, dim=-1)


def _averaged(model: SequenceModel, representation: Representation, rows: Ints, plans: list[Ints]) -> Tensor:
    """Return what the network gives the ids of a piece under each of R plans, averaged over keys around it, (R, T, K).

    A key counts from the beginning until the past leaves the training voices' ranges in it: what is to come may not
    have a say in which keys are asked.
    """
    shifts = range(-MOST_SHIFT, MOST_SHIFT + 1)
    fitting = [range(1), *(representation.transpositions(rows[:step]) for step in range(1, len(rows)))]
    weights = torch.tensor([[shift in at for at in fitting] for shift in shifts], dtype=torch.float64)
    weights = weights / weights.sum(0)
    return torch.stack([_over_keys(model, representation, rows, plan, shifts, weights) for plan in plans])


def _over_keys(
    model: SequenceModel, representation: Representation, rows: Ints, plan: Ints, shifts: range, weights: Tensor
) -> Tensor:
    """Return what the ids of a piece get, (T, K), from all shifts in semitones with their weights, (shifts, T)."""
    steps = [_in_key(representation, rows, plan, shift) for shift in shifts]
    asked = model.distributions(collate(steps, [0] * len(steps), len(steps[0])))
    averaged = []
    for field, of_column in zip(representation.fields, asked, strict=True):
        chances = of_column[:, : len(rows)].double().exp()
        back = chances.clone()
        back[..., : field.axis] = 0
        for version, shift in enumerate(shifts if field.axis else ()):
            low, high = max(0, -shift), field.axis - max(0, shift)
            back[version, :, low:high] = chances[version, :, low + shift : high + shift]
        mean = (back * weights[..., None]).sum(0)
        averaged.append(mean / mean.sum(-1, keepdim=True))
    return _of_ids(averaged, rows)


def _in_key(representation: Representation, rows: Ints, plan: Ints, shift: int) -> Steps:
    """Return a piece moved; what would leave the axis stays at its end, so that every piece can be moved."""
    axes = np.array([field.axis for field in representation.fields])
    inside = np.clip(rows, max(0, -shift), axes - 1 - max(0, shift))
    moved = representation.transpose(np.where(rows < axes, inside, rows), plan, shift)
    assert moved is not None  # noqa: S101  # all of it lies on the axis
    return prepare_steps(representation, *moved)


def copied_cells(cells: Cells, recipe: CopyRecipe) -> Cells:
    """Return what the network and the copies give together."""
    stack = CopyStack(recipe, cells.rows.shape[2])
    mixed = torch.ones_like(cells.probabilities)
    for step in range(cells.rows.shape[1]):
        stack.begin_row(cells.rows[:, :step], None if cells.places is None else cells.places[:, : step + 1])
        for column in range(cells.rows.shape[2]):
            mixed[:, step, column] = stack.see(
                column, cells.rows[:, step, column], cells.probabilities[:, step, column]
            )
    return replace(cells, probabilities=torch.where(cells.rows == NOTHING, 1.0, mixed))


def fit_recipe(cells: Cells, nearest: int = 1) -> CopyRecipe:
    """Return the settings that explain some pieces best: one after the other is moved while that helps.

    Whole rows are copied from ``nearest`` rows back on.
    """
    recipe = CopyRecipe(CopySettings(nearest=nearest), CopySettings())
    best = copied_cells(cells, recipe).nll
    step = FIRST_STEP
    while step >= LAST_STEP:
        for part in ("rows", "column")[: cells.rows.shape[2]]:  # a single column is a whole row
            for name in FITTED:
                for move in (step, -step):
                    while (nll := copied_cells(cells, changed := _moved(recipe, part, name, move)).nll) < best - 1e-5:
                        recipe, best = changed, nll
        step /= 2
    return recipe


def _moved(recipe: CopyRecipe, part: str, name: str, move: float) -> CopyRecipe:
    """Return a recipe with the log odds of one setting moved."""
    settings = getattr(recipe, part)
    value = getattr(settings, name)
    moved = 1 / (1 + math.exp(-(math.log(value / (1 - value)) + move)))
    return recipe._replace(**{part: replace(settings, **{name: moved})})


def cross_fitted(cells: Cells, nearest: int = 1) -> float:
    """Return the nats a cell where each half of the pieces is copied by the settings that fit the other half."""
    halves = [cells.of((slice(half, None, 2),)) for half in (0, 1)]
    judged = [copied_cells(halves[half], fit_recipe(halves[1 - half], nearest)) for half in (0, 1)]
    counts: Sequence[int] = [int((half.rows != NOTHING).sum()) for half in halves]
    return float(np.average([half.nll for half in judged], weights=counts))
