"""Yardsticks: what a corpus says before training begins, for the run's own figures to be held against."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from midigen.datasets.build import Dataset
from midigen.evaluation.baselines import baselines
from midigen.training.job import Job
from midigen.training.samples import figures, sample_rows

MOST_IDS = {"train": 100_000, "valid": 20_000}
"""Counting more would keep training waiting for more than seconds; pieces are then taken at even distances."""
EXCERPTS = 16


@dataclass(frozen=True)
class Yardsticks:
    """Losses in nats a note, and what the music is like."""

    uniform: float
    """What it costs to hold all ids for equally likely."""
    unigram: float | None
    """What the held-out pieces cost by counting ids; None where none is held out."""
    ngram: float | None
    """What they cost by counting what follows what."""
    counted: tuple[int, int]
    """Training pieces that were counted, and all."""
    music: dict[str, float]
    """The figures of excerpts that are as long as a sample: see ``midigen.training.samples.figures``."""


def measure(job: Job) -> Yardsticks:
    """Count a bounded share of the job's corpus."""
    dataset, representation = job.dataset, job.dataset.representation
    first = (job.config.sequence_length or 0) if job.config.cut == "windows" else 0
    chosen = {split: _within(dataset, split, most, first) for split, most in MOST_IDS.items()}
    counted = None
    # Dealt out by windows, what is held out lies inside the pieces that would be counted.
    if job.config.split == "piece":
        counted = baselines(_only(dataset, chosen["train"] + chosen["valid"]), "valid", first)
    heard = (chosen["valid"] or chosen["train"] or dataset.indices("train"))[:EXCERPTS]
    longest = sample_rows(representation)
    excerpts = [
        representation.decode(*representation.excerpt(rows, plan, 0, min(longest, len(rows))))
        for rows, plan in map(dataset.piece, heard)
    ]
    each = representation.notes_per_row
    return Yardsticks(
        uniform=sum(math.log(field.size) for field in representation.fields) / each,
        unigram=None if counted is None else counted.unigram.nll_per_row / each,
        ngram=None if counted is None else counted.ngram.nll_per_row / each,
        counted=(len(chosen["train"]), len(dataset.indices("train"))),
        music=figures(excerpts),
    )


def _within(dataset: Dataset, split: str, most_ids: int, first: int) -> list[int]:
    """Return pieces of more than ``first`` rows, at even distances, that hold about so many ids, but at least one."""
    pieces = dataset.manifest["pieces"]
    indices = [index for index in dataset.indices(split) if pieces[index]["rows"] > first]
    ids = sum(pieces[index]["rows"] for index in indices) * len(dataset.representation.fields)
    return indices[:: max(1, math.ceil(ids / most_ids))]


def _only(dataset: Dataset, indices: list[int]) -> Dataset:
    """Return the dataset with all other pieces in no split."""
    kept = set(indices)
    pieces = [
        piece if index in kept else {**piece, "split": ""} for index, piece in enumerate(dataset.manifest["pieces"])
    ]
    return replace(dataset, manifest={**dataset.manifest, "pieces": pieces})
