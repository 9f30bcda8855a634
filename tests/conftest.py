"""What tests of several layers share: the real chorales, read from music21 once and kept between runs."""

from __future__ import annotations

from ctypes.util import find_library

import pytest
from hypothesis import HealthCheck, settings

from midigen.corpora.fetch import fetch
from midigen.corpora.store import Piece, load_pieces

# A machine that is busy with something else is no failure.
settings.register_profile("midigen", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("midigen")


@pytest.fixture(scope="session")
def chorales(request: pytest.FixtureRequest) -> tuple[Piece, ...]:
    """All bundled chorales. The first run takes half a minute for them."""
    assert request.config.cache is not None
    fetched = fetch("bach-chorales", request.config.cache.mkdir("corpora"))
    return load_pieces(fetched.path).pieces


HAS_FLUIDSYNTH = find_library("fluidsynth") is not None


def pytest_runtest_setup(item: pytest.Function) -> None:
    """Leave out what needs FluidSynth where its library could not be installed."""
    engine = item.callspec.params.get("engine") if hasattr(item, "callspec") else None
    if not HAS_FLUIDSYNTH and (engine == "fluidsynth" or item.get_closest_marker("fluidsynth")):
        pytest.skip("libfluidsynth is not installed here")
