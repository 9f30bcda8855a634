from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.representations.recent_key import WINDOW, heard_before, keys_of

SCALE = np.array([0, 4, 7, 2, 5, 9, 11, 0, 4, 7])


@pytest.mark.parametrize("tonic", range(12))
def test_a_scale_with_its_triad_suggests_its_key_wherever_it_stands(tonic: int) -> None:
    pitch = 48 + tonic + SCALE
    assert keys_of(heard_before(pitch, np.full(10, 4)))[-1].tolist() == [tonic, 0]


def test_the_minor_key_is_told_from_its_relative_major() -> None:
    pitch = 57 + np.array([0, 3, 7, 8, 11, 0, 2, 3, 0, 7])
    assert keys_of(heard_before(pitch, np.full(10, 4)))[-1].tolist() == [9, 1]


def test_what_lies_far_back_is_forgotten() -> None:
    pitch = np.concatenate([np.full(50, 61), np.resize(60 + SCALE, WINDOW)])
    assert keys_of(heard_before(pitch, np.full(len(pitch), 4)))[-1].tolist() == [0, 0]


@given(st.lists(st.tuples(st.integers(0, 127), st.integers(1, 9)), max_size=2 * WINDOW))
def test_only_what_came_before_is_heard(notes: list[tuple[int, int]]) -> None:
    pitch, length = np.array(notes, np.int64).reshape(-1, 2).T
    heard = heard_before(pitch, length)
    assert heard.shape == (len(notes) + 1, 12)
    for step in range(len(notes) + 1):
        last = notes[max(step - WINDOW, 0) : step]
        assert heard[step].tolist() == [sum(held for at, held in last if at % 12 == c) for c in range(12)]
