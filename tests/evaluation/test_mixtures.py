"""Mixtures: averaged over keys and copied, what held-out pieces get is still a likelihood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from midigen.datasets.build import Dataset
from midigen.evaluation.evaluate import likelihood
from midigen.evaluation.mixtures import (
    NOTHING,
    Cells,
    can_be_asked_in_keys,
    copied_cells,
    fit_recipe,
    mixed_likelihoods,
    network_cells,
)
from midigen.models.build import make_network
from midigen.models.sequence_model import SequenceModel
from midigen.representations.notes import DRUMS, Notes
from midigen.sampling.copying import CopyRecipe, CopySettings
from midigen.scores.score import Score
from tests import tiny

RECIPE = CopyRecipe(CopySettings(begin=0.1), CopySettings(begin=0.1))


def model_for(data: Dataset) -> SequenceModel:
    torch.manual_seed(3)
    model = make_network(data.representation, tiny.MODEL)
    assert isinstance(model, SequenceModel)
    return model.eval()


def hymns_in_keys(folder: Path) -> Dataset:
    """The voices' ranges leave the last piece some keys around its own."""
    scores = [replace(tiny.hymn(seed), pitch=tiny.hymn(seed).pitch + shift) for seed, shift in enumerate((-4, 4, 0))]
    return tiny.dataset(folder, scores, "grid", "ttv")


def melodies_in_keys(folder: Path) -> Dataset:
    scores = [
        replace(tiny.melody(seed), pitch=tiny.melody(seed).pitch + shift) for seed, shift in enumerate((-4, 4, 0))
    ]
    return tiny.dataset(folder, scores, "notes", "ttv")


def sung_twice(score: Score) -> Score:
    later = score.notes.copy()
    later[:, 0] += score.end
    return Score.from_notes([*score.notes.tolist(), *later.tolist()], parts=score.parts)


def test_the_networks_cells_are_its_likelihood(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path)
    checkpoint = tiny.trained(tmp_path, data)
    assert isinstance(checkpoint.model, SequenceModel)
    cells = network_cells(checkpoint.model, data, "valid", transposed=False)
    assert cells.nll == pytest.approx(likelihood(checkpoint, data, "valid").nll_per_note, rel=1e-4)


def test_averaged_over_keys_the_chances_of_all_ids_sum_to_one(tmp_path: Path) -> None:
    """The last cell of a piece is changed to every id in turn, also to those outside of the voice's range."""
    data = hymns_in_keys(tmp_path)
    model, (held_out,) = model_for(data), data.indices("valid")
    assert len(data.representation.transpositions(data.piece(held_out)[0])) > 1
    rows, total = data.rows.copy(), 0.0
    last = data.offsets[held_out] + len(data.piece(held_out)[0]) - 1
    for chosen in range(data.representation.fields[-1].size):
        rows[last, len(data.representation.fields) - 1] = chosen
        cells = network_cells(model, replace(data, rows=rows), "valid", transposed=True)
        total += float(cells.probabilities[0, -1, -1])
    assert total == pytest.approx(1, abs=1e-5)


def test_an_average_over_keys_differs_from_one_key(tmp_path: Path) -> None:
    data = hymns_in_keys(tmp_path)
    alone, averaged = (network_cells(model_for(data), data, "valid", transposed=t) for t in (False, True))
    assert not torch.allclose(alone.probabilities, averaged.probabilities)
    assert averaged.nll == pytest.approx(alone.nll, rel=0.02)


@pytest.mark.parametrize("tokens", ["grid", "notes"])
def test_what_a_cell_gets_from_all_keys_depends_on_the_past_alone(tmp_path: Path, tokens: str) -> None:
    """What is to come goes to the end of the training voices' ranges, where fewer keys fit."""
    data = hymns_in_keys(tmp_path) if tokens == "grid" else melodies_in_keys(tmp_path)
    model, (held_out,) = model_for(data), data.indices("valid")
    rows, begin = data.rows.copy(), 10
    rows[data.offsets[held_out] + begin : data.offsets[held_out + 1] - 1, 0] = data.rows[:, 0].max()
    changed = replace(data, rows=rows)
    own, other = (network_cells(model, each, "valid", transposed=True).probabilities for each in (data, changed))
    assert torch.equal(own[:, :begin], other[:, :begin])
    assert not torch.allclose(own[:, begin:], other[:, begin:])


def test_notes_are_asked_in_keys_and_chord_tokens_and_drums_are_not(tmp_path: Path) -> None:
    data = melodies_in_keys(tmp_path)
    alone, averaged = (network_cells(model_for(data), data, "valid", transposed=t) for t in (False, True))
    assert not torch.allclose(alone.probabilities, averaged.probabilities)
    assert averaged.nll == pytest.approx(alone.nll, rel=0.05)
    assert isinstance(data.representation, Notes)
    assert not can_be_asked_in_keys(replace(data.representation, programs=(0, DRUMS)))
    tokens = tiny.chords(tmp_path / "chords")
    assert list(mixed_likelihoods(tiny.trained(tmp_path / "chords", tokens), tokens, "valid")) == ["copying itself"]


def test_what_a_cell_gets_from_copies_depends_on_the_past_alone(tmp_path: Path) -> None:
    data = hymns_in_keys(tmp_path)
    cells = network_cells(model_for(data), data, "valid", transposed=True)
    other = cells.rows.clone()
    other[:, 20:] = 3
    whole, changed = copied_cells(cells, RECIPE), copied_cells(Cells(other, cells.probabilities), RECIPE)
    assert torch.equal(whole.probabilities[:, :20], changed.probabilities[:, :20])


def test_a_piece_that_is_sung_twice_costs_less_by_copying(tmp_path: Path) -> None:
    scores = [tiny.hymn(0), tiny.hymn(1), sung_twice(tiny.hymn(2))]
    data = tiny.dataset(tmp_path, scores, "grid", "ttv")
    alone = network_cells(model_for(data), data, "valid", transposed=False)
    copied = copied_cells(alone, RECIPE)
    half = alone.rows.shape[1] // 2
    spent = [-cells.probabilities[:, half:].log().sum() for cells in (copied, alone)]
    assert spent[0] < 0.3 * spent[1]
    fitted = copied_cells(alone, fit_recipe(alone))
    assert fitted.nll <= copied_cells(alone, CopyRecipe(CopySettings(), CopySettings())).nll


def test_what_lies_behind_the_end_of_a_shorter_piece_costs_nothing(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.hymn(0), tiny.hymn(1, 2), tiny.hymn(2, 4)], "grid", "tvv")
    cells = copied_cells(network_cells(model_for(data), data, "valid", transposed=False), RECIPE)
    assert (cells.probabilities[cells.rows == NOTHING] == 1).all()
    assert (cells.rows != NOTHING).sum() == 4 * 16 * (2 + 4)


def test_all_mixtures_are_reported_for_our_networks(tmp_path: Path) -> None:
    data = hymns_in_keys(tmp_path)
    found = mixed_likelihoods(tiny.trained(tmp_path, data), data, "valid")
    assert list(found) == ["averaged over transpositions", "copying itself"]
