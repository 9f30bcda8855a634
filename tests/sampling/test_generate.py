from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midigen.checkpoints.run import Checkpoint
from midigen.datasets.build import Dataset
from midigen.errors import RepresentationError, SamplingError, UsageError
from midigen.sampling.collapse import collapse
from midigen.sampling.draw import DrawSettings
from midigen.sampling.generate import Generated, Prompt, Request, generate
from midigen.scores.score import Part, Score, Tempo
from midigen.scores.time import bar_starts
from tests import tiny


def untrained(data: Dataset) -> Checkpoint:
    return Checkpoint(data.folder, {"name": "tiny"}, data.representation, tiny.network(data))


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return untrained(tiny.melodies(tmp_path_factory.mktemp("notes")))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return untrained(tiny.hymns(tmp_path_factory.mktemp("grid")))


@pytest.fixture(params=["notes", "grid"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def compose(checkpoint: Checkpoint, **wishes: Any) -> Generated:  # noqa: ANN401  # wishes of all types
    return generate(checkpoint, Request(**{"seed": 0, **wishes}))


def rows_of(checkpoint: Checkpoint, score: Score) -> list[list[int]]:
    return checkpoint.representation.encode(score)[0].tolist()  # type: ignore[no-any-return]


def prompt_for(checkpoint: Checkpoint) -> Score:
    return tiny.hymn(9) if checkpoint.representation.name == "grid" else tiny.melody(9, 12)


def test_the_same_seed_gives_the_same_notes_and_another_one_others(checkpoint: Checkpoint) -> None:
    first, again, other = (compose(checkpoint, length=24, seed=seed).scores for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_piece_does_not_depend_on_how_many_are_composed(checkpoint: Checkpoint) -> None:
    few, many = (compose(checkpoint, length=24, count=count).scores for count in (2, 5))
    assert few == many[:2]
    assert many[0] != many[1]


@pytest.mark.parametrize("length", [12, None])
def test_temperature_zero_is_the_same_whatever_the_seed(notes: Checkpoint, length: int | None) -> None:
    settings = DrawSettings(0.0)
    first, second = (compose(notes, length=length, settings=settings, seed=seed).scores[0] for seed in (1, 2))
    assert first == second


@pytest.mark.parametrize("bars", [1, 2, 7])
def test_the_grid_has_as_many_bars_as_were_asked_for(grid: Checkpoint, bars: int) -> None:
    for score in compose(grid, bars=bars, count=3).scores:
        assert score.end <= bars * 1920
        assert len(bar_starts(score, bars * 1920)) == bars
    assert compose(grid, bars=bars).tokens == bars * 16


@pytest.mark.parametrize("bars", [1, 2, 7])
def test_no_note_begins_behind_the_last_bar(notes: Checkpoint, bars: int) -> None:
    for score in compose(notes, bars=bars, count=6).scores:
        assert (score.onset < bars * score.metres[0].bar_ticks).all()


def test_length_counts_rows(checkpoint: Checkpoint) -> None:
    generated = compose(checkpoint, length=13, count=2)
    assert generated.tokens == 26
    if checkpoint.representation.name == "notes":
        assert [len(score) for score in generated.scores] == [13, 13]


def test_without_length_and_bars_a_piece_ends_by_itself(notes: Checkpoint) -> None:
    tokens = [compose(notes, seed=seed).tokens for seed in range(4)]
    assert min(tokens) >= 1
    assert max(tokens) <= 400
    assert len(set(tokens)) > 1


def test_without_length_and_bars_the_grid_is_as_long_as_a_training_piece_at_most(grid: Checkpoint) -> None:
    assert 1 <= compose(grid).tokens <= 48


def test_a_piece_begins_with_its_prompt(checkpoint: Checkpoint) -> None:
    prompt = prompt_for(checkpoint)
    given = rows_of(checkpoint, prompt)
    (score,) = compose(checkpoint, length=8, prompt=Prompt(prompt)).scores
    assert rows_of(checkpoint, score)[: len(given)] == given
    assert compose(checkpoint, length=8, prompt=Prompt(prompt)).tokens == 8


def test_a_part_of_the_prompt_can_be_taken(notes: Checkpoint) -> None:
    prompt = tiny.melody(9, 12)
    (score,) = compose(notes, length=5, prompt=Prompt(prompt, rows=4, skip=3)).scores
    assert len(score) == 9
    assert np.array_equal(score.pitch[:4], prompt.pitch[3:7])
    assert np.array_equal(score.duration[:4], prompt.duration[3:7])


def test_a_part_of_the_prompt_keeps_its_place_in_the_bar(notes: Checkpoint) -> None:
    prompt = tiny.melody(9, 12)
    (score,) = compose(notes, length=1, prompt=Prompt(prompt, rows=4, skip=3)).scores
    assert score.onset[0] == prompt.onset[3] % 1920
    assert np.array_equal(np.diff(score.onset[:4]), np.diff(prompt.onset[3:7]))


def test_a_part_of_the_prompt_begins_with_what_is_held(grid: Checkpoint) -> None:
    prompt = tiny.hymn(5)
    sounding = {int(p) for o, d, p, *_ in prompt.notes.tolist() if o <= 5 * 120 < o + d}
    (score,) = compose(grid, length=1, prompt=Prompt(prompt, rows=4, skip=5)).scores
    assert {int(p) for o, _, p, *_ in score.notes.tolist() if o == 0} == sounding


def test_the_tempo_of_the_prompt_goes_on(checkpoint: Checkpoint) -> None:
    prompt = replace(prompt_for(checkpoint), tempos=(Tempo.from_bpm(0, 140),))
    assert compose(checkpoint, length=4, prompt=Prompt(prompt)).scores[0].tempos == prompt.tempos
    assert compose(checkpoint, length=4, prompt=Prompt(prompt), bpm=60.0).scores[0].tempos[0].bpm == 60


def test_bars_count_what_follows_the_prompt(checkpoint: Checkpoint) -> None:
    (score,) = compose(checkpoint, bars=2, prompt=Prompt(prompt_for(checkpoint))).scores
    prompted = len(bar_starts(prompt_for(checkpoint)))
    assert prompted < len(bar_starts(score)) <= prompted + 2
    assert (score.onset < (prompted + 2) * 1920).all()


def test_without_the_prompt_only_what_is_new_is_left_from_its_bar_on(checkpoint: Checkpoint) -> None:
    prompt = prompt_for(checkpoint)
    wishes = {"length": 20, "settings": DrawSettings(0.8)}
    (whole,) = compose(checkpoint, prompt=Prompt(prompt), **wishes).scores
    (rest,) = compose(checkpoint, prompt=Prompt(prompt, is_in_output=False), **wishes).scores
    assert 0 < len(rest) <= len(whole) - len(prompt) + 4
    shift = int(whole.onset[-1] - rest.onset[-1])
    assert shift in bar_starts(whole)
    assert np.array_equal(rest.pitch, whole.pitch[-len(rest) :])
    assert rest.onset.min() < 1920


def test_a_chord_that_goes_on_from_the_prompt_leaves_only_its_new_notes(notes: Checkpoint) -> None:
    prompt = Score.from_notes([(0, 480, 60, 80, 0), (480, 480, 20, 80, 0)])
    chords = 0
    for seed in range(80):
        (whole,) = compose(notes, length=3, seed=seed, prompt=Prompt(prompt)).scores
        (rest,) = compose(notes, length=3, seed=seed, prompt=Prompt(prompt, is_in_output=False)).scores
        chords += (whole.onset == 480).sum() > 1
        new = {(onset, pitch) for onset, _, pitch, *_ in whole.notes.tolist()} - {(0, 60), (480, 20)}
        assert sorted(rest.pitch) == sorted(pitch for _, pitch in new)
    assert chords


@pytest.mark.parametrize("given", [{"skip": 12}, {"skip": 999}, {"skip": -1}, {"rows": 0}])
def test_a_prompt_of_no_rows_is_refused(notes: Checkpoint, given: dict[str, int]) -> None:
    with pytest.raises(SamplingError, match=r"prompt has 12 rows: .*--prompt-skip"):
        compose(notes, prompt=Prompt(tiny.melody(9, 12), **given))  # type: ignore[arg-type]


def test_a_prompt_that_does_not_fit_is_refused(grid: Checkpoint) -> None:
    with pytest.raises(RepresentationError, match="not four voices"):
        compose(grid, prompt=Prompt(tiny.melody(1)))


def test_each_column_has_a_temperature_of_its_own(notes: Checkpoint) -> None:
    settings = DrawSettings(1.0, {"duration": 0.0, "step": 0.0})
    (score,) = compose(notes, length=30, settings=settings).scores
    free = compose(notes, length=30).scores[0]
    assert len(np.unique(score.pitch)) > 5
    assert len(np.unique(score.duration)) < len(np.unique(free.duration))


def test_a_column_that_the_model_lacks_is_refused(notes: Checkpoint) -> None:
    with pytest.raises(UsageError, match="no column loudness; its columns are: pitch, step, duration"):
        compose(notes, settings=DrawSettings(1.0, {"loudness": 1.0}))


def test_tempo_and_program_are_set(checkpoint: Checkpoint) -> None:
    (score,) = compose(checkpoint, length=8, bpm=90.0, program=19).scores
    assert [tempo.bpm for tempo in score.tempos] == [pytest.approx(90)]
    assert {part.program for part in score.parts} == {19}


def test_drums_stay_drums_whatever_the_program(tmp_path: Path) -> None:
    drums = replace(tiny.melody(0), parts=(Part("", 0, is_drum=True),))
    data = tiny.dataset(tmp_path, [drums, tiny.melody(1)], splits="tt")
    for score in compose(untrained(data), length=20, count=3, program=19).scores:
        assert {(part.program, part.is_drum) for part in score.parts} <= {(0, True), (19, False)}


def test_velocities_are_shaped_where_the_model_draws_none(notes: Checkpoint) -> None:
    assert len(np.unique(compose(notes, length=40).scores[0].velocity)) > 3


def test_velocities_are_drawn_where_the_model_has_them(tmp_path: Path) -> None:
    checkpoint = untrained(tiny.melodies(tmp_path, velocities=True))
    (score,) = compose(checkpoint, length=40).scores
    assert "velocity" in [field.name for field in checkpoint.representation.fields]
    assert set((score.velocity % 4).tolist()) == {2}


def test_progress_is_told_after_every_step(notes: Checkpoint) -> None:
    calls = list[tuple[int, int]]()
    generate(notes, Request(seed=0, length=5), lambda done, total: calls.append((done, total)))
    assert calls == [(step, 5) for step in range(1, 6)]


def test_what_is_odd_is_said_of_the_piece_it_is_odd_in(notes: Checkpoint) -> None:
    generated = compose(notes, length=40, count=2, settings=DrawSettings(1.0, {"duration": 0.0}, top_k=2))
    assert generated.warnings == tuple(tuple(collapse(score)) for score in generated.scores)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"length": 5, "bars": 2}, "Give --length or --bars, not both"),
        ({"length": 0}, "--length must be between 1 and 20000, not 0"),
        ({"bars": 99999}, "--bars must be between 1 and 1000, not 99999"),
        ({"count": 0}, "--count must be between"),
        ({"seed": -1}, "--seed must be 0 or more"),
        ({"bpm": 5.0}, "--tempo lies between 10 and 400"),
        ({"bpm": math.nan}, "--tempo lies between"),
        ({"program": 128}, "from 0 to 127, not 128"),
    ],
)
def test_wishes_out_of_range_are_refused(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Request(**{"seed": 0, **wishes})


def test_a_grid_that_is_not_told_how_many_bars_are_left_ends_where_its_plan_does(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.hymn(0, 3), tiny.hymn(1, 5), tiny.hymn(2, 4)], "grid", "ttv", ahead=False)
    checkpoint = tiny.trained(tmp_path, data)
    assert {generate(checkpoint, Request(seed)).tokens for seed in range(6)} == {3 * 16, 5 * 16}
