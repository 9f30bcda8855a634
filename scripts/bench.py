"""Speed, side by side in one run: each pair does the same work and ends with a ratio.

.venv/bin/python scripts/bench.py
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line does

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pretty_midi
import torch

from midigen.corpora.source import read_source
from midigen.datasets.batches import collate, prepare_steps
from midigen.datasets.build import prepare
from midigen.formats.midi import read_midi, write_midi
from midigen.models.sequence_model import SequenceModel
from midigen.presets import PRESETS
from midigen.sampling.stepper import Stepper

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest of some runs: what disturbs a run only ever makes it longer."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def compare(title: str, ours: tuple[str, float], other: tuple[str, float], amount: float, unit: str) -> None:
    """Print the speeds of two ways and their ratio."""
    (our_name, our_seconds), (other_name, other_seconds) = ours, other
    speeds = f"{our_name} {amount / our_seconds:,.0f}, {other_name} {amount / other_seconds:,.0f} {unit}/s"
    print(f"{title}: {speeds}, ratio {other_seconds / our_seconds:.1f}")


def bench_reading(corpora: Path) -> None:
    """Read one MIDI file through our reader and through pretty_midi."""
    piece = max(read_source("bach-chorales", corpora).pieces, key=lambda piece: len(piece.score))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "piece.mid"
        write_midi(piece.score, file)
        data = file.read_bytes()
        ours = seconds(lambda: read_midi(file))
        other = seconds(lambda: pretty_midi.PrettyMIDI(io.BytesIO(data)))
    compare("reading MIDI", ("midigen", ours), ("pretty_midi", other), len(piece.score), "notes")


def bench_steps(model: SequenceModel, batch: int, steps: int = 50) -> None:
    """Advance through the packed stepper and through PyTorch's own layers."""
    before = torch.tensor([[field.size for field in model.fields]]).repeat(batch, 1)
    context = torch.zeros((batch, len(model.context_fields)), dtype=torch.int64)
    stepper = Stepper(model)

    def walk(network: Stepper | SequenceModel) -> None:
        state = network.start(batch)
        with torch.inference_mode():
            for _ in range(steps):
                _, state = network.advance(before, context, state)

    ours, other = seconds(lambda: walk(stepper)), seconds(lambda: walk(model))
    compare(f"recurrent steps, batch {batch}", ("stepper", ours), ("torch", other), steps * batch, "steps")


def bench_training(corpora: Path) -> None:
    """Train LSTM and GRU of the same width on one batch."""
    dataset, _ = prepare("bach-chorales", corpora)
    representation, preset = dataset.representation, PRESETS["grid"]
    steps = [prepare_steps(representation, *dataset.piece(index)) for index in dataset.indices("train")[:12]]
    batch = collate(steps, [0] * len(steps), max(len(piece) for piece in steps))
    times = {}
    for cell in ("lstm", "gru"):
        config = type(preset.model)(**{**vars(preset.model), "cell": cell})
        model = SequenceModel(representation.fields, representation.context_fields, config).train()

        def step(model: SequenceModel = model) -> None:
            loss, _ = model.loss(batch)
            (loss.columns.sum() / loss.rows).backward()

        times[cell] = seconds(step)
    compare("training", ("lstm", times["lstm"]), ("gru", times["gru"]), float(batch.is_row.sum()), "tokens")


def main() -> None:
    """Run all comparisons."""
    corpora = Path(os.environ.get("MIDIGEN_CORPORA", "corpora"))
    dataset, _ = prepare("bach-chorales", corpora)
    representation = dataset.representation
    model = SequenceModel(representation.fields, representation.context_fields, PRESETS["grid"].model).eval()
    print(f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    bench_reading(corpora)
    for batch in (1, 16):
        bench_steps(model, batch)
    bench_training(corpora)


if __name__ == "__main__":
    main()
