"""Sequence networks: what each may see, what it can learn, and what truncation leaves out."""

from __future__ import annotations

import pytest
import torch

from midigen.labs.cells import LstmCell, PlainCell
from midigen.labs.sequence_networks import EncoderDecoder, Reader, Teller, fit, left_out, one_hot


def test_a_reader_does_not_see_what_comes_later() -> None:
    torch.manual_seed(0)
    reader = Reader(LstmCell, 3, 5, 8)
    xs = torch.randn(2, 6, 3)
    changed = torch.cat([xs[:, :4], torch.randn(2, 2, 3)], dim=1)
    assert torch.equal(reader(xs)[:, :4], reader(changed)[:, :4])
    assert not torch.allclose(reader(xs)[:, 4:], reader(changed)[:, 4:])


def test_a_teller_learns_a_sequence_for_each_vector_and_tells_it_step_by_step() -> None:
    torch.manual_seed(0)
    vectors, sequences = torch.eye(2), torch.tensor([[0, 1, 2, 1, 0], [2, 2, 0, 0, 1]])
    teller = Teller(2, 3, 12)
    fit(teller, lambda: teller(vectors, sequences), 120, 0.03)
    assert torch.equal(teller.tell(vectors, 5, lambda logits: logits.argmax(-1)), sequences)
    assert teller(vectors, sequences) < 0.2 < teller(vectors.flip(0), sequences)


def test_the_nats_of_a_teller_are_those_of_the_ids_it_draws() -> None:
    torch.manual_seed(0)
    teller, chosen = Teller(2, 3, 4), []

    def choose(logits: torch.Tensor) -> torch.Tensor:
        ids = torch.multinomial(logits.softmax(-1), 1)[:, 0]
        chosen.append(-logits.log_softmax(-1)[torch.arange(len(ids)), ids])
        return ids

    vectors = torch.randn(6, 2)
    told = teller.tell(vectors, 4, choose)
    assert teller(vectors, told).item() == pytest.approx(torch.stack(chosen).mean().item(), abs=1e-6)


def test_an_encoder_decoder_learns_to_turn_a_sequence_round_and_where_it_ends() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(3, 3, 24)
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    batches = [torch.arange(3)[:, None], pairs]
    fit(model, lambda: torch.stack([model.loss(one_hot(b, 3), b.flip(1)) for b in batches]).sum(), 100, 0.02)
    for batch in batches:
        ended = torch.cat([batch.flip(1), torch.full((len(batch), 1), model.end)], dim=1)
        assert torch.equal(model.answer(one_hot(batch, 3)), ended)


def test_truncation_leaves_out_less_the_farther_it_reaches_and_nothing_at_last() -> None:
    torch.manual_seed(0)
    reader = Reader(PlainCell, 4, 4, 8).double()
    ids = torch.randint(4, (5, 13))
    missing, gap = left_out(reader, one_hot(ids[:, :-1], 4).double(), ids[:, 1:])
    assert gap < 1e-12
    assert missing[0] > 0.1 > missing[6] > missing[11]
    assert missing[11] < 1e-12
