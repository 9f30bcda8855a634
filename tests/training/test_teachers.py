"""Teachers: a network may learn what others expect, in place of what stands in the pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint
from midigen.datasets.batches import Batch
from midigen.errors import TrainingError
from midigen.models.classic import ClassicConfig
from midigen.models.sequence_model import SequenceModel
from midigen.training.config import TrainConfig
from midigen.training.job import Job
from tests import tiny


def test_chances_that_are_certain_of_the_ids_teach_the_ids(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    model, batch = tiny.network(data), tiny.whole(data, [0, 1])
    sizes = [field.size for field in data.representation.fields]
    ids = torch.where(batch.is_row[..., None], batch.rows, 0)
    certain = [F.one_hot(ids[..., column], size).float() for column, size in enumerate(sizes)]
    own, taught = model.loss(batch)[0], model.loss(batch, None, certain)[0]
    assert taught.objective.item() == pytest.approx(own.objective.item(), rel=1e-5)
    assert torch.equal(taught.columns, own.columns)


def test_nothing_is_left_to_learn_from_oneself(tmp_path: Path) -> None:
    """The cross entropy to one's own chances is least where the chances are one's own: its gradient is 0."""
    data = tiny.hymns(tmp_path)
    model, batch = tiny.network(data), tiny.whole(data, [0, 1])
    with torch.no_grad():
        own = [column.exp() for column in model.distributions(batch)]
    loss = model.loss(batch, None, own)[0]
    (loss.objective - loss.end / len(own)).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.abs().max() < 1e-3 for p in model.parameters())


def test_a_student_comes_near_to_the_average_of_its_teachers(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    batch = tiny.whole(data, [0, 1])
    teachers = [tiny.trained(tmp_path / f"teacher-{seed}", data, sequence_length=None, seed=seed) for seed in (1, 2)]
    wanted = torch.stack([soprano(teacher, batch) for teacher in teachers]).mean(0)

    def distance(epochs: int) -> float:
        job = tiny.job(tmp_path / f"student-{epochs}", data, sequence_length=None, epochs=epochs)
        tiny.run(replace(job, teachers=tuple(teacher.folder for teacher in teachers)))
        student = load_checkpoint(find_checkpoint(str(job.folder), job.folder.parent, "last"))
        return float((soprano(student, batch) - wanted).abs().mean())

    assert distance(30) < 0.5 * distance(1)


def soprano(checkpoint: Checkpoint, batch: Batch) -> Tensor:
    assert isinstance(checkpoint.model, SequenceModel)
    with torch.no_grad():
        return checkpoint.model.distributions(batch)[0].exp()


def test_a_run_that_goes_on_keeps_its_teachers(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    teacher = tiny.trained(tmp_path / "teacher", data).folder
    job = replace(tiny.job(tmp_path / "student", data, sequence_length=None), teachers=(teacher,))
    tiny.run(job)
    assert tiny.resume(job.folder, epochs=3).teachers == (teacher.resolve(),)


def test_teachers_do_not_carry_on_where_a_batch_ends(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    teacher = tiny.trained(tmp_path / "teacher", data).folder
    with pytest.raises(TrainingError, match="whole pieces: leave the sequence length out"):
        tiny.run(replace(tiny.job(tmp_path, data, sequence_length=8), teachers=(teacher,)))


def test_a_published_network_is_no_teacher(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    config = TrainConfig(epochs=1, minutes=None, batch_size=8, sequence_length=5, cut="windows", optimizer="adam")
    published = Job("published", tmp_path / "published", data, ClassicConfig("notes"), config)
    tiny.run(published)
    teacher = find_checkpoint(str(published.folder), tmp_path)
    with pytest.raises(TrainingError, match="cannot teach"):
        tiny.run(replace(tiny.job(tmp_path, data, sequence_length=None), teachers=(teacher,)))
