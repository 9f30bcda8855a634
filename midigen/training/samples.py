"""Samples: what the network composes while it is trained, in figures that tell music from a loop.

Pieces are drawn from the averaged weights with random numbers of their own, always the same ones: one sample can be
held against the next, and training never notices. They lie in the run's ``samples/``. The time they take is not
training's: it counts neither for the minutes nor for the tokens a second.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from midigen.checkpoints.run import Checkpoint, write_text
from midigen.errors import CheckpointError, SourceError
from midigen.formats.abc_notation import PlayedTune
from midigen.formats.midi import write_midi
from midigen.representations.representation import Representation
from midigen.sampling.generate import Generated, Request, generate
from midigen.sampling.opening import random_opening
from midigen.scores.score import Score
from midigen.training.trainer import Trainer

PIECES = 2
ROWS, CHARACTERS = 128, 512
"""Length of a sample at most: rows, and characters of ABC, of which a tune's head alone takes a hundred."""
MOST_TIME = 0.02
"""Share of the time of training that samples may take; the first one is free."""
PASSAGE = 4
"""Notes of a passage in the loop rate."""


def sample_rows(representation: Representation) -> int:
    """Return the length of a sample at most."""
    return CHARACTERS if representation.name == "abc" else ROWS


def figures(scores: Sequence[Score]) -> dict[str, float]:
    """Return means over pieces: ``notes``, ``loop_rate``, and how many different ``pitches`` and ``durations``."""
    measured = [
        (len(score), loop_rate(score), len(np.unique(score.pitch)), len(np.unique(score.duration))) for score in scores
    ]
    means = np.mean(measured, axis=0).tolist()
    return dict(zip(("notes", "loop_rate", "pitches", "durations"), means, strict=True))


def loop_rate(score: Score) -> float:
    """Return the share of passages of four notes that were heard before, 0 to 1; a passage is pitches and durations.

    The measure seq-rep-4 of Welleck et al. 2020 ("Neural text generation with unlikelihood training"), on notes in
    place of words: 1 - distinct passages / passages. A loop of p notes over n passages gives 1 - p / n.
    """
    notes = np.stack([score.pitch, score.duration], axis=1)
    if len(notes) < PASSAGE:
        return 0.0
    passages = np.lib.stride_tricks.sliding_window_view(notes, PASSAGE, axis=0).reshape(-1, 2 * PASSAGE)
    return 1 - len(np.unique(passages, axis=0)) / len(passages)


def take_sample(trainer: Trainer) -> dict[str, float] | None:
    """Compose, write the pieces, note and return their figures with the epoch; None where it is too early for that.

    Raises:
        CheckpointError: a file cannot be written.
    """
    progress = trainer.progress
    if progress.sample_seconds > MOST_TIME * progress.seconds:
        return None
    began = time.perf_counter()
    scores = _compose(trainer).scores
    _write(trainer, scores)
    sample = {"epoch": float(progress.epoch), **figures(scores)}
    spent = time.perf_counter() - began
    progress.samples.append(sample)
    progress.sample_seconds += spent
    trainer.began += spent
    return sample


def _compose(trainer: Trainer) -> Generated:
    """Draw from the averaged weights; networks that read windows go on from an opening."""
    job = trainer.job
    model = copy.deepcopy(trainer.average).cpu()
    opening = None
    if model.window is not None:
        splits = ["valid"] if job.dataset.indices("valid") else ["train"]
        opening = random_opening(job.dataset, splits, model.window, job.config.seed)
    if opening is not None:
        opening = replace(opening, is_in_output=False)
    representation = job.dataset.representation
    request = Request(job.config.seed, PIECES, sample_rows(representation), prompt=opening)
    return generate(Checkpoint(job.folder, {}, representation, model), request)


def _write(trainer: Trainer, scores: Sequence[Score]) -> None:
    """Write the pieces as MIDI, and tunes as ABC too."""
    folder, epoch = trainer.job.folder / "samples", trainer.progress.epoch
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, score in enumerate(scores, 1):
            file = folder / f"epoch-{epoch:04d}-{number}.mid"
            write_midi(score, file, [f"midigen: {trainer.job.name} after epoch {epoch}"])
            if isinstance(score, PlayedTune):
                write_text(file.with_suffix(".abc"), score.tune.text)
    except (OSError, SourceError) as error:
        raise CheckpointError(f"The samples in {folder} cannot be written: {error}.", folder) from error
