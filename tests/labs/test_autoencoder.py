"""Autoencoder: a code that is large enough holds all, a small one what matters; beside the best linear one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midigen.formats.midi import write_midi
from midigen.labs.autoencoder import Autoencoder, PrincipalComponents, fit, right_steps, run
from midigen.labs.lab import Settings
from midigen.labs.phrases import STEPS, Phrases, one_hot
from tests.tiny import melody

IDS = torch.randint(2, 12, (40, STEPS), generator=torch.Generator().manual_seed(1))


def test_a_phrase_comes_back_through_a_code_that_is_large_enough() -> None:
    torch.manual_seed(0)
    network = Autoencoder(16)
    before = network.cost(IDS).item()
    fit(network, network.cost, Phrases(IDS.repeat(6, 1), IDS, IDS))
    assert right_steps(network(IDS), IDS).float().mean() > 0.95
    assert network.cost(IDS) < before / 5


def test_nothing_of_a_phrase_passes_but_its_code() -> None:
    network = Autoencoder(3)
    with torch.no_grad():
        network.encoder[-1].weight.zero_()  # type: ignore[operator]
    reconstructions = network(IDS)
    assert torch.equal(reconstructions, reconstructions[:1].expand_as(reconstructions))


def test_training_leaves_the_parameters_that_were_best_in_validation() -> None:
    parameter = torch.nn.Parameter(torch.zeros(()))
    # Training pulls up without end; validation is best halfway to 1.
    phrases = Phrases(torch.full((600, 1), 1.0), torch.full((1, 1), 0.5), IDS)
    seen = []

    def cost(goal: torch.Tensor) -> torch.Tensor:
        value = (parameter - goal).square().mean()
        if len(goal) == 1:
            seen.append(value.item())
        return value

    fit(torch.nn.ParameterList([parameter]), cost, phrases)
    assert cost(phrases.valid).item() == pytest.approx(min(seen))


def test_all_principal_components_give_everything_back() -> None:
    back = PrincipalComponents(IDS).reconstruct(IDS, IDS.numel())
    assert back.numpy() == pytest.approx(one_hot(IDS).numpy(), abs=1e-4)


def test_what_components_lose_is_the_variance_of_those_left_out() -> None:
    components = PrincipalComponents(IDS)
    for code in (1, 5, 20):
        lost = (components.reconstruct(IDS, code) - one_hot(IDS)).square().sum((1, 2)).mean()
        assert lost.item() == pytest.approx(components.variances[code:].sum().item(), rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_plane_loses_less_than_the_principal_components(seed: int) -> None:
    components = PrincipalComponents(IDS)
    best = (components.reconstruct(IDS, 4) - one_hot(IDS)).square().sum()
    torch.manual_seed(seed)
    tilted = components.directions[:, :4] + 0.05 * torch.randn(len(components.directions), 4)
    components.directions = torch.linalg.qr(tilted).Q
    assert (components.reconstruct(IDS, 4) - one_hot(IDS)).square().sum() > best


def test_the_lab_takes_tunes_of_the_users_own(tmp_path: Path) -> None:
    for number in range(6):
        write_midi(melody(number, 40), tmp_path / f"{number}.mid")
    report = run(Settings(seed=1, corpora=tmp_path / "corpora", data=tmp_path))
    by_name = {result.quantity: result for result in report.results}
    assert by_name["code"].text == "h = f(x)"
    assert by_name["right with 64 numbers"].ours.endswith("% of phrases")
    assert len(report.scores["reconstructions"])
    assert len(report.figure.subfigs) == 2
