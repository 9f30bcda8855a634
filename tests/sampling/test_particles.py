from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.datasets.batches import collate, prepare_steps
from midigen.errors import UsageError
from midigen.models.sequence_model import SequenceModel, end_and_rest
from midigen.representations.representation import Representation
from midigen.sampling import particles
from midigen.sampling.draw import DrawSettings
from midigen.sampling.particles import Bools, Drawn, ParticleSettings, Task, draw_pieces, systematic
from midigen.sampling.stepper import Stepper
from midigen.scores.score import Ints
from tests import tiny

ALTO = 2
STEPS = 4


class Toy:
    """The first sixteenths of a hymn, and a network that has learned nothing but is neither sure nor unsure of it."""

    def __init__(self, folder: Path, steps: int) -> None:
        data = tiny.hymns(folder)
        rows, plan = data.piece(0)
        self.grid, self.model = data.representation, tiny.network(data)
        self.model.load_state_dict({name: 0.6 * weight for name, weight in self.model.state_dict().items()})
        self.rows, self.plan = rows[:steps], plan[: steps + 1]

    def task(self, free: Bools, *, ends: bool = True) -> Task:
        return Task(self.plan, free, lambda step, context: np.tile(self.rows[step], (len(context), 1)), ends)

    def draw(self, free: Bools, number: int, count: int = 1, seed: int = 1, **drawn: float) -> list[Drawn]:
        settings = ParticleSettings(seed, number, count, DrawSettings(**drawn))  # type: ignore[arg-type]
        return draw_pieces(Stepper(self.model), self.grid, self.task(free), settings)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"), STEPS)


@pytest.fixture(scope="module")
def alto_twice(toy: Toy) -> Bools:
    """Two free cells: 58 times 58 ways to fill them in. What is fixed between them may call for resampling."""
    free = np.zeros((STEPS, 4), bool)
    free[[0, 2], ALTO] = True
    return free


@pytest.fixture(scope="module")
def every_way(toy: Toy, alto_twice: Bools) -> tuple[Ints, torch.Tensor]:
    """All ways to fill in the two cells, (58 * 58, T, 4), and the log probability of each."""
    cells = np.stack(np.meshgrid(np.arange(58), np.arange(58)), -1).reshape(-1, 2)
    rows = np.tile(toy.rows, (len(cells), 1, 1))
    rows[:, alto_twice] = cells
    return rows, log_probabilities(toy.model, toy.grid, rows, toy.plan)


@torch.inference_mode()
def log_probabilities(model: SequenceModel, grid: Representation, rows: Ints, plan: Ints) -> torch.Tensor:
    """The log probability of each piece, (B,), its end included, through the network itself."""
    batch, length, columns = rows.shape
    context = np.stack([grid.context(piece, plan) for piece in rows])
    before = np.concatenate([np.tile([f.size for f in grid.fields], (batch, 1, 1)), rows], axis=1)
    state, total = model.start(batch), torch.zeros(batch, dtype=torch.float64)
    for step in range(length + 1):
        known = torch.from_numpy(context[:, step])
        hidden, state = model.advance(torch.from_numpy(before[:, step]), known, state)
        ending, _ = end_and_rest(model.logits(0, hidden, known, torch.from_numpy(rows[:, 0, :0])).double())
        total += torch.nn.functional.logsigmoid(ending if step == length else -ending)
        for column in range(columns if step < length else 0):
            drawn = torch.from_numpy(rows[:, step, :column])
            logits = model.logits(column, hidden, known, drawn).double()[:, : grid.fields[column].size]
            total += logits.log_softmax(-1)[torch.arange(batch), torch.from_numpy(rows[:, step, column])]
    return total


def test_the_likelihood_of_a_piece_is_the_one_that_training_knows(tmp_path: Path) -> None:
    toy = Toy(tmp_path, 20)
    free = np.zeros((20, 4), bool)
    free[6:11, 1:3] = True
    (piece,) = toy.draw(free, 5)
    with torch.inference_mode():
        loss, _ = toy.model.loss(collate([prepare_steps(toy.grid, piece.rows, toy.plan)], [0], 21))
    assert piece.log_likelihood == pytest.approx(-float(loss.columns.sum() + loss.end), rel=1e-5)


def test_the_evidence_is_on_average_the_sum_over_every_way_to_fill_in_the_free_cells(
    toy: Toy, alto_twice: Bools, every_way: tuple[Ints, torch.Tensor]
) -> None:
    exact = float(every_way[1].logsumexp(0))
    ratios = np.exp([piece.log_evidence - exact for piece in toy.draw(alto_twice, 6, count=800)])
    error = ratios.std() / np.sqrt(len(ratios))
    assert ratios.std() > 0.1, "so sure of the fixed cells that nothing is tested"
    assert error < 0.03
    assert ratios.mean() == pytest.approx(1, abs=3.5 * error)


def test_more_particles_give_likelier_pieces_up_to_the_exact_posterior(
    toy: Toy, alto_twice: Bools, every_way: tuple[Ints, torch.Tensor]
) -> None:
    log_p = every_way[1]
    exact = float((log_p.softmax(0) * log_p).sum())
    one, few, many = (
        np.array([piece.log_likelihood for piece in toy.draw(alto_twice, number, count=2400 // number)])
        for number in (1, 4, 40)
    )
    assert one.mean() < few.mean() < many.mean()
    assert one.mean() < exact - 5 * one.std() / np.sqrt(len(one)), "the toy does not need the weights"
    assert many.mean() == pytest.approx(exact, abs=3.5 * many.std() / np.sqrt(len(many)))


def test_resampling_finds_likelier_pieces_than_weights_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy(tmp_path, 32)
    free = np.tile([False, True, True, False], (32, 1))
    found = []
    for below in (particles.RESAMPLE_BELOW, 0.0):
        monkeypatch.setattr(particles, "RESAMPLE_BELOW", below)
        found.append(np.mean([piece.log_likelihood for piece in toy.draw(free, 30, 8)]))
    assert found[0] > found[1] + 5


def test_a_single_particle_is_forced_sampling_and_the_likelihood_splits_into_drawn_and_fixed(toy: Toy) -> None:
    free = np.zeros((STEPS, 4), bool)
    free[:, ALTO] = True
    (piece,) = toy.draw(free, 1)
    assert piece.log_evidence > piece.log_likelihood
    assert np.array_equal(piece.rows[~free], toy.rows[~free])


def test_given_cells_are_kept_and_free_ones_are_not_all_the_same(toy: Toy, alto_twice: Bools) -> None:
    pieces = toy.draw(alto_twice, 3, count=20)
    assert all(np.array_equal(piece.rows[~alto_twice], toy.rows[~alto_twice]) for piece in pieces)
    assert len({piece.rows.tobytes() for piece in pieces}) > 10


def test_fixed_cells_may_depend_on_what_a_particle_has_drawn(toy: Toy, alto_twice: Bools) -> None:
    sounding = [field.name for field in toy.grid.context_fields].index("alto sounding")

    def echo(step: int, context: Ints) -> Ints:
        ids = np.tile(toy.rows[step], (len(context), 1))
        ids[:, ALTO] = context[:, sounding]
        return ids

    task = replace(toy.task(alto_twice), fixed=echo)
    for piece in draw_pieces(Stepper(toy.model), toy.grid, task, ParticleSettings(3, 8, 5)):
        context = toy.grid.context(piece.rows, toy.plan)
        assert piece.rows[1, ALTO] == context[1, sounding]
        assert piece.rows[3, ALTO] == context[3, sounding]


def test_a_seed_repeats_every_bit_and_a_piece_does_not_depend_on_its_neighbours(toy: Toy, alto_twice: Bools) -> None:
    three, again, ten = (toy.draw(alto_twice, 5, count) for count in (3, 3, 10))
    for first, second in zip(three, again, strict=True):
        assert np.array_equal(first.rows, second.rows)
        assert first.log_likelihood == second.log_likelihood
        assert first.log_evidence == second.log_evidence
    assert np.array_equal(three[2].rows, ten[2].rows)
    assert any(
        not np.array_equal(a.rows, b.rows) for a, b in zip(three, toy.draw(alto_twice, 5, 3, seed=2), strict=True)
    )


def test_at_temperature_0_the_likeliest_cell_is_taken_whatever_comes_behind(toy: Toy, alto_twice: Bools) -> None:
    coldest = [toy.draw(alto_twice, 3, seed=seed, temperature=0.0)[0].rows for seed in (1, 2)]
    nearly = toy.draw(alto_twice, 3, temperature=0.001)[0].rows
    assert np.array_equal(coldest[0], coldest[1])
    assert np.array_equal(coldest[0], nearly)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1, exclude_max=True), st.integers(1, 40))
def test_systematic_resampling_takes_each_as_often_as_its_share_rounded_up_or_down(
    weights: list[float], uniform: float, count: int
) -> None:
    shares = np.array(weights) + 1e-3
    shares /= shares.sum()
    taken = np.bincount(systematic(shares, uniform, count), minlength=len(shares))
    assert taken.sum() == count
    assert (np.abs(taken - count * shares) < 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "--seed must be 0 or more"),
        ({"particles": 0}, "--particles must be 1 or more"),
        ({"count": 0}, "--count must be 1 or more"),
        ({"particles": 500, "count": 500}, "--particles times --count must be at most 10000"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ParticleSettings(**{"seed": 1} | wrong)  # type: ignore[arg-type]
