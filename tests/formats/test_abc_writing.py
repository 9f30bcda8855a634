"""What is written in ABC is read back as the same notes, and both judges find it sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import SourceError
from midigen.formats.abc2midi import valid_tunes
from midigen.formats.abc_fields import parse_key
from midigen.formats.abc_notation import Tune, check_tune, read_tune
from midigen.formats.abc_writing import STEP_TICKS, key_text, write_tune
from midigen.scores.score import Key, Metre, Part, Score, Tempo

notes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(55, 66), st.integers(0, 1)), min_size=1, max_size=12
)


def score_of(table: list[tuple[int, int, int, int]], **rest: object) -> Score:
    """Notes on the grid, without a pitch that sounds twice at a time in a part."""
    kept: list[tuple[int, int, int, int, int]] = []
    for onset, length, pitch, part in sorted(set(table)):
        others = [k for k in kept if k[2] == pitch and k[4] == part]
        if all(onset * STEP_TICKS >= o + d for o, d, *_ in others):
            kept.append((onset * STEP_TICKS, length * STEP_TICKS, pitch, 80, part))
    return Score.from_notes(kept, parts=(Part(), Part()), **rest)


@given(notes, st.integers(-7, 7), st.sampled_from([(4, 4), (3, 8), (2, 4)]), st.integers(0, 1))
def test_what_is_written_is_read_back(
    table: list[tuple[int, int, int, int]], sharps: int, metre: tuple[int, int], later: int
) -> None:
    metres = (Metre(0, *metre), *((Metre(1920 * 3, 3, 4),) if later else ()))
    score = score_of(table, keys=(Key(0, sharps, "major"), Key(960, -sharps, "minor")), metres=metres)
    read = read_tune(write_tune(score))
    numbers = {part: number for number, part in enumerate(sorted(set(score.part.tolist())))}
    expected = [[o, d, p, v, numbers[part]] for o, d, p, v, part in score.notes.tolist()]
    assert read.notes.tolist() == expected


def test_the_text_says_what_a_musician_would_write() -> None:
    melody = [(0, 240, 67), (240, 480, 72), (720, 240, 73), (960, 1440, 66), (2640, 160, 67), (2800, 80, 67)]
    score = Score.from_notes(
        [(o, d, p, 80, 0) for o, d, p in melody],
        keys=(Key(0, 1, "major"),),
        metres=(Metre(0, 4, 4),),
        tempos=(Tempo.from_bpm(0, 96),),
        pickup=240,
    )
    tune = write_tune(score)
    assert tune.text == "X:1\nT:Untitled\nM:4/4\nL:1/8\nQ:1/4=96\nK:G\nG|c2 ^c F5-|F z (3:2:1G (3:2:1G/2|]\n"
    assert read_tune(tune).pickup == 240
    assert valid_tunes([tune]) == [True]


def test_a_chord_whose_notes_go_on_is_tied_note_by_note() -> None:
    score = Score.from_notes([(0, 960, 60, 80, 0), (0, 480, 64, 80, 0), (480, 480, 65, 80, 0)])
    assert "[C-E]2 [CF]2|]" in write_tune(score).text


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("sharps", range(-7, 8))
def test_a_key_is_read_as_it_was_written(sharps: int, mode: str) -> None:
    read = parse_key(key_text(Key(0, sharps, mode)))
    assert (read.sharps, read.mode) == (sharps, mode)


def test_bars_of_the_text_hold_their_metre() -> None:
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.choice(400, 100, replace=False))
    score = score_of([(int(o), int(rng.integers(1, 30)), int(rng.integers(50, 80)), 0) for o in onsets])
    assert check_tune(write_tune(score)) == []


def test_a_piece_without_notes_is_refused() -> None:
    with pytest.raises(SourceError, match="without notes"):
        write_tune(Score.from_notes([]))


def test_three_thirds_are_a_triplet_and_a_repeat_restates_no_metre() -> None:
    text = write_tune(score_of([(8 * place, 8, 60 + place, 0) for place in range(3)])).text
    assert "(3" in text
    assert "(3:2:1" not in text
    assert "[M:" not in write_tune(read_tune(Tune("X:1\nM:4/4\nL:1/8\nK:G\nGA|B8|c6:|\nGA|B8|c6:|\n"))).text
