"""Tiny pieces, datasets, networks and runs, for the tests of everything that learns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint
from midigen.corpora.store import Collection, Piece
from midigen.datasets.batches import Batch, collate, prepare_steps
from midigen.datasets.build import Dataset, Target, build
from midigen.models.build import Model, make_network
from midigen.models.sequence_model import ModelConfig, SequenceModel
from midigen.scores.score import Part, Score
from midigen.training.config import TrainConfig
from midigen.training.job import Job, resumed_job
from midigen.training.loop import Hardware, Outcome, train

# Networks this small lose more by sharing their work than they gain.
torch.set_num_threads(1)

MODEL = ModelConfig(layers=1, hidden_size=8, embedding_size=4, head_size=8, dropout=0.3)
CONFIG = TrainConfig(epochs=2, minutes=None, batch_size=2, sequence_length=8, seed=1)


def melody(seed: int, notes: int = 20, *, velocities: bool = False) -> Score:
    """Return a tune of one part in quarters and eighths."""
    rng = np.random.default_rng(seed)
    durations = rng.choice([240, 480], notes)
    onsets = np.cumsum(durations) - durations
    loud = rng.integers(40, 100, notes) if velocities else np.full(notes, 80)
    pitches = 60 + rng.choice([0, 2, 4, 5, 7, 9], notes)
    return Score(onsets, durations, pitches, loud, np.zeros(notes, np.int64))


def hymn(seed: int, bars: int = 3) -> Score:
    """Return four voices in quarters."""
    rng = np.random.default_rng(seed)
    notes = [
        (beat * 480, 480, low + int(rng.choice([0, 2, 4, 5, 7])), 80, part)
        for part, low in enumerate((67, 60, 53, 43))
        for beat in range(bars * 4)
    ]
    names = ("Soprano", "Alto", "Tenor", "Bass")
    return Score.from_notes(notes, parts=tuple(Part(name, 52) for name in names), fermatas=(bars * 4 * 480 - 480,))


def dataset(
    folder: Path, scores: list[Score], tokens: str = "notes", splits: str | None = None, **options: bool | str
) -> Dataset:
    """Build a dataset; ``splits`` has a letter for each score, t(rain), v(alid) or e (test)."""
    words = {"t": "train", "v": "valid", "e": "test"}
    pieces = tuple(
        Piece(
            str(i), s, f"{i}.mid", hashlib.sha256(s.notes.tobytes()).hexdigest(), words[splits[i]] if splits else None
        )
        for i, s in enumerate(scores)
    )
    return build(Collection("tiny", pieces, (), None, folder), tokens, options, Target(folder / tokens, "mark"))


def melodies(folder: Path, count: int = 6, *, velocities: bool = False) -> Dataset:
    """Build a dataset of tunes of different lengths; the last one is held out."""
    scores = [melody(seed, 10 + 3 * seed, velocities=velocities) for seed in range(count)]
    return dataset(folder, scores, splits="t" * (count - 1) + "v")


def chords(folder: Path, count: int = 4) -> Dataset:
    """Build a dataset of chord tokens: the four voices of hymns in one part; the last one is held out."""
    scores = [replace(score, part=0 * score.part) for score in map(hymn, range(count))]
    return dataset(folder, scores, "chords", "t" * (count - 1) + "v")


def hymns(folder: Path, count: int = 4) -> Dataset:
    """Build a dataset for the grid; the last one is held out."""
    return dataset(folder, [hymn(seed) for seed in range(count)], "grid", "t" * (count - 1) + "v")


def network(data: Dataset, config: ModelConfig = MODEL, seed: int = 0) -> SequenceModel:
    """Return fresh weights, larger than usual, so that nothing is lost in nearly uniform logits."""
    torch.manual_seed(seed)
    model = SequenceModel(data.representation.fields, data.representation.context_fields, config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def network_of(given: Job) -> Model:
    """Return the fresh weights that a job begins with."""
    torch.manual_seed(given.config.seed)
    representation = given.dataset.representation
    return make_network(representation, given.model)


def whole(data: Dataset, indices: list[int]) -> Batch:
    """Return whole pieces as one padded batch."""
    steps = [prepare_steps(data.representation, *data.piece(index)) for index in indices]
    return collate(steps, [0] * len(steps), max(len(s) for s in steps))


class Listener:
    """A reporter that keeps what it is told and does something at a certain batch or epoch."""

    def __init__(self, at_batch: int = 0, at_epoch: int = 0, act: Callable[[], object] | None = None) -> None:
        self.at_batch, self.at_epoch, self.act = at_batch, at_epoch, act
        self.batches, self.epochs = list[float](), list[dict[str, float]]()
        self.samples = list[dict[str, float]]()

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:  # noqa: ARG002
        self.batches.append(budget_used)
        if self.act and len(self.batches) == self.at_batch:
            self.act()

    def sample(self, figures: dict[str, float]) -> None:
        self.samples.append(figures)

    def epoch(self, metrics: dict[str, float]) -> None:
        self.epochs.append(metrics)
        if self.act and len(self.epochs) == self.at_epoch:
            self.act()


def job(folder: Path, data: Dataset, model: ModelConfig = MODEL, name: str = "run", **changes: Any) -> Job:  # noqa: ANN401  # settings of all types
    """Return a job with the tiny settings, changed."""
    return Job(name, folder / name, data, model, replace(CONFIG, **changes))


def run(given: Job, listener: Listener | None = None) -> Outcome:
    """Train on the CPU."""
    return train(given, Hardware("cpu"), listener or Listener())


def resume(folder: Path, **changes: object) -> Job:
    """Return the job that goes on with a run folder."""
    return resumed_job(find_checkpoint(str(folder), folder.parent, "last"), changes)


def trained(folder: Path, data: Dataset, **changes: Any) -> Checkpoint:  # noqa: ANN401  # settings of all types
    """Train for a moment and load the best checkpoint."""
    given = job(folder, data, **changes)
    run(given)
    return load_checkpoint(find_checkpoint(given.name, folder))
