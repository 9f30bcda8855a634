"""Shipped: the models that come with midigen are whole, small enough and say where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from midigen.checkpoints.run import (
    MODEL,
    Snapshot,
    count_weights,
    find_checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    training_dataset,
)
from midigen.checkpoints.shipped import (
    DEFAULT_MODEL,
    MOST_BYTES,
    MOST_PASSAGE_BYTES,
    read_card,
    shipped_models,
    split_sizes,
)
from midigen.errors import CheckpointError
from midigen.evaluation.originality import PASSAGE, PASSAGES, known_passages
from tests import tiny

SHIPPED = shipped_models()
FIELDS = {
    "name",
    "data",
    "corpus",
    "credits",
    "licence",
    "representation",
    "network",
    "parameters",
    "training",
    "split",
    "figures",
    "passages",
    "midigen",
    "command",
}
NEVER_SHIPPED = ("palestrina", "essen", "maestro", "thesession", "mozart-sonatas", "mozart_sonatas")


def test_the_model_that_composes_by_default_ships() -> None:
    assert DEFAULT_MODEL in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_card_has_its_fields(name: str) -> None:
    card = read_card(SHIPPED[name])
    assert card.keys() == FIELDS
    assert all(card.values())
    assert card["name"] == name
    assert card["command"].startswith(f"scripts/train_pretrained {name}")
    assert not [corpus for corpus in NEVER_SHIPPED if corpus in card["corpus"].lower()]
    for bits in ("float32", "bfloat16"):
        assert card["figures"][bits].keys() == {"valid", "test"}


@pytest.mark.parametrize("name", SHIPPED)
def test_rounding_the_weights_costs_next_to_nothing(name: str) -> None:
    figures = read_card(SHIPPED[name])["figures"]
    for split, nats in figures["float32"].items():
        assert figures["bfloat16"][split] == pytest.approx(nats, rel=0.002)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_loads_and_is_what_its_card_says(name: str, tmp_path: Path) -> None:
    card = read_card(SHIPPED[name])
    checkpoint = load_checkpoint(find_checkpoint(name, tmp_path))
    assert checkpoint.name == name
    assert checkpoint.representation.name == card["representation"]
    assert checkpoint.config["model"] == card["network"]
    assert split_sizes(checkpoint.config) == card["split"]
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    assert parameters == count_weights(checkpoint.folder) == card["parameters"]
    assert {weight.dtype for weight in checkpoint.model.state_dict().values()} == {torch.float32}
    assert {weight.dtype for weight in load_weights(checkpoint.folder).values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_is_small_and_brings_its_passages(name: str) -> None:
    folder = SHIPPED[name]
    assert {file.name for file in folder.iterdir()} == {MODEL, "config.json", "card.json", PASSAGES}
    assert (folder / MODEL).stat().st_size <= MOST_BYTES
    assert (folder / PASSAGES).stat().st_size <= MOST_PASSAGE_BYTES
    known = known_passages(load_checkpoint(folder))
    assert known is not None
    card = read_card(folder)["passages"]
    assert (card["steps"], card["kept"]) == (PASSAGE, len(known.hashes))
    assert (np.diff(known.hashes.astype(np.int64)) > 0).all()
    assert card["held_out_found_wrongly"] <= card["held_out"] * 1e-3


def test_a_run_of_the_same_name_comes_first(tmp_path: Path) -> None:
    data = tiny.hymns(tmp_path / "data")
    model = tiny.network(data)
    save_checkpoint(tmp_path / DEFAULT_MODEL, "epoch-0001", Snapshot(model.state_dict(), {}, {}, {}), is_best=True)
    assert find_checkpoint(DEFAULT_MODEL, tmp_path) == tmp_path / DEFAULT_MODEL / "epoch-0001"


def test_a_folder_of_the_same_name_without_a_model_does_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / DEFAULT_MODEL).mkdir()
    assert find_checkpoint(DEFAULT_MODEL, tmp_path) == SHIPPED[DEFAULT_MODEL]


def test_where_nothing_is_trained_the_default_is_found_but_not_to_go_on_with(tmp_path: Path) -> None:
    assert find_checkpoint(None, tmp_path) == SHIPPED[DEFAULT_MODEL]
    for name in (None, DEFAULT_MODEL):
        with pytest.raises(CheckpointError, match=r"no trained model|no model at"):
            find_checkpoint(name, tmp_path, "last")


def test_an_unknown_name_is_answered_with_what_ships(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"with midigen come: .*{DEFAULT_MODEL}"):
        find_checkpoint("other", tmp_path)


def test_what_ships_has_no_dataset_here() -> None:
    assert training_dataset(load_checkpoint(SHIPPED[DEFAULT_MODEL])) is None


def test_a_damaged_card_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("[1")
    with pytest.raises(CheckpointError, match=r"card\.json cannot be read"):
        read_card(tmp_path)
