"""Measures what averaging over transpositions and copying gain, and fits how a representation's pieces copy themselves.

The settings are fitted on the validation pieces, which flatters their own figure. Beside it stands the cross-fitted
one: each half of the pieces is judged by the settings that fit the other half. The test pieces fit nothing.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from midigen.checkpoints.run import find_checkpoint, load_checkpoint, training_dataset
from midigen.datasets.build import prepare
from midigen.errors import MidigenError
from midigen.evaluation.mixtures import (
    LONGEST_TRANSPOSED,
    Cells,
    copied_cells,
    cross_fitted,
    fit_recipe,
    network_cells,
)
from midigen.models.sequence_model import SequenceModel
from midigen.sampling.copying import recipe_for


def show(name: str, valid: Cells, test: Cells) -> None:
    """Print nats a cell."""
    print(f"{name:30} {valid.nll:.4f} {test.nll:.4f}", flush=True)


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--source", help="by default what the model was trained on")
    parser.add_argument("--rows", type=int, help="read so many of each piece only")
    parser.add_argument("--fit", action="store_true", help="fit the settings anew, which takes minutes")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    try:
        measure(parser.parse_args())
    except MidigenError as error:
        sys.exit(f"Error: {error}")


def measure(given: argparse.Namespace) -> None:
    """Measure, fit and print."""
    checkpoint = load_checkpoint(find_checkpoint(given.model, given.checkpoints))
    like, model, recipe = checkpoint.representation, checkpoint.model, recipe_for(checkpoint)
    source = given.source or str(checkpoint.config["source"])
    dataset = None if given.source else training_dataset(checkpoint)
    dataset = dataset or prepare(source, given.corpora, like.name, dict(like.options), like)[0]
    dataset = replace(dataset, representation=like)
    assert isinstance(model, SequenceModel)
    assert recipe is not None

    def cells(split: str, *, transposed: bool) -> Cells:
        return network_cells(model, dataset, split, transposed=transposed).of((slice(None), slice(given.rows)))

    torch.set_num_threads(1)
    print(f"{'nats a cell':30} valid  test")
    show("the network alone", *(cells(split, transposed=False) for split in ("valid", "test")))
    are_short = max(piece["rows"] for piece in dataset.manifest["pieces"]) <= LONGEST_TRANSPOSED
    valid, test = (cells(split, transposed=are_short) for split in ("valid", "test"))
    if are_short:
        show("averaged over transpositions", valid, test)
    show("and copying itself", copied_cells(valid, recipe), copied_cells(test, recipe))
    if given.fit:
        fitted = fit_recipe(valid, recipe.rows.nearest)
        show("  with settings fitted here", copied_cells(valid, fitted), copied_cells(test, fitted))
        print(f"{'  cross-fitted':30} {cross_fitted(valid, recipe.rows.nearest):.4f}")
        print(fitted)


if __name__ == "__main__":
    main()
