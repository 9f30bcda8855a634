"""MIDI corpora: the records of those that come by network as MIDI files.

A checksum is the one that its makers or muspy publish; the SHA-1 of a git blob pins a file of a commit.
"""

from __future__ import annotations

from midigen.corpora.corpus import Corpus, Download, github_file

_LAKH = "http://hog.ee.columbia.edu/craffel/lmd/"
_LAKH_TERMS = "compilation CC BY 4.0; rights in its contents unclear: for your own study, pass nothing on"
_RAFFEL = "C. Raffel: Learning-Based Methods for Comparing Sequences. PhD thesis, Columbia University, 2016"
_HAWTHORNE = (
    "C. Hawthorne et al.: Enabling Factorized Piano Music Modeling and Generation with the MAESTRO Dataset. ICLR 2019"
)
_BOULANGER = "N. Boulanger-Lewandowski et al.: Modeling Temporal Dependencies in High-Dimensional Sequences. ICML 2012"

MIDI_CORPORA = (
    Corpus(
        name="mozart-sonatas",
        title="Twenty piano sonatas by Mozart, as the Foundations of Applied Mathematics give them to their readers",
        format="midi",
        pieces=20,
        bytes=430_509,
        licence="files copyright OnClassical and kunstderfuge.com: no republication, no commercial use",
        citation="Foundations of Applied Mathematics, labs, volume 3",
        representation="notes",
        downloads=(
            github_file(
                "Foundations-of-Applied-Mathematics/Data",
                "8508759c6a4cb4b27f2b44a960bdd7f45bf7f890",
                "RNN/mozart_sonatas.tar.gz",
                "sha256:7cf333447ad44a76e6498af2f67c669558b63067ca91edf94f5bb37830e86d6e",
                430_509,
            ),
        ),
    ),
    Corpus(
        name="jsb-midi",
        title="The same chorales as MIDI files",
        format="midi",
        pieces=382,
        bytes=215_242,
        licence="music in the public domain; the files name no licence",
        citation=_BOULANGER,
        representation="notes",
        downloads=(
            Download(
                "JSB_Chorales.zip",
                ("http://www-etud.iro.umontreal.ca/~boulanni/JSB%20Chorales.zip",),
                "sha256:69924294546a71620c06374085cd6b0300665ea215e2f854f65a11929f1e723c",
                215_242,
            ),
        ),
    ),
    Corpus(
        name="maestro",
        title="Performances of the International Piano-e-Competition, version 3, MIDI only",
        format="midi",
        pieces=1_276,
        bytes=58_416_533,
        licence="CC BY-NC-SA 4.0: no commercial use, of models trained on it neither",
        citation=_HAWTHORNE,
        representation="notes",
        downloads=(
            Download(
                "maestro-v3.0.0-midi.zip",
                ("https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",),
                "sha256:70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
                58_416_533,
            ),
        ),
    ),
    Corpus(
        name="pop909",
        title="Chinese pop songs arranged for piano; their other versions are not read",
        format="midi",
        pieces=909,
        bytes=None,
        licence="repository MIT, the songs in copyright: for your own study, pass nothing on",
        citation="Z. Wang et al.: POP909: A Pop-song Dataset for Music Arrangement Generation. ISMIR 2020",
        representation="notes",
        patterns=("POP909/*/*.mid",),
        downloads=(
            github_file(
                "music-x-lab/POP909-Dataset",
                "d83e6edba6872a704f5d3b8b32f5cb540088dae6",
                "POP909.zip",
                "git:0a9647e499a0a6f88f84c0d450570fd805129f9d",
            ),
        ),
    ),
    Corpus(
        name="lakh",
        title="The Lakh MIDI Dataset, all of it",
        format="midi",
        pieces=176_581,
        bytes=1_768_163_879,
        licence=_LAKH_TERMS,
        citation=_RAFFEL,
        representation="notes",
        downloads=(
            Download(
                "lmd_full.tar.gz",
                (f"{_LAKH}lmd_full.tar.gz",),
                "sha256:6fcfe2ac49ca08f3f214cec86ab138d4fc4dabcd7f27f491a838dae6db45a12b",
                1_768_163_879,
            ),
        ),
    ),
    Corpus(
        name="lakh-clean",
        title="The Lakh MIDI Dataset: files with the names of artist and title",
        format="midi",
        pieces=17_000,
        bytes=None,
        licence=_LAKH_TERMS,
        citation=_RAFFEL,
        representation="notes",
        # Without a checksum plain http is not taken; whether the host answers https is not known.
        downloads=(Download("clean_midi.tar.gz", ("https://hog.ee.columbia.edu/craffel/lmd/clean_midi.tar.gz",)),),
    ),
    Corpus(
        name="adl-piano",
        title="ADL Piano MIDI: piano parts of the Lakh MIDI Dataset and others, by genre",
        format="midi",
        pieces=11_086,
        bytes=None,
        licence="none named; made from the Lakh MIDI Dataset: for your own study, pass nothing on",
        citation="L. N. Ferreira et al.: Computer-Generated Music for Tabletop Role-Playing Games. AIIDE 2020",
        representation="notes",
        downloads=(
            github_file(
                "lucasnfe/adl-piano-midi",
                "bdb483614c25d64794c798a21adde9504eb09719",
                "midi/adl-piano-midi.zip",
                "git:3d00b27fa0b3c5c440f0d3010812cde11fe2f29a",
            ),
        ),
    ),
    Corpus(
        name="emopia",
        title="EMOPIA: clips of pop piano music, by emotion, version 2.2",
        format="midi",
        pieces=1_087,
        bytes=None,
        licence="CC BY 4.0 as its makers state; the songs transcribed are in copyright",
        citation="H.-T. Hung et al.: EMOPIA: A Multi-Modal Pop Piano Dataset for Emotion Recognition. ISMIR 2021",
        representation="notes",
        downloads=(
            Download(
                "EMOPIA_2.2.zip",
                (
                    "https://zenodo.org/records/5257995/files/EMOPIA_2.2.zip",
                    "https://zenodo.org/record/5257995/files/EMOPIA_2.2.zip",
                ),
                "md5:bad5171786a4898f37fc2678e99afd94",
            ),
        ),
    ),
    Corpus(
        name="nes-mdb",
        title="Music of games for the Nintendo Entertainment System",
        format="midi",
        pieces=5_278,
        bytes=12_922_275,
        licence="code MIT, the music in copyright: for your own study, pass nothing on",
        citation="C. Donahue et al.: The NES Music Database. ISMIR 2018",
        representation="notes",
        downloads=(
            Download(
                "nesmdb_midi.tar.gz",
                ("http://deepyeti.ucsd.edu/cdonahue/nesmdb/nesmdb_midi.tar.gz",),
                "sha256:37610e2ca5fe70359c85170cf1f4982596783bb304c59d9c439f68c24ff4ee93",
                12_922_275,
            ),
        ),
    ),
    Corpus(
        name="musicnet",
        title="MusicNet: the MIDI files of its classical recordings",
        format="midi",
        pieces=330,
        bytes=2_601_302,
        licence="CC BY 4.0",
        citation="J. Thickstun et al.: Learning Features of Music from Scratch. ICLR 2017",
        representation="notes",
        downloads=(
            Download(
                "musicnet_midis.tar.gz",
                (
                    "https://zenodo.org/records/5120004/files/musicnet_midis.tar.gz",
                    "https://zenodo.org/record/5120004/files/musicnet_midis.tar.gz",
                ),
                "sha256:943cc47731ec5f397bd6fbab4dff78342472890cd484bd30ffb2e16047eef908",
                2_601_302,
            ),
        ),
    ),
    Corpus(
        name="giantmidi",
        title="GiantMIDI-Piano: transcriptions of recordings of piano music",
        format="midi",
        pieces=10_855,
        bytes=None,
        licence="CC BY 4.0, with a disclaimer to be read first",
        citation="Q. Kong et al.: GiantMIDI-Piano: A Large-Scale MIDI Dataset for Classical Piano Music. TISMIR 2022",
        representation="notes",
        downloads=(Download("giantmidi.zip", ()),),
        by_hand="the folder that disclaimer.md of https://github.com/bytedance/GiantMIDI-Piano names",
    ),
)
