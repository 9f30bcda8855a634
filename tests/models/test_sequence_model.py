from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from midigen.datasets.batches import Batch, batches, collate, prepare_steps
from midigen.datasets.build import Dataset
from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.heads import Head, distance
from midigen.models.network import Loss, State
from midigen.models.sequence_model import SequenceModel, end_and_rest, locked_dropout
from midigen.scores.score import Ints
from tests import tiny

CELLS = [replace(tiny.MODEL, cell=cell, tied=tied) for cell, tied in product(("lstm", "gru"), (False, True))]


@pytest.fixture(params=["notes", "parts", "grid"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    if request.param == "parts":
        return ensembles(tmp_path)
    return tiny.melodies(tmp_path, velocities=True) if request.param == "notes" else tiny.hymns(tmp_path)


@pytest.fixture(params=CELLS, ids=lambda config: f"{config.cell}-{'tied' if config.tied else 'untied'}")
def model(request: pytest.FixtureRequest, data: Dataset) -> SequenceModel:
    return tiny.network(data, replace(request.param, layers=2))


def ensembles(folder: Path) -> Dataset:
    return tiny.dataset(folder, [tiny.hymn(seed) for seed in range(4)], "parts", "tttv")


def all_logits(model: SequenceModel, batch: Batch) -> list[Tensor]:
    """The logits of every column, (B, T, size) each, as the loss computes them."""
    inputs = model.embed(batch.before, batch.context)
    outputs, _ = model._recur(inputs, model.start(len(batch.rows)))
    hidden = torch.cat([outputs, inputs], dim=-1)
    return [model.logits(k, hidden, batch.context, batch.rows[..., :k]) for k in range(len(model.fields))]


def total(loss: Loss) -> Tensor:
    return loss.columns.sum() + loss.end


@torch.inference_mode()
def test_logits_have_a_class_for_every_id_and_the_first_column_one_for_the_end(
    model: SequenceModel, data: Dataset
) -> None:
    sizes = [logits.shape[-1] for logits in all_logits(model, tiny.whole(data, [0]))]
    assert sizes == [field.size + (column == 0) for column, field in enumerate(model.fields)]


def test_the_chance_of_the_end_and_the_rest_make_one_softmax() -> None:
    logits = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ending, ids = end_and_rest(logits)
    end = ending.sigmoid()
    joined = torch.cat([(1 - end)[:, None] * ids.softmax(-1), end[:, None]], dim=-1)
    torch.testing.assert_close(joined, logits.softmax(-1))


@torch.inference_mode()
def test_loss_is_the_likelihood_that_the_logits_give_the_rows(model: SequenceModel, data: Dataset) -> None:
    batch = tiny.whole(data, [0])
    expected = torch.tensor(0.0)
    for column, logits in enumerate(all_logits(model, batch)):
        ids = batch.rows[..., column : column + 1]
        counted = batch.is_row | batch.is_end if column == 0 else batch.is_row
        expected -= logits.log_softmax(-1).gather(-1, ids).squeeze(-1)[counted].sum()
    torch.testing.assert_close(total(model.loss(batch)[0]), expected, rtol=1e-5, atol=1e-3)


@torch.inference_mode()
def test_a_prediction_sees_nothing_of_the_future(model: SequenceModel, data: Dataset) -> None:
    batch, step = tiny.whole(data, [0]), 5
    later = torch.arange(batch.rows.shape[1])[None, :, None] > step
    other = batch._replace(
        rows=torch.where(later, 0, batch.rows),
        before=torch.where(later, 1, batch.before),
        context=torch.where(later, 0, batch.context),
    )
    for logits, changed in zip(all_logits(model, batch), all_logits(model, other), strict=True):
        assert torch.equal(logits[:, : step + 1], changed[:, : step + 1])
        assert not torch.equal(logits[:, step + 1 :], changed[:, step + 1 :])


@torch.inference_mode()
def test_a_column_sees_those_drawn_before_it_and_no_later_one(model: SequenceModel, data: Dataset) -> None:
    batch = tiny.whole(data, [0])
    for column in range(len(model.fields)):
        rows = batch.rows.clone()
        rows[..., column] = (rows[..., column] + 1) % model.fields[column].size
        for other, (logits, changed) in enumerate(
            zip(all_logits(model, batch), all_logits(model, batch._replace(rows=rows)), strict=True)
        ):
            assert torch.equal(logits, changed) == (other <= column)


@torch.inference_mode()
def test_the_loss_of_a_padded_batch_is_the_sum_of_its_pieces(model: SequenceModel, data: Dataset) -> None:
    indices = data.indices("train")
    together = model.loss(tiny.whole(data, indices))[0]
    singles = [model.loss(tiny.whole(data, [index]))[0] for index in indices]
    for part, alone in zip(together, zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(part, torch.stack(list(alone)).sum(0), rtol=1e-5, atol=1e-3)


@torch.inference_mode()
def test_padding_has_no_influence(model: SequenceModel, data: Dataset) -> None:
    batch = tiny.whole(data, data.indices("train"))
    padding = ~(batch.is_row | batch.is_end)[..., None]
    other = batch._replace(rows=torch.where(padding, 3, batch.rows), before=torch.where(padding, 2, batch.before))
    for part, same in zip(model.loss(batch)[0], model.loss(other)[0], strict=True):
        assert torch.equal(part, same)


@torch.inference_mode()
def test_streams_that_carry_their_state_give_the_loss_of_whole_pieces(model: SequenceModel, data: Dataset) -> None:
    streamed, state = [], None
    for batch in batches(data, "train", 2, 7):
        loss, state = model.loss(batch, state)
        streamed.append(loss)
    expected = model.loss(tiny.whole(data, data.indices("train")))[0]
    for part, pieces in zip(expected, zip(*streamed, strict=True), strict=True):
        torch.testing.assert_close(torch.stack(list(pieces)).sum(0), part, rtol=1e-5, atol=1e-3)


@torch.inference_mode()
def test_without_absolute_weights_the_likelihood_is_the_same_in_every_key(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    model = tiny.network(data)
    for name, parameter in model.named_parameters():
        if name.startswith("embeddings") or ".absolute." in name:
            parameter.zero_()
    rows, plan = data.piece(0)
    moved = data.representation.transpose(rows, plan, 3)
    assert moved is not None
    odds, moved_odds = (odds_of_a_semitone(model, data, *piece) for piece in ((rows, plan), moved))
    for here, there in zip(odds, moved_odds, strict=True):
        torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-4)


def odds_of_a_semitone(model: SequenceModel, data: Dataset, rows: Ints, plan: Ints) -> list[Tensor]:
    """How much likelier the pitch sung is than the one above it, for each column, (1, T): no matter of the range."""
    steps = prepare_steps(data.representation, rows, plan)
    batch = collate([steps], [0], len(rows))
    sung = batch.rows[..., None]
    return [
        (logits.gather(-1, sung[..., k, :]) - logits.gather(-1, sung[..., k, :] + 1)).squeeze(-1)[rows.T[k][None] < 55]
        for k, logits in enumerate(all_logits(model, batch))
    ]


def test_every_parameter_gets_a_gradient(model: SequenceModel, data: Dataset) -> None:
    model.train()
    total(model.loss(tiny.whole(data, data.indices("train")))[0]).backward()  # type: ignore[no-untyped-call]
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@torch.inference_mode()
def test_fresh_weights_guess_nearly_uniformly(data: Dataset) -> None:
    model = SequenceModel(data.representation.fields, data.representation.context_fields, tiny.MODEL).eval()
    loss, _ = model.loss(tiny.whole(data, [0]))
    uniform = sum(math.log(field.size) for field in model.fields)
    assert float(loss.columns.sum() / loss.rows) == pytest.approx(uniform, rel=0.1)


def test_tying_saves_the_output_weights(tmp_path: Path) -> None:
    data, config = tiny.melodies(tmp_path), tiny.MODEL
    untied, tied = (
        sum(p.numel() for p in tiny.network(data, replace(config, tied=is_tied)).parameters())
        for is_tied in (False, True)
    )
    sizes = [field.size + (column == 0) for column, field in enumerate(data.representation.fields)]
    own_weights = sum(size * (config.head_size + 1) for size in sizes)
    shared = sum(config.embedding_size * (config.head_size + 1) + size for size in sizes)
    assert untied - tied == own_weights - shared


@torch.inference_mode()
def test_dropout_changes_only_training(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    model, batch = tiny.network(data), tiny.whole(data, [0])
    assert torch.equal(total(model.loss(batch)[0]), total(model.loss(batch)[0]))
    model.train()
    assert not torch.equal(total(model.loss(batch)[0]), total(model.loss(batch)[0]))


def test_locked_dropout_drops_the_same_features_at_every_step() -> None:
    torch.manual_seed(0)
    dropped = locked_dropout(torch.ones(2, 5, 40), 0.5, torch.nn.Module())
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])


def test_a_fresh_lane_forgets_the_state_that_was_carried(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    model, batch = tiny.network(data), tiny.whole(data, [0, 1])
    full: State = tuple(torch.ones_like(part) for part in model.start(2))
    assert torch.equal(total(model.loss(batch, full)[0]), total(model.loss(batch, None)[0]))


def test_distance_is_an_index_and_has_one_more_for_nowhere() -> None:
    first, second = torch.tensor([0, 4, 2, 5, 1]), torch.tensor([4, 0, 2, 1, 5])
    assert distance(first, second, 5).tolist() == [0, 8, 4, 9, 9]


def test_a_pitch_struck_again_lies_where_it_sounded(tmp_path: Path) -> None:
    model = tiny.network(tiny.hymns(tmp_path))
    soprano, column = model.fields[0], model.context_index["soprano sounding"]
    context = torch.zeros(1, len(model.context_fields), dtype=torch.int64)
    context[0, column] = 17
    again, rest = torch.tensor([[soprano.axis]]), torch.tensor([[soprano.axis + 1]])
    head = model.heads[0]
    assert isinstance(head, Head)
    assert head._position(model, "soprano", context, again).item() == 17
    assert head._position(model, "soprano", context, rest).item() == soprano.axis


@torch.inference_mode()
def test_a_pitch_lies_relative_to_the_last_one_of_the_part_that_was_drawn(tmp_path: Path) -> None:
    model = tiny.network(ensembles(tmp_path))
    head = model.heads[1]
    assert isinstance(head, Head)
    assert head.relative is not None
    for parameter in (*head.absolute.parameters(), *head.relative.parameters()):
        parameter.zero_()
    own, same = len(model.fields[1].relative_to), 127
    head.relative.bias[own * 255 + same] = 1.0
    context = torch.zeros(1, len(model.context_fields), dtype=torch.int64)
    context[0, [model.context_index[f"part {part} sounding"] for part in range(4)]] = torch.tensor([40, 50, 60, 70])
    hidden = torch.zeros(1, model.config.hidden_size + model.input_size)
    assert [int(head(model, hidden, context, torch.tensor([[part]])).argmax()) for part in range(4)] == [40, 50, 60, 70]


def test_a_pitch_that_is_hidden_is_hidden_where_its_part_sounds_too(tmp_path: Path) -> None:
    data = ensembles(tmp_path)
    model, batch = tiny.network(data, replace(tiny.MODEL, dropout=0.9)).train(), tiny.whole(data, [0])
    torch.manual_seed(0)
    before, context = model._blanked(batch.before, batch.context)
    hidden = before[..., 1] == model.fields[1].size + 1
    assert 0 < hidden.sum() < hidden.numel()
    for part in range(4):
        column = model.context_index[f"part {part} sounding"]
        is_own = hidden & (batch.before[..., 0] == part)
        assert torch.equal(context[..., column], torch.where(is_own, 128, batch.context[..., column]))


@torch.inference_mode()
def test_a_network_needs_no_axis_and_no_context() -> None:
    model = SequenceModel([Field("letter", 5)], [], tiny.MODEL).eval()
    rows = torch.tensor([[[1], [2], [5]]])
    flags = torch.tensor([[True, True, False]])
    batch = Batch(
        rows, torch.tensor([[[5], [1], [2]]]), torch.zeros(1, 3, 0, dtype=torch.int64), flags, ~flags, torch.ones(1) > 0
    )
    assert math.isfinite(float(total(model.loss(batch)[0])))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": "rnn"}, "lstm or gru, not 'rnn'"),
        ({"layers": 0}, "1 or more"),
        ({"hidden_size": -1}, "1 or more"),
        ({"dropout": 1.0}, "from 0 to below 1, not 1.0"),
        ({"dropout": -0.1}, "from 0 to below 1"),
        ({"dropout": math.nan}, "from 0 to below 1"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(tiny.MODEL, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("is_small", "spread"), [(True, 0.1), (False, 1.0)])
def test_embeddings_begin_small_or_as_torch_makes_them(tmp_path: Path, is_small: bool, spread: float) -> None:  # noqa: FBT001
    data = tiny.hymns(tmp_path)
    config = replace(tiny.MODEL, small_start=is_small)
    torch.manual_seed(0)
    model = SequenceModel(data.representation.fields, data.representation.context_fields, config)
    weights = torch.cat([weight.flatten() for weight in model.embeddings.parameters()])
    assert weights.std().item() == pytest.approx(spread, rel=0.1)
