from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from midigen.datasets.build import Dataset
from midigen.models.sequence_model import SequenceModel
from midigen.sampling.stepper import Stepper
from tests import tiny


@pytest.fixture(params=["melodies", "chords", "hymns"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    return getattr(tiny, request.param)(tmp_path)  # type: ignore[no-any-return]


@pytest.fixture(params=["lstm", "gru"])
def model(request: pytest.FixtureRequest, data: Dataset) -> SequenceModel:
    return tiny.network(data, replace(tiny.MODEL, cell=request.param, layers=3))


@torch.inference_mode()
def test_stepping_equals_the_networks_own_forward(model: SequenceModel, data: Dataset) -> None:
    batch = tiny.whole(data, [0, 1, 2])
    inputs = model.embed(batch.before, batch.context)
    outputs, last = model._recur(inputs, model.start(3))
    stepper = Stepper(model)
    state = stepper.start(3)
    for step in range(inputs.shape[1]):
        hidden, state = stepper.advance(batch.before[:, step], batch.context[:, step], state)
        torch.testing.assert_close(hidden, torch.cat([outputs, inputs], -1)[:, step], rtol=1e-5, atol=1e-5)
    for part, expected in zip(state, last, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_a_step_equals_the_networks_own_advance(model: SequenceModel, data: Dataset) -> None:
    batch, stepper = tiny.whole(data, [0, 1]), Stepper(model)
    own = packed = model.start(2)
    for step in range(4):
        hidden, own = model.advance(batch.before[:, step], batch.context[:, step], own)
        same, packed = stepper.advance(batch.before[:, step], batch.context[:, step], packed)
        torch.testing.assert_close(hidden, same, rtol=1e-5, atol=1e-5)
        for column in range(len(model.fields)):
            drawn = batch.rows[:, step, :column]
            torch.testing.assert_close(
                model.logits(column, hidden, batch.context[:, step], drawn),
                stepper.logits(column, same, batch.context[:, step], drawn),
                rtol=1e-5,
                atol=1e-5,
            )


def test_packing_takes_the_network_out_of_training(model: SequenceModel) -> None:
    assert not Stepper(model.train()).model.training
