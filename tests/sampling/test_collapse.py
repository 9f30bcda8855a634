from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midigen.corpora.store import Piece
from midigen.sampling.collapse import collapse
from midigen.scores.score import Score
from tests import tiny


def line(pitches: list[int], durations: list[int]) -> Score:
    onsets = np.cumsum([0, *durations])[:-1]
    return Score.from_notes((o, d, p, 80, 0) for o, d, p in zip(onsets.tolist(), durations, pitches, strict=True))


def test_silence_is_named() -> None:
    (sign,) = collapse(Score.from_notes([]))
    assert "silent" in sign


def test_one_pitch_is_named() -> None:
    (sign,) = collapse(line([60] * 40, [240, 480, 480, 240, 720] * 8))
    assert "one pitch" in sign


def test_one_duration_is_named() -> None:
    (sign,) = collapse(replace(tiny.melody(0, 40), duration=np.full(40, 240)))
    assert "one duration" in sign


def test_one_duration_is_no_sign_where_none_is_drawn() -> None:
    assert collapse(replace(tiny.melody(0, 40), duration=np.full(40, 240)), durations_are_drawn=False) == []


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_loop_at_the_end_is_named(period: int) -> None:
    beginning, loop = tiny.melody(0, 20), list(range(60, 60 + period)) * 16
    score = line([*beginning.pitch.tolist(), *loop], [*beginning.duration.tolist(), *([240] * len(loop))])
    (sign,) = collapse(score)
    assert "loop" in sign


def test_a_few_notes_may_be_alike() -> None:
    assert collapse(line([60] * 8, [480] * 8)) == []


def test_real_chorales_show_no_sign_of_collapse(chorales: tuple[Piece, ...]) -> None:
    assert [piece.name for piece in chorales[:60] if collapse(piece.score)] == []
