"""Recurrent networks on musical tasks: one for each shape of Hallman, Deep Learning, sections 8.1 to 8.4.

A composer from a phrase (sequence to vector), a phrase from a composer (vector to sequence), and a melody moved by a
given interval, once note for note (sequence to sequence) and once by an encoder and a decoder. The composers are heard
by the steps from note to note alone, without rhythm and register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.labs.cells import GruCell
from midigen.labs.lab import Result
from midigen.labs.sequence_networks import EncoderDecoder, Reader, Teller, fit, one_hot
from midigen.scores.score import TICKS_PER_QUARTER, Score

PHRASE = 17
"""Notes of a phrase."""
PHRASES_PER_PIECE = 3
TEST_EVERY = 5
OCTAVE = 12
INTERVALS = 2 * OCTAVE + 1
LOWEST, PITCHES = 55, 46
"""The violin's lowest note, and how many pitches from there on transposition knows."""
MOVES = (3, 4, 5, 7)
"""Intervals to move a melody by, in semitones: the thirds, the fourth and the fifth."""
LENGTHS = range(2, 7)
"""Notes of a melody to move."""
HEARD = (1, 2, 4, 8, 16)
"""Steps of a phrase by which its composer is named."""
FIRST = 67
"""The pitch that phrases begin with that were told as steps."""
BATCH = 64


@dataclass(frozen=True)
class Phrases:
    """Phrases of several composers: MIDI pitches, (B, 17), and whose each is, (B,)."""

    pitches: Tensor
    composer: Tensor

    @classmethod
    def of(cls, rows: list[tuple[list[int], int]]) -> Phrases:
        """Make phrases from pairs of pitches and a composer."""
        return cls(torch.tensor([pitches for pitches, _ in rows]), torch.tensor([composer for _, composer in rows]))

    @property
    def steps(self) -> Tensor:
        """Ids of the steps from note to note, (B, 16): an octave or more down is 0, up 24."""
        return self.pitches.diff(dim=1).clamp(-OCTAVE, OCTAVE) + OCTAVE

    def draw(self) -> Phrases:
        """Return 64 of the phrases."""
        chosen = torch.randint(len(self.pitches), (BATCH,))
        return Phrases(self.pitches[chosen], self.composer[chosen])


def tune_of(score: Score) -> list[int]:
    """Return the pitches of the first part, of notes that begin together the highest."""
    highest = {onset: pitch for onset, _, pitch, _, part in score.notes.tolist() if part == 0}
    return list(highest.values())


def gather_phrases(composers: Sequence[Sequence[Score]]) -> tuple[Phrases, Phrases]:
    """Cut as many pieces of each composer into phrases: of four pieces to train on, of every fifth to test.

    A melody that several pieces share, told by its first steps, counts once: nothing is on both sides.
    """
    tunes = []
    for scores in composers:
        lines = [tune for score in scores if len(tune := tune_of(score)) >= PHRASE]
        distinct = {tuple(b - a for a, b in pairwise(tune[: PHRASE // 2])): tune for tune in lines}
        tunes.append(list(distinct.values()))
    fewest = min(map(len, tunes))
    train: list[tuple[list[int], int]] = []
    test: list[tuple[list[int], int]] = []
    for composer, lines in enumerate(tunes):
        for number, index in enumerate(torch.randperm(len(lines))[:fewest].tolist()):
            side, tune = train if number % TEST_EVERY else test, lines[index]
            starts = range(0, len(tune) - PHRASE + 1, PHRASE)[:PHRASES_PER_PIECE]
            side += [(tune[start : start + PHRASE], composer) for start in starts]
    return Phrases.of(train), Phrases.of(test)


def learn_composers(train: Phrases, updates: int) -> Reader:
    """Train a network to name the composer of phrases of any length."""
    model = Reader(GruCell, INTERVALS, int(train.composer.max()) + 1, hidden_size=32)

    def loss() -> Tensor:
        batch, heard = train.draw(), int(torch.randint(1, PHRASE, ()))
        return F.cross_entropy(model(one_hot(batch.steps[:, :heard], INTERVALS))[:, -1], batch.composer)

    fit(model, loss, updates, 0.005)
    return model


def composer_accuracy(model: Reader, steps: Tensor, composer: Tensor) -> float:
    """Return the share of phrases, given by their steps (B, T), whose composer the network names rightly."""
    return (model.answer(one_hot(steps, INTERVALS))[:, -1] == composer).float().mean().item()


def learn_phrases(train: Phrases, updates: int) -> Teller:
    """Train a network to tell the steps of a phrase from its composer."""
    composers = int(train.composer.max()) + 1
    model = Teller(composers, INTERVALS, hidden_size=48)

    def loss() -> Tensor:
        batch = train.draw()
        cost: Tensor = model(one_hot(batch.composer, composers), batch.steps)
        return cost

    fit(model, loss, updates, 0.005)
    return model


def ask(melody: Tensor, which: Tensor) -> Tensor:
    """Return what is given to a network that moves melodies, (B, T, 50).

    Args:
        melody: MIDI pitches, (B, T).
        which: indices into MOVES, (B,).
    """
    wanted = one_hot(which, len(MOVES))[:, None].expand(-1, melody.shape[1], -1)
    return torch.cat([one_hot(melody - LOWEST, PITCHES), wanted], dim=-1)


def learn_transposition(model: Reader | EncoderDecoder, train: Phrases, updates: int) -> None:
    """Train a network to move melodies of two to six notes up by a given interval."""

    def loss() -> Tensor:
        notes = LENGTHS[int(torch.randint(len(LENGTHS), ()))]
        begin = int(torch.randint(PHRASE - notes + 1, ()))
        melody = train.draw().pitches[:, begin : begin + notes]
        which = torch.randint(len(MOVES), (BATCH,))
        return model.loss(ask(melody, which), melody - LOWEST + torch.tensor(MOVES)[which, None])

    fit(model, loss, updates, 0.01)


def transposition_accuracy(model: Reader | EncoderDecoder, melody: Tensor) -> tuple[float, float]:
    """Return the shares of notes, and of whole melodies, (B, T), that are moved rightly, by each interval in turn.

    An encoder-decoder has to end the melody too for it to be right as a whole.
    """
    which = torch.arange(len(melody)) % len(MOVES)
    answer = model.answer(ask(melody, which))
    moved = melody - LOWEST + torch.tensor(MOVES)[which, None]
    right = answer == F.pad(moved, (0, answer.shape[1] - moved.shape[1]), value=PITCHES)
    return right[:, : melody.shape[1]].float().mean().item(), right.all(1).float().mean().item()


def as_score(pitches: Tensor) -> Score:
    """Return phrases, MIDI pitches (B, T), one after the other: quarters, and three for the last note of each."""
    steps = pitches.shape[1]
    places = [
        (row * (steps + 2) + step, 3 if step == steps - 1 else 1)
        for row in range(len(pitches))
        for step in range(steps)
    ]
    return Score.from_notes(
        (place * TICKS_PER_QUARTER, length * TICKS_PER_QUARTER, pitch, 80, 0)
        for (place, length), pitch in zip(places, pitches.flatten().tolist(), strict=True)
    )


def shares(values: Sequence[float]) -> str:
    """Return them as percentages."""
    return ", ".join(f"{value:.0%}" for value in values)


class Found(NamedTuple):
    """What came of the tasks: results, the share that is right by the notes of a phrase, and music."""

    results: list[Result]
    right: Mapping[str, tuple[Sequence[int], list[float]]]
    scores: dict[str, Score]


def name_and_tell(train: Phrases, test: Phrases, names: Sequence[str]) -> Found:
    """Name which of two composed a phrase, and tell phrases of each; the first network judges what the second tells."""
    judge, teller = learn_composers(train, 400), learn_phrases(train, 300)
    named = [composer_accuracy(judge, test.steps[:, :steps], test.composer) for steps in HEARD]
    shuffled = composer_accuracy(judge, test.steps[:, torch.randperm(PHRASE - 1)], test.composer)
    results = [
        Result(f"composer named from {', '.join(map(str, HEARD))} steps of a phrase", "", shares(named)),
        Result("... from the last with its steps shuffled", "", f"{shuffled:.0%}"),
    ]
    scores = {}
    for composer, name in enumerate(names):
        phrases = test.steps[test.composer == composer]
        asked = [one_hot(torch.tensor([who]), len(names)) for who in (composer, 1 - composer)]
        with torch.no_grad():
            nats = [teller(vector.expand(len(phrases), -1), phrases).item() for vector in asked]
        told = teller.tell(asked[0].expand(200, -1), PHRASE - 1, _sample)
        believed = composer_accuracy(judge, told, torch.full((200,), composer))
        results += [
            Result(f"nats a step of {name}, told so and told otherwise", "", ", ".join(f"{nat:.2f}" for nat in nats)),
            Result(f"phrases told of {name} that are named so", "", f"{believed:.0%}"),
        ]
        pitches = F.pad(told[:4] - OCTAVE, (1, 0)).cumsum(1) + FIRST
        scores[f"phrases-of-{name.lower()}"] = as_score(pitches.clamp(0, 127))
    return Found(results, {"composer named": ([steps + 1 for steps in HEARD], named)}, scores)


def move(train: Phrases, test: Phrases) -> Found:
    """Move melodies note for note, and by an encoder and a decoder."""
    results, right = [], {}
    for name, model, updates in (
        ("note for note", Reader(GruCell, PITCHES + len(MOVES), PITCHES, 64), 400),
        ("encoder-decoder", EncoderDecoder(PITCHES + len(MOVES), PITCHES, 80), 2000),
    ):
        learn_transposition(model, train, updates)
        notes, wholes = zip(
            *(transposition_accuracy(model, test.pitches[:, :length]) for length in LENGTHS), strict=True
        )
        results += [
            Result(f"notes moved rightly in melodies of {LENGTHS[0]} to {LENGTHS[-1]}, {name}", "", shares(notes)),
            Result("... whole melodies", "", shares(wholes)),
        ]
        right[f"moved, {name}"] = (LENGTHS, list(notes))
    return Found(results, right, {})


def _sample(logits: Tensor) -> Tensor:
    return torch.multinomial(logits.softmax(-1), 1)[:, 0]
