"""Trainer: network, optimizer, running average and progress, as one thing that can be saved and loaded."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from midigen import __version__
from midigen.checkpoints.run import (
    Snapshot,
    load_checkpoint,
    load_trainer_tensors,
    load_weights,
    read_trainer,
    save_checkpoint,
    write_metrics,
)
from midigen.datasets.batches import Batch
from midigen.datasets.build import SPLITS
from midigen.errors import CheckpointError, TrainingError
from midigen.models.build import make_network
from midigen.models.network import State
from midigen.models.sequence_model import SequenceModel
from midigen.representations.representation import Json
from midigen.training.job import Job
from midigen.training.optimizers import find_optimizer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


LEAST_GAIN = 0.01
"""Nats a note by which a training loss must fall to be better, where nothing is held out."""


@dataclass
class Progress:
    """Where training stands; saved as trainer.json."""

    epoch: int = 0
    """Whole epochs done."""
    batch: int = 0
    """Batches done of the epoch that is under way."""
    optimizer_step: int = 0
    seconds: float = 0.0
    """Time spent so far, earlier sessions included."""
    best_loss: float | None = None
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """One mapping of metrics an epoch."""
    sums: list[float] = field(default_factory=list)
    """Of the epoch under way: nats, correct ids, rows, seconds."""
    samples: list[dict[str, float]] = field(default_factory=list)
    """The figures of each sample, see ``midigen.training.samples``."""
    sample_seconds: float = 0.0
    """Time spent on them, which is not among the seconds."""


class Trainer:
    """See the module's text."""

    def __init__(self, fabric: Fabric, job: Job) -> None:
        if job.teachers and job.config.sequence_length is not None:
            raise TrainingError("Teachers are asked about whole pieces: leave the sequence length out.", job.folder)
        self.fabric, self.job, self.progress = fabric, job, Progress()
        representation = job.dataset.representation
        torch.manual_seed(job.config.seed)
        self.model = make_network(representation, job.model)
        if job.weights is not None:
            self.model.load_state_dict(job.weights)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False).to(fabric.device)
        recipe = find_optimizer(job.config.optimizer)
        self.highest_rate = job.config.learning_rate or recipe.learning_rate
        optimizer = recipe.make(self.model.parameters(), self.highest_rate, job.config.weight_decay)
        self.wrapped, self.optimizer = fabric.setup(self.model, optimizer)
        self.teachers = [_teacher(folder).to(fabric.device) for folder in job.teachers]
        self.state: State | None = None
        """What the streams carry into the next batch."""
        if job.resume is not None:
            self._load(job.resume)
        self.began = time.perf_counter() - self.progress.seconds

    def taught(self, batch: Batch) -> list[Tensor] | None:
        """Return what teachers, if there are any, on average give each column's ids of whole pieces, (B, T, size)."""
        if not self.teachers:
            return None
        with torch.no_grad(), self.fabric.autocast():
            asked = [teacher.distributions(batch) for teacher in self.teachers]
        return [torch.stack([of.float().exp() for of in column]).mean(0) for column in zip(*asked, strict=True)]

    def take_time(self) -> None:
        """Note the time spent, the first process's in all of them: they must agree on what is left of the minutes."""
        self.progress.seconds = self.fabric.broadcast(time.perf_counter() - self.began)

    def budget_used(self, share_of_epoch: float) -> float:
        """Return how much of the epochs, minutes or iterations is gone, 0 to 1."""
        config, done = self.job.config, self.progress
        by_epochs = 0.0 if config.epochs is None else (done.epoch + share_of_epoch) / config.epochs
        by_minutes = 0.0 if config.minutes is None else done.seconds / 60 / config.minutes
        by_iterations = 0.0 if config.iterations is None else done.optimizer_step / config.iterations
        return max(by_epochs, by_minutes, by_iterations)

    def out_of_patience(self) -> str | None:
        """Return why training is to stop before its budget is used up; None if it is not.

        Without validation the training loss must go on falling, and once it is learned by heart it does not. In the
        warm-up it hardly falls.
        """
        done, patience = self.progress, self.job.config.patience
        if done.epoch - done.best_epoch >= patience:
            return f"no better validation loss for {patience} epochs"
        losses = [row["train_loss"] for row in done.history]
        if done.best_loss is not None or len(losses) <= patience or self.budget_used(0.0) <= self.job.config.warm_up:
            return None
        if min(losses[-patience:]) <= min(losses[:-patience]) - LEAST_GAIN:
            return None
        return f"nothing is held out, and the training loss has not fallen by {LEAST_GAIN} for {patience} epochs"

    def set_rate(self, share_of_epoch: float) -> float:
        """Set and return the learning rate that the schedule gives now."""
        rate = self.highest_rate * self.job.config.rate(self.budget_used(share_of_epoch))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def update_average(self) -> None:
        """Move the running average towards the weights, faster at first, when it knows little."""
        step = self.progress.optimizer_step
        decay = min(self.job.config.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for averaged, weight in zip(self.average.parameters(), self.model.parameters(), strict=True):
                averaged.lerp_(weight, 1 - decay)
            for kept, statistic in zip(self.average.buffers(), self.model.buffers(), strict=True):
                kept.copy_(statistic)

    def save(self, *, is_best: bool) -> None:
        """Write a checkpoint, named after the epoch, and after the batch in the middle of one."""
        if not self.fabric.is_global_zero:
            return
        name = f"epoch-{self.progress.epoch:04d}"
        if self.progress.batch:
            name += f"-batch-{self.progress.batch:05d}"
        save_checkpoint(self.job.folder, name, self._snapshot(), is_best=is_best, keep_all=self.job.keep_all)
        if self.progress.history:
            write_metrics(self.job.folder, self.progress.history)

    def _snapshot(self) -> Snapshot:
        job, moments = self.job, self.optimizer.state_dict()["state"]
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, values in moments.items():
            known = {name: torch.as_tensor(value) for name, value in values.items() if value is not None}
            tensors |= {f"optimizer.{index}.{name}": value for name, value in known.items()}
        tensors |= {f"state.{index}": tensor for index, tensor in enumerate(self.state or ())}
        pieces = job.dataset.manifest["pieces"]
        config: Json = {
            "name": job.name,
            "midigen": __version__,
            "source": job.dataset.manifest["source"],
            "corpus_hash": job.dataset.corpus_hash,
            "representation": job.dataset.representation.to_json(),
            "model": asdict(job.model),
            "training": asdict(job.config),
            "split": {split: [piece["name"] for piece in pieces if piece["split"] == split] for split in SPLITS},
            "metrics": self.progress.history[-1] if self.progress.history else {},
        }
        trainer = {
            "dataset": str(job.dataset.folder.resolve()),
            "keep_all": job.keep_all,
            "teachers": [str(folder.resolve()) for folder in job.teachers],
            "progress": asdict(self.progress),
        }
        return Snapshot(_on_cpu(self.average.state_dict()), config, _on_cpu(tensors), trainer)

    def _load(self, folder: Path) -> None:
        tensors = load_trainer_tensors(folder)
        try:
            self.progress = Progress(**read_trainer(folder)["progress"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{folder} does not say where training stood.", folder) from error
        self.average.load_state_dict(load_weights(folder))
        self.model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        carried = sorted(name for name in tensors if name.startswith("state."))
        self.state = tuple(tensors[name].to(self.fabric.device) for name in carried) or None


def _teacher(folder: Path) -> SequenceModel:
    model = load_checkpoint(folder).model
    if not isinstance(model, SequenceModel):
        raise TrainingError(f"{folder} is a published network, which cannot teach.", folder)
    return model


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors for saving; safetensors refuses memory that two of them share."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
