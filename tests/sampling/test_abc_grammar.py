"""Whatever is drawn among the legal characters, the tune is valid; and most real tunes are among what may be drawn."""

from __future__ import annotations

import random

import pytest

from midigen.errors import SamplingError
from midigen.formats.abc2midi import valid_tunes
from midigen.formats.abc_notation import Tune
from midigen.sampling.abc_grammar import END, TuneGrammar
from midigen.sampling.abc_names import NOTE_STARTS
from midigen.sampling.abc_places import LEAST_PART, MOST_SPACES

CHARACTERS = "".join(chr(code) for code in range(32, 127)) + "\n"
HEAD = "X:1\nT:A\nM:4/4\nL:1/8\nK:G\n"


def behind(text: str, characters: str = CHARACTERS, bars: int | None = None, *, closes: bool = False) -> frozenset[str]:
    """The characters that are legal behind a text, which must be legal itself."""
    grammar = TuneGrammar(characters, 10_000, bars=bars, closes=closes)
    for character in text:
        grammar.advance(character)
    return grammar.legal


def drawn(seed: int, characters: str = CHARACTERS, longest: int = 600, bars: int | None = None) -> Tune:
    """A tune drawn at random; half of the time a likely character, so that repeats, ties and endings come up."""
    rng = random.Random(seed)
    grammar, text = TuneGrammar(characters, longest, bars=bars), ""
    while True:
        legal = sorted(grammar.legal)
        likely = [character for character in legal if character in "|:[12-\n"] or legal
        character = rng.choice(likely if rng.random() < 0.3 else legal)
        if character == END:
            return Tune(text)
        grammar.advance(character)
        text += character


def test_what_is_drawn_at_random_is_valid() -> None:
    tunes = [drawn(seed) for seed in range(60)]
    assert all(valid_tunes(tunes))
    for sign in ("|:", ":|", "::", "[1", "[2", "-", "(3", ">", "{", "K:"):
        assert any(sign in tune.text for tune in tunes), sign


def test_a_poor_vocabulary_is_enough() -> None:
    assert all(valid_tunes([drawn(seed, "X:1\nTMKC4/|]CDE2z") for seed in range(10)]))


def test_a_tune_comes_to_its_end() -> None:
    for longest in (100, 400):
        assert max(len(drawn(seed, longest=longest).text) for seed in range(30)) <= longest


def test_tunes_of_so_many_bars_are_valid() -> None:
    assert all(valid_tunes([drawn(seed, longest=10_000, bars=1 + seed % 9) for seed in range(60)]))


@pytest.mark.parametrize(
    ("music", "bars"),
    [
        ("G8|A8|]\n", 2),
        ("B|G8|A6|]\n", 2),
        ("|:G8|1A8:|2B8|]\n", 2),
        ("|:G8|A8|B8|c8:|\n|:d8|e8|f8|g8|a8:|\n", 9),
        ("|:B2|G8|A8|B8|c6:|\nB2|d8|e8|f8|g8|a6||\n", 9),
    ],
)
def test_a_tune_ends_behind_so_many_bars_and_not_before(music: str, bars: int) -> None:
    assert END in behind(HEAD + music, bars=bars)
    assert behind(HEAD + music, bars=bars) <= {END, "\n", " "}
    assert END not in behind(HEAD + music, bars=bars + LEAST_PART)


def test_a_full_last_bar_closes_at_once() -> None:
    assert behind(HEAD + "G8|A8", bars=2) == {"|"}
    assert behind(HEAD + "|:G8|A8", bars=2) == {":"}


@pytest.mark.parametrize(("bars", "legal"), [(5, "|:"), (8, "|"), (9, "|:"), (16, "|"), (None, "|:")])
def test_parts_leave_room_for_another_and_are_of_eight_bars_where_that_comes_out_even(
    bars: int | None, legal: str
) -> None:
    assert behind(HEAD + "G8", bars=bars) & set("|:") == set(legal)


def test_the_bars_that_are_wanted_come_behind_a_prompt() -> None:
    prompt = HEAD + "G8|A8|B4"
    grammar = TuneGrammar(CHARACTERS, 10_000, len(prompt), 1)
    for character in prompt + "A4|B8|]\n":
        grammar.advance(character)
    assert grammar.legal == {END}


def test_a_prompt_may_have_short_parts_and_bars_that_do_not_close() -> None:
    prompt = HEAD + "|:G8|A8:|\nB|c8||d8|]\n"
    grammar = TuneGrammar(CHARACTERS, 10_000, len(prompt), 1, closes=True)
    for character in prompt + "A4G4|]\n":
        grammar.advance(character)
    assert grammar.legal == {END}


def test_spaces_do_not_go_on_and_on() -> None:
    assert " " in behind(HEAD + "G4" + " " * (MOST_SPACES - 1))
    assert behind(HEAD + "G4" + " " * MOST_SPACES) == behind(HEAD + "G4 ") - {" "}
    assert " " not in behind(HEAD + " " * MOST_SPACES)


def test_a_prompt_may_have_more_spaces() -> None:
    prompt = HEAD + "G4" + " " * 2 * MOST_SPACES
    grammar = TuneGrammar(CHARACTERS, 10_000, len(prompt))
    for character in prompt + "A4|":
        grammar.advance(character)


def test_the_tonic_fills_the_last_bar_of_a_tune_that_is_to_close() -> None:
    assert "2" not in behind(HEAD + "G6A", bars=1, closes=True)
    assert "2" in behind(HEAD + "G6G", bars=1, closes=True)
    assert behind(HEAD + "G6A ", bars=1, closes=True) & NOTE_STARTS == {"G", "g"}
    assert "2" in behind(HEAD + "G6A", bars=1)
    for end in ("G6A>", "G6G{A}", "G7", "G7(", "G7~"):
        assert behind(HEAD + end, bars=1, closes=True) & NOTE_STARTS == {"G", "g"}, end
    for end in ("G4A>", "G6{A}"):
        assert behind(HEAD + end, bars=1, closes=True) & NOTE_STARTS == NOTE_STARTS, end
    assert behind(HEAD + "G6(3G", bars=1, closes=True) & set("/A") == {"/"}
    assert "2" in behind(HEAD + "G8|]\nK:D\nD6D", bars=5, closes=True)


def test_characters_that_spell_no_metre_are_named_with_what_to_do() -> None:
    with pytest.raises(SamplingError, match="spell no M: field that is legal: train it on"):
        behind("X:1\nT:A\nM:", "X:1\nTMKAC".replace("C", ""))


@pytest.mark.parametrize(
    "music",
    [
        "GA|B2c2 d4|(3efg f>e d2 B2|G8:|\n",
        "|:G8|[1 A8:|[2 B8|]\n",
        "|:G8|1 A8:|2 B8|]\n",
        "G8:|!\n|:A4- A4::\nB8:|\n",
        "G8-|\nG8|(A2 [DA]2) ~c2 {gf}e2|]\nK:D Mixolydian\n^c8||\n",
        '"Am"A2 "4"G6|"^Fine"vG2 (uA2) ((3vABc) d2|]\n',
        " G8|\\\n G8|]\nM:6/8\nG6|]\n",
        "G3/2A/ B//c//d/2 ^^f2 _E,2 z|]\n",
    ],
)
def test_what_these_collections_write_is_legal(music: str) -> None:
    assert END in behind(HEAD + music)


@pytest.mark.parametrize(
    ("text", "illegal"),
    [
        ("", "TK"),
        ("X:1\n", "KM"),
        ("X:1\nT:A\n", "K"),
        ("X:1\nT:A\nR:hornpipe\nM:", "369"),
        ("X:1\nT:A\nR:hornpipe\nM:2/4\nL:1/16\nK:G\nG", ".H"),
        (HEAD + "G8", "A2z"),
        (HEAD + "G4 A", "689"),
        (HEAD + "G8|A4 B2|", " A\n"),
        (HEAD + "G8:|A8|", "1"),
        (HEAD + "|:G8|", "|]"),
        (HEAD + "G8|1 A8:|", "AB1"),
        (HEAD + "G4-", "AB|z"),
        (HEAD + "G2>", "|- z"),
        (HEAD + "(3G", "|z"),
        (HEAD + "G4", "!"),
        (HEAD + '"G""4"', '"'),
        (HEAD + "uT", "TuH"),
        (HEAD + "HHG", ">"),
    ],
)
def test_what_would_break_a_tune_is_illegal(text: str, illegal: str) -> None:
    assert not behind(text) & set(illegal)


def test_a_tune_may_not_end_while_a_repeat_is_open() -> None:
    assert END not in behind(HEAD + "|:G8:|\nA8|:B8|\n")
    assert END not in behind(HEAD + "G8|\n")
    assert END in behind(HEAD + "G8|]\n")


def test_an_illegal_character_is_refused() -> None:
    with pytest.raises(ValueError, match="'K' is not legal"):
        TuneGrammar(CHARACTERS, 100).advance("K")
