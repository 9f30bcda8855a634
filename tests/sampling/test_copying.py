"""Copying: a piece that says something again is foreseen, and what is foreseen stays a distribution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.datasets.batches import prepare_steps
from midigen.datasets.build import Dataset
from midigen.evaluation.mixtures import copied_cells, network_cells
from midigen.formats.abc_notation import Tune, read_tune
from midigen.models.sequence_model import end_and_rest
from midigen.representations.abc_characters import AbcCharacters
from midigen.representations.parts import Parts
from midigen.sampling.copying import (
    LONGEST_PART,
    Copying,
    CopyingStepper,
    CopyRecipe,
    CopySettings,
    CopyStack,
    copy_places,
)
from midigen.sampling.stepper import Stepper
from midigen.scores.score import Part, Score
from tests import tiny

SIZE = 7
RECIPE = CopyRecipe(CopySettings(), CopySettings(begin=0.01))
Rows = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), min_size=1, max_size=12)


def network(step: int, column: int) -> torch.Tensor:
    """Some distribution, (1, SIZE), known from where it is asked for."""
    generator = torch.Generator().manual_seed(100 * step + column)
    return torch.rand(1, SIZE, dtype=torch.float64, generator=generator).softmax(-1)


def mixed(rows: torch.Tensor, recipe: CopyRecipe = RECIPE) -> list[torch.Tensor]:
    """The mixture's distributions along a piece, (1, T, K): for each cell one of (SIZE,)."""
    stack, found = CopyStack(recipe, rows.shape[2]), []
    for step in range(rows.shape[1]):
        stack.begin_row(rows[:, :step])
        for column in range(rows.shape[2]):
            given_by_network = network(step, column)
            found.append(stack.mix(column, given_by_network)[0])
            ids = rows[:, step, column]
            seen = stack.see(column, ids, given_by_network.gather(1, ids[:, None])[:, 0])
            assert torch.allclose(seen, found[-1][ids])
    return found


@given(Rows)
def test_the_mixture_is_a_distribution_at_every_cell(rows: list[tuple[int, int]]) -> None:
    for distribution in mixed(torch.tensor([rows])):
        assert (distribution >= 0).all()
        assert torch.isclose(distribution.sum(), torch.tensor(1.0, dtype=torch.float64))


@given(Rows, Rows)
def test_what_is_foreseen_depends_on_the_past_alone(past: list[tuple[int, int]], future: list[tuple[int, int]]) -> None:
    whole = mixed(torch.tensor([past + future]))
    for one, other in zip(mixed(torch.tensor([past])), whole, strict=False):
        assert torch.equal(one, other)


def test_a_phrase_that_comes_back_is_known_after_a_few_rows() -> None:
    phrase = torch.randint(SIZE, (16, 2), generator=torch.Generator().manual_seed(1))
    rows = torch.cat([phrase, phrase])[None]
    distributions = mixed(rows)
    chances = [distributions[2 * 31 + column][rows[0, 31, column]].item() for column in (0, 1)]
    assert min(chances) > 0.85


def test_the_first_row_is_the_networks() -> None:
    assert torch.allclose(mixed(torch.tensor([[(3, 4)]]))[0], network(0, 0)[0])


def test_the_chances_are_those_of_bayes_rule() -> None:
    """Two rows, the second equal to the first: counted by hand."""
    settings = CopySettings(begin=0.2, stop=0.1, slip_held=0.3, slip_moved=0.4)
    model = Copying(settings)
    model.begin_row(torch.zeros(1, 0, 1, dtype=torch.int64))
    model.see(0, torch.tensor([5]), torch.tensor([0.5]))
    model.begin_row(torch.tensor([[[5]]]))
    # Nothing is copied with 0.8, the row before with 0.2, which would only be held: a slip in 3 of 10.
    seen = model.see(0, torch.tensor([5]), torch.tensor([0.5]))
    assert torch.isclose(seen, torch.tensor([0.8 * 0.5 + 0.2 * (0.3 * 0.5 + 0.7)], dtype=torch.float64)).all()
    assert torch.isclose(model.none, 0.4 / seen).all()


def test_a_row_that_has_slipped_is_not_copied_further() -> None:
    settings = CopySettings(begin=0.999, stop=1e-9, slip_held=1e-3, slip_moved=1e-3)
    model = Copying(settings)
    model.begin_row(torch.zeros(1, 0, 2, dtype=torch.int64))
    for column in (0, 1):
        model.see(column, torch.tensor([1]), torch.tensor([0.5]))
    model.begin_row(torch.tensor([[[1, 1]]]))
    uniform = torch.full((1, SIZE), 1 / SIZE, dtype=torch.float64)
    assert model.mix(0, uniform)[0, 1] > 0.99
    model.see(0, torch.tensor([2]), torch.tensor([1 / SIZE]))
    assert torch.allclose(model.mix(1, uniform), uniform)


def asked_along(data: Dataset, temperature: float, asked_from: int = 0) -> tuple[list[torch.Tensor], ...]:
    """What the network and the mixture say along a piece, in logits and with the odds of the end, from a row on.

    And, of each id's probability in the mixture, the share that is copied.
    """
    steps, alone = prepare_steps(data.representation, *data.piece(0)), Stepper(tiny.network(data))
    rows, before, context = (torch.from_numpy(table)[None] for table in (steps.rows, steps.before, steps.context))

    copied = list[torch.Tensor]()

    def said(stepper: Stepper | CopyingStepper) -> list[torch.Tensor]:
        found, state = list[torch.Tensor](), stepper.start(1)
        for step in range(len(steps) - 1):
            known = context[:, step]
            hidden, state = stepper.advance(before[:, step], known, state)
            for column in range(3 if step >= asked_from else 0):
                found.append(stepper.logits(column, hidden, known, rows[:, step, :column])[0])
                copied.extend(stepper.copied if isinstance(stepper, CopyingStepper) else ())
        return found

    return said(alone), said(CopyingStepper(alone, RECIPE, [temperature] * 3)), copied


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_bears_on_the_network_and_not_on_the_copies(tmp_path: Path, temperature: float) -> None:
    data = tiny.melodies(tmp_path)
    rows, stack = torch.from_numpy(data.piece(0)[0])[None], CopyStack(RECIPE, 3)
    for place, (own, mixed, copied) in enumerate(zip(*asked_along(data, temperature), strict=True)):
        step, column = divmod(place, 3)
        if column == 0:
            (own_end, own), (end, mixed) = map(end_and_rest, (own, mixed))  # noqa: PLW2901
            assert torch.isclose(end, own_end.double())
            stack.begin_row(rows[:, :step])
        tempered = (own.double() / temperature).softmax(-1)[None]
        drawn_from, ids = (mixed / temperature).softmax(-1), rows[:, step, column]
        assert torch.allclose(drawn_from, stack.mix(column, tempered)[0])
        not_copied = drawn_from * (1 - copied)
        assert torch.allclose(not_copied / not_copied.sum(), tempered[0])
        stack.see(column, ids, tempered[:, ids[0]])


def test_at_temperature_0_a_piece_may_still_be_copied(tmp_path: Path) -> None:
    own, mixed, _ = asked_along(tiny.melodies(tmp_path), 0.0)
    assert torch.isfinite(mixed[-1]).any()
    assert any(not torch.allclose(one.log_softmax(-1), other.float()) for one, other in zip(own, mixed, strict=True))


def test_rows_that_are_given_are_learned_from_like_those_drawn(tmp_path: Path) -> None:
    data = tiny.melodies(tmp_path)
    (_, drawn, _), (_, given_rows, _) = asked_along(data, 1.0), asked_along(data, 1.0, asked_from=6)
    for one, other in zip(drawn[18:], given_rows, strict=True):
        assert torch.allclose(one, other)


def test_what_lies_too_near_is_not_copied() -> None:
    model = Copying(CopySettings(begin=0.9, nearest=2))
    uniform = torch.full((1, SIZE), 1 / SIZE, dtype=torch.float64)
    for past in range(3):
        model.begin_row(torch.full((1, past, 1), 4))
        assert torch.allclose(model.mix(0, uniform), uniform) == (past < 2)
        model.see(0, torch.tensor([4]), torch.tensor([1 / SIZE]))


HEADER = "X:1\nM:2/4\nL:1/8\nK:C\n"
ABC = AbcCharacters("".join(sorted(set(HEADER + "|:DEFG"))) + "\ufffd")


def copied_behind(text: str) -> set[str]:
    """Return the characters that copying makes likelier as the next of a tune."""
    rows, plan = ABC.encode_text(text)
    context = torch.from_numpy(ABC.context(rows, plan))[None]
    places = copy_places(ABC.context_fields, context)
    assert places is not None
    model = Copying(CopySettings(begin=0.9))
    model.none = torch.ones(1, dtype=torch.float64)
    model.weights = torch.zeros(1, len(rows) - 1, dtype=torch.float64)
    model.begin_row(torch.from_numpy(rows)[None], places)
    size = len(ABC.characters)
    likelier = model.mix(0, torch.full((1, size), 1 / size, dtype=torch.float64))[0] > 1 / size
    return {character for character, is_likelier in zip(ABC.characters, likelier.tolist(), strict=True) if is_likelier}


def test_an_ensemble_copies_from_the_same_place_in_the_bar() -> None:
    parts = Parts()
    notes = [(480 * beat, 480, 60 + beat, 80, 3) for beat in range(9)]
    rows, plan = parts.encode(Score.from_notes(notes, parts=tuple(Part() for _ in range(4))))
    places = copy_places(parts.context_fields, torch.from_numpy(parts.context(rows, plan))[None])
    assert places is not None
    model = Copying(CopySettings(begin=0.5, nearest=5))
    model.none = torch.ones(1, dtype=torch.float64)
    model.weights = torch.zeros(1, 8, dtype=torch.float64)
    model.begin_row(torch.from_numpy(rows)[None], places)
    # The tenth quarter copies the second; the sixth lies too near.
    assert model.weights[0].nonzero().flatten().tolist() == [1]


def test_a_tune_copies_what_stands_at_the_same_place_in_the_bar() -> None:
    assert copied_behind(HEADER + "CDEF|") == {"C"}
    assert copied_behind(HEADER + "CDEF|GD") == {"E"}


def test_how_a_bar_ends_is_not_copied_from_another_bar() -> None:
    assert copied_behind(HEADER + "CDEF|GDEF|EDEF") == set()
    assert copied_behind(HEADER + "CDEF|GDEF||CDEF|GDEF") == {"|"}


def test_a_close_is_copied_from_a_close() -> None:
    bars = "|".join(["CDEF", "CDEG", "DDEE", "FFFF"] * 2)
    assert copied_behind(f"{HEADER}{bars[:-2]}") == set()
    assert copied_behind(f"{HEADER}{bars}||{bars[:-2]}") == {"F"}


def test_a_part_that_has_become_too_long_copies_nothing() -> None:
    assert copied_behind(HEADER + "CDEF|" * LONGEST_PART) == set()
    assert copied_behind(HEADER + "CDEF|" * (LONGEST_PART - 1)) == {"C"}


def test_a_header_copies_nothing() -> None:
    assert copied_behind("X:1\nM:") == set()


def test_what_stops_to_stand_at_the_same_place_is_not_copied_further() -> None:
    model = Copying(CopySettings(begin=0.9))
    model.begin_row(torch.zeros(1, 0, 1, dtype=torch.int64), torch.tensor([[[1, 0, 0]]]))
    model.begin_row(torch.tensor([[[3]]]), torch.tensor([[[1, 0, 0], [1, 0, 0]]]))
    assert model.weights.sum() > 0
    model.begin_row(torch.tensor([[[3], [3]]]), torch.tensor([[[1, 0, 0], [1, 0, 0], [2, 0, 0]]]))
    assert model.weights.sum() == 0
    assert model.none.item() == pytest.approx(1)


def test_a_tune_is_drawn_from_what_its_likelihood_is_measured_by(tmp_path: Path) -> None:
    tunes: list[Score] = [read_tune(Tune(f"{HEADER}{bar}|{bar}:|\n")) for bar in ("CDEF", "GFED", "CEFG")]
    data = tiny.dataset(tmp_path, tunes, "abc", "ttv")
    network = tiny.network(data)
    cells = copied_cells(network_cells(network.eval(), data, "valid", transposed=False), RECIPE)
    steps = prepare_steps(data.representation, *data.piece(2))
    rows, before, context = (torch.from_numpy(table)[None] for table in (steps.rows, steps.before, steps.context))
    stepper = CopyingStepper(Stepper(network), RECIPE, [1.0], data.representation.context_fields)
    state, given_by_both = stepper.start(1), list[float]()
    for step in range(len(steps) - 1):
        hidden, state = stepper.advance(before[:, step], context[:, step], state)
        _, ids = end_and_rest(stepper.logits(0, hidden, context[:, step], rows[:, step, :0]))
        given_by_both.append(ids.softmax(-1)[0, rows[0, step, 0]].item())
    assert given_by_both == pytest.approx(cells.probabilities[0, :, 0].tolist(), rel=1e-4)
