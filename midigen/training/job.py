"""Job: one run of training, new, begun from someone's weights, or gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from midigen.checkpoints.run import read_config, read_trainer
from midigen.datasets.build import Dataset, load_dataset
from midigen.errors import CheckpointError, UsageError
from midigen.models.build import Architecture, architecture_from_json
from midigen.representations.representation import representation_from_json
from midigen.training.config import TrainConfig


@dataclass(frozen=True)
class Job:
    """A run: what is trained on which data, with which settings, and where it is kept."""

    name: str
    folder: Path
    dataset: Dataset
    model: Architecture
    config: TrainConfig
    weights: dict[str, Tensor] | None = None
    """Weights to begin with (fine-tuning)."""
    teachers: tuple[Path, ...] = ()
    """Checkpoint folders of networks for the same rows: what they expect on average is learned, not the pieces' ids.
    Pieces must be whole, without a sequence length."""
    resume: Path | None = None
    """The checkpoint folder to go on from."""
    keep_all: bool = False
    """Keep the checkpoint of every epoch, not only the best and the last."""


def resumed_job(folder: Path, changes: Mapping[str, Any]) -> Job:
    """Return the job that a checkpoint folder belongs to, to go on with; ``changes`` are settings to train with.

    Raises:
        UsageError: a change would not fit what was done so far.
        CheckpointError: the checkpoint is damaged, or its dataset is gone or has changed.
    """
    if fixed := changes.keys() & {"batch_size", "optimizer", "seed", "split"}:
        wrong = ", ".join(f"--{option.replace('_', '-')}" for option in sorted(fixed))
        raise UsageError(f"--resume goes on with the batches and the optimizer of the run; leave out {wrong}.")
    config = read_config(folder)
    trainer = read_trainer(folder)
    place = str(trainer.get("dataset"))
    dataset = load_dataset(Path(place))
    if dataset is None or dataset.corpus_hash != config["corpus_hash"]:
        raise CheckpointError(
            f"The dataset {place} of this run is gone or has changed, so it cannot go on; "
            f"begin a new run with its weights: midigen train SOURCE --from {config['name']}.",
            folder,
        )
    # What is known of ranges and keys stays what it was, also where the dataset has more pieces than say so.
    dataset = replace(dataset, representation=representation_from_json(config["representation"]))
    training = replace(TrainConfig(**config["training"]), **changes)
    keep_all = bool(trainer.get("keep_all"))
    model = architecture_from_json(config["model"])
    teachers = tuple(map(Path, trainer.get("teachers", ())))
    return Job(
        config["name"], folder.parent, dataset, model, training, teachers=teachers, resume=folder, keep_all=keep_all
    )
