"""Variants of a tune are found by how it begins and by its passages, in any key, and other tunes are not."""

from __future__ import annotations

import random

import pytest

from midigen.corpora.store import Piece
from midigen.datasets.build import assign_splits
from midigen.datasets.variants import variant_groups
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune

REEL = "G2BG dGBG|A2cA eAcA|G2BG dGBd|cAFA G4|fgaf bgaf|edcB AGFE|"
OTHER = "dBAB d2ef|gedB A2Bc|dBAF E2FA|BAGF E4|eBGB e2fg|afge d4|"


def tune(music: str, key: str = "G", metre: str = "4/4") -> PlayedTune:
    return read_tune(Tune(f"X:1\nT:A\nM:{metre}\nL:1/8\nK:{key}\n{music}]\n"))


def are_variants(one: PlayedTune, other: PlayedTune) -> bool:
    return len(set(variant_groups([one, other]))) == 1


@pytest.mark.parametrize(
    ("music", "key"),
    [
        ("d2fd adfd|e2ge bege|d2fd adfa|gece d4|c'd'e'c' f'd'e'c'|bagf edcB|", "D"),  # another key
        ("DE|G2BG dGBG|A2cA eAcA|gfed c2B2|c2A2 G4|BdgB cAFA|", "G"),  # another end, and a pick-up
        ("G4 B4|G2BG dGBG|A2cA eAcA|G2BG dGBd|cAFA G4|", "G"),  # another beginning
    ],
)
def test_a_tune_is_known_again(music: str, key: str) -> None:
    assert are_variants(tune(REEL), tune(music, key))


def test_another_tune_is_another_tune() -> None:
    assert not are_variants(tune(REEL), tune(OTHER))


def test_a_drone_is_no_beginning_to_be_known_by() -> None:
    assert not are_variants(tune("G8|G8|dBAB d2ef|"), tune("A8|A8|cAFA G4|"))


def test_variants_of_variants_belong_together_and_short_tunes_are_no_trouble() -> None:
    three = [tune(REEL), tune(REEL + OTHER), tune(OTHER), tune("G2|"), tune("A2B2|")]
    assert variant_groups(three) == [0, 0, 0, 3, 4]
    assert variant_groups([]) == []


def test_variants_share_a_side_of_the_split() -> None:
    rng = random.Random(1)
    whole = ["|".join("".join(rng.choice("DEFGABcdefg") for _ in range(8)) for _ in range(8)) + "|" for _ in range(30)]
    scores = [version for music in whole for version in (tune(music), tune(f"D2E2 F2G2|{music}"))]
    splits = assign_splits([Piece(f"{n}", score, "f", f"{n:064}") for n, score in enumerate(scores)])
    assert splits[::2] == splits[1::2]
    assert (splits.count("valid"), splits.count("test")) == (6, 6)
