"""Catalogue: one table of the corpora that midigen knows by name.

A record says what a corpus is and where its files lie; nothing here opens a file. The corpora below are read from the
user's own installation of music21, so nothing of that collection is copied into this package; those that come by
network stand in ``notated_corpora.py`` and ``midi_corpora.py``.
"""

from __future__ import annotations

import difflib

from midigen.corpora.corpus import Corpus
from midigen.corpora.midi_corpora import MIDI_CORPORA
from midigen.corpora.notated_corpora import NOTATED_CORPORA
from midigen.errors import SourceError

# The type of a record is looked for here.
__all__ = ["CATALOGUE", "DEFAULT_CORPUS", "Corpus", "find_corpus", "unknown_corpus"]

_MUSIC21 = (
    "M. S. Cuthbert and C. Ariza: music21: A Toolkit for Computer-Aided Musicology and Symbolic Music Data. ISMIR 2010"
)
_TERMS = "the encodings come with music21 by their makers' permission and are not midigen's to relicense"
_PLAYED = "XTRMLQK"
"""Fields of a header that are kept: who transcribed a tune, from what, when and with what remarks says this table."""

_BUNDLED = (
    Corpus(
        name="bach-chorales",
        title="Chorales in four voices by Johann Sebastian Bach",
        format="musicxml",
        pieces=364,
        bytes=2_054_872,
        licence=f"music in the public domain; {_TERMS}; the files name no terms of their own",
        citation=f"Encoded by Margaret Greentree. {_MUSIC21}. Split: M. Allan and C. K. I. Williams: Harmonising "
        "Chorales by Probabilistic Inference. NIPS 2005",
        representation="grid",
        patterns=("bach/bwv*.mxl",),
        split="jsb_split.json",
        voices=("Soprano", "Alto", "Tenor", "Bass"),
    ),
    Corpus(
        name="quartets",
        title="String quartets by Haydn, Mozart and Beethoven",
        format="musicxml",
        pieces=46,
        bytes=2_836_148,
        licence=f"music in the public domain; {_TERMS}; music21 warns that some of its collection may not be used "
        "commercially, but these files name no terms of their own",
        citation=_MUSIC21,
        representation="parts",
        # Opus 18 no. 1 lies there a second time as kern, and the piano sonata K. 545 is no quartet.
        patterns=(
            "haydn/*/*.mxl",
            "mozart/k80/*.mxl",
            "mozart/k15[56]/*.mxl",
            "mozart/k458/*.mxl",
            "beethoven/*.mxl",
            "beethoven/*/*.mxl",
        ),
    ),
    Corpus(
        name="ryans-mammoth",
        title="Fiddle tunes of Ryan's Mammoth Collection, Boston 1883",
        format="abc",
        pieces=1_046,
        bytes=438_823,
        licence=f"tunes in the public domain; {_TERMS}; the contributors (Ray Davies and others) name no licence",
        citation=f"Ryan's Mammoth Collection, 1883. {_MUSIC21}",
        representation="abc",
        patterns=("ryansMammoth/*.abc",),
        header=_PLAYED,
    ),
    Corpus(
        name="oneills",
        title="Irish tunes of O'Neill's Music of Ireland, Chicago 1903",
        format="abc",
        pieces=2_009,
        bytes=781_984,
        licence=f"tunes in the public domain; {_TERMS}; the transcribers are named in the files, without a licence",
        citation=f"F. O'Neill: Music of Ireland, 1903. {_MUSIC21}",
        representation="abc",
        patterns=("oneills1850/*.abc",),
        header=_PLAYED,
    ),
    Corpus(
        name="airds-airs",
        title="Scottish, English and Irish airs of James Aird's Selection, Glasgow from 1778",
        format="abc",
        pieces=1_180,
        bytes=422_263,
        licence=f"tunes in the public domain; {_TERMS}; transcribed by Jack Campin in 2009, without a licence",
        citation=f"J. Aird: A Selection of Scotch, English, Irish and Foreign Airs, from 1778. {_MUSIC21}",
        representation="abc",
        patterns=("airdsAirs/*.abc",),
        header=_PLAYED,
    ),
)

CATALOGUE: dict[str, Corpus] = {corpus.name: corpus for corpus in (*_BUNDLED, *NOTATED_CORPORA, *MIDI_CORPORA)}
DEFAULT_CORPUS = "bach-chorales"


def find_corpus(name: str) -> Corpus:
    """Return the corpus of this name.

    Raises:
        SourceError: there is none; the sentence lists the names and the nearest one.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    raise SourceError(unknown_corpus(name), file=name)


def unknown_corpus(name: str) -> str:
    """Say that no corpus has this name, which ones there are and which is the nearest."""
    near = difflib.get_close_matches(name.lower(), CATALOGUE, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"there is no corpus called {name!r}{hint}; midigen knows {', '.join(CATALOGUE)}"
