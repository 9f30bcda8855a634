"""A constraint takes away what is illegal and leaves the rest in proportion; drawn tunes are valid."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from midigen.checkpoints.run import Checkpoint
from midigen.errors import SamplingError, UsageError
from midigen.formats.abc2midi import valid_tunes
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.representations.abc_characters import AbcCharacters
from midigen.sampling.constraints import TuneConstraint
from midigen.sampling.generate import Request, generate
from midigen.sampling.steering import Steering
from midigen.sampling.valid_tunes import generate_valid
from midigen.scores.score import Score
from tests import tiny

TEXTS = [f"X:{n}\nT:Tune\nM:4/4\nL:1/8\nK:G\nGA|B2{note}2 d4|(3efg f>e d4:|\n" for n, note in enumerate("cdefga", 1)]
ABC = AbcCharacters.fit([read_tune(Tune(text)) for text in TEXTS], {})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A model that has hardly learned."""
    folder = tmp_path_factory.mktemp("abc")
    return tiny.trained(folder, tiny.dataset(folder, [read_tune(Tune(text)) for text in TEXTS], "abc", "tttttv"))


def tunes_of(scores: tuple[object, ...]) -> list[Tune]:
    return [score.tune for score in scores if isinstance(score, PlayedTune)]


def test_legal_characters_keep_their_relative_probabilities() -> None:
    constraint = TuneConstraint(ABC.characters, [500], ABC.encode_text(TEXTS[0][:-1] + "\n")[0])
    logits = torch.linspace(-1, 1, len(ABC.characters))[None]
    masked, odds = constraint.apply(logits, torch.tensor([0.5]), [0])
    legal = masked[0].isfinite()
    assert 0 < legal.sum() < len(ABC.characters)
    torch.testing.assert_close(masked[0][legal].float(), logits[0][legal])
    # p(end) : p(a legal character) is as before.
    shares = logits.double().softmax(-1)[0]
    end = torch.tensor(0.5).double().sigmoid()
    assert float(odds) == pytest.approx(math.log(float(end / ((1 - end) * shares[legal].sum()))))
    assert constraint.cut.mean_mass == pytest.approx(float((1 - end) * shares[~legal].sum()))


def test_the_end_is_illegal_within_a_bar() -> None:
    constraint = TuneConstraint(ABC.characters, [500], ABC.encode_text(TEXTS[0][:-6])[0])
    assert constraint.apply(torch.zeros(1, len(ABC.characters)), torch.tensor([9.0]), [0])[1] == -math.inf


def test_a_model_that_has_not_learned_draws_valid_tunes(checkpoint: Checkpoint) -> None:
    made = generate(checkpoint, Request(seed=1, count=8, length=400))
    assert all(valid_tunes(tunes_of(made.scores)))
    assert made.cut is not None
    assert 0 < made.cut.mean_mass < 1


def test_a_tune_does_not_depend_on_its_neighbours(checkpoint: Checkpoint) -> None:
    third = generate(checkpoint, Request(seed=1, count=3, length=300)).scores[2]
    alone = generate(checkpoint, Request(seed=1, first=2, length=300)).scores[0]
    assert tunes_of((third,)) == tunes_of((alone,))


def test_a_text_is_gone_on_from(checkpoint: Checkpoint) -> None:
    (tune,) = tunes_of(generate(checkpoint, Request(seed=1, length=300, prompt_text="X:1\nT:d")).scores)
    assert tune.text.startswith("X:1\nT:d")
    assert generate(checkpoint, Request(seed=1, length=5, prompt_text="K", constrain=False)).tokens == 5


def test_a_text_is_gone_on_from_however_few_characters_are_to_come(checkpoint: Checkpoint) -> None:
    for text in (TEXTS[0], TEXTS[0][:-8]):
        (tune,) = tunes_of(generate(checkpoint, Request(seed=1, length=20, prompt_text=text)).scores)
        assert tune.text.startswith(text)
        assert len(tune.text) > len(text)


def test_what_a_text_has_said_already_cannot_be_steered(checkpoint: Checkpoint) -> None:
    for wish, line in ((Steering(key="D"), "K:"), (Steering(meter="3/4"), "M:")):
        with pytest.raises(UsageError, match=f"not possible with a prompt that has its {line} line"):
            generate(checkpoint, Request(seed=1, prompt_text=TEXTS[0], steering=wish))


def test_the_sign_that_no_valid_tune_can_begin_with_is_named(checkpoint: Checkpoint) -> None:
    for text, said in (
        ("K", "'K' stands in line 1, column 1"),
        (TEXTS[0][:-3] + "G", "'G' stands in line 6, column 24"),
        ("X:1\nT:d\u20ac", "a sign that the model does not know stands in line 2, column 4"),
    ):
        with pytest.raises(SamplingError, match=said):
            generate(checkpoint, Request(seed=1, prompt_text=text))


def test_a_piece_without_a_text_is_written_down_and_gone_on_from() -> None:
    notes = [(240 * place, 240, pitch, 80, 0) for place, pitch in enumerate([62, 64, 66, 67, 69, 71, 73, 74])]
    notes += [(1920 + 160 * place, 160, 71, 80, 0) for place in range(3)] + [(2400, 1440, 62, 80, 0)]
    abc = AbcCharacters("".join(map(chr, range(32, 127))) + "\n\ufffd")
    constraint = TuneConstraint(abc.characters, [500], abc.encode(Score.from_notes(notes))[0])
    constraint.require_ends()


def test_too_few_characters_for_a_tune_are_an_error_and_a_hundred_are_enough(checkpoint: Checkpoint) -> None:
    with pytest.raises(SamplingError, match="give --length 100 or more"):
        generate(checkpoint, Request(seed=1, length=12))
    assert all(valid_tunes(tunes_of(generate(checkpoint, Request(seed=1, count=5, length=100)).scores)))


def test_an_end_that_is_certain_is_drawn() -> None:
    constraint = TuneConstraint(ABC.characters, [500], ABC.encode_text(TEXTS[0])[0])
    assert constraint.apply(torch.zeros(1, len(ABC.characters)), torch.tensor([60.0]), [0])[1] >= 60


def test_what_cannot_be_played_is_said(checkpoint: Checkpoint) -> None:
    made = generate(checkpoint, Request(seed=1, length=5, constrain=False))
    assert len(made.scores[0]) == 0
    assert "no tune that can be played" in made.warnings[0][0]


def test_tunes_are_drawn_until_enough_are_valid(checkpoint: Checkpoint) -> None:
    made, drawn = generate_valid(checkpoint, Request(seed=1, count=3, length=300))
    assert len(made.scores) == 3
    assert drawn >= 3
    assert all(valid_tunes(tunes_of(made.scores)))
    with pytest.raises(SamplingError, match="Of 20 tunes 0 were valid, not 1"):
        generate_valid(checkpoint, Request(seed=1, length=20, constrain=False))


def test_other_models_know_no_tunes(tmp_path: Path) -> None:
    other = tiny.trained(tmp_path, tiny.melodies(tmp_path))
    for request in (Request(seed=1, constrain=True), Request(seed=1, prompt_text="X:1")):
        with pytest.raises(UsageError, match="for models of ABC characters"):
            generate(other, request)
    with pytest.raises(UsageError, match="--until-valid is for models of ABC characters"):
        generate_valid(other, Request(seed=1))
