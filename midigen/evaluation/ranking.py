"""Ranking: which of many pieces to keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from midigen.errors import UsageError
from midigen.evaluation.style import class_probability, load_style
from midigen.scores.score import Score

Judge = Callable[[Score], float]


def style_of(corpus: str) -> Judge:
    """Return what gives a piece its probability, 0 to 1, of being music of this corpus (``midigen.evaluation.style``).

    Raises:
        UsageError: the style network does not know the corpus; the message lists those it knows.
    """
    network = load_style()
    network.indices(corpus)
    return lambda score: class_probability(network, score, corpus)


def require_fewer(keep: int, count: int) -> None:
    """Refuse to keep more pieces than there are, or none.

    Raises:
        UsageError: that is asked.
    """
    if not 1 <= keep <= count:
        raise UsageError(f"--keep must be between 1 and --count {count}, not {keep}.")


def best(scores: Sequence[Score], keep: int, judge: Judge) -> list[tuple[int, float]]:
    """Return index and mark of the pieces with the highest marks, the best first; of equal marks the earlier."""
    marks = [judge(score) for score in scores]
    order = sorted(range(len(scores)), key=lambda index: -marks[index])
    return [(index, marks[index]) for index in order[:keep]]
