"""The published networks: sizes as published, a step at a time as over a window, likelihoods that sum to 1."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from midigen.datasets.batches import Batch, batches
from midigen.datasets.build import Dataset
from midigen.errors import UsageError
from midigen.fields import Field
from midigen.models.build import architecture_from_json, make_network
from midigen.models.classic import ChordNetwork, ClassicConfig, NoteNetwork, TextNetwork, log_mass
from midigen.presets import PRESETS, Preset, count_parameters
from tests import tiny

LETTERS = (Field("letter", 5),)
NOTES = (Field("pitch", 128, 128), Field("step", 129), Field("duration", 128))
NOTHING = torch.zeros((1, 0), dtype=torch.int64)


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def walk(network: ChordNetwork | NoteNetwork | TextNetwork, rows: Tensor) -> Tensor:
    """The first column's logits after each of the rows (T, K), drawn one by one."""
    network.eval()
    state, before, logits = network.start(1), torch.tensor([[f.size for f in network.fields]]), []
    for row in [None, *rows]:
        before = before if row is None else row[None]
        hidden, state = network.advance(before, NOTHING, state)
        logits.append(network.logits(0, hidden, NOTHING, NOTHING)[0])
    return torch.stack(logits)


def merged(folder: Path) -> Dataset:
    """Tunes of forty notes as pitch, step and duration."""
    return tiny.dataset(folder, [tiny.melody(seed, 40) for seed in range(3)], splits="ttv")


def test_sizes_are_the_published_ones() -> None:
    assert parameters(TextNetwork((Field("character", 83),))) == 5_357_395
    assert count_parameters(PRESETS["classic-abc"]) == 5_357_395
    assert parameters(NoteNetwork(NOTES, 8)) == 84_866
    assert count_parameters(PRESETS["classic-notes"]) == 84_866


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_window_network_sees_the_last_rows_and_no_more(cell: str) -> None:
    network = ChordNetwork(LETTERS, cell).eval()
    network.window = 6
    rows = torch.randint(0, 5, (20, 1), generator=torch.Generator().manual_seed(0))
    logits = walk(network, rows)
    with torch.no_grad():
        expected = network.head(network._read(rows[None, 14:]))
    torch.testing.assert_close(logits[20, :-1], expected[0])
    assert logits[:, -1].eq(-math.inf).all()


def test_notes_learn_what_follows_a_window(tmp_path: Path) -> None:
    data = merged(tmp_path)
    network = NoteNetwork(data.representation.fields, 8).train()
    (batch,) = batches(data, "train", 1000, 25, cut="windows")
    assert batch.before.shape == (2 * (40 - 25), 25, 3)
    loss, _ = network.loss(batch)
    assert loss.rows == 30
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        after, _ = network.loss(batch)
        (after.objective / after.rows).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert after.objective < loss.objective / 2
    assert after.columns.sum() < loss.columns.sum() * 0.7


def test_the_deterministic_columns_of_notes_have_one_possible_id() -> None:
    network = NoteNetwork(NOTES, 8).eval()
    with torch.no_grad():
        network.step.bias.fill_(7.0)
        network.duration.bias.fill_(0.5)
        network.step.weight.zero_()
        network.duration.weight.zero_()
    hidden = torch.zeros(2, 128)
    step, duration = (network.logits(column, hidden, NOTHING, NOTHING) for column in (1, 2))
    # Silence is at most a quarter, 8 quanta; a length of 4 quanta has the id 3.
    assert [ids.isfinite().nonzero()[:, 1].tolist() for ids in (step, duration)] == [[8, 8], [3, 3]]


def test_a_step_below_0_is_right_where_it_is_played_as_0() -> None:
    network = NoteNetwork(NOTES, 8).eval()
    with torch.no_grad():
        network.step.weight.zero_()
        network.step.bias.fill_(-0.5)
    zeros, one = torch.zeros((1, 25, 3), dtype=torch.int64), torch.ones((1, 1), dtype=torch.bool)
    loss, _ = network.loss(Batch(zeros[:, :1], zeros, zeros[:, :1, :0], one, ~one, ~one[0]))
    assert loss.correct[1] == 1


@given(st.floats(-30, 60), st.floats(0.05, 40), st.integers(2, 40))
def test_a_squared_error_read_as_a_likelihood_sums_to_1(mean: float, deviation: float, size: int) -> None:
    ids = torch.arange(size)
    logs = log_mass(torch.full((size,), mean), torch.full((size,), deviation), ids, size)
    assert logs.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_text_network_steps_as_it_reads_a_batch_and_ends_behind_an_empty_line() -> None:
    torch.manual_seed(0)
    network = TextNetwork(LETTERS, separator=2).eval()
    rows = torch.tensor([[1], [0], [2], [3], [2]])
    logits = walk(network, rows)
    assert logits[:, -1].isfinite().tolist() == [False, False, False, True, False, True]
    assert logits[:, 2].isfinite().tolist() == [True, True, True, False, True, False]
    torch.testing.assert_close(logits.softmax(-1).sum(-1), torch.ones(6))
    # The start of a piece looks like an empty line.
    outputs, _ = network.recurrent(network.embedding(torch.tensor([[2, 1, 0, 2, 3, 2]])))
    plain = network.linear(outputs)[0]
    torch.testing.assert_close(logits.softmax(-1)[0, :-1], plain.softmax(-1)[0])
    torch.testing.assert_close(logits.softmax(-1)[5, -1], plain.softmax(-1)[5, 2])


def test_the_parts_of_a_texts_loss_add_up_to_what_it_minimises(tmp_path: Path) -> None:
    data = tiny.chords(tmp_path)
    network = TextNetwork(data.representation.fields, separator=3)
    (batch,) = batches(data, "train", 2, 1000, cut="text")
    loss, _ = network.loss(batch)
    assert loss.rows == batch.is_row.sum()
    before = batch.before[..., 0]
    ids = torch.where(before < data.representation.fields[0].size, before, 3)
    logits = network.linear(network.recurrent(network.embedding(ids))[0])
    targets = torch.where(batch.is_row, batch.rows[..., 0], 3)
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    torch.testing.assert_close(loss.objective, plain, rtol=1e-4, atol=1e-2)


def test_a_network_for_other_rows_is_refused(tmp_path: Path) -> None:
    notes, chords = merged(tmp_path).representation, tiny.chords(tmp_path).representation
    with pytest.raises(UsageError, match="tokens of one column, but notes has 3"):
        make_network(notes, ClassicConfig("chords"))
    with pytest.raises(UsageError, match="take the preset classic-notes"):
        make_network(chords, ClassicConfig("notes"))
    with pytest.raises(UsageError, match="published networks are chords, text, notes, not 'opera'"):
        ClassicConfig("opera")
    with pytest.raises(UsageError, match="lstm or gru"):
        ClassicConfig("text", "elman")


@pytest.mark.parametrize("preset", PRESETS.values())
def test_an_architecture_comes_back_from_json(preset: Preset) -> None:
    assert architecture_from_json(asdict(preset.model)) == preset.model
