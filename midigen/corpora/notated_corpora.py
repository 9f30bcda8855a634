"""Notated corpora: the records of those that come by network as ABC, kern, MusicXML or voices by sixteenths.

A checksum is the one that its makers or muspy publish, or was computed from the file of the commit.
"""

from __future__ import annotations

from midigen.corpora.corpus import Corpus, Download, github_archive, github_file

_ALLAN = "M. Allan and C. K. I. Williams: Harmonising Chorales by Probabilistic Inference. NIPS 2005"
_BOULANGER = "N. Boulanger-Lewandowski et al.: Modeling Temporal Dependencies in High-Dimensional Sequences. ICML 2012"
_JUKEDECK = "0992bb6cd864f6d4b90d6663e08c0ef53ffaa08f"
_NOTTINGHAM = (
    ("ashover", 19_647, "6586eea8dca53866b42721050d11fc1408bdb2cf31a902b41c5c13504139b164"),
    ("hpps", 25_222, "6d035c6972ac0c204ba79d8128e2d71978ece2214a29ffceeb3e053e27f17db5"),
    ("jigs", 129_665, "5bb6f621e443bde552540810e3ea53e53531fd22258736e338d795e7a5bdcaf5"),
    ("morris", 12_002, "cbf60b212c87748dea226c76b72a15db5b4f606bb35a580763e9cd8f7294e7da"),
    ("playford", 5_101, "070877bc37176e0dedbcd038268d6669399201cd7b58d88b4ab36127528f9c76"),
    ("reelsa-c", 37_613, "f92ed0e66024e0a5bb7d21fe3172cd50c3fb4cb7f642b4ec7cd5aa8ad0396da8"),
    ("reelsd-g", 42_433, "33f535569116ec8cfb530c112f4cdc3bfb7fc042c271e0317cf6458bad30dfae"),
    ("reelsh-l", 43_044, "cb701d4ffe6839cb7a5655bc21785ecb71a72ab63d8560f7be3856f6aedaf7e5"),
    ("reelsm-q", 38_405, "a99f2967cf47460bba70bae40cd355a220b537a87180131c6d9433750bc446a1"),
    ("reelsr-t", 46_838, "f80a2c0f37a49b9b0c748e922924d59c40d82758abc5b0f7fc9245d7fd563be0"),
    ("reelsu-z", 17_203, "d104d7d1bb83eb1ca18f6b944dc22cf9f7bfe5f955d07cd573615985f69c2c1f"),
    ("slip", 3_838, "da686b3a0de20aab38e64f8c8ec57edace980bab6450a6c388d79a2866e5b16a"),
    ("waltzes", 21_490, "ffa773d012756be17784ab4a84e0e4618f316be5c6f244f9d60c06b23cd812c6"),
    ("xmas", 3_519, "05ebc4b856c8c5186bb828641e8f88f723c109d47ba7e3f1e5048b536e091249"),
)

NOTATED_CORPORA = (
    Corpus(
        name="jsb-chorales",
        title="Chorales in four voices by Johann Sebastian Bach, by sixteenths, with the split of 2005",
        format="json",
        pieces=382,
        bytes=1_666_444,
        licence="music in the public domain; its repository names no licence",
        citation=f"{_ALLAN}. {_BOULANGER}. C.-Z. A. Huang et al.: Counterpoint by Convolution. ISMIR 2017",
        representation="grid",
        downloads=(
            github_file(
                "czhuang/JSB-Chorales-dataset",
                "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d",
                "Jsb16thSeparated.json",
                "sha256:79294cc374f9252e95ef4b703161524c1c53dc1f712c236f00f1c1f5d54af5a7",
                1_666_444,
            ),
        ),
    ),
    Corpus(
        name="irish",
        title="Irish tunes of the MIT course on deep learning (irish.abc)",
        format="abc",
        pieces=802,
        bytes=197_618,
        licence="tunes traditional; the collection MIT, to be passed on with its notice",
        citation="MIT 6.S191: Introduction to Deep Learning, introtodeeplearning.com",
        representation="abc",
        downloads=(
            github_file(
                "aamini/introtodeeplearning",
                "fd8023c7804bd352fc7212ac3aa587bd90912653",
                "mitdeeplearning/data/irish.abc",
                "sha256:df3782d5f7b5a2f4c66aa7c13f13008d5f48757b3f5f51620cd6c1ceb2c53023",
                197_618,
            ),
        ),
    ),
    Corpus(
        name="nottingham",
        title="British and American folk tunes of the Nottingham Music Database, as cleaned by Jukedeck",
        format="abc",
        pieces=1_034,
        bytes=446_020,
        licence="GPL 3: data made from it may be passed on under the same terms only",
        citation="E. Foxley: Nottingham Music Database; Jukedeck's cleaned edition, 2017",
        representation="abc",
        downloads=tuple(
            github_file("jukedeck/nottingham-dataset", _JUKEDECK, f"ABC_cleaned/{name}.abc", f"sha256:{sha256}", size)
            for name, size, sha256 in _NOTTINGHAM
        ),
    ),
    Corpus(
        name="essen",
        title="Folk songs of the Essen collection in ABC",
        format="abc",
        pieces=8_000,
        bytes=1_700_981,
        licence="legal status unclear; given for use that is not commercial",
        citation="H. Schaffrath: The Essen Folksong Collection; converted by S. Shlien",
        representation="abc",
        downloads=(
            Download(
                "esac.zip",
                ("https://ifdo.ca/~seymour/runabc/esac/esac.zip",),
                "sha256:7957cf8f7a036dac9d807330548816967a13a4f598247e2a0f38aeccf04c7553",
                1_700_981,
            ),
        ),
    ),
    Corpus(
        name="thesession",
        title="Tunes of thesession.org",
        format="abc",
        pieces=None,
        bytes=None,
        licence="ODbL and terms of its own, which forbid use for training language models: read them first",
        citation="thesession.org",
        representation="abc",
        downloads=(Download("tunes.json", ()),),
        by_hand="https://github.com/adactio/TheSession-data, where its terms stand",
    ),
    Corpus(
        name="essen-kern",
        title="Folk songs of the Essen collection in kern",
        format="kern",
        pieces=8_473,
        bytes=None,
        licence="CCARH: no commercial use, pass nothing on",
        citation="H. Schaffrath: The Essen Folksong Collection in the Humdrum Kern Format. CCARH, 1995",
        representation="notes",
        downloads=(github_archive("ccarh/essen-folksong-collection", "2d0ca75"),),
    ),
    Corpus(
        name="bach-370",
        title="The 370 chorales of the collection of Breitkopf in kern, with bars and fermatas",
        format="kern",
        pieces=370,
        bytes=None,
        licence="CC BY-NC-SA 4.0: no commercial use, of models trained on it neither",
        citation="C. S. Sapp: Bach 370 Chorales in Humdrum",
        representation="notes",
        downloads=(github_archive("craigsapp/bach-370-chorales", "0fd9e00"),),
    ),
    Corpus(
        name="openscore-lieder",
        title="Songs of the nineteenth century by the OpenScore Lieder Corpus",
        format="musicxml",
        pieces=1_460,
        bytes=None,
        licence="CC0",
        citation="M. R. H. Gotham and P. Jonas: The OpenScore Lieder Corpus. MEC 2021",
        representation="notes",
        downloads=(github_archive("OpenScore/Lieder", "bca122458de6da362abe62dd6aec62e25d7759b1"),),
    ),
)
