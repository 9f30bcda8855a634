from __future__ import annotations

from pathlib import Path

from midigen.models.network import Network
from midigen.sampling.stepper import Stepper
from tests import tiny


def test_our_network_keeps_the_protocol(tmp_path: Path) -> None:
    network: Network = tiny.network(tiny.melodies(tmp_path))
    assert [part.shape for part in network.start(3)] == [(1, 3, 8), (1, 3, 8)]
    assert Stepper(tiny.network(tiny.melodies(tmp_path / "again"))).start(3)[0].shape == (1, 3, 8)
