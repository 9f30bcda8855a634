from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import midigen.corpora
from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import CATALOGUE, DEFAULT_CORPUS, Corpus, find_corpus
from midigen.corpora.download import require_safe
from midigen.corpora.fetch import fetch_corpus
from midigen.errors import SourceError


def test_the_default_corpus_is_in_the_catalogue() -> None:
    assert find_corpus(DEFAULT_CORPUS).name == DEFAULT_CORPUS


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others() -> None:
    with pytest.raises(SourceError, match=r"did you mean bach-chorales\?.*oneills"):
        find_corpus("Bach-Chorale")


def test_a_name_near_to_none_gets_no_suggestion() -> None:
    with pytest.raises(SourceError, match="called 'xyz'; midigen knows"):
        find_corpus("xyz")


BUNDLED = [corpus for corpus in CATALOGUE.values() if not corpus.downloads]
NETWORK = [corpus for corpus in CATALOGUE.values() if corpus.downloads]
DIGITS = {"sha256": 64, "md5": 32, "git": 40}


@pytest.mark.parametrize("corpus", BUNDLED, ids=lambda corpus: corpus.name)
def test_the_bytes_of_a_record_are_those_of_its_files(corpus: Corpus) -> None:
    assert sum(path.stat().st_size for path in bundled_files(corpus)) == corpus.bytes


@pytest.mark.parametrize("corpus", [c for c in BUNDLED if c.format == "abc"], ids=lambda c: c.name)
def test_an_abc_collection_is_read_tune_by_tune(corpus: Corpus, tmp_path: Path) -> None:
    collection = fetch_corpus(corpus, tmp_path)
    assert len(collection.pieces) == corpus.pieces
    lines = [line for path in bundled_files(corpus) for line in path.read_bytes().splitlines()]
    assert sum(line.startswith(b"X:") for line in lines) == len(collection.pieces) + len(collection.left_out)


def test_the_split_of_the_chorales_names_bundled_files_once() -> None:
    split = find_corpus("bach-chorales").split
    assert split is not None
    table = json.loads(Path(midigen.corpora.__path__[0], split).read_text(encoding="utf-8"))
    names = [name for names in table.values() for name in names]
    assert len(set(names)) == len(names)
    assert set(names) <= {path.stem for path in bundled_files(find_corpus("bach-chorales"))}


def test_at_least_fifteen_corpora_come_by_network_and_the_names_differ() -> None:
    assert len(NETWORK) >= 15
    assert len(CATALOGUE) == len(BUNDLED) + len(NETWORK)


@pytest.mark.parametrize("corpus", NETWORK, ids=lambda corpus: corpus.name)
def test_a_network_corpus_can_be_had_safely(corpus: Corpus) -> None:
    for item in corpus.downloads:
        assert bool(item.addresses) != bool(corpus.by_hand)
        for address in item.addresses:
            require_safe(address, item.checksum)
        kind, _, digest = item.checksum.partition(":")
        assert not item.checksum or re.fullmatch(f"[0-9a-f]{{{DIGITS[kind]}}}", digest)
        assert Path(item.file).name == item.file
    assert len({item.file for item in corpus.downloads}) == len(corpus.downloads)


@pytest.mark.parametrize("corpus", NETWORK, ids=lambda corpus: corpus.name)
def test_the_bytes_of_a_network_corpus_are_those_of_its_files(corpus: Corpus) -> None:
    sizes = [item.bytes for item in corpus.downloads]
    assert corpus.bytes == (None if None in sizes else sum(size or 0 for size in sizes))


@pytest.mark.parametrize("corpus", CATALOGUE.values(), ids=CATALOGUE)
def test_a_record_names_terms_source_and_representation(corpus: Corpus) -> None:
    assert corpus.title
    assert corpus.licence
    assert corpus.citation
    assert corpus.representation in {"notes", "parts", "grid", "abc"}
    assert corpus.format in {"midi", "musicxml", "kern", "abc", "json"}


@pytest.mark.parametrize("name", ["maestro", "essen", "mozart-sonatas", "bach-370", "essen-kern"])
def test_a_licence_without_commercial_use_says_so(name: str) -> None:
    assert re.search("no commercial use|not commercial", find_corpus(name).licence)
