"""Labs: a table of contents whose every entry can be run."""

from __future__ import annotations

import pytest

from midigen.errors import UsageError
from midigen.labs.lab import LABS, find_lab


@pytest.mark.parametrize("name", LABS)
def test_every_entry_of_the_contents_can_be_run(name: str) -> None:
    assert callable(find_lab(name))
    sources, chapters = LABS[name].text.split("; "), LABS[name].chapter.split("; ")
    assert len(sources) == len(chapters)


def test_an_unknown_lab_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no lab called 'bread'; choose one of: tensors, linear-regression"):
        find_lab("bread")
