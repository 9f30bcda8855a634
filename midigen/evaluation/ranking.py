"""Ranking: which of many pieces to keep.

A judge has a figure for each piece and a value that the best ones come nearest to. By likelihood that is not 0: what a
network finds most likely is dull and repeats itself, and real music costs about its entropy a note (the typical set,
Cover and Thomas, chapter 3; C. Meister et al., Locally Typical Sampling, 2023). So the best piece is as likely as
music held out in training is on average, neither duller nor wilder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from midigen.checkpoints.run import Checkpoint
from midigen.datasets.batches import collate, prepare_steps
from midigen.errors import RepresentationError, UsageError
from midigen.evaluation.likelihood import nll_per_note, total_loss
from midigen.evaluation.originality import Passages
from midigen.evaluation.style import class_probability, load_style
from midigen.models.sequence_model import SequenceModel
from midigen.scores.score import Score


@dataclass(frozen=True)
class Judge:
    """See the module's text."""

    name: str
    """As the user asks for it: style, likelihood or novelty."""
    measure: Callable[[Score], float]
    best: float


@dataclass(frozen=True)
class Verdict:
    """What became of a piece."""

    piece: int
    """Its number, from 0."""
    figure: float | None
    """The judge's, if there is one."""
    reason: str
    """Why it was thrown away; empty for a piece that is kept."""


def style_of(corpus: str) -> Judge:
    """Return what measures the probability, 0 to 1, of being music of this corpus (``midigen.evaluation.style``).

    Raises:
        UsageError: the style network does not know the corpus; the message lists those it knows.
    """
    network = load_style()
    try:
        network.indices(corpus)
    except UsageError as error:
        raise UsageError(f"{error} Take --rank likelihood or novelty.") from None
    return Judge("style", lambda score: class_probability(network, score, corpus), 1.0)


def likelihood_of(checkpoint: Checkpoint) -> Judge:
    """Return what measures the nats a note that a piece costs the network; best is what held-out pieces cost.

    Raises:
        UsageError: the network reads windows, or nothing was held out in its training.
    """
    held_out = checkpoint.config["metrics"].get("valid_loss")
    if held_out is None or not isinstance(checkpoint.model, SequenceModel):
        raise UsageError(
            "--rank likelihood needs one of our networks, trained with pieces held out, and "
            f"{checkpoint.name} is not: take --rank style or novelty."
        )
    return Judge("likelihood", lambda score: nats_per_note(checkpoint, score), float(held_out))


def nats_per_note(checkpoint: Checkpoint, score: Score) -> float:
    """Return the negative log-likelihood of a piece, the mean over its notes; infinite if it cannot be encoded."""
    representation = checkpoint.representation
    try:
        steps = prepare_steps(representation, *representation.encode(score))
    except RepresentationError:
        return math.inf
    loss = total_loss(checkpoint.model, [collate([steps], [0], len(steps))], torch.device("cpu"))
    return math.inf if loss is None else nll_per_note(loss, representation.notes_per_row)


def novelty_from(known: Passages) -> Judge:
    """Return what measures which share of a piece's passages stands in the training music; best is none."""
    return Judge("novelty", lambda score: known.shared(score).share, 0.0)


def require_fewer(keep: int, count: int) -> None:
    """Refuse to keep more pieces than there are, or none.

    Raises:
        UsageError: that is asked.
    """
    if not 1 <= keep <= count:
        raise UsageError(f"--keep must be between 1 and --count {count}, not {keep}.")


def rank(
    scores: Sequence[Score], objections: Sequence[str], flaws: Sequence[str], judge: Judge | None, keep: int
) -> list[Verdict]:
    """Return a verdict on every piece: those that are kept, the best first, then the others, the better first.

    Args:
        scores: the pieces.
        objections: of each the reason why it cannot be kept, or "".
        flaws: of each what speaks against it, or "": such pieces come behind those without.
        judge: puts the rest in order; without one they keep theirs.
        keep: how many to keep, if so many are left.
    """
    figures = [None if judge is None else judge.measure(score) for score in scores]

    def place(piece: int) -> tuple[bool, bool, float]:
        figure = figures[piece]
        distance = 0.0 if judge is None or figure is None else abs(figure - judge.best)
        return bool(objections[piece]), bool(flaws[piece]), distance

    verdicts = []
    for number, piece in enumerate(sorted(range(len(scores)), key=place)):
        is_kept = number < keep and not objections[piece]
        reason = "" if is_kept else objections[piece] or flaws[piece] or "ranks lower"
        verdicts.append(Verdict(piece, figures[piece], reason))
    return verdicts
