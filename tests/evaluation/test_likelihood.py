from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midigen.datasets.batches import batches
from midigen.evaluation.likelihood import accuracy, add, nll_per_note, total_loss
from midigen.models.network import Loss
from tests import tiny

CPU = torch.device("cpu")


def loss_of(columns: list[float], correct: list[int], rows: int, end: float = 9.0) -> Loss:
    objective = torch.tensor(sum(columns) + end)
    return Loss(torch.tensor(columns), torch.tensor(end), torch.tensor(correct), torch.tensor(rows), objective)


def test_likelihood_and_accuracy_are_means_and_the_end_is_apart() -> None:
    loss = loss_of([10.0, 30.0], [5, 10], 10)
    assert nll_per_note(loss, 4) == pytest.approx(1.0)
    assert accuracy(loss) == pytest.approx(0.75)


def test_losses_add_up() -> None:
    total = add(loss_of([1.0, 2.0], [1, 0], 3), loss_of([0.5, 0.5], [1, 1], 2))
    assert total.columns.tolist() == [1.5, 2.5]
    assert (total.end.item(), total.correct.tolist(), total.rows.item()) == (18.0, [2, 1], 5)


def test_nothing_has_no_likelihood(tmp_path: Path) -> None:
    assert total_loss(tiny.network(tiny.melodies(tmp_path)), [], CPU) is None


@pytest.mark.parametrize("sequence_length", [5, 16, None])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_likelihood_does_not_depend_on_how_pieces_are_cut(
    tmp_path: Path, batch_size: int, sequence_length: int | None
) -> None:
    data = tiny.melodies(tmp_path)
    model = tiny.network(data)
    with torch.inference_mode():
        expected, _ = model.loss(tiny.whole(data, data.indices("train")))
    loss = total_loss(model, batches(data, "train", batch_size, sequence_length), CPU)
    assert loss is not None
    for part, same in zip(loss, expected, strict=True):
        torch.testing.assert_close(part, same, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("sequence_length", [5, None])
def test_shares_add_up_to_the_whole(tmp_path: Path, sequence_length: int | None) -> None:
    data = tiny.melodies(tmp_path)
    model = tiny.network(data)
    whole = total_loss(model, batches(data, "train", 2, sequence_length), CPU)
    shares = [
        total_loss(model, [b.share(rank, 3) for b in batches(data, "train", 2, sequence_length)], CPU)
        for rank in range(3)
    ]
    for part, parts in zip(whole or (), zip(*(share or () for share in shares), strict=True), strict=True):
        torch.testing.assert_close(torch.stack(list(parts)).sum(0), part, rtol=1e-5, atol=1e-3)
