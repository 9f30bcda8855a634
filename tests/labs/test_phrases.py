"""Phrases: two bars on a grid of eight steps a bar, in a common key, and no phrase on two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midigen.errors import SourceError
from midigen.labs.phrases import (
    FIRST_PITCH,
    HIGHEST,
    HOLD,
    IDS,
    LOWEST,
    REST,
    STEPS,
    Phrases,
    agreement,
    cut,
    measure,
    pitch_classes,
    sounding,
    split,
    step_log_frequencies,
    step_pairs,
    to_score,
    total_variation,
)
from midigen.scores.score import Key, Metre, Score
from tests.tiny import melody

C5 = FIRST_PITCH + 72 - LOWEST
PHRASE = [C5, HOLD, C5 + 2, REST, *[C5 + 4] * 4, *[C5] * 8]


def tune(phrase: list[int], **rest: object) -> Score:
    return replace(to_score(torch.tensor([phrase])), **rest)  # type: ignore[arg-type]


# A phrase begins with a note or a rest, and a hold goes on from a note or from a hold.
phrases = st.lists(st.integers(0, IDS - 1), min_size=STEPS, max_size=STEPS).map(
    lambda ids: [
        own if own != HOLD or any(i >= FIRST_PITCH for i in ids[max(step - 1, 0) : step]) else FIRST_PITCH
        for step, own in enumerate(ids)
    ]
)


@given(phrases)
def test_a_phrase_that_sounds_to_its_end_comes_back_from_its_score(ids: list[int]) -> None:
    ids[-1] = ids[-1] or FIRST_PITCH
    assert cut(tune(ids)).tolist() == [ids]


def test_sixteenths_in_two_four_are_steps_as_eighths_in_two_two_are() -> None:
    slow = tune(PHRASE, metres=(Metre(0, 2, 2),))
    fast = replace(slow, onset=slow.onset // 2, duration=slow.duration // 2, metres=(Metre(0, 2, 4),))
    assert cut(slow).tolist() == cut(fast).tolist() == [PHRASE]


def test_all_keys_come_to_the_signature_without_sharps_and_flats() -> None:
    in_d = tune([own + 2 if own >= FIRST_PITCH else own for own in PHRASE], keys=(Key(0, 2, "major"),))
    in_b_flat = tune([own - 2 if own >= FIRST_PITCH else own for own in PHRASE], keys=(Key(0, -2, "major"),))
    assert cut(in_d).tolist() == cut(in_b_flat).tolist() == [PHRASE]


def test_a_note_held_from_the_bar_before_begins_the_phrase() -> None:
    long = Score.from_notes([(0, 2400, 72, 80, 0), (2400, 3360, 74, 80, 0)])
    assert cut(long)[1].tolist() == [C5, HOLD, C5 + 2, *[HOLD] * 13]


@pytest.mark.parametrize(
    "other",
    [
        {"metres": (Metre(0, 3, 4),)},
        {"metres": (Metre(0, 4, 4), Metre(1920, 2, 4))},
        {"onset": tune(PHRASE).onset + 60},
        {"pitch": tune(PHRASE).pitch - 30},
        {"duration": tune(PHRASE).duration + 240},
    ],
    ids=["another metre", "two metres", "off the steps", "out of range", "two notes at once"],
)
def test_what_is_no_phrase_is_left_out(other: dict[str, object]) -> None:
    assert len(cut(tune(PHRASE))) == 1
    assert not len(cut(tune(PHRASE, **other)))


def test_a_hold_after_a_rest_is_a_rest() -> None:
    assert sounding([HOLD, C5, HOLD, REST, HOLD, C5]) == [(1, 2, 72), (5, 1, 72)]


def test_no_phrase_is_on_two_sides_and_none_twice() -> None:
    tunes = [cut(melody(number % 15, 60)) for number in range(20)]
    sides = [set(map(tuple, side.tolist())) for side in split(tunes, 3).sides]
    assert sum(map(len, sides)) == len(set.union(*sides)) == sum(map(len, split(tunes, 3).sides))


def test_the_seed_decides_who_is_held_out() -> None:
    tunes = [cut(melody(number, 60)) for number in range(20)]
    first, again, other = (split(tunes, seed).test.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_few_tunes_are_refused() -> None:
    with pytest.raises(SourceError, match="Only 2 tunes hold whole two-bar phrases"):
        split([cut(melody(number, 60)) for number in range(2)] + [cut(Score.from_notes([]))], 0)


def test_frequencies_are_distributions_that_follow_the_counts() -> None:
    frequencies = step_log_frequencies(torch.tensor([PHRASE, PHRASE])).exp()
    assert frequencies.sum(-1) == pytest.approx(np.ones(STEPS))
    assert frequencies[0, C5] == pytest.approx(3 / (2 + IDS))


def test_pitch_classes_and_pairs_are_counted_among_all_notes() -> None:
    ids = torch.tensor([PHRASE])
    assert pitch_classes(ids)[[0, 2, 4]].tolist() == pytest.approx([9 / 14, 1 / 14, 4 / 14])
    assert step_pairs(ids)[C5 * IDS + C5] == pytest.approx(7 / 15)
    assert total_variation(pitch_classes(ids), torch.eye(12)[0]) == pytest.approx(5 / 14)


def test_agreement_is_the_mean_over_all_pairs() -> None:
    ids = torch.randint(5, (6, STEPS), generator=torch.Generator().manual_seed(0))
    pairs = [(ids[i] == ids[j]).float().mean().item() for i in range(6) for j in range(i)]
    assert agreement(ids) == pytest.approx(np.mean(pairs))


def test_a_collapsed_model_is_seen() -> None:
    sides = [torch.randint(FIRST_PITCH, IDS, (9, STEPS), generator=torch.Generator().manual_seed(s)) for s in range(3)]
    results = {r.quantity: r.ours for r in measure(sides[0][:1].expand(100, -1), Phrases(*sides))}
    assert results["distinct phrases of 100"] == "1.0%"
    assert results["phrases known from training"] == "100.0%"
    assert results["steps that two phrases share"].startswith("1.000, 0.0")


def test_the_range_is_a_fiddles() -> None:
    assert (LOWEST, HIGHEST, IDS) == (55, 91, 39)
