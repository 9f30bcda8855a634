"""Bundled: where the pieces lie that come with music21. Nothing is read, and music21 is not imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from midigen.corpora.catalogue import Corpus
from midigen.errors import SourceError


def bundled_files(corpus: Corpus) -> list[Path]:
    """List the files of a corpus inside the user's music21, sorted by path.

    Raises:
        SourceError: music21 or its collection is not installed.
    """
    spec = importlib.util.find_spec("music21")
    locations = spec.submodule_search_locations if spec else None
    if not locations:
        raise SourceError(f"{corpus.name} is read from music21, which is not installed: pip install music21")
    root = Path(locations[0]) / "corpus"
    files = sorted({path for pattern in corpus.patterns for path in root.glob(pattern)})
    if not files:
        raise SourceError(
            f"this installation of music21 comes without the files of {corpus.name} (some distributions leave its "
            "collection out): pip install --force-reinstall music21",
            file=root,
        )
    return files
