from __future__ import annotations

import numpy as np

from midigen.sampling.expression import shape_velocities
from midigen.scores.score import Part, Score
from tests import tiny


def test_a_downbeat_is_louder_than_a_beat_and_a_beat_than_what_lies_between() -> None:
    middle = [(3840 + offset, 120, 60, 80, 0) for offset in (0, 240, 480)]
    _, downbeat, between, beat = shape_velocities(Score.from_notes([(0, 7680, 48, 80, 0), *middle])).velocity.tolist()
    assert downbeat > beat > between


def test_a_phrase_is_loudest_in_its_middle() -> None:
    velocity = shape_velocities(Score.from_notes([(bar * 1920, 1920, 60, 80, 0) for bar in range(4)])).velocity
    assert velocity[2] == velocity.max() > velocity[0]


def test_a_fermata_ends_a_phrase() -> None:
    bars = [(bar * 1920, 1920, 60, 80, 0) for bar in range(4)]
    plain, held = shape_velocities(Score.from_notes(bars)), shape_velocities(Score.from_notes(bars, fermatas=(1920,)))
    assert held.velocity[1] < plain.velocity[1]


def test_the_top_part_sings_out() -> None:
    notes = [(0, 480, 72, 80, 0), (0, 480, 48, 80, 1)]
    melody, bass = shape_velocities(Score.from_notes(notes, parts=(Part(), Part()))).velocity.tolist()
    assert melody > bass


def test_all_but_velocities_stays_as_it_is() -> None:
    score = tiny.hymn(0)
    shaped = shape_velocities(score)
    assert np.array_equal(np.delete(shaped.notes, 3, axis=1), np.delete(score.notes, 3, axis=1))
    assert (shaped.fermatas, shaped.parts) == (score.fermatas, score.parts)
    assert shaped.velocity.min() >= 1
    assert shaped.velocity.max() <= 127


def test_silence_stays_silent() -> None:
    assert len(shape_velocities(Score.from_notes([]))) == 0
