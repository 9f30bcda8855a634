"""Sequence tasks: phrases are split by piece, and made-up composers and small melodies are learned."""

from __future__ import annotations

import pytest
import torch

from midigen.labs.cells import GruCell
from midigen.labs.sequence_networks import Reader, one_hot
from midigen.labs.sequence_tasks import (
    MOVES,
    PITCHES,
    Phrases,
    as_score,
    composer_accuracy,
    gather_phrases,
    learn_composers,
    learn_phrases,
    learn_transposition,
    transposition_accuracy,
    tune_of,
)
from midigen.scores.score import Part, Score
from tests.tiny import hymn, melody

NOTES = 40


def walk(seed: int, *steps: int) -> Score:
    """A tune that goes up and down by these steps."""
    generator = torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(2, (NOTES,), generator=generator) - 1
    sizes = torch.tensor(steps)[torch.randint(len(steps), (NOTES,), generator=generator)]
    pitches = 70 + (signs * sizes).cumsum(0).remainder(12)
    return Score.from_notes((480 * i, 480, pitch, 80, 0) for i, pitch in enumerate(pitches.tolist()))


def test_a_tune_is_the_upper_line_of_the_first_part() -> None:
    score = Score.from_notes(
        [(0, 480, 60, 80, 0), (0, 480, 67, 80, 0), (0, 480, 79, 80, 1), (480, 480, 65, 80, 0)], parts=(Part(), Part())
    )
    assert tune_of(score) == [67, 65]
    assert tune_of(hymn(0)) == hymn(0).pitch[hymn(0).part == 0].tolist()


def test_no_piece_is_on_both_sides_and_every_composer_has_as_many() -> None:
    torch.manual_seed(0)
    composers = [[melody(seed, NOTES) for seed in range(first, first + count)] for first, count in ((0, 10), (20, 15))]
    train, test = gather_phrases(composers)
    pieces = {tuple(phrase): score for scores in composers for score in scores for phrase in windows(score)}
    sides = [{id(pieces[tuple(phrase)]) for phrase in side.pitches.tolist()} for side in (train, test)]
    assert not sides[0] & sides[1]
    assert [len(side) for side in sides] == [16, 4]
    assert [int((side.composer == 1).sum()) * 2 for side in (train, test)] == [len(train.pitches), len(test.pitches)]


def windows(score: Score) -> list[list[int]]:
    """All phrases of 17 notes that a piece holds."""
    return [score.pitch[start : start + 17].tolist() for start in range(len(score) - 16)]


def test_a_melody_that_comes_again_in_another_key_counts_once() -> None:
    torch.manual_seed(0)
    score = melody(0, NOTES)
    higher = Score(score.onset, score.duration, score.pitch + 5, score.velocity, score.part)
    train, test = gather_phrases([[score, higher, melody(1, NOTES)]])
    assert len(train.pitches) + len(test.pitches) == 4


def test_steps_are_cut_at_an_octave() -> None:
    steps = Phrases(torch.tensor([[60, 60, 61, 90, 62]]), torch.tensor([0])).steps
    assert steps.tolist() == [[12, 13, 24, 0]]


@pytest.fixture(scope="module")
def made_up() -> tuple[Phrases, Phrases]:
    """Phrases of one composer who goes by seconds and one who leaps."""
    torch.manual_seed(0)
    return gather_phrases([[walk(seed, 1, 2) for seed in range(20)], [walk(seed, 4, 5) for seed in range(20)]])


def test_composers_are_told_apart_the_surer_the_more_is_heard(made_up: tuple[Phrases, Phrases]) -> None:
    train, test = made_up
    judge = learn_composers(train, 60)
    assert composer_accuracy(judge, test.steps, test.composer) > 0.95
    assert composer_accuracy(judge, test.steps, 1 - test.composer) < 0.05


def test_a_phrase_is_likelier_told_of_its_own_composer(made_up: tuple[Phrases, Phrases]) -> None:
    train, test = made_up
    teller = learn_phrases(train, 80)
    assert teller(one_hot(test.composer, 2), test.steps) < teller(one_hot(1 - test.composer, 2), test.steps) - 0.5


def test_melodies_of_pieces_never_heard_are_moved_note_for_note(made_up: tuple[Phrases, Phrases]) -> None:
    train, test = made_up
    mover = Reader(GruCell, PITCHES + len(MOVES), PITCHES, 32)
    learn_transposition(mover, train, 150)
    notes, wholes = transposition_accuracy(mover, test.pitches[:, :4])
    assert notes > 0.9
    assert wholes <= notes


def test_phrases_become_a_score_with_a_long_last_note_each() -> None:
    score = as_score(torch.tensor([[60, 62, 64], [67, 65, 60]]))
    assert score.pitch.tolist() == [60, 62, 64, 67, 65, 60]
    assert (score.onset // 480).tolist() == [0, 1, 2, 5, 6, 7]
    assert (score.duration // 480).tolist() == [1, 1, 3, 1, 1, 3]
