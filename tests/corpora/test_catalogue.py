from __future__ import annotations

import json
from pathlib import Path

import pytest

import midigen.corpora
from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import CATALOGUE, DEFAULT_CORPUS, Corpus, find_corpus
from midigen.errors import SourceError


def test_the_default_corpus_is_in_the_catalogue() -> None:
    assert find_corpus(DEFAULT_CORPUS).name == DEFAULT_CORPUS


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others() -> None:
    with pytest.raises(SourceError, match=r"did you mean bach-chorales\?.*oneills"):
        find_corpus("Bach-Chorale")


def test_a_name_near_to_none_gets_no_suggestion() -> None:
    with pytest.raises(SourceError, match="called 'xyz'; midigen knows"):
        find_corpus("xyz")


@pytest.mark.parametrize("corpus", CATALOGUE.values(), ids=CATALOGUE)
def test_the_bytes_of_a_record_are_those_of_its_files(corpus: Corpus) -> None:
    assert sum(path.stat().st_size for path in bundled_files(corpus)) == corpus.bytes


@pytest.mark.parametrize("corpus", [c for c in CATALOGUE.values() if c.format == "abc"], ids=lambda c: c.name)
def test_an_abc_collection_has_as_many_pieces_as_its_files_have_tunes(corpus: Corpus) -> None:
    lines = [line for path in bundled_files(corpus) for line in path.read_bytes().splitlines()]
    assert sum(line.startswith(b"X:") for line in lines) == corpus.pieces


def test_the_split_of_the_chorales_names_bundled_files_once() -> None:
    split = find_corpus("bach-chorales").split
    assert split is not None
    table = json.loads(Path(midigen.corpora.__path__[0], split).read_text(encoding="utf-8"))
    names = [name for names in table.values() for name in names]
    assert len(set(names)) == len(names)
    assert set(names) <= {path.stem for path in bundled_files(find_corpus("bach-chorales"))}
