"""The figures of the source texts: what the corpora hold, and the published networks beside ours at equal time.

Every pair is trained for the same minutes on the same training pieces and asked about the same elements of the same
held-out pieces: those which the published network has a whole window for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

import symusic
import torch

from midigen.checkpoints.run import Checkpoint, find_checkpoint, load_checkpoint, read_trainer
from midigen.corpora.extract import extract
from midigen.corpora.source import read_source
from midigen.datasets.batches import batches, collate, prepare_steps
from midigen.datasets.build import Dataset, load_dataset
from midigen.evaluation.likelihood import add, total_loss
from midigen.evaluation.mixtures import NOTHING, copied_cells, network_cells
from midigen.formats.reading import MIDI_SUFFIXES
from midigen.models.network import Loss
from midigen.models.sequence_model import SequenceModel
from midigen.sampling.copying import recipe_for

CPU = torch.device("cpu")


def midigen(*arguments: str) -> Any:  # noqa: ANN401  # a JSON document
    """Run the command line and return what it says."""
    print("$ midigen", *arguments, flush=True)
    command = [sys.executable, "-m", "midigen", "--json", "-q", *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    said = json.loads(ended.stdout)
    if ended.returncode:
        sys.exit(f"{said['error']}")
    return said


def trained(name: str, checkpoints: Path) -> tuple[Checkpoint, Dataset]:
    """Return a trained network and its dataset."""
    checkpoint = load_checkpoint(find_checkpoint(name, checkpoints))
    dataset = load_dataset(Path(read_trainer(checkpoint.folder)["dataset"]))
    assert dataset is not None
    return checkpoint, dataset


def cost(checkpoint: Checkpoint, dataset: Dataset, split: str, first: int) -> Loss:
    """Return what the rows of a split cost, from the ``first`` row of each piece on."""
    training = checkpoint.config["training"]
    if training.get("cut") in ("windows", "text"):
        # A text is read from its beginning to its end.
        side_by_side = 1 if training["cut"] == "text" else training["batch_size"]
        read = batches(dataset, split, side_by_side, training["sequence_length"], cut=training["cut"])
        loss = total_loss(checkpoint.model, read, CPU)
        assert loss is not None
        return loss
    parts = []
    for index in dataset.indices(split):
        steps = prepare_steps(dataset.representation, *dataset.piece(index))
        batch = collate([steps], [0], len(steps))
        batch.is_row[:, :first] = False
        part = total_loss(checkpoint.model, [batch], CPU)
        assert part is not None
        parts.append(part)
    whole = parts[0]
    for part in parts[1:]:
        whole = add(whole, part)
    return whole


def copied(checkpoint: Checkpoint, dataset: Dataset, split: str, first: int) -> str:
    """Return what the rows of a split cost where pieces copy themselves too, as our networks compose; by column."""
    recipe = recipe_for(checkpoint)
    assert recipe is not None
    assert isinstance(checkpoint.model, SequenceModel)
    cells = copied_cells(network_cells(checkpoint.model, dataset, split, transposed=False), recipe)
    rows = int((cells.rows[:, first:, 0] != NOTHING).sum())
    nats = -cells.probabilities[:, first:].log().sum((0, 1)) / rows
    names = [field.name for field in dataset.representation.fields]
    return f"{split} " + ", ".join(f"{name} {cost:.3f}" for name, cost in zip(names, nats.tolist(), strict=True))


def line(name: str, checkpoint: Checkpoint, dataset: Dataset, first: int) -> None:
    """Print what a network costs on the validation and test pieces, by column."""
    columns = [field.name for field in dataset.representation.fields]
    parts = []
    for split in ("valid", "test"):
        loss = cost(checkpoint, dataset, split, first)
        nats, right = loss.columns / loss.rows, loss.correct / loss.rows
        shown = ", ".join(f"{c} {n:.3f} ({r:.1%})" for c, n, r in zip(columns, nats, right, strict=True))
        parts.append(f"{split} {shown} of {int(loss.rows)}")
    print(f"  {name:16} {'; '.join(parts)}", flush=True)


def pair(classic: str, ours: str, source: str, first: int, minutes: float, folder: Path) -> None:
    """Train a published network and ours for the same time and print both."""
    for preset in (classic, ours):
        arguments = ["train", source, "--preset", preset, "--name", preset, "--minutes", str(minutes)]
        done = midigen(*arguments, "--checkpoints", str(folder / "checkpoints"), "--corpora", str(folder / "corpora"))
        print(f"  {done['parameters']:,} parameters, {done['epochs']} epochs in {done['seconds']:.0f} s", flush=True)
        checkpoint, dataset = trained(preset, folder / "checkpoints")
        line(preset, checkpoint, dataset, first)
    found = [copied(checkpoint, dataset, split, first) for split in ("valid", "test")]
    print(f"  {'copying itself':16} {'; '.join(found)}", flush=True)


def chord_tokens(archive: Path) -> None:
    """Count notes and elements as the lab on Mozart does."""
    pieces = read_source(str(archive), archive.parent).pieces
    rising = Counter[tuple[int, ...]]()
    for piece in pieces:
        rows = piece.score.notes[:, [0, 4, 2]].tolist()
        rising.update(tuple(sorted({pitch for *_, pitch in group})) for _, group in groupby(rows, lambda row: row[:2]))
    single = sum(len(element) == 1 for element in rising)
    notes = sum(len(piece.score) for piece in pieces)
    print(f"  {notes:,} notes in {len(pieces)} files; {rising.total():,} elements; {len(rising)} distinct ones")
    print(
        f"  ({single} notes, {len(rising) - single} chords), {in_file_order(archive)} if the order in the file counts"
    )
    print("  the lab prints 119,348 and 741; music21 10.5 reads 114,215 and 668", flush=True)


def in_file_order(archive: Path) -> int:
    """Return the number of distinct elements whose pitches stand as they do in the file."""
    found = set[tuple[int, ...]]()
    with tempfile.TemporaryDirectory() as scratch:
        extract(archive, Path(scratch) / "files", frozenset(MIDI_SUFFIXES))
        for file in sorted(Path(scratch).rglob("*.mid")):
            for track in symusic.Score(file).tracks:
                notes = [(note.time, note.pitch) for note in track.notes]
                found.update(tuple(pitch for _, pitch in group) for _, group in groupby(notes, lambda note: note[0]))
    return len(found)


class Guesser:
    """Guesses what most often followed the longest known context."""

    def __init__(self) -> None:
        self.after = defaultdict[tuple[int, ...], Counter[int]](Counter)

    def learn(self, context: list[int], following: int) -> None:
        """Count what follows a context and each shorter one."""
        for start in range(len(context) + 1):
            self.after[tuple(context[start:])][following] += 1

    def guess(self, context: list[int]) -> int:
        """Return the id that is guessed."""
        known = next(
            tuple(context[start:]) for start in range(len(context) + 1) if tuple(context[start:]) in self.after
        )
        return self.after[known].most_common(1)[0][0]


def leak(name: str, folder: Path) -> None:
    """Show what a split by overlapping windows is worth to a model that only counts."""
    _, dataset = trained(name, folder / "checkpoints")
    for dealt in ("piece", "window"):
        guesser, right, asked = Guesser(), 0, 0
        for split in ("train", "valid"):
            for batch in batches(dataset, split, 4096, 10, cut="windows", dealt=dealt):
                contexts, following = batch.before[..., 0].tolist(), batch.rows[:, -1, 0].tolist()
                for context, element in zip(contexts, following, strict=True):
                    if split == "train":
                        guesser.learn(context, element)
                    else:
                        right += guesser.guess(context) == element
                        asked += 1
        print(f"  counting alone, --split {dealt}: {right / asked:.1%} of {asked} held-out elements", flush=True)


def main() -> None:
    """Run everything that the folder has a corpus for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    mozart, irish = given.folder / "mozart_sonatas.tar.gz", given.folder / "irish.abc"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if mozart.is_file():
            print("Chord tokens of Mozart's sonatas")
            chord_tokens(mozart)
            pair("classic-chords", "chords", str(mozart), 100, given.minutes, folder)
            leak("chords", folder)
            print("Note events of Mozart's sonatas")
            pair("classic-notes", "notes", str(mozart), 25, given.minutes, folder)
        if irish.is_file():
            print("ABC characters of irish.abc")
            pair("classic-abc", "abc", str(irish), 0, given.minutes, folder)


if __name__ == "__main__":
    main()
