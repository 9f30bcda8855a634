"""What tests of several layers share: the real chorales, read from music21 once and kept between runs."""

from __future__ import annotations

import pytest
from hypothesis import settings

from midigen.corpora.fetch import fetch
from midigen.corpora.store import Piece, load_pieces

# A machine that is busy with something else is no failure.
settings.register_profile("midigen", deadline=None, max_examples=40)
settings.load_profile("midigen")


@pytest.fixture(scope="session")
def chorales(request: pytest.FixtureRequest) -> tuple[Piece, ...]:
    """All bundled chorales. The first run takes half a minute for them."""
    assert request.config.cache is not None
    fetched = fetch("bach-chorales", request.config.cache.mkdir("corpora"))
    return load_pieces(fetched.path).pieces
