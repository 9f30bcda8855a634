"""Baselines: how far counting goes. A unigram and a back-off n-gram over the ids of rows.

A network that is no better than the unigram has learned nothing about order, and one that is no better than the n-gram
nothing beyond the last few ids. Rows are read id by id, in the order in which they are drawn, so that each column also
knows the columns before it; each column is counted by itself. Smoothing is that of Witten and Bell (1991):

    p(id | context) = (count(context, id) + kinds(context) p(id | shorter context)) / (count(context) + kinds(context))

where kinds is the number of different ids seen after a context; below the empty context all ids are equally likely.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.datasets.build import Dataset
from midigen.scores.score import Ints

START = -1
LEAST_ORDER = 6


class Count(NamedTuple):
    """Sums over rows, by column; K columns."""

    nats: NDArray[np.float64]
    """(K,) negative log-likelihood."""
    correct: Ints
    """(K,) ids that were the most frequent after the longest known context."""
    rows: int

    @property
    def nll_per_row(self) -> float:
        """Nats a row, all columns summed."""
        return float(self.nats.sum()) / self.rows

    @property
    def accuracy(self) -> float:
        """Share of ids, over all columns, that came out right."""
        return float(self.correct.mean()) / self.rows


class NGram:
    """Counts of what follows the last ``order`` ids, and fewer, in each column.

    Args:
        sizes: number of ids of each of the K columns.
        order: ids that a context has at most.
    """

    def __init__(self, sizes: Sequence[int], order: int) -> None:
        self.sizes, self.order = tuple(sizes), order
        self._after = defaultdict[tuple[int, ...], Counter[int]](Counter)
        self._summed: dict[tuple[int, ...], tuple[int, int]] = {}
        """What was asked for already: how often a context was seen, and what came most often."""

    def learn(self, rows: Ints) -> None:
        """Count a piece, (T, K)."""
        self._summed.clear()
        for column, past, value in self._walk(rows):
            for length in range(len(past) + 1):
                self._after[column, *past[len(past) - length :]][value] += 1

    def score(self, rows: Ints, first: int = 0) -> list[Count]:
        """Return what a piece, (T, K), costs from its row ``first`` on, with contexts of at most 0, 1, 2, ... ids.

        The order 0 is the unigram.
        """
        nats = np.zeros((self.order + 1, len(self.sizes)))
        correct = np.zeros((self.order + 1, len(self.sizes)), np.int64)
        for column, past, value in islice(self._walk(rows), first * len(self.sizes), None):
            chances, likeliest = zip(*self._foreseen(column, past, value), strict=True)
            nats[:, column] -= np.log(chances)
            correct[:, column] += np.array(likeliest) == value
        return [Count(*each, max(len(rows) - first, 0)) for each in zip(nats, correct, strict=True)]

    def probability(self, column: int, past: Sequence[int], value: int) -> float:
        """Return p(id of a column | the ids before it)."""
        return self._foreseen(column, past, value)[-1][0]

    def _foreseen(self, column: int, past: Sequence[int], value: int) -> list[tuple[float, int]]:
        """Return p(id), and the likeliest id, given the last 0, 1, 2, ... ids."""
        chance, likeliest, found = 1 / self.sizes[column], 0, list[tuple[float, int]]()
        for length in range(len(past) + 1):
            context = (column, *past[len(past) - length :])
            after = self._after.get(context)
            if after is None:
                # What goes back farther was not seen either.
                return found + [(chance, likeliest)] * (len(past) + 1 - length)
            if context not in self._summed:
                self._summed[context] = after.total(), after.most_common(1)[0][0]
            total, likeliest = self._summed[context]
            chance = (after[value] + len(after) * chance) / (total + len(after))
            found.append((chance, likeliest))
        return found

    def _walk(self, rows: Ints) -> Iterator[tuple[int, tuple[int, ...], int]]:
        """Yield column, the ids before it, and the id, of all ids of a piece."""
        columns, order = len(self.sizes), self.order
        ids = [START] * order + rows.flatten().tolist()
        for place in range(order, len(ids)):
            yield (place - order) % columns, tuple(ids[place - order : place]), ids[place]


class Baselines(NamedTuple):
    """What a split costs by counting."""

    unigram: Count
    ngram: Count
    order: int
    """Of the n-gram: ids that it looks back."""


def baselines(dataset: Dataset, split: str, first: int = 0) -> Baselines | None:
    """Return what the pieces of a split cost under counts of the training pieces; None for a split without pieces.

    Rows before ``first`` are not asked about, as networks that read windows are not.

    Of the n-grams that look back one id to two rows, at least six ids, the one that does best on the validation pieces
    is taken, so that nothing but this number is fitted to any held-out piece.
    """
    if not dataset.indices(split):
        return None
    sizes = [field.size for field in dataset.representation.fields]
    counts = NGram(sizes, max(LEAST_ORDER, 2 * len(sizes)))
    for index in dataset.indices("train"):
        counts.learn(dataset.piece(index)[0])

    def costs(of: str) -> list[Count]:
        pieces = [counts.score(dataset.piece(index)[0], first) for index in dataset.indices(of)]
        return [_sum(by_order) for by_order in zip(*pieces, strict=True)]

    found = costs(split)
    judged = costs("valid") if split != "valid" and dataset.indices("valid") else found
    best = min(range(1, counts.order + 1), key=lambda order: judged[order].nll_per_row)
    return Baselines(found[0], found[best], best)


def _sum(counts: Sequence[Count]) -> Count:
    nats, correct, rows = zip(*counts, strict=True)
    return Count(np.sum(nats, axis=0), np.sum(correct, axis=0), sum(rows))
