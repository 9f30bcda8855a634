"""Style: what an image shows, what the Fréchet distance is, and what the network that ships tells apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.corpora.source import Piece, read_source
from midigen.errors import CheckpointError, UsageError
from midigen.evaluation import style
from midigen.evaluation.style import (
    Floats,
    StyleNetwork,
    class_probability,
    features,
    frechet_distance,
    images,
    load_style,
    shrunk_covariance,
)
from midigen.labs.labelled_images import STYLES, split_styles
from midigen.scores.score import Part, Score
from tests.tiny import hymn, melody

TUNES = ("Ryan", "O'Neill", "Aird")


@pytest.fixture(scope="module")
def network() -> StyleNetwork:
    return load_style()


@pytest.fixture(scope="module")
def tunes(request: pytest.FixtureRequest) -> dict[str, list[Score]]:
    """The tunes of three collections that the network has not learnt from and was not chosen by."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("corpora")
    styles: dict[str, tuple[Piece, ...]] = {name: read_source(STYLES[name][0], folder).pieces for name in TUNES}
    return {name: [p.score for p in pieces if p.split == "test"] for name, pieces in split_styles(styles).items()}


def test_an_image_shows_where_notes_begin_and_how_long_they_sound() -> None:
    score = Score.from_notes([(480, 960, 60, 80, 0), (1440, 110, 60, 80, 0)])
    (image,) = images(score)
    assert image.shape == (2, 64, 64)
    begins, sounds = image[:, 60 - style.LOWEST_PITCH]
    assert np.flatnonzero(begins).tolist() == [4, 12]
    assert np.flatnonzero(sounds).tolist() == list(range(4, 13))
    assert image.sum() == 2 + 9


def test_drums_and_pitches_out_of_range_are_not_in_the_image() -> None:
    notes = [(0, 480, 60, 80, 0), (0, 480, 20, 80, 0), (0, 480, 100, 80, 0), (0, 480, 62, 80, 1)]
    (image,) = images(Score.from_notes(notes, parts=(Part(), Part("drums", 0, is_drum=True))))
    assert image[0].sum() == 1


def test_a_grace_note_that_ends_where_the_image_does_is_one_step_long() -> None:
    (image,) = images(Score.from_notes([(0, 480, 60, 80, 0), (7650, 10, 62, 80, 0)]))
    assert image[:, 62 - style.LOWEST_PITCH].sum() == 0
    (image,) = images(Score.from_notes([(0, 480, 60, 80, 0), (7600, 10, 62, 80, 0)]))
    assert image[1, 62 - style.LOWEST_PITCH].sum() == 1


@pytest.mark.parametrize(("quarters", "excerpts"), [(1, 1), (16, 1), (23, 1), (24, 2), (39, 2), (40, 3)])
def test_the_last_excerpt_is_half_filled_at_least(quarters: int, excerpts: int) -> None:
    assert len(images(Score.from_notes([(q * 480, 480, 60, 80, 0) for q in range(quarters)]))) == excerpts


def test_silent_excerpts_are_left_out_and_excerpts_may_overlap() -> None:
    score = Score.from_notes([(0, 480, 60, 80, 0), (47 * 480, 480, 60, 80, 0)])
    assert len(images(score)) == 2
    assert np.array_equal(images(melody(1, 60), 4)[::4], images(melody(1, 60)))
    assert images(score.where(score.pitch > 60)).shape == (0, 2, 64, 64)


@given(st.integers(0, 1000), st.integers(-12, 12))
def test_a_transposed_score_is_an_image_moved_up_or_down(seed: int, semitones: int) -> None:
    score = melody(seed)
    moved = images(replace(score, pitch=score.pitch + semitones))
    assert np.array_equal(moved, np.roll(images(score), semitones, axis=2))


def sample(seed: int, count: int = 50, width: int = 5) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


@given(st.integers(0, 1000), st.integers(2, 60))
def test_the_distance_of_equal_sets_is_zero_and_of_others_symmetric(seed: int, count: int) -> None:
    first, second = sample(seed, count), sample(seed + 1, count)
    assert frechet_distance(first, first[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def test_of_a_stretched_and_shifted_set_the_distance_is_known() -> None:
    # (S, 9 S): tr(S + 9 S - 2 * 3 S) = 4 tr S.
    first = sample(0)
    second = 3 * (first - first.mean(0)) + first.mean(0) + [1, 0, 2, 0, 0]
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 4 * first.var(0).sum())


def test_the_trace_of_the_root_is_that_of_the_eigenvalues_of_the_product() -> None:
    first, second = sample(1), sample(2)
    one, other = shrunk_covariance(first), shrunk_covariance(second)
    shared = np.sqrt(np.linalg.eigvals(one @ other).real).sum()
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(means + np.trace(one + other) - 2 * shared)


@pytest.mark.parametrize("count", [3, 10, 1000])
def test_the_covariance_is_shrunk_as_ledoit_and_wolf_do(count: int) -> None:
    from sklearn.covariance import ledoit_wolf

    samples = sample(3, count)
    assert shrunk_covariance(samples) == pytest.approx(ledoit_wolf(samples)[0])


def test_one_excerpt_has_no_distance() -> None:
    with pytest.raises(UsageError, match="two excerpts"):
        frechet_distance(sample(0), sample(1)[:1])


def test_what_ships_is_small_and_has_a_class_for_each_style(network: StyleNetwork) -> None:
    assert style.WEIGHTS.stat().st_size + style.CARD.stat().st_size < 800_000
    assert list(network.classes) == [*STYLES, "damaged music"]
    assert all(STYLES[name][0] in network.classes[name] for name in STYLES)


def test_probabilities_of_an_excerpt_add_up_and_a_corpus_is_the_sum_of_its_classes(network: StyleNetwork) -> None:
    score = hymn(0)
    by_class = {name: class_probability(network, score, name) for name in network.classes}
    assert sum(by_class.values()) == pytest.approx(1)
    quartets = sum(by_class[name] for name in ("Haydn", "Mozart", "Beethoven"))
    assert class_probability(network, score, "quartets") == pytest.approx(quartets)


def test_a_score_without_notes_has_no_features_and_no_probability(network: StyleNetwork) -> None:
    silence = Score.from_notes([])
    assert features(network, [silence]).shape == (0, style.FEATURES)
    assert class_probability(network, silence, "Bach") == 0


def test_a_name_that_is_not_known_is_refused(network: StyleNetwork) -> None:
    with pytest.raises(UsageError, match="does not know 'Satie'; it knows: Bach"):
        class_probability(network, hymn(0), "Satie")


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "WEIGHTS", tmp_path / "style.safetensors")
    style.WEIGHTS.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="install midigen anew"):
        load_style()


def test_halves_of_held_out_music_are_much_nearer_than_styles(
    network: StyleNetwork, tunes: dict[str, list[Score]]
) -> None:
    halves = {name: [features(network, scores[start:100:2]) for start in (0, 1)] for name, scores in tunes.items()}
    chorale_like = features(network, [hymn(seed, bars=8) for seed in range(40)])
    for name, (first, second) in halves.items():
        within = frechet_distance(first, second)
        others = [half for other in TUNES if other != name for half in halves[other]]
        assert all(frechet_distance(first, other) > 2 * within for other in others)
        assert frechet_distance(first, chorale_like) > 50 * within


def test_wrong_notes_take_held_out_music_away_from_its_style(
    network: StyleNetwork, tunes: dict[str, list[Score]]
) -> None:
    rng = np.random.default_rng(0)

    def spoil(score: Score) -> Score:
        wrong = rng.choice([-6, -1, 1, 6], len(score)) * (rng.random(len(score)) < 0.3)
        return replace(score, pitch=score.pitch + wrong)

    scores = tunes["Ryan"][:60]
    spoilt = [spoil(score) for score in scores]
    lower = [
        class_probability(network, bad, "Ryan") < class_probability(network, good, "Ryan")
        for good, bad in zip(scores, spoilt, strict=True)
    ]
    assert np.mean(lower) > 0.8
    real = features(network, scores)
    assert frechet_distance(real, features(network, spoilt)) > 3 * frechet_distance(real[::2], real[1::2])
