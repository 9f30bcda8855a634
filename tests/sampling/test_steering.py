"""Steered pieces are as the user wants them, whatever the network; what cannot be steered is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.checkpoints.run import Checkpoint
from midigen.cli.options import TOKENIZERS
from midigen.datasets.build import Dataset
from midigen.errors import UsageError
from midigen.formats.abc2midi import valid_tunes
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.models.build import make_network
from midigen.models.classic import ClassicConfig
from midigen.representations.miditok_tokenizers import find_tokenizer
from midigen.representations.parts import Parts
from midigen.sampling.closing import PartsClose
from midigen.sampling.generate import Generated, Prompt, Request, generate
from midigen.sampling.lane import Lane
from midigen.sampling.rules import PitchMask, RepeatGuard, Rule, loop_period, pitch_column
from midigen.sampling.steering import Steerer, Steering
from midigen.sampling.steering_words import Tonality
from midigen.sampling.tune_rule import TuneRule, TuneWishes
from midigen.scores.features import notes_per_quarter
from midigen.scores.key_finding import find_key
from midigen.scores.score import Metre, Score
from tests import tiny

TEXTS = [
    f"X:{n}\nT:Dorian, 0123456789,'=\nM:{metre}\nL:1/8\nK:{key}\nGA|Bc{note}d|^c2e2:|\n"
    for n, (note, metre, key) in enumerate(zip("cdefga", ("2/4", "3/4") * 3, ("G", "D", "Am") * 2, strict=True), 1)
]


NOTHING = np.zeros(0, np.int64)


def untrained(data: Dataset) -> Checkpoint:
    return Checkpoint(data.folder, {"name": "tiny"}, data.representation, tiny.network(data))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    """Networks that have learned nothing, for each representation."""
    folder: Callable[[str], Path] = tmp_path_factory.mktemp
    tunes = tiny.dataset(folder("abc"), [read_tune(Tune(text)) for text in TEXTS], "abc", "tttttv")
    made = {
        "notes": untrained(tiny.melodies(folder("notes"))),
        "parts": untrained(tiny.dataset(folder("parts"), [tiny.hymn(seed) for seed in range(4)], "parts", "tttv")),
        "grid": untrained(tiny.hymns(folder("grid"))),
        "chords": untrained(tiny.chords(folder("chords"))),
        "seconds": untrained(
            tiny.dataset(folder("seconds"), [tiny.melody(n) for n in range(2)], "notes", "tv", clock="seconds")
        ),
        "abc": untrained(tunes),
    }
    torch.manual_seed(0)
    for name in ("notes", "chords"):
        network = make_network(made[name].representation, ClassicConfig(name)).eval()
        made[f"classic-{name}"] = replace(made[name], model=network)
    return made


ALL = ["notes", "parts", "grid", "chords", "abc", "classic-notes"]


def compose(checkpoint: Checkpoint, steering: Steering | None = None, **wishes: Any) -> Generated:  # noqa: ANN401  # wishes of all types
    length = 200 if checkpoint.representation.name == "abc" else 32
    return generate(
        checkpoint, Request(**{"seed": 0, "count": 2, "length": length, "steering": steering or Steering(), **wishes})
    )


def pitches(generated: Generated) -> list[int]:
    found = np.concatenate([score.pitch for score in generated.scores]).tolist()
    assert found
    return found  # type: ignore[no-any-return]


def header(score: Score, name: str) -> str:
    assert isinstance(score, PlayedTune)
    return next(line[2:].strip() for line in score.tune.text.splitlines() if line.startswith(f"{name}:"))


@pytest.mark.parametrize("name", ALL)
def test_all_notes_are_in_the_scale(models: dict[str, Checkpoint], name: str) -> None:
    steered = compose(models[name], Steering(key="D", scale="dorian"))
    assert {pitch % 12 for pitch in pitches(steered)} <= {2, 4, 5, 7, 9, 11, 0}
    assert {pitch % 12 for pitch in pitches(compose(models[name], count=8))} - {2, 4, 5, 7, 9, 11, 0}
    assert steered.bent is not None
    assert 0 < steered.bent.mass <= steered.bent.draws
    assert not steered.bent.passed


def test_the_published_networks_are_steered_too(models: dict[str, Checkpoint]) -> None:
    steered = compose(models["classic-chords"], Steering(scale="C E G", end=True), length=6, count=1)
    assert {pitch % 12 for pitch in pitches(steered)} <= {0, 4, 7}
    assert steered.scores[0].pitch[steered.scores[0].onset == steered.scores[0].onset[-1]].min() % 12 == 0


@pytest.mark.parametrize("name", ALL)
def test_all_notes_are_in_the_range(models: dict[str, Checkpoint], name: str) -> None:
    assert {60 <= pitch <= 76 for pitch in pitches(compose(models[name], Steering(range="C4-E5")))} == {True}


def test_parts_keep_to_their_ranges_unless_another_is_wished(models: dict[str, Checkpoint]) -> None:
    ensemble = models["parts"].representation.ensemble[::-1]  # type: ignore[attr-defined]
    for score in compose(models["parts"]).scores:
        for part, player in enumerate(ensemble):
            assert all(player.lowest <= pitch <= player.highest for pitch in score.pitch[score.part == part].tolist())


def test_voices_of_the_grid_have_ranges_of_their_own(models: dict[str, Checkpoint]) -> None:
    for score in compose(models["grid"], Steering(range="soprano=C5-C6,bass=C2-C3")).scores:
        assert score.pitch[score.part == 0].min() >= 72
        assert score.pitch[score.part == 3].max() <= 48
        assert score.pitch[score.part == 1].min() < 72


def test_a_key_is_the_scale_and_begins_with_the_tonic_triad(models: dict[str, Checkpoint]) -> None:
    for score in compose(models["notes"], Steering(key="A minor")).scores:
        assert {1, 3, 10}.isdisjoint((score.pitch % 12).tolist())
        assert score.pitch[0] % 12 in {9, 0, 4}


def test_a_network_that_sees_the_key_is_told_it_and_forbidden_nothing(models: dict[str, Checkpoint]) -> None:
    grid = models["grid"].representation
    keyed = replace(grid, plans=tuple(plan._replace(tonic=0, mode=1) for plan in grid.plans))  # type: ignore[attr-defined, type-var]
    steered = compose(replace(models["grid"], representation=keyed), Steering(key="G minor"))
    assert {key.sharps for score in steered.scores for key in score.keys} == {-2}
    assert steered.bent is not None
    assert steered.bent.draws == 0


def test_a_prompt_is_moved_to_the_key(models: dict[str, Checkpoint]) -> None:
    prompt = replace(tiny.melody(3, 24), pitch=60 + np.array([0, 2, 4, 5, 7, 4, 2, 0] * 3))
    (score,) = compose(models["notes"], Steering(key="D"), count=1, prompt=Prompt(prompt)).scores
    assert find_key(prompt).sharps == 0
    assert score.pitch[:8].tolist() == (prompt.pitch[:8] + 2).tolist()


@pytest.mark.parametrize("name", ["notes", "parts", "grid", "chords", "seconds", "classic-notes"])
@pytest.mark.parametrize("meter", ["3/4", "6/8", "5/4"])
def test_bars_have_the_metre(models: dict[str, Checkpoint], name: str, meter: str) -> None:
    for score in compose(models[name], Steering(meter=meter)).scores:
        assert {f"{metre.numerator}/{metre.denominator}" for metre in score.metres} == {meter}


def test_a_prompt_may_be_in_the_metre_or_written_in_it(models: dict[str, Checkpoint]) -> None:
    waltz = replace(tiny.melody(1), metres=(Metre(0, 3, 4),))
    for name, prompt in (("notes", waltz), ("seconds", tiny.melody(1)), ("chords", tiny.melody(1))):
        for score in compose(models[name], Steering(meter="3/4"), prompt=Prompt(prompt)).scores:
            assert score.metres == (Metre(0, 3, 4),)


def test_an_ensemble_does_not_stand_still_before_its_close(models: dict[str, Checkpoint]) -> None:
    parts = models["parts"].representation
    assert isinstance(parts, Parts)
    rows = np.array([[part, 60, 0, 0] for part in range(4)])
    lane = Lane(np.random.default_rng(0), parts.make_plan(2, None, np.random.default_rng(0)), rows[:3], last_bar=2)
    bias = PartsClose(parts, lambda _: Tonality(0, "major"), None).bias(lane, 3, NOTHING, rows[3, :3])
    assert bias is not None
    line = int(lane.plan[0, 0])
    assert np.flatnonzero(np.isfinite(bias.numpy())).tolist() == list(range(1, line + 1))


def test_chord_tokens_go_on_for_as_many_bars_as_are_wanted(models: dict[str, Checkpoint]) -> None:
    for score in compose(models["chords"], bars=3, length=None).scores:
        assert score.onset.max() // (4 * 480) == 2
    for score in compose(models["chords"], Steering(meter="3/4"), bars=3, length=None).scores:
        assert score.onset.max() // (3 * 480) == 2


def test_a_tune_says_key_metre_and_tempo_in_its_header(models: dict[str, Checkpoint]) -> None:
    for score in compose(models["abc"], Steering(key="D", meter="3/4"), bpm=99.5).scores:
        assert (header(score, "K"), header(score, "M"), header(score, "Q")) == ("D", "3/4", "1/4=99.5")
        assert score.tempos[0].bpm == pytest.approx(99.5, abs=0.01)
        assert all(valid_tunes([score.tune]))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "density"),
    [
        *(("notes", 1.0), ("notes", 2.0), ("parts", 2.0), ("grid", 2.0), ("grid", 9.0), ("abc", 1.0), ("abc", 3.0)),
        *(("chords", 2.5), ("chords", 5.0), ("seconds", 1.0), ("seconds", 4.0)),
        *(("classic-notes", 1.0), ("classic-notes", 4.0)),
    ],
)
def test_pieces_have_so_many_notes_a_quarter(models: dict[str, Checkpoint], name: str, density: float) -> None:
    wishes = {"bars": 32 if name == "notes" else 16, "length": None, "count": 1}
    for score in compose(models[name], Steering(density=density), **wishes).scores:
        assert notes_per_quarter(score) == pytest.approx(density, rel=0.3)


@pytest.mark.parametrize("name", ["notes", "parts", "grid", "chords", "seconds", "classic-notes"])
def test_hard_chords_hold_for_every_note_of_their_bars(models: dict[str, Checkpoint], name: str) -> None:
    chords = ({0, 4, 7}, {7, 11, 2, 5})
    soft, hard = (compose(models[name], Steering(chords="C G7", is_hard=is_hard)) for is_hard in (False, True))

    def obey(generated: Generated) -> float:
        notes = [(p % 12, onset // 1920) for s in generated.scores for onset, _, p, *_ in s.notes.tolist()]
        return float(np.mean([pitch in chords[bar % 2] for pitch, bar in notes]))

    assert obey(hard) == 1
    assert obey(compose(models[name])) < obey(soft) < 1


def test_chords_hold_for_the_letters_of_a_tune(models: dict[str, Checkpoint]) -> None:
    steering = Steering(key="G", scale="major", chords="G", is_hard=True)
    assert {pitch % 12 for pitch in pitches(compose(models["abc"], steering))} <= {7, 11, 2}


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("grid", {"bars": 3, "length": None}),
        ("grid", {}),
        ("notes", {"bars": 3, "length": None}),
        ("notes", {"length": 30, "seed": 3}),
        ("parts", {"bars": 3, "length": None}),
        ("parts", {"length": 30}),
        ("chords", {"length": 30}),
        ("chords", {"bars": 3, "length": None}),
        ("seconds", {"bars": 3, "length": None}),
        ("classic-notes", {"bars": 3, "length": None}),
        ("classic-notes", {"length": 30}),
    ],
)
def test_a_piece_closes_on_the_tonic(models: dict[str, Checkpoint], name: str, wishes: dict[str, int]) -> None:
    steered = compose(models[name], Steering(key="G", end=True), count=4, **wishes)
    for score in steered.scores:
        last = score.pitch[
            score.onset == score.onset[-1] if name != "grid" else score.onset + score.duration == score.end
        ]
        bass = last.min() if name != "grid" else score.pitch[score.part == 3][-1]
        assert bass % 12 == 7
        assert set((last % 12).tolist()) <= {7, 11, 2}


def test_the_close_stands_on_the_bar_line_that_begins_the_last_bar(models: dict[str, Checkpoint]) -> None:
    for name in ("notes", "parts", "chords", "seconds", "classic-notes"):
        for score in compose(models[name], Steering(end=True), bars=4, length=None).scores:
            assert score.onset[-1] == 3 * score.metres[0].bar_ticks


def test_an_ensemble_closes_with_a_note_in_each_part(models: dict[str, Checkpoint]) -> None:
    for score in compose(models["parts"], Steering(end=True), bars=4, length=None).scores:
        last = score.onset == score.onset[-1]
        assert score.part[last].tolist() == [0, 1, 2, 3]
        assert len(set(score.duration[last].tolist())) == 1
        assert (score.onset + score.duration)[~last].max() <= score.onset[-1]


def test_the_close_of_an_ensemble_does_not_mind_what_stood_there_before_the_metre_changed() -> None:
    """A note in each part at the eighth quantum, then at once a metre of 8 quanta: all four are to come again."""
    parts = Parts(quantum=2)
    rows = np.array([[0, 40, 7, 8], *([part, 60, 7, 0] for part in range(3)), [3, 60, 7, 8], [0, 40, 7, 8]])
    plan = np.array([[8, 1], *([8, 0],) * 4, [8, 1], [8, 0], [8, 0]])
    assert parts.since_counting(rows, plan[:7]).tolist() == [0, 8, 8, 8, 8, 0, 8]
    lane = Lane(np.random.default_rng(0), plan, rows, last_bar=2)
    rule = PartsClose(parts, lambda _: Tonality(0, "major"), None)
    bias = rule.bias(lane, 0, NOTHING, NOTHING)
    assert bias is not None
    assert np.isfinite(bias.numpy()).nonzero()[0].tolist() == [0]
    assert not rule.is_over(lane)


@pytest.mark.parametrize(
    ("music", "forbidden", "may_end"),
    [
        ("GA|BcdA", ":", False),
        ("GA|BcdG", "", True),
        ("GA|BcdA|", "|]", False),
        ("GA|BcdG|", "", True),
        ("K:Am\nGA|BcdG|", "|]", False),
    ],
)
def test_a_tune_closes_on_its_tonic(music: str, forbidden: str, may_end: bool) -> None:  # noqa: FBT001
    text = f"X:1\nT:Tune\nM:2/4\nL:1/8\nK:G\n{music}"
    characters = "".join(sorted(set(text + ":|]")))
    rows = np.array([characters.index(character) for character in text])[:, None]
    lane = Lane(np.random.default_rng(0), np.zeros((len(rows) + 2, 0), np.int64), rows)
    rule = TuneRule(characters, TuneWishes(ends=True))
    bias = rule.bias(lane, 0, NOTHING, NOTHING)
    assert bias is not None
    assert {characters[index] for index in np.flatnonzero(bias.isinf())} == set(forbidden)
    assert rule.may_end(lane) == may_end


@pytest.mark.parametrize(
    ("name", "passage", "column", "forbidden"),
    [
        ("notes", [[60, 2, 1], [64, 2, 1]], 0, 60),
        ("parts", [[0, 60, 1, 2], [1, 64, 1, 2]], 1, 60),
        ("chords", [[7], [8]], 0, 7),
        ("grid", [[20, 8, 16, 12], [20, 8, 18, 12]], 2, 16),
    ],
)
def test_what_would_begin_a_loop_once_more_is_forbidden(
    models: dict[str, Checkpoint], name: str, passage: list[list[int]], column: int, forbidden: int
) -> None:
    representation = models[name].representation
    rows = np.array(passage * 16)
    plan = representation.make_plan(None, 40, np.random.default_rng(0))
    context = representation.context(rows, plan[:33])[-1]
    guard = RepeatGuard(representation, 16)
    for place in range(len(representation.fields)):
        bias = guard.bias(Lane(np.random.default_rng(0), plan, rows), place, context, rows[0, :place])
        assert (bias is not None) == (place == column)
        assert bias is None or np.flatnonzero(bias.isinf()).tolist() == [forbidden]


def test_what_is_held_is_no_loop(models: dict[str, Checkpoint]) -> None:
    grid = models["grid"].representation
    rows, plan = np.array([[20, 8, 16, 12]] * 40), grid.make_plan(None, 48, np.random.default_rng(0))
    lane, context = Lane(np.random.default_rng(0), plan, rows), grid.context(rows, plan[:41])[-1]
    assert all(RepeatGuard(grid, 16).bias(lane, voice, context, rows[0, :voice]) is None for voice in range(4))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(3, 5), st.integers(0, 5))
def test_a_loop_is_a_passage_three_times_in_a_row(passage: list[int], rounds: int, more: int) -> None:
    rows = np.array((passage * (rounds + 1))[: len(passage) * rounds + min(more, len(passage))])[:, None]
    period = loop_period(rows, 6, 3)
    assert period is not None
    assert period <= len(passage)
    assert np.array_equal(rows[-2 * period :][:period], rows[-period:])
    assert loop_period(rows, 6, len(rows) + 1) is None


class Fixed(Rule):
    """A rule with always the same bias."""

    def __init__(self, *bias: float) -> None:
        self._bias = torch.tensor(bias)

    def bias(self, *_: object) -> torch.Tensor:
        """See Rule."""
        return self._bias


LANE = Lane(np.random.default_rng(0), np.zeros((2, 0), np.int64), np.zeros((0, 1), np.int64))


def test_a_rule_that_leaves_nothing_is_passed_over_and_counted() -> None:
    steerer = Steerer([Fixed(0, -math.inf, -math.inf), Fixed(-math.inf, 0, 0)])
    bent = steerer.bend(LANE, 0, torch.zeros(3), NOTHING, NOTHING)
    assert bent.tolist() == [0, -math.inf, -math.inf]
    assert (steerer.bent.draws, steerer.bent.passed) == (1, 1)


def test_of_a_mask_the_probability_moved_is_what_it_cut() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    steerer = Steerer([Fixed(0, 0, 0, -math.inf)])
    steerer.bend(LANE, 0, logits, NOTHING, NOTHING)
    assert steerer.bent.mass == pytest.approx(0.4)
    assert steerer.bent.likeliest == 1


@pytest.mark.parametrize(
    ("name", "steering", "wishes", "match"),
    [
        ("chords", Steering(density=1), {}, "with --offset 0.5 there are 2 notes a quarter at least; ask for more"),
        ("chords", Steering(end=True), {"length": None}, "name --bars, 2 or more"),
        ("notes", Steering(end=True), {"length": None}, "name --bars, 2 or more"),
        ("notes", Steering(range="bass=C2-C3"), {}, "--range by voice is for four voices"),
        ("notes", Steering(meter="9/4"), {}, "--meter 9/4 has bars of more than 8 quarters"),
        ("abc", Steering(key="Eb"), {}, "spell no K: field for 'Eb'"),
        ("notes", Steering(meter="3/4"), {"prompt": Prompt(tiny.melody(1))}, "in another metre: its own goes on"),
        ("grid", Steering(meter="9/4"), {}, "--meter 9/4 has bars that do not fit"),
    ],
)
def test_what_has_no_means_is_said(
    models: dict[str, Checkpoint], name: str, steering: Steering, wishes: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        compose(models[name], steering, **wishes)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_of_miditoks_tokens_only_pitches_outside_key_and_range_are_forbidden(name: str) -> None:
    tokens = find_tokenizer(f"miditok:{name}")()
    column = pitch_column(tokens)
    lane = Lane(np.random.default_rng(0), np.zeros((2, 0), np.int64), np.zeros((0, len(tokens.fields)), np.int64))
    mask = PitchMask(tokens, frozenset({2, 6, 9}), {"": (60, 72)}, None)
    bias = mask.bias(lane, column, np.zeros(0, np.int64), np.zeros(column, np.int64))
    assert bias is not None
    allowed = tokens.begun[np.isfinite(bias.numpy())]
    assert set(allowed.tolist()) == {-1, 62, 66, 69}


@pytest.mark.parametrize(
    ("wishes", "match"),
    [
        ({"density": 0.0}, "--density lies between"),
        ({"repeat_guard": 0}, "--repeat-guard lies between"),
        ({"is_hard": True}, "--chords-strength needs --chords"),
        ({"key": "H"}, "--key takes"),
    ],
)
def test_wishes_out_of_range_are_refused(wishes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Steering(**wishes)
