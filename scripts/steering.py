"""How well does steering steer?

Run ``python scripts/steering.py MODEL [MODEL ...]`` for names or folders of trained models. For every option it prints
what share of the notes (for --density, --end and --repeat-guard: of the pieces) obeys it, in 20 pieces without it (for
--end: with the key alone) and in the same 20 with it, how much probability it moved a draw, and in how many draws it
had to be passed over. What a model has no means for is said in its place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint
from midigen.errors import MidigenError, SourceError
from midigen.formats.abc_notation import PlayedTune, Tune, read_tune
from midigen.sampling.draw import DrawSettings
from midigen.sampling.generate import Generated, Request, generate
from midigen.sampling.opening import held_out_opening
from midigen.sampling.rules import LOOP_LENGTHS, LOOP_ROWS, loop_period
from midigen.sampling.steering import Steering
from midigen.sampling.steering_words import read_chords, read_key, read_ranges, read_scale
from midigen.scores.features import notes_per_quarter
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score
from midigen.scores.time import bar_starts

PIECES, BARS = 20, 8
KEY, RANGE, CHORDS, METER_QUARTERS = "G", "E3-C5", "C G Am F", 3
CLOSE_ENOUGH = 0.15
"""By so much the density of a piece may differ."""
GUARD = 16
COLD = 0.1
"""A temperature at which networks go round in circles."""
Measure = Callable[[Score], tuple[float, float]]
"""What obeys, and of how many."""


def of_notes(obeys: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[float, float]:
    """Return how many notes obey, and how many there are."""
    return float(obeys.sum()), float(len(obeys))


def in_classes(classes: frozenset[int]) -> Measure:
    """Measure the notes of some pitch classes."""
    return lambda score: of_notes(np.isin(score.pitch % 12, list(classes)))


def in_range(score: Score) -> tuple[float, float]:
    """Measure the notes in RANGE."""
    low, high = read_ranges(RANGE)[""]
    return of_notes((score.pitch >= low) & (score.pitch <= high))


def in_metre(score: Score) -> tuple[float, float]:
    """Measure the notes in pieces whose bars are METER_QUARTERS long."""
    bars = {metre.bar_ticks for metre in score.metres}
    return of_notes(np.full(len(score), bars == {METER_QUARTERS * TICKS_PER_QUARTER}))


def in_chords(score: Score) -> tuple[float, float]:
    """Measure the notes of the chord of their bar; in tunes, of the bar as it is written, a pick-up being one, too."""
    chords = read_chords(CHORDS)
    if isinstance(score, PlayedTune):
        bars = written_bars(score.tune.text)
    else:
        starts = bar_starts(score, score.end)
        bar = np.searchsorted(starts, score.onset, side="right") - 1 - (score.pickup > 0)
        bars = [score.pitch[np.maximum(bar, 0) == number] for number in range(len(starts))]
    obeys = [np.isin(pitches % 12, list(chords[n % len(chords)])) for n, pitches in enumerate(bars)]
    return of_notes(np.concatenate([*obeys, np.zeros(0, bool)]))


def written_bars(text: str) -> list[Ints]:
    """Return the pitches of each bar of a tune's text."""
    _, _, music = re.sub(r"\n[A-JL-Z]:.*", "", text).partition("\nK:")
    key, _, music = music.partition("\n")
    bars = []
    for bar in re.split(r"[:\]]*\|[:|\]]*", music):
        try:
            pitches = read_tune(Tune(f"X:1\nT:bar\nM:none\nL:1/8\nK:{key}\n{bar.strip().lstrip('[12')}|\n")).pitch
        except SourceError:
            continue
        bars += [pitches] if len(pitches) else []
    return bars


def in_density(wanted: float) -> Measure:
    """Measure the pieces with about so many notes a quarter."""
    return lambda score: (float(abs(notes_per_quarter(score) / wanted - 1) < CLOSE_ENOUGH), 1.0)


def at_end(score: Score) -> tuple[float, float]:
    """Measure the pieces whose last notes have the tonic of KEY below."""
    last = score.pitch[score.onset + score.duration == score.end] if len(score) else np.zeros(1)
    return float(last.min() % 12 == read_key(KEY).tonic), 1.0


def without_loop(checkpoint: Checkpoint) -> Measure:
    """Measure the pieces in which no passage of GUARD rows or fewer goes round four times."""
    representation = checkpoint.representation
    longer = LOOP_LENGTHS.get(representation.name, LOOP_ROWS) * 4 // 3

    def goes_round(rows: Ints) -> bool:
        period = next((p for p in range(1, GUARD + 1) if loop_period(rows, p, max(4 * p, longer))), None)
        # On the grid, holding is no loop.
        return period is not None and (representation.name != "grid" or len(np.unique(rows[-period:], axis=0)) > 1)

    def measure(score: Score) -> tuple[float, float]:
        rows, _ = representation.encode(score)
        return float(not any(goes_round(rows[:stop]) for stop in range(longer, len(rows) + 1))), 1.0

    return measure


def compose(checkpoint: Checkpoint, steering: Steering, temperature: float = 1.0) -> Generated:
    """Compose the pieces."""
    request = Request(
        seed=1,
        count=PIECES,
        bars=BARS,
        settings=DrawSettings(temperature),
        steering=steering,
    )
    opening = held_out_opening(checkpoint, 1, steering.metre)
    prompt = None if opening is None else replace(opening, is_in_output=False)
    return generate(checkpoint, replace(request, prompt=prompt))


def main() -> None:
    """Print a table for each model that is named."""
    for name in sys.argv[1:] or sys.exit(__doc__):
        checkpoint = load_checkpoint(find_checkpoint(name, Path("checkpoints")))
        table(checkpoint)


def table(checkpoint: Checkpoint) -> None:
    """Print what each option does to a model's pieces."""
    print(f"\n{checkpoint.name} ({checkpoint.representation.name}), {PIECES} pieces")
    print(f"{'option':34}{'without':>9}{'with':>9}{'moved':>9}{'passed':>9}  seconds")
    free = compose(checkpoint, Steering())
    usual = float(np.mean([notes_per_quarter(score) for score in free.scores if len(score)]))
    denser, sparser = round(1.5 * usual, 1), round(usual / 2, 1)
    scale, _ = read_scale("dorian", read_key("D"))
    trials: list[tuple[Steering, Measure, float]] = [
        (Steering(key=KEY), in_classes(read_key(KEY).scale), 1.0),
        (Steering(key="D", scale="dorian"), in_classes(scale), 1.0),
        (Steering(range=RANGE), in_range, 1.0),
        (Steering(meter="3/4"), in_metre, 1.0),
        (Steering(density=denser), in_density(denser), 1.0),
        (Steering(density=sparser), in_density(sparser), 1.0),
        (Steering(chords=CHORDS), in_chords, 1.0),
        (Steering(chords=CHORDS, is_hard=True), in_chords, 1.0),
        (Steering(key=KEY, end=True), at_end, 1.0),
        (Steering(repeat_guard=GUARD), without_loop(checkpoint), COLD),
    ]
    for steering, measure, temperature in trials:
        words = " ".join(f"{wish} {getattr(steering, wish[2:].replace('-', '_'))}" for wish in steering.wishes)
        words = words.replace(" True", "") + (" (hard)" if steering.is_hard else "")
        try:
            base = compose(checkpoint, Steering(), COLD) if temperature == COLD else free
            base = compose(checkpoint, Steering(key=KEY)) if steering.end else base
            steered = compose(checkpoint, steering, temperature)
        except MidigenError as error:
            print(f"{words:34}{error}")
            continue
        before, after = (share(done, measure) for done in (base, steered))
        bent = steered.bent
        moved, passed = (bent.mass / max(bent.draws, 1), bent.passed / max(bent.draws, 1)) if bent else (0, 0)
        print(f"{words:34}{before:9.1%}{after:9.1%}{moved:9.1%}{passed:9.2%}  {steered.seconds:.0f}", flush=True)


def share(generated: Generated, measure: Measure) -> float:
    """Return the share that obeys, over all pieces with notes."""
    counts = np.array([measure(score) for score in generated.scores if len(score)])
    return float(counts[:, 0].sum() / counts[:, 1].sum())


if __name__ == "__main__":
    main()
