"""What makes a folk tune one is counted as a player would count it."""

from __future__ import annotations

import pytest

from midigen.evaluation.tune_form import tune_form
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune

BARS = ["GABc dBGB", "cBAG FGAB", "GABc dedB", "cAFA G4", "gfed B2d2", "edcB A4", "GABc dBGB", "cAFA G4"]


def tune(music: str, key: str = "G") -> PlayedTune:
    return read_tune(Tune(f"X:1\nT:A\nM:4/4\nL:1/8\nK:{key}\n{music}\n"))


def part(bars: int = 8) -> str:
    return "|".join(BARS[:bars])


def test_two_repeated_parts_of_eight_bars_that_end_on_the_tonic() -> None:
    form = tune_form([tune(f"|:{part()}:|\n|:{part()}:|")])
    assert form is not None
    assert (form.repeated, form.eight_bars, form.ends_on_tonic, form.parts) == (1, 1, 1, 2)
    # Bars 7 and 8 of the first part, and the whole second part.
    assert form.recurring_bars == pytest.approx(10 / 16)


def test_a_pick_up_and_endings_are_no_bars_of_their_own() -> None:
    short = part(7) + "|"
    form = tune_form([tune(f"d2|{short}c2A2G2:|\nd2|{short}[1 G6:|[2 G8|]")])
    assert form is not None
    assert (form.eight_bars, form.parts) == (1, 2)


def test_what_has_no_form_has_none() -> None:
    form = tune_form([tune(f"{part(5)}|A8|]"), tune(f"{part()}||", "D")])
    assert form is not None
    assert (form.repeated, form.ends_on_tonic, form.eight_bars, form.parts) == (0, 0, 0.5, 1)
    assert tune_form([]) is None


def test_the_tonic_is_that_of_the_last_key() -> None:
    form = tune_form([tune("G8|A8|]\nK:Am\nE8|A8|]"), tune("G8|_B8|]", "Bb")])
    assert form is not None
    assert form.ends_on_tonic == 1
