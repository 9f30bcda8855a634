from __future__ import annotations

import pytest
import torch

from midigen.errors import UsageError
from midigen.training.optimizers import OPTIMIZERS, find_optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_its_usual_rate(name: str) -> None:
    weight = torch.nn.Parameter(torch.full((3,), 5.0))
    recipe = find_optimizer(name)
    optimizer = recipe.make([weight], recipe.learning_rate / 10, 0.0)
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert weight.abs().max().item() < 5.0


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no optimizer called 'lion'; choose one of: adamw, adam"):
        find_optimizer("lion")
