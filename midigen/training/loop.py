"""The training loop, on Lightning Fabric: ``train`` starts, ``_fit`` goes through epochs, ``_epoch`` through batches.

All that is random in a batch (dropout, blanks) follows from the seed and the number of the batch, and in an epoch
(order, transposition) from the seed and the number of the epoch: a run stopped anywhere goes on as if it never was.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from midigen.datasets.batches import Batch, batches
from midigen.errors import TrainingError
from midigen.evaluation.likelihood import accuracy, nll_per_note, total_loss
from midigen.training.job import Job
from midigen.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric

INTERRUPTED, TERMINATED = "interrupted", "terminated"


class Reporter(Protocol):
    """Told how training goes, by the first process only."""

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:
        """A batch is done; the loss is the mean of the epoch so far, in nats a note."""

    def epoch(self, metrics: dict[str, float]) -> None:
        """An epoch is done."""


@dataclass(frozen=True)
class Hardware:
    """What to train on, in Fabric's words."""

    device: str = "auto"
    precision: str = "32-true"
    devices: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    history: list[dict[str, float]]
    best_epoch: int
    parameters: int
    seconds: float
    stopped_because: str


def train(job: Job, hardware: Hardware, reporter: Reporter) -> Outcome:
    """Train a network and leave its checkpoints in the job's folder.

    SIGINT and SIGTERM end it after the batch under way, which is saved. With several devices they end it at once.

    Raises:
        TrainingError: there is nothing to train on, the loss is no longer a number, or the device is not there.
        CheckpointError: a checkpoint cannot be written, or the one to go on from cannot be read.
    """
    from lightning_fabric import Fabric

    if not job.dataset.indices("train"):
        raise TrainingError(f"{job.dataset.folder} holds no piece to train on.", job.dataset.folder)
    try:
        fabric = Fabric(
            accelerator=hardware.device,
            strategy="ddp_spawn" if hardware.devices > 1 else "auto",
            devices=hardware.devices,
            precision=hardware.precision,
        )
    except (ValueError, RuntimeError) as error:
        raise TrainingError(f"Cannot train on {hardware.devices} x {hardware.device}: {error}") from error
    outcome: Outcome = fabric.launch(_fit, job, reporter)
    return outcome


def _fit(fabric: Fabric, job: Job, reporter: Reporter) -> Outcome:
    """Train until the budget is used up, patience is at its end, or someone asks to stop."""
    trainer = Trainer(fabric, job)
    progress, patience = trainer.progress, job.config.patience
    because = "the budget is used up"
    with _stop_requests() as requests:
        while trainer.budget_used(0.0) < 1:
            finished = _epoch(trainer, reporter, requests)
            if requests:
                because = requests[0]
            if not finished:
                trainer.save(is_best=progress.best_loss is None)
                break
            trainer.save(is_best=progress.best_epoch == progress.epoch)
            if fabric.is_global_zero:
                reporter.epoch(progress.history[-1])
            if requests:
                break
            if progress.epoch - progress.best_epoch >= patience:
                because = f"no better validation loss for {patience} epochs"
                break
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    return Outcome(progress.history, progress.best_epoch, parameters, progress.seconds, because)


def _epoch(trainer: Trainer, reporter: Reporter, requests: list[str]) -> bool:
    """Train on the rest of an epoch and validate; return False if a request to stop came before its end."""
    progress, config, fabric = trainer.progress, trainer.job.config, trainer.fabric
    dataset = trainer.job.dataset
    in_epoch = sum(dataset.manifest["pieces"][index]["rows"] for index in dataset.indices("train"))
    rng = np.random.default_rng([config.seed, progress.epoch])
    rows_seen, rate = 0, 0.0
    progress.sums = progress.sums or [0.0, 0.0, 0.0, 0.0]
    trainer.model.train()
    for number, batch in enumerate(batches(dataset, "train", config.batch_size, config.sequence_length, rng)):
        rows = int(batch.is_row.sum())
        if number >= progress.batch:
            rate = trainer.set_rate(rows_seen / in_epoch)
            _step(trainer, batch, rows)
            nats, _, rows_done, seconds = progress.sums
            if fabric.is_global_zero:
                per_note = nats / rows_done / dataset.representation.notes_per_row
                reporter.batch(trainer.budget_used((rows_seen + rows) / in_epoch), per_note, rows_done / seconds)
        rows_seen += rows
        if requests or (trainer.budget_used(0.0) >= 1 and config.epochs is None):
            break
    if requests and rows_seen < in_epoch:
        return False
    _close_epoch(trainer, rate)
    return True


def _step(trainer: Trainer, batch: Batch, rows: int) -> None:
    """Take one optimizer step on a batch of all processes together, with so many rows."""
    progress, config, fabric = trainer.progress, trainer.job.config, trainer.fabric
    started = time.perf_counter()
    torch.manual_seed(_mix(config.seed, progress.optimizer_step, fabric.global_rank))
    share = batch.share(fabric.global_rank, fabric.world_size).to(fabric.device)
    loss, state = trainer.wrapped(share, trainer.state)
    trainer.state = None if config.sequence_length is None else tuple(part.detach() for part in state)
    # Each process has its own share of the rows, and the gradients are averaged over the processes.
    objective = (loss.columns.sum() + loss.end) * (fabric.world_size / (max(rows, 1) * len(loss.columns)))
    if not torch.isfinite(objective):
        raise TrainingError("The loss is no longer a number: try a lower --learning-rate.", trainer.job.folder)
    fabric.backward(objective)
    fabric.clip_gradients(trainer.wrapped, trainer.optimizer, max_norm=config.clip, error_if_nonfinite=False)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    progress.optimizer_step += 1
    progress.batch += 1
    trainer.update_average()
    mine = (loss.columns.sum().detach(), loss.correct.sum(), loss.rows)
    nats, correct, counted = (float(fabric.all_reduce(value.double(), reduce_op="sum")) for value in mine)
    elapsed = time.perf_counter() - started
    progress.sums = [a + b for a, b in zip(progress.sums, (nats, correct, counted, elapsed), strict=True)]
    progress.seconds += elapsed


def _close_epoch(trainer: Trainer, rate: float) -> None:
    """Validate and note the epoch's metrics."""
    progress, fabric, dataset = trainer.progress, trainer.fabric, trainer.job.dataset
    config, notes_per_row = trainer.job.config, dataset.representation.notes_per_row
    started = time.perf_counter()
    nats, correct, rows, seconds = progress.sums
    columns = len(dataset.representation.fields)
    progress.epoch, progress.batch, progress.sums, trainer.state = progress.epoch + 1, 0, [], None
    metrics = {
        "epoch": float(progress.epoch),
        "train_loss": nats / rows / notes_per_row,
        "train_accuracy": correct / rows / columns,
        "learning_rate": rate,
        "tokens_per_second": rows / seconds,
    }
    held_out = batches(dataset, "valid", config.batch_size, config.sequence_length)
    shares = (batch.share(fabric.global_rank, fabric.world_size) for batch in held_out)
    loss = total_loss(trainer.average, shares, fabric.device)
    if loss is not None:
        loss = fabric.all_reduce(loss, reduce_op="sum")
        metrics["valid_loss"] = nll_per_note(loss, notes_per_row)
        metrics["valid_accuracy"] = accuracy(loss)
    if loss is None or progress.best_loss is None or metrics["valid_loss"] < progress.best_loss:
        progress.best_loss, progress.best_epoch = metrics.get("valid_loss"), progress.epoch
    progress.seconds += time.perf_counter() - started
    progress.history.append({**metrics, "seconds": progress.seconds})


def _mix(*numbers: int) -> int:
    """Return one seed for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@contextmanager
def _stop_requests() -> Iterator[list[str]]:
    """Yield a list that a first SIGINT or SIGTERM writes a word into; a second one acts as it always does."""
    requests: list[str] = []
    words = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    usual: dict[int, Any] = {number: signal.getsignal(number) for number in words}

    def note(number: int, _frame: object) -> None:
        requests.append(words[signal.Signals(number)])
        signal.signal(number, usual[number])

    for number in words:
        signal.signal(number, note)
    try:
        yield requests
    finally:
        for signal_number, handler in usual.items():
            signal.signal(signal_number, handler)
