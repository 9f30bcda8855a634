"""The inverse problem: the density that belongs to a temperature, and how little it takes to lose it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from midigen.labs.inverse_problem import (
    FINE,
    NODES,
    PROBLEM_1,
    TEXT_BOUND,
    Rod,
    density,
    fitted_density,
    measured_density,
    poles,
    problem_2,
    run,
    smallest_epsilon,
)
from midigen.labs.lab import Settings


def test_the_density_of_problem_1_is_a_parabola_and_then_a_constant() -> None:
    expected = np.where(NODES < 0.5, NODES**2 - NODES + 3 / 4, 1 / 2)
    assert density(PROBLEM_1, NODES) == pytest.approx(expected, abs=1e-12)
    assert fitted_density(PROBLEM_1, NODES) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("rod", [PROBLEM_1, problem_2(0.8)])
def test_the_printed_values_agree_with_each_other(rod: Rod) -> None:
    assert rod.flux(NODES)[-1] == pytest.approx(rod.right)
    assert rod.slope(FINE) == pytest.approx(np.gradient(rod.temperature(FINE), FINE, edge_order=2), abs=1e-5)


@given(epsilon=st.floats(0.7, 5))
def test_the_density_leads_back_to_the_temperature(epsilon: float) -> None:
    rod = problem_2(epsilon)
    risen, _ = quad(lambda x: (1 + x) / density(rod, np.array([0, x]))[-1], 0, 1)
    assert risen == pytest.approx(np.ptp(rod.temperature(np.array([0.0, 1.0]))), rel=1e-6)


def test_the_bound_of_the_text_is_where_the_first_pole_enters() -> None:
    assert smallest_epsilon() == pytest.approx(TEXT_BOUND, abs=2e-8)
    assert problem_2(smallest_epsilon()).slope(np.array([1.0])) == pytest.approx([0], abs=1e-9)
    assert len(poles(smallest_epsilon() + 1e-6)) == 0
    assert len(poles(smallest_epsilon() - 1e-6)) == 1


@given(epsilon=st.floats(0.08, 3))
def test_the_density_changes_sign_at_each_pole(epsilon: float) -> None:
    places = poles(epsilon)
    between = np.concatenate([[0.0], (places[1:] + places[:-1]) / 2])[: len(places)]
    signs = np.sign(problem_2(epsilon).slope(between))
    assert problem_2(epsilon).slope(places) == pytest.approx(np.zeros(len(places)), abs=1e-8)
    assert signs.tolist() == [(-1.0) ** index for index in range(len(places))]


def test_near_the_bound_the_density_leaves_while_the_temperature_stays() -> None:
    temperature = [np.abs(problem_2(epsilon).temperature(FINE) - FINE - 1).max() for epsilon in (0.8, 0.661)]
    found = [np.abs(density(problem_2(epsilon), FINE) - FINE - 1).max() for epsilon in (0.8, 0.661)]
    assert temperature[1] < temperature[0] < 1
    assert found[1] > 400 * found[0]


def test_closer_measurements_make_it_worse() -> None:
    errors = []
    for intervals in (10, 100, 1000):
        x, found = measured_density(PROBLEM_1, intervals, np.random.default_rng(0))
        errors.append(np.median(np.abs(found - density(PROBLEM_1, x))))
    assert errors[0] < 0.01 < errors[1] < 0.1 < errors[2]


def test_the_search_does_not_arrive_from_the_wrong_side_of_zero() -> None:
    assert np.abs(fitted_density(PROBLEM_1, NODES, guess=-1) - density(PROBLEM_1, NODES)).max() > 1


def test_the_lab_shows_the_text_beside_ours() -> None:
    report = run(Settings(seed=1))
    by_name = {result.quantity: result for result in report.results}
    assert by_name["problem 1: flux at 1"][1:] == ("5/4", "1.250000")
    assert by_name["epsilon 0.1: poles of the density"].ours == "32"
    assert [axes.get_title() for axes in report.figure.axes][:2] == ["Problem 1", "Problem 2"]
