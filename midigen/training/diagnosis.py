"""Diagnosis: what is wrong with a run, from its figures alone, in sentences that name the option to change.

Each sentence stands under a word for what is wrong, so that it can be told whether it was said before. Only what is
sure is said: nothing about order and samples in the first quarter of the budget, and nothing about a sample that music
of the corpus does too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midigen.sampling.collapse import ENOUGH_NOTES
from midigen.training.yardsticks import Yardsticks

Figures = Mapping[str, float]

FEW_HELD_OUT = 3
EARLY, HALF = 0.25, 0.5
"""Shares of the budget before which a loss above that of counting means nothing, the unigram's and the n-gram's."""
NEAR = 0.02
"""Two losses that differ by less than this share are the same."""
WORSE_EPOCHS, GAP = 3, 0.8
"""Overfitting: so many epochs in a row worse than the best, with a training loss below this share of validation's."""


def diagnose_split(held_out: int) -> dict[str, str]:
    """Return what is wrong with the number of pieces that are held out."""
    if held_out == 0:
        sentence = (
            "There are too few pieces to hold one out: no validation, and training stops once they are learned by "
            "heart. Add pieces, or keep --minutes small."
        )
        return {"no validation": sentence}
    if held_out < FEW_HELD_OUT:
        pieces = "1 piece is" if held_out == 1 else f"{held_out} pieces are"
        return {"little validation": f"Only {pieces} held out: the validation loss is a rough guess. Add pieces."}
    return {}


def diagnose(
    history: Sequence[Figures], samples: Sequence[Figures], yardsticks: Yardsticks, budget_used: float
) -> dict[str, str]:
    """Return what is wrong with a run so far; empty if nothing is.

    Args:
        history: metrics of each epoch: train_loss and, where there is validation, valid_loss.
        samples: figures of each sample.
        yardsticks: of the corpus.
        budget_used: 0 to 1.
    """
    if not history:
        return {}
    if found := _learning_rate(history, yardsticks.uniform):
        return found  # all else follows from that
    if "valid_loss" in history[-1]:
        found = _overfitting(history) or _counting(history, yardsticks, budget_used)
    if samples and budget_used >= EARLY:
        found |= _sample(samples[-1], yardsticks.music)
    return found


def _learning_rate(history: Sequence[Figures], uniform: float) -> dict[str, str]:
    """Too high: the training loss is above its first value, or a loss is twice what guessing costs."""
    first, last = history[0]["train_loss"], history[-1]["train_loss"]
    advice = "the learning rate is too high. Try a tenth of it (--learning-rate)."
    if last > (1 + NEAR) * first:
        return {"learning rate": f"The training loss has risen from {first:.3f} to {last:.3f}: {advice}"}
    # The averaged weights, which are validated, may show it an epoch before.
    worst = max(last, min(row.get("valid_loss", last) for row in history))
    if worst > 2 * uniform:
        return {"learning rate": f"The loss {worst:.3f} is far above blind guessing ({uniform:.3f}): {advice}"}
    return {}


def _overfitting(history: Sequence[Figures]) -> dict[str, str]:
    best = min(history, key=lambda row: row["valid_loss"])
    last = history[-1]
    worse = last["epoch"] - best["epoch"] >= WORSE_EPOCHS and last["valid_loss"] > (1 + NEAR) * best["valid_loss"]
    if not worse or last["train_loss"] > GAP * last["valid_loss"]:
        return {}
    losses = f"training {last['train_loss']:.3f}, validation {last['valid_loss']:.3f} and rising"
    advice = "Raise --dropout, lower --hidden-size, or add music"
    return {"overfitting": f"Overfitting since epoch {best['epoch']:.0f}: {losses}. {advice}; the best epoch is kept."}


def _counting(history: Sequence[Figures], yardsticks: Yardsticks, budget_used: float) -> dict[str, str]:
    if yardsticks.unigram is None or yardsticks.ngram is None:
        return {}
    loss = min(row["valid_loss"] for row in history)
    if budget_used >= EARLY and loss > (1 - NEAR) * yardsticks.unigram:
        sentence = (
            f"The validation loss {loss:.3f} is no better than the unigram's {yardsticks.unigram:.3f}: "
            "nothing learned about order yet. Train longer (--minutes), or try another --learning-rate."
        )
        return {"unigram": sentence}
    if budget_used >= HALF and loss > (1 + NEAR) * yardsticks.ngram:
        sentence = (
            f"The validation loss {loss:.3f} is still above the n-gram's {yardsticks.ngram:.3f}: "
            "counting does better. Train longer (--minutes) or on more music."
        )
        return {"n-gram": sentence}
    return {}


def _sample(sample: Figures, music: Figures) -> dict[str, str]:
    """Judge the last sample beside music of the corpus."""
    advice = "Train longer (--minutes); to compose, raise --temperature."
    if sample["notes"] == 0 < music["notes"]:
        return {"sample": f"The last sample is silent. {advice}"}
    for counted, one in (("pitches", "pitch"), ("durations", "duration")):
        if sample["notes"] >= ENOUGH_NOTES and sample[counted] == 1 < music[counted]:
            return {"sample": f"The last sample has one {one} only. {advice}"}
    # More than half way from the corpus to a loop without end.
    if sample["loop_rate"] > (1 + music["loop_rate"]) / 2:
        rates = f"loop rate {sample['loop_rate']:.0%}, in the corpus {music['loop_rate']:.0%}"
        return {"sample": f"The last sample goes round in a loop ({rates}). {advice}"}
    return {}
