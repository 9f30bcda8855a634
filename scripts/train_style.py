"""Trains the style network that ships, and writes midigen/evaluation/style.safetensors and style.json.

OMP_NUM_THREADS=1 .venv/bin/python scripts/train_style.py

Every class is drawn alike often, at a random transposition; a quarter of the images is damaged. Steps, rate and the
kinds of damage were chosen by the validation pieces; what the card says of the test pieces was looked at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.corpora.source import Piece
from midigen.datasets.build import SPLITS
from midigen.evaluation.style import CARD, QUARTERS, WEIGHTS, StyleNetwork, class_probability, images
from midigen.labs.labelled_images import STYLES, read_styles
from midigen.scores.score import TICKS_PER_QUARTER, Score

DAMAGED = "damaged music"
SAME_MUSIC = {
    "bach-chorales": ["jsb-chorales", "bach-370"],
    **{source: ["folk-tunes"] for source in ("ryans-mammoth", "oneills", "airds-airs")},
}
"""Other corpora with the music of one that is trained on; ``folk-tunes`` is what the model of this name learned."""
SEED, STEPS, BATCH, RATE, SMOOTHING = 0, 5000, 64, 2e-3, 0.05
HOP_QUARTERS = 4
DAMAGED_SHARE = 0.25
COPIES = {"Haydn": 10, "Mozart": 10, "Beethoven": 3}
"""Damaged copies of a piece; one if not named."""
MOST_SEMITONES = 6
LICENCE = (
    "learnt from music in the public domain, in encodings that come with music21, some of whose makers ask that they "
    "are not used commercially"
)


def damage(score: Score, rng: np.random.Generator) -> Score:
    """Spoil a piece: wrong pitches, pitches in another order, or a part that is out of step with the others."""
    pitch, onset = score.pitch.copy(), score.onset.copy()
    hit = rng.random(len(score)) < rng.uniform(0.1, 1)
    ways = ["wrong", "shuffled", "late"] if score.part.any() else ["wrong", "shuffled"]
    match rng.choice(ways):
        case "wrong":
            pitch[hit] += rng.choice([-3, -2, -1, 1, 2, 3], int(hit.sum()))
        case "shuffled":
            for part in np.unique(score.part):
                chosen = np.flatnonzero(hit & (score.part == part))
                pitch[chosen] = rng.permutation(pitch[chosen])
        case "late":
            chosen = score.part == rng.choice(score.part)
            onset[chosen] += rng.integers(1, 16) * TICKS_PER_QUARTER // 4
    return replace(score, pitch=pitch.clip(0, 127), onset=onset)


def scores_of(styles: Mapping[str, Sequence[Piece]], split: str) -> dict[str, list[Score]]:
    """Return the scores of a split, class by class."""
    return {name: [piece.score for piece in pieces if piece.split == split] for name, pieces in styles.items()}


def damaged(scores: Mapping[str, Sequence[Score]], rng: np.random.Generator) -> dict[str, list[Score]]:
    """Return damaged copies, class by class."""
    return {
        name: [damage(score, rng) for score in some for _ in range(COPIES.get(name, 1))]
        for name, some in scores.items()
    }


def excerpts(scores: Sequence[Score], hop_quarters: int) -> Tensor:
    """Return the images of all scores, (N, 2, 64, 64)."""
    return torch.from_numpy(np.concatenate([images(score, hop_quarters) for score in scores]))


def transposed(pixels: Tensor) -> Tensor:
    """Move all images by one random interval."""
    semitones = int(torch.randint(-MOST_SEMITONES, MOST_SEMITONES + 1, ()))
    moved = pixels.roll(semitones, 2)
    emptied = slice(0, semitones) if semitones > 0 else slice(moved.shape[2] + semitones, None)
    moved[:, :, emptied] = 0
    return moved


def draw_batch(real: Sequence[Tensor], spoiled: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Draw images of all classes alike, and some damaged ones."""
    classes = torch.randint(len(real), (BATCH,))
    is_damaged = torch.rand(BATCH) < DAMAGED_SHARE
    pools = [(spoiled if bad else real)[c] for c, bad in zip(classes.tolist(), is_damaged.tolist(), strict=True)]
    pixels = torch.stack([pool[torch.randint(len(pool), ())] for pool in pools])
    return transposed(pixels).float(), torch.where(is_damaged, len(real), classes)


def train(network: StyleNetwork, real: Sequence[Tensor], spoiled: Sequence[Tensor]) -> None:
    """Train the network at a rate that rises and falls once."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(1, STEPS + 1):
        pixels, labels = draw_batch(real, spoiled)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(pixels), labels, label_smoothing=SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"step {step} of {STEPS}, loss {loss.item():.3f}", flush=True)


def judge(network: StyleNetwork, real: Mapping[str, Sequence[Score]], rng: np.random.Generator) -> dict[str, object]:
    """Return what share of the images of each class is told right, and how often damage lowers the probability."""
    spoiled = damaged(real, rng)
    told_right, lower = {}, {}
    everything = [*real.items(), (DAMAGED, [score for some in spoiled.values() for score in some])]
    for label, (name, scores) in enumerate(everything):
        with torch.inference_mode():
            predicted = network(excerpts(scores, QUARTERS).float()).argmax(1)
        told_right[name] = round((predicted == label).float().mean().item(), 3)
    for name, scores in real.items():
        before = np.repeat([class_probability(network, score, name) for score in scores], COPIES.get(name, 1))
        after = np.array([class_probability(network, score, name) for score in spoiled[name]])
        lower[name] = round(float((after < before).mean()), 3)
    return {"told_right": told_right, "lower_when_damaged": lower}


def main() -> None:
    """Train, judge and write."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    styles = read_styles(Path(os.environ.get("MIDIGEN_CORPORA", "corpora")))
    sources = {name: STYLES[name][0] for name in styles}
    classes = {name: [source, *SAME_MUSIC.get(source, [])] for name, source in sources.items()}
    network = StyleNetwork({**classes, DAMAGED: []})
    learned = scores_of(styles, "train")
    spoiled = damaged(learned, rng)
    train(
        network,
        [excerpts(scores, HOP_QUARTERS) for scores in learned.values()],
        [excerpts(scores, HOP_QUARTERS) for scores in spoiled.values()],
    )
    network.eval()
    WEIGHTS.write_bytes(save(network.state_dict()))
    card = {
        "classes": network.classes,
        "licence": LICENCE,
        "pieces": {split: {name: len(s) for name, s in scores_of(styles, split).items()} for split in SPLITS},
        "valid": judge(network, scores_of(styles, "valid"), rng),
        "test": judge(network, scores_of(styles, "test"), rng),
    }
    CARD.write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
