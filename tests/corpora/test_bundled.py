from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import find_corpus
from midigen.errors import SourceError

CHORALES = find_corpus("bach-chorales")


def test_files_are_sorted_and_exist() -> None:
    files = bundled_files(CHORALES)
    assert files == sorted(files)
    assert all(path.is_file() for path in files)


def test_each_quartet_movement_is_listed_once_and_as_mxl() -> None:
    files = bundled_files(find_corpus("quartets"))
    assert {path.suffix for path in files} == {".mxl"}
    assert not [path for path in files if "k545" in path.parts]


def test_overlapping_patterns_list_a_file_once() -> None:
    twice = replace(CHORALES, patterns=("bach/bwv10.7.mxl", "bach/bwv10*.mxl", "bach/bwv10.7.*"))
    assert [path.name for path in bundled_files(twice)].count("bwv10.7.mxl") == 1


def test_music21_is_not_imported() -> None:
    code = (
        "import sys; from midigen.corpora import bundled, catalogue;"
        "bundled.bundled_files(catalogue.CATALOGUE['oneills']); sys.exit('music21' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_installation_without_the_collection_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "music21" / "corpus").mkdir(parents=True)
    (tmp_path / "music21" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "music21", raising=False)
    with pytest.raises(SourceError, match="comes without the files of bach-chorales"):
        bundled_files(CHORALES)


def test_a_missing_music21_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "music21", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "Editable" not in repr(finder)])
    with pytest.raises(SourceError, match="not installed: pip install music21"):
        bundled_files(CHORALES)
