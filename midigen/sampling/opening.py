"""The opening that a network which reads windows goes on from when the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from midigen.checkpoints.run import Checkpoint, training_dataset
from midigen.datasets.build import Dataset
from midigen.sampling.generate import Prompt
from midigen.scores.score import Metre


def held_out_opening(checkpoint: Checkpoint, seed: int, metre: Metre | None = None) -> Prompt | None:
    """Return as many rows as the network reads, from a random place in the pieces held out in its training.

    None for other networks, and where the dataset is no longer there. Such networks are blind to bars, so that any
    metre may be written over the opening.
    """
    window: int | None = checkpoint.model.window
    if window is None:
        return None
    dataset = training_dataset(checkpoint)
    if dataset is None:
        return None
    # Dealt out by windows, the validation pieces were trained on, too.
    splits = ("test",) if checkpoint.config["training"]["split"] == "window" else ("valid", "test")
    opening = random_opening(dataset, splits, window, seed)
    if opening is None or metre is None:
        return opening
    return replace(opening, score=replace(opening.score, metres=(metre,)))


def random_opening(dataset: Dataset, splits: Sequence[str], window: int, seed: int) -> Prompt | None:
    """Return a window of rows from a random place in the pieces of some splits; None if all of them are shorter."""
    pieces = [dataset.piece(index) for split in splits for index in dataset.indices(split)]
    long_enough = [(rows, plan) for rows, plan in pieces if len(rows) > window]
    if not long_enough:
        return None
    rng = np.random.default_rng(seed)
    rows, plan = long_enough[rng.integers(len(long_enough))]
    start = int(rng.integers(len(rows) - window))
    representation = dataset.representation
    return Prompt(representation.decode(*representation.excerpt(rows, plan, start, start + window)))
