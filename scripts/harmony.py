"""How well are held-out chorales harmonised, against the number of particles?

    python scripts/harmony.py chorales --pieces 8 --particles 1,10,50

The soprano of each piece of the validation split is given and the three voices below are composed. One table: what the
piece costs the network (nats a voice and sixteenth) and what the soprano alone is estimated to (nats a sixteenth),
faults of voice leading per 100 chords, the share of beats whose harmony is Bach's by Roman numeral, and by root and
quality alone, and the time for a bar. Below it: what Bach's own inner voices cost when the outer ones are given.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint, training_dataset
from midigen.datasets.batches import collate, prepare_steps
from midigen.datasets.build import prepare
from midigen.evaluation.roman_numerals import numeral
from midigen.evaluation.voice_leading import FAULTS, RESTING, chords, count_faults, pitches_at
from midigen.representations.grid_plan import AXIS
from midigen.representations.voice_grid import VOICES, VoiceGrid
from midigen.sampling.draw import DrawSettings
from midigen.sampling.harmonize import harmonize
from midigen.sampling.particles import ParticleSettings
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score

SEED = 1


@dataclass
class Tally:
    """What one way to harmonise came to, over all pieces."""

    nats: float = 0.0
    """Of all voices, under the network."""
    soprano_nats: float = 0.0
    """Estimate of what the soprano costs, whatever stands below it."""
    sixteenths: int = 0
    bars: float = 0.0
    seconds: float = 0.0
    chords: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    beats: int = 0
    equal: int = 0
    root_and_quality: int = 0

    def hear(self, score: Score, bach: Score) -> None:
        """Count faults, and the beats on which the harmony is that of the original."""
        pitches = chords(score)
        self.chords += len(pitches)
        self.faults.update(count_faults(pitches))
        beats = np.arange(0, bach.end, TICKS_PER_QUARTER)
        for own, his in zip(pitches_at(score, beats), pitches_at(bach, beats), strict=True):
            own_chord, his_chord = (tuple(sorted(p[p != RESTING].tolist())) for p in (own, his))
            if own_chord and his_chord:
                found, wanted = numeral(own_chord, bach.keys[0]), numeral(his_chord, bach.keys[0])
                self.beats += 1
                self.equal += found.figure == wanted.figure
                self.root_and_quality += found[1:] == wanted[1:]

    def line(self, name: str) -> list[str]:
        """Return a row of the table."""
        return [
            name,
            f"{self.nats / (4 * self.sixteenths):.3f}",
            f"{self.soprano_nats / self.sixteenths:.3f}" if self.seconds else "-",
            *(f"{100 * self.faults[fault] / self.chords:.1f}" for fault in FAULTS),
            f"{self.equal / self.beats:.0%}" if self.seconds else "-",
            f"{self.root_and_quality / self.beats:.0%}" if self.seconds else "-",
            f"{self.seconds / self.bars:.3f}" if self.seconds else "-",
        ]


def price(checkpoint: Checkpoint, rows: Ints, plan: Ints) -> tuple[float, dict[str, float]]:
    """Return the nats of a whole piece, its end included, and those of each voice."""
    steps = prepare_steps(checkpoint.representation, rows, plan)
    with torch.inference_mode():
        loss, _ = checkpoint.model.loss(collate([steps], [0], len(steps)), None)
    return float(loss.columns.sum() + loss.end), dict(zip(VOICES, loss.columns.tolist(), strict=True))


def measure(
    checkpoint: Checkpoint, pieces: Sequence[tuple[Ints, Ints]], numbers: Sequence[int], draw: DrawSettings
) -> None:
    """Harmonise the pieces with each number of particles, and print the table and the line below it.

    The soprano's nats are its likelihood at temperature 1 only; those of the line below always are at 1.
    """
    bach, ways = Tally(), {number: Tally() for number in numbers}
    by_particles = as_it_goes = 0.0
    for done, (rows, plan) in enumerate(pieces, 1):
        original = checkpoint.representation.decode(rows, plan)
        nats, voices = price(checkpoint, rows, plan)
        bach.nats, bach.sixteenths = bach.nats + nats, bach.sixteenths + len(rows)
        bach.hear(original, original)
        for number, way in ways.items():
            composed = harmonize(checkpoint, original, ["soprano"], ParticleSettings(SEED, number, draw=draw))
            way.nats -= composed.drawn[0].log_likelihood
            way.soprano_nats -= composed.drawn[0].log_evidence
            way.sixteenths += len(rows)
            way.bars += len(rows) / int(plan[0, 1])
            way.seconds += composed.seconds
            way.hear(composed.scores[0], original)
        outer = harmonize(checkpoint, original, ["soprano", "bass"], ParticleSettings(SEED, max(numbers)))
        by_particles += nats + outer.drawn[0].log_evidence
        as_it_goes += voices["alto"] + voices["tenor"]
        print(f"{done} of {len(pieces)} pieces", file=sys.stderr, flush=True)
    print(f"{len(pieces)} held-out pieces, {bach.sixteenths} sixteenths, {bach.chords} chords")
    head = ["", "nats/cell", "soprano", *FAULTS, "same numeral", "same root+quality", "s/bar"]
    show([head, bach.line("Bach"), *(way.line(f"N = {number}") for number, way in ways.items())])
    inner = 2 * bach.sixteenths
    print(
        f"Bach's alto and tenor: {as_it_goes / inner:.3f} nats a cell as the network goes along, "
        f"{by_particles / inner:.3f} given all of soprano and bass ({max(numbers)} particles)."
    )


def is_inside(rows: Ints, grid: VoiceGrid) -> bool:
    """Say whether every voice stays in the range that the model has learned."""
    low, high = np.array(grid.ranges).T
    return bool(((rows >= AXIS) | ((rows >= low) & (rows <= high))).all())


def show(table: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def main() -> None:
    """Harmonise and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--source", default="bach-chorales")
    parser.add_argument("--pieces", type=int, default=8)
    parser.add_argument("--particles", default="1,10,50", help="numbers, with commas between")
    parser.add_argument("--temperature", type=float, default=0.6, help="as that of midigen harmonize")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(find_checkpoint(given.model, given.checkpoints))
    # The pieces that this network has not seen; a model that ships has left those out that the corpus holds out.
    dataset = training_dataset(checkpoint) or prepare(given.source, given.corpora, "grid")[0]
    held_out = [dataset.piece(index) for index in dataset.indices("valid")]
    grid = checkpoint.representation
    assert isinstance(grid, VoiceGrid)
    # A piece that leaves the model's range would be moved, and cost something else.
    known = [(rows, plan) for rows, plan in held_out if is_inside(rows, grid)]
    draw = DrawSettings(given.temperature)
    measure(checkpoint, known[: given.pieces], [int(number) for number in given.particles.split(",")], draw)


if __name__ == "__main__":
    main()
