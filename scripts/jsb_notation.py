"""Writes midigen/formats/jsb_notation.json: metre, pick-up and key of the JSB Chorales, whose file has only pitches.

They are those of the same chorales in music21's collection. A piece is found there by its first four bars, in whatever
key; one of which too little agrees is left without.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from midigen.corpora.source import read_source
from midigen.errors import RepresentationError
from midigen.formats.jsb_json import NOTATION, notation_key, read_pitches
from midigen.representations.grid_plan import LOWEST, QUANTUM
from midigen.representations.voice_grid import COLUMN, VoiceGrid
from midigen.scores.score import Ints, Score
from midigen.scores.time import metres_from_start, pickup_ticks

COMPARED, FEWEST = 64, 32
"""Sixteenths."""
AGREEING = 0.6
"""Share of the cells that must be equal."""
BEAT, BAR = 4, 16


def agreement(one: Ints, other: Ints) -> tuple[float, int]:
    """Return the share of cells that are equal at the best transposition of ``other``, and that in semitones."""
    shared = min(len(one), len(other), COMPARED)
    if shared < FEWEST:
        return 0.0, 0
    moves = one[:shared] - other[:shared]
    usual = int(np.median(moves))
    return float((moves == usual).mean()), usual


def notation(pitches: Ints, known: list[tuple[Ints, Score]]) -> list[object] | None:
    """Return quarters of a bar, sixteenths of the pick-up, sharps and mode of a piece; None if it is not known."""
    found = [
        (*agreement(pitches[max(0, later) :], others[max(0, -later) :]), later, score)
        for others, score in known
        for later in range(-BAR, BAR + 1, BEAT)
    ]
    share, semitones, later, score = max(found, key=lambda match: match[0])
    metre = metres_from_start(score)[0]
    if share < AGREEING or not score.keys or (metre.numerator, metre.denominator) not in {(3, 4), (4, 4)}:
        return None
    pickup = (pickup_ticks(score) // QUANTUM + later) % (metre.bar_ticks // QUANTUM)
    key = score.keys[0]
    return [metre.numerator, pickup, (key.sharps + 7 * semitones + 5) % 12 - 5, key.mode]


def main() -> None:
    """Find each piece and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="Jsb16thSeparated.json")
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    given = parser.parse_args()
    grid, known = VoiceGrid.fit((), {}), []
    for piece in read_source("bach-chorales", given.corpora).pieces:
        try:
            rows, plan = grid.encode(piece.score)
        except RepresentationError:
            continue
        known.append((grid.context(rows, plan)[1:, -8:-4][:, COLUMN] + LOWEST, piece.score))
    pieces = [pitches for _, _, pitches in read_pitches(given.file)]
    found = {notation_key(pitches): notation(pitches, known) for pitches in pieces}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(found.items()) if value]
    NOTATION.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    print(f"{len(lines)} of {len(pieces)} pieces")


if __name__ == "__main__":
    main()
