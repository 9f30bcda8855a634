"""Evaluate: all that is known of a model, in one report. Likelihood first, then the music that it composes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from midigen.checkpoints.run import Checkpoint
from midigen.corpora.fetch import no_progress
from midigen.datasets.batches import batches
from midigen.datasets.build import Dataset
from midigen.errors import UsageError
from midigen.evaluation.baselines import Baselines, Count
from midigen.evaluation.comparison import Comparison, compare
from midigen.evaluation.likelihood import accuracy, total_loss
from midigen.evaluation.originality import Originality, TrainingMusic, originality
from midigen.evaluation.style import features, frechet_distance, load_style
from midigen.evaluation.tune_form import TuneForm, tune_form
from midigen.evaluation.two_sample import TwoSample, two_sample_test
from midigen.formats.abc_notation import PlayedTune
from midigen.models.sequence_model import SequenceModel
from midigen.sampling.generate import Request, generate
from midigen.scores.score import Score

WHOLE_PIECES_ROWS = 4000
"""Longer pieces are read in streams, which gives the same and takes less memory."""
STREAM_ROWS, BATCH_PIECES = 512, 8


@dataclass(frozen=True)
class Likelihood:
    """What the pieces of a split cost, in nats."""

    nll_per_note: float
    columns: dict[str, float]
    """Of each column, a row."""
    end_per_piece: float
    accuracy: float
    rows: int

    @property
    def nll_per_token(self) -> float:
        """The mean over all ids."""
        return sum(self.columns.values()) / len(self.columns)

    @property
    def perplexity(self) -> float:
        """Of an id: as if so many were equally likely."""
        return math.exp(self.nll_per_token)


@dataclass(frozen=True)
class Music:
    """What generated pieces are like, beside real ones."""

    generated: int
    held_out: int
    """Pieces, or excerpts of the length that was generated."""
    statistics: dict[str, Comparison]
    originality: Originality
    held_out_originality: Originality
    """Of the held-out pieces: the natural level."""
    two_sample: TwoSample | None
    """None for fewer pieces of eight bars than it needs."""
    frechet: float | None
    frechet_floor: float | None
    """Of as many excerpts of training pieces."""
    form: TuneForm | None = None
    """None for what is no folk tune."""
    held_out_form: TuneForm | None = None


def likelihood(checkpoint: Checkpoint, dataset: Dataset, split: str) -> Likelihood:
    """Return what a split costs. Published networks are asked as they were trained: about windows, or one long text.

    Raises:
        UsageError: the split has no piece, or none that is long enough.
    """
    representation = dataset.representation
    pieces = [dataset.manifest["pieces"][index]["rows"] for index in dataset.indices(split)]
    if not pieces:
        raise UsageError(f"{dataset.folder} has no {split} pieces: choose another --split or a larger --source.")
    training = checkpoint.config["training"]
    cut = training.get("cut", "streams")
    if isinstance(checkpoint.model, SequenceModel):
        length = None if max(pieces) <= WHOLE_PIECES_ROWS else STREAM_ROWS
        parts = batches(dataset, split, BATCH_PIECES, length)
    else:
        # A text is read from its beginning to its end.
        side_by_side = 1 if cut == "text" else training["batch_size"]
        parts = batches(dataset, split, side_by_side, training["sequence_length"], cut=cut)
    loss = total_loss(checkpoint.model, parts, torch.device("cpu"))
    if loss is None or not loss.rows:
        raise UsageError(f"The {split} pieces of {dataset.folder} are too short for this network.")
    per_row = (loss.columns / loss.rows).tolist()
    names = [field.name for field in representation.fields]
    return Likelihood(
        sum(per_row) / representation.notes_per_row,
        dict(zip(names, per_row, strict=True)),
        float(loss.end) / len(pieces),
        accuracy(loss),
        int(loss.rows),
    )


def judge_music(
    checkpoint: Checkpoint,
    dataset: Dataset,
    split: str,
    request: Request,
    progress: Callable[[int, int], None] = no_progress,
) -> Music:
    """Compose pieces and hold them against the held-out and the training ones.

    Raises:
        UsageError: there are fewer than three held-out pieces.
    """
    composed = generate(checkpoint, request, progress)
    generated = [score for score in composed.scores if len(score)]
    rows = composed.tokens // request.count
    held_out, training = (_excerpts(dataset, part, rows) for part in (split, "train"))
    if len(held_out) < 3 or not generated:
        raise UsageError(f"{dataset.folder} has too few {split} pieces to compare music with.")
    rng = np.random.default_rng(request.seed)
    drawn = [training[index] for index in rng.permutation(len(training))[: len(generated)]]
    known = TrainingMusic(_excerpts(dataset, "train", None))
    return Music(
        len(generated),
        len(held_out),
        compare(generated, held_out, drawn, rng),
        originality(generated, known),
        originality(held_out, known),
        # Whole pieces: it cuts them itself, and parts of one must not lie on both of its sides.
        two_sample_test(generated, _excerpts(dataset, split, None), request.seed),
        *_frechet(generated, held_out, drawn),
        *(tune_form([score for score in scores if isinstance(score, PlayedTune)]) for scores in (generated, held_out)),
    )


def _frechet(
    generated: Sequence[Score], held_out: Sequence[Score], training: Sequence[Score]
) -> tuple[float | None, float | None]:
    """Return the distance of the style network's features, and that of training pieces, of equally many excerpts."""
    network = load_style()
    tables = [features(network, scores) for scores in (generated, held_out, training)]
    count = min(map(len, tables))
    if count < 2:
        return None, None
    judged, real, floor = (table[np.linspace(0, len(table) - 1, count).astype(int)] for table in tables)
    return frechet_distance(judged, real), frechet_distance(floor, real)


def _excerpts(dataset: Dataset, split: str, rows: int | None) -> list[Score]:
    """Return the pieces of a split, long ones cut into excerpts of so many rows; what is left below half is dropped."""
    representation, scores = dataset.representation, []
    for index in dataset.indices(split):
        table, plan = dataset.piece(index)
        # A piece that is not much longer than what was generated is left whole.
        length = rows if rows and len(table) > 2 * rows else len(table)
        for start in range(0, len(table) - length // 2, length):
            stop = min(start + length, len(table))
            scores.append(representation.decode(*representation.excerpt(table, plan, start, stop)))
    return [score for score in scores if len(score)]


@dataclass(frozen=True)
class Measured:
    """What was measured of a checkpoint on a split."""

    split: str
    pieces: int
    own: Likelihood
    mixed: dict[str, float]
    """Nats a note, by what has a say beside the network (``midigen.evaluation.mixtures``)."""
    counted: Baselines | None
    music: Music | None
    notes_per_row: int
    told: str | None
    """What the network sees in advance in ``own``, but not in ``mixed`` where that infers it."""


def report(measured: Measured) -> dict[str, Any]:
    """Return all figures as plain JSON values."""
    own, counted, music = measured.own, measured.counted, measured.music

    def of(count: Count | None) -> dict[str, float] | None:
        if count is None:
            return None
        return {"nll_per_note": count.nll_per_row / measured.notes_per_row, "accuracy": count.accuracy}

    return {
        "split": measured.split,
        "pieces": measured.pieces,
        "told": measured.told,
        "nll_per_note": own.nll_per_note,
        "bits_per_note": own.nll_per_note / math.log(2),
        "nll_per_token": own.nll_per_token,
        "perplexity": own.perplexity,
        "columns": own.columns,
        "mixed": measured.mixed,
        "end_per_piece": own.end_per_piece,
        "accuracy": own.accuracy,
        "unigram": of(counted and counted.unigram),
        "ngram": of(counted and counted.ngram),
        "ngram_order": counted and counted.order,
        "generated": music and music.generated,
        "held_out": music and music.held_out,
        "two_sample_accuracy": music and music.two_sample and music.two_sample.accuracy,
        "two_sample_deviation": music and music.two_sample and music.two_sample.deviation,
        "two_sample_excerpts": music and music.two_sample and music.two_sample.excerpts,
        "originality": music and asdict(music.originality),
        "held_out_originality": music and asdict(music.held_out_originality),
        "frechet": music and music.frechet,
        "frechet_floor": music and music.frechet_floor,
        "form": music and music.form and asdict(music.form),
        "held_out_form": music and music.held_out_form and asdict(music.held_out_form),
        "statistics": music and {name: asdict(row) for name, row in music.statistics.items()},
    }
