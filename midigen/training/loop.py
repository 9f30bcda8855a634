"""The training loop, on Lightning Fabric: ``train`` starts, ``_fit`` goes through epochs, ``_epoch`` through batches.

All that is random in a batch (dropout, blanks) follows from the seed and the number of the batch, and in an epoch
(order, transposition) from the seed and the number of the epoch: a run stopped anywhere goes on as if it never was.
"""

from __future__ import annotations

import atexit
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.multiprocessing.spawn import ProcessException

from midigen.checkpoints.run import find_checkpoint, read_trainer
from midigen.datasets.batches import Batch, batches
from midigen.errors import TrainingError
from midigen.evaluation.likelihood import accuracy, nll_per_note, total_loss
from midigen.training.job import Job
from midigen.training.samples import take_sample
from midigen.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric

INTERRUPTED, TERMINATED = "interrupted", "terminated"

for chatty in ("utilities.distributed", "utilities.rank_zero"):
    # Fabric tells of its devices on stderr. Here, and not in ``train``, for the processes that it starts, too.
    logging.getLogger(f"lightning_fabric.{chatty}").setLevel(logging.WARNING)


class Reporter(Protocol):
    """Told how training goes, by the first process only."""

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:
        """A batch is done; the loss is the mean of the epoch so far, in nats a note."""

    def sample(self, figures: dict[str, float]) -> None:
        """A sample of the epoch that is just done was taken, with these figures; ``epoch`` is called next."""

    def epoch(self, metrics: dict[str, float]) -> None:
        """An epoch is done."""


@dataclass(frozen=True)
class Hardware:
    """What to train on, in Fabric's words."""

    device: str = "auto"
    precision: str = "32-true"
    devices: int = 1


class Outcome(NamedTuple):
    """What came of a run."""

    history: list[dict[str, float]]
    best_epoch: int
    parameters: int
    seconds: float
    stopped_because: str
    samples: Sequence[dict[str, float]] = ()
    """The figures of each sample, see ``midigen.training.samples``."""


def train(job: Job, hardware: Hardware, reporter: Reporter) -> Outcome:
    """Train a network and leave its checkpoints in the job's folder.

    SIGINT and SIGTERM end it after the batch under way, which is saved. With several devices they end it at once, and
    only whole epochs are saved.

    Raises:
        TrainingError: there is nothing to train on, the loss is no longer a number, or the device is not there.
        CheckpointError: a checkpoint cannot be written, or the one to go on from cannot be read.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    if not job.dataset.indices("train"):
        raise TrainingError(f"{job.dataset.folder} holds no piece to train on.", job.dataset.folder)
    try:
        with warnings.catch_warnings(action="ignore"):
            fabric = Fabric(
                accelerator=hardware.device,
                strategy="ddp_spawn" if hardware.devices > 1 else "auto",
                devices=hardware.devices,
                precision=hardware.precision,
            )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        wanted = f"--devices {hardware.devices} --device {hardware.device}"
        raise TrainingError(f"This machine cannot train on {wanted}: leave them out. {error}") from error
    if fabric.device.type == "cpu":
        _require_precision_of_cpu(hardware.precision)
    try:
        # Fabric looks into arguments, and refuses frozen dataclasses; a partial keeps them from it.
        outcome: Outcome = fabric.launch(partial(_fit, job=job, reporter=reporter))
    except ProcessException as error:
        last_line = str(error).strip().splitlines()[-1]
        raise TrainingError(f"One of the processes failed: {last_line}", job.folder) from error
    if hardware.devices > 1:
        # What a process returns must fit into a pipe, and a long history does not.
        saved = read_trainer(find_checkpoint(job.name, job.folder.parent, "last"))["progress"]
        outcome = outcome._replace(history=saved["history"], samples=saved["samples"])
    return outcome


def _require_precision_of_cpu(precision: str) -> None:
    """Refuse what oneDNN's recurrent layers cannot compute on this processor (bf16 asks for AVX-512 or better)."""
    if precision == "16-mixed":
        raise TrainingError("A CPU cannot train with --precision 16: use 32 or bf16.")
    mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if precision == "bf16-mixed" and mkldnn and not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001
        raise TrainingError("This CPU cannot train with --precision bf16: use 32.")


def _fit(fabric: Fabric, job: Job, reporter: Reporter) -> Outcome:
    """Train until the budget is used up, patience is at its end, or someone asks to stop."""
    trainer = Trainer(fabric, job)
    progress = trainer.progress
    because = "the budget is used up"
    with _stop_requests(fabric.world_size) as requests:
        while trainer.budget_used(0.0) < 1:
            if not _epoch(trainer, reporter, requests):
                trainer.save(is_best=progress.best_loss is None)
                break
            if fabric.is_global_zero and (sample := take_sample(trainer)):
                reporter.sample(sample)
            trainer.save(is_best=progress.best_epoch == progress.epoch)
            if fabric.is_global_zero:
                reporter.epoch(progress.history[-1])
            if requests:
                break
            if reason := trainer.out_of_patience():
                because = reason
                break
    if fabric.world_size > 1 and multiprocessing.parent_process() is not None:
        # The last to be registered is the first to run: it ends this process before gloo's threads, which nobody
        # joins, can abort it while the interpreter is taken apart.
        atexit.register(os._exit, 0)
    # A request may also have come while the last epoch was validated and saved.
    because = requests[0] if requests else because
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    history, samples = (progress.history, progress.samples) if fabric.world_size == 1 else ([], [])
    return Outcome(history, progress.best_epoch, parameters, progress.seconds, because, samples)


def _epoch(trainer: Trainer, reporter: Reporter, requests: list[str]) -> bool:
    """Train on the rest of an epoch and validate; return False if a request to stop came before its end."""
    progress, config, fabric = trainer.progress, trainer.job.config, trainer.fabric
    dataset = trainer.job.dataset
    in_epoch = sum(dataset.manifest["pieces"][index]["rows"] for index in dataset.indices("train"))
    rng = np.random.default_rng([config.seed, progress.epoch])
    rows_seen, rate = 0, 0.0
    progress.sums = progress.sums or [0.0, 0.0, 0.0, 0.0]
    trainer.model.train()
    started = time.perf_counter()
    for number, batch in enumerate(_batches(trainer.job, "train", rng)):
        rows = int(batch.is_row.sum())
        rows_seen += rows
        if number < progress.batch:
            continue
        if requests and progress.batch:
            return False
        # Epochs are counted in between: in the middle of one only minutes and iterations can be used up.
        if progress.batch and trainer.budget_used(0.0) >= 1:
            break
        rate = trainer.set_rate((rows_seen - rows) / in_epoch)
        _step(trainer, batch, rows)
        progress.sums[3] += time.perf_counter() - started
        started = time.perf_counter()
        if config.save_every and progress.optimizer_step % config.save_every == 0:
            trainer.save(is_best=progress.best_loss is None)
        nats, _, rows_done, seconds = progress.sums
        if fabric.is_global_zero:
            per_note = nats / rows_done / dataset.representation.notes_per_row
            reporter.batch(trainer.budget_used(rows_seen / in_epoch), per_note, rows_done / seconds)
    if not progress.batch:
        raise TrainingError(
            "The training pieces are too few or too short for one batch of this network: train on more music, or lower "
            "--batch-size.",
            dataset.folder,
        )
    _close_epoch(trainer, rate)
    return True


def _batches(job: Job, split: str, rng: np.random.Generator | None = None) -> Iterator[Batch]:
    config = job.config
    return batches(
        job.dataset, split, config.batch_size, config.sequence_length, rng, cut=config.cut, dealt=config.split
    )


def _step(trainer: Trainer, batch: Batch, rows: int) -> None:
    """Take one optimizer step on a batch of all processes together, with so many rows."""
    progress, config, fabric = trainer.progress, trainer.job.config, trainer.fabric
    torch.manual_seed(_mix(config.seed, progress.optimizer_step, fabric.global_rank))
    share = batch.share(fabric.global_rank, fabric.world_size).to(fabric.device)
    taught = trainer.taught(share)
    loss, state = trainer.wrapped(share, trainer.state, *([] if taught is None else [taught]))
    is_carried = config.sequence_length is not None and config.cut != "windows"
    trainer.state = tuple(part.detach() for part in state) if is_carried else None
    # Each process has its own share of the rows, and the gradients are averaged over the processes.
    objective = loss.objective * (fabric.world_size / max(rows, 1))
    _require_number(objective.item(), trainer)
    fabric.backward(objective)
    fabric.clip_gradients(trainer.wrapped, trainer.optimizer, max_norm=config.clip, error_if_nonfinite=False)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    progress.optimizer_step += 1
    progress.batch += 1
    trainer.update_average()
    mine = torch.stack([loss.columns.sum().detach(), loss.correct.sum().float(), loss.rows.float()])
    sums = (*fabric.all_reduce(mine, reduce_op="sum").tolist(), 0.0)
    progress.sums = [a + b for a, b in zip(progress.sums, sums, strict=True)]
    trainer.take_time()


def _close_epoch(trainer: Trainer, rate: float) -> None:
    """Validate and note the epoch's metrics."""
    progress, fabric, dataset = trainer.progress, trainer.fabric, trainer.job.dataset
    notes_per_row = dataset.representation.notes_per_row
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
    held_out = _batches(trainer.job, "valid")
    shares = (batch.share(fabric.global_rank, fabric.world_size) for batch in held_out)
    loss = total_loss(trainer.average, shares, fabric.device)
    if loss is not None:
        loss = fabric.all_reduce(loss, reduce_op="sum")
        metrics["valid_loss"] = nll_per_note(loss, notes_per_row)
        metrics["valid_accuracy"] = accuracy(loss)
        _require_number(metrics["valid_loss"], trainer)
    if loss is None or progress.best_loss is None or metrics["valid_loss"] < progress.best_loss:
        progress.best_loss, progress.best_epoch = metrics.get("valid_loss"), progress.epoch
    trainer.take_time()
    progress.history.append({**metrics, "seconds": progress.seconds})


def _require_number(loss: float, trainer: Trainer) -> None:
    if not math.isfinite(loss):
        raise TrainingError("The loss is no longer a number: try a lower --learning-rate.", trainer.job.folder)


def _mix(*numbers: int) -> int:
    """Return one seed for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@contextmanager
def _stop_requests(world_size: int) -> Iterator[list[str]]:
    """Yield a list that a first SIGINT or SIGTERM writes a word into; a second one acts as it always does.

    Of several processes each would stop at another batch and wait for the others: they are left to be ended.
    """
    requests: list[str] = []
    words = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
    if world_size > 1 or threading.current_thread() is not threading.main_thread():
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
