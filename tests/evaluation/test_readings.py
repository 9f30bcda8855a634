"""Readings: key and bars that are not told are inferred from the past, and what comes out is still a likelihood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from midigen.datasets.build import Dataset
from midigen.evaluation.mixtures import mixed_likelihoods, network_cells
from midigen.evaluation.readings import OPENING, read, readings, told_in_advance, unread_grid
from midigen.models.build import make_network
from midigen.models.sequence_model import SequenceModel
from midigen.representations.grid_plan import NO_TONIC, Summary
from midigen.representations.voice_grid import VoiceGrid
from midigen.scores.score import Ints, Key, Metre
from tests import tiny

IN_C, IN_G = Summary(0, 16, 48, (), 1, 3), Summary(4, 12, 36, (), 1, 10)
GRID = VoiceGrid(((0, 54),) * 4, (IN_C, IN_C, IN_G), ahead=False)


def hymns_with_keys(folder: Path, held_out: tuple[int, int] = (-1, 4)) -> Dataset:
    """Sharps and quarters of a bar differ."""
    scores = [
        replace(tiny.hymn(seed), keys=(Key(0, sharps, "major"),), metres=(Metre(0, quarters, 4),))
        for seed, (sharps, quarters) in enumerate([(0, 4), (1, 3), (0, 4), held_out])
    ]
    return tiny.dataset(folder, scores, "grid", "tttv", ahead=False)


def model_for(data: Dataset) -> SequenceModel:
    torch.manual_seed(3)
    model = make_network(data.representation, tiny.MODEL)
    assert isinstance(model, SequenceModel)
    return model.eval()


def test_a_reading_is_as_likely_as_the_training_pieces_say() -> None:
    chances, plans = readings(GRID, 20)
    assert len(plans) == 2 * 12
    assert chances.sum() == pytest.approx(1)
    by_reading = {(*plan[0, :2].tolist(), int(plan[0, 5])): float(c) for c, plan in zip(chances, plans, strict=True)}
    assert by_reading[0, 16, 3] == pytest.approx(2 / 3 * 3 / 15)
    assert by_reading[8, 12, 10] == pytest.approx(1 / 3 * 2 / 15)
    assert by_reading[8, 12, 0] == pytest.approx(1 / 3 * 1 / 15)


def test_a_grid_that_may_be_told_needs_no_reading() -> None:
    assert unread_grid(GRID) is GRID
    assert unread_grid(replace(GRID, ahead=True)) is None
    assert told_in_advance(GRID) == "key and bars"
    assert told_in_advance(replace(GRID, ahead=True)) == "key, bars, fermatas and length"


def test_where_no_training_piece_has_a_key_only_bars_are_read() -> None:
    keyless = [plan._replace(mode=0, tonic=NO_TONIC) for plan in GRID.plans]
    chances, plans = readings(replace(GRID, plans=tuple(keyless)), 20)
    assert [(*plan[0, :2].tolist(), int(plan[0, 5])) for plan in plans] == [(0, 16, NO_TONIC), (8, 12, NO_TONIC)]
    assert chances.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert len(readings(replace(GRID, plans=(IN_C, *keyless)), 20)[1]) == 12


def test_the_mixture_follows_the_reading_that_explains_the_past() -> None:
    """By hand: every reading but one gives each id 0.1; that one gives 0.5."""
    right = next(i for i, plan in enumerate(readings(GRID, 1)[1]) if (plan[0, 1], plan[0, 5]) == (16, 3))
    chance = readings(GRID, 1)[0][right]

    def ask(rows: Ints, plans: list[Ints]) -> torch.Tensor:
        given = torch.full((len(plans), *rows.shape), 0.1, dtype=torch.float64)
        for index, plan in enumerate(plans):
            if (plan[0, 1], plan[0, 5]) == (16, 3):
                given[index] = 0.5
        return given

    found = read(GRID, np.zeros((OPENING + 4, 4), np.int64), ask, ask)
    assert found[0, 0] == pytest.approx(0.5 * chance + 0.1 * (1 - chance))
    now = 0.5 * chance / (0.5 * chance + 0.1 * (1 - chance))
    assert found[0, 1] == pytest.approx(0.5 * now + 0.1 * (1 - now))
    assert found[-1, -1] == pytest.approx(0.5)


@pytest.mark.parametrize("begin", [5, OPENING, OPENING + 5])
def test_what_a_cell_gets_depends_on_the_past_alone_and_sums_to_one(tmp_path: Path, begin: int) -> None:
    data = hymns_with_keys(tmp_path)
    model, (held_out,) = model_for(data), data.indices("valid")
    place, total, seen = data.offsets[held_out] + begin, 0.0, []
    for chosen in range(data.representation.fields[0].size):
        rows = data.rows.copy()
        rows[place, 0] = chosen
        cells = network_cells(model, replace(data, rows=rows), "valid", transposed=True).probabilities[0]
        seen.append(cells[:begin])
        total += float(cells[begin, 0])
    assert total == pytest.approx(1, abs=1e-5)
    assert all(torch.equal(past, seen[0]) for past in seen)


def test_key_and_bars_of_a_held_out_piece_are_not_told(tmp_path: Path) -> None:
    one, other = hymns_with_keys(tmp_path / "one"), hymns_with_keys(tmp_path / "other", (3, 3))
    assert not np.array_equal(one.piece(3)[1], other.piece(3)[1])
    costs = [network_cells(model_for(one), data, "valid", transposed=False).nll for data in (one, other)]
    assert costs[0] == costs[1]


def test_music_without_keys_is_read_as_the_networks_own_pieces_are(tmp_path: Path) -> None:
    """What is measured may be another collection, whose training pieces have no say."""
    data = hymns_with_keys(tmp_path)
    keyless = tiny.dataset(tmp_path / "keyless", [tiny.hymn(seed) for seed in range(4)], "grid", "tttv", ahead=False)
    checkpoint = tiny.trained(tmp_path, data)
    assert mixed_likelihoods(checkpoint, keyless, "valid") == mixed_likelihoods(checkpoint, data, "valid")


@pytest.mark.parametrize("rows", [1, OPENING, OPENING + 1])
def test_short_pieces_are_read_too(rows: int) -> None:
    def ask(rows: Ints, plans: list[Ints]) -> torch.Tensor:
        return torch.full((len(plans), *rows.shape), 0.1, dtype=torch.float64)

    found = read(GRID, np.zeros((rows, 4), np.int64), ask, ask)
    assert found.tolist() == [pytest.approx([0.1] * 4)] * rows


def test_a_report_says_what_was_inferred(tmp_path: Path) -> None:
    data = hymns_with_keys(tmp_path)
    found = mixed_likelihoods(tiny.trained(tmp_path, data), data, "valid")
    assert list(found) == ["key and bars inferred", "averaged over transpositions", "copying itself"]
