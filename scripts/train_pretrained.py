"""Trains the models that ship, or packs runs that are trained already, and writes their cards.

What a card says was measured here: the likelihood of the held-out pieces by the trained weights and by the weights
that ship, which are rounded to bfloat16, and how often new passages seem to be known because their hashes are alike.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from midigen import __version__
from midigen.checkpoints.names import claim_run
from midigen.checkpoints.run import (
    CONFIG,
    FORMAT,
    MODEL,
    Checkpoint,
    find_checkpoint,
    load_checkpoint,
    read_config,
    read_trainer,
)
from midigen.checkpoints.shipped import CARD, MOST_BYTES, MOST_PASSAGE_BYTES, PRETRAINED
from midigen.corpora.source import Collection, Piece, fingerprint, read_source
from midigen.datasets.build import SPLITS, Dataset, Target, assign_splits, build, load_dataset, prepare
from midigen.errors import MidigenError
from midigen.evaluation.evaluate import likelihood
from midigen.evaluation.originality import PASSAGE, PASSAGES, Passages, TrainingMusic, steps
from midigen.evaluation.readings import told_in_advance
from midigen.models.build import architecture_from_json
from midigen.presets import find_preset
from midigen.sampling.generate import Request, generate
from midigen.training.config import TrainConfig
from midigen.training.job import Job
from midigen.training.loop import Hardware, train

HELD_OUT = ("valid", "test")
MUSIC21 = (
    "Read from the collection that comes with music21 (M. S. Cuthbert and C. Ariza, ISMIR 2010), with its makers' "
    "permission"
)
MIT = "MIT for the weights; the music in the public domain; its encodings are their makers' and not included"


COMPOSED = "composed/"
"""Begins the names of pieces that teachers composed."""


@dataclass(frozen=True)
class Lesson:
    """How a network learns from others like it, its teachers, what all of them expect on average.

    It begins as the best of them, and learns on the training pieces and on pieces that they compose. After G. Hinton,
    O. Vinyals and J. Dean: Distilling the Knowledge in a Neural Network (2015).
    """

    teachers: int
    """Networks that the preset trains, each with a seed of its own."""
    composed: int
    """Pieces that each of them composes."""
    model: dict[str, Any]
    """What is other than in the preset."""
    training: dict[str, Any]
    """The same of the settings for training."""


def lesson(teachers: int, composed: int) -> Lesson:
    """Return the lesson that served the grid best."""
    training = {"epochs": 6, "learning_rate": 1e-3, "weight_decay": 0.02, "warm_up": 0.05}
    return Lesson(teachers, composed, {"dropout": 0.2}, training)


@dataclass(frozen=True)
class Recipe:
    """A model that ships: what it learns from, how, and whom that is owed to."""

    sources: tuple[str, ...]
    preset: str
    data: str
    credits: tuple[str, ...]
    licence: str = MIT
    model: dict[str, Any] = field(default_factory=dict)
    """What is other than in the preset."""
    training: dict[str, Any] = field(default_factory=dict)
    """The same of the settings for training."""
    precision: str = "32-true"
    lesson: Lesson | None = None


RECIPES = {
    "chorales": Recipe(
        ("bach-chorales",),
        "grid-large",
        "Chorales in four voices by Johann Sebastian Bach, with struck-again notes, bars, fermatas and keys. Trained "
        "on none of the validation and test pieces of the JSB Chorales, nor on one that is nearly the same "
        "(BWV 140.7 and 176.6 are held out for that)",
        (
            "Encoded by Margaret Greentree",
            MUSIC21,
            "Split: M. Allan and C. K. I. Williams: Harmonising Chorales by Probabilistic Inference. NIPS 2005",
        ),
        training={"epochs": 150, "minutes": None, "patience": 8},
        precision="bf16-mixed",
        lesson=lesson(teachers=3, composed=500),
    ),
    "folk-tunes": Recipe(
        ("irish", "ryans-mammoth", "oneills", "airds-airs"),
        "abc",
        "Tunes in ABC notation: irish.abc of the MIT course on deep learning, Ryan's Mammoth Collection (Boston 1883), "
        "O'Neill's Music of Ireland (Chicago 1903) and James Aird's Selection (Glasgow from 1778)",
        (
            "irish.abc: MIT 6.S191, Introduction to Deep Learning, introtodeeplearning.com",
            (
                "Ryan's Mammoth Collection: contributed by Ray Davies, Bob Puckette, John B. Walsh, John Chambers and "
                "others named in the files"
            ),
            (
                "O'Neill's: transcribed by Henrik Norbeck, Bob Safranek, Trish O'Neil, John Chambers, Dan G. Petersen, "
                "Michael Hogan, Stephen Foy, John B. Walsh, Tom Keays, Chris Falt, Dave Wooldridge, Norbert Paap, "
                "Robert Thorpe, A. Lee Worman, Nick Terhorst and others named in the files"
            ),
            "Aird's: transcribed by Jack Campin, www.campin.me.uk, 2009",
            MUSIC21,
        ),
        "MIT for the weights; the tunes traditional or in the public domain; irish.abc MIT; the other "
        "transcriptions are their makers', who name no licence, and are not included",
        training={"minutes": 45},
        precision="bf16-mixed",
    ),
    "strings": Recipe(
        ("quartets",),
        "parts",
        "String quartets by Haydn (opus 1 no. 1, 74 no. 1), Mozart (K. 80, 155, 156, 458) and Beethoven (opus 18 nos. "
        "1, 3, 4, 5, opus 59, 74, 132, 133), by movements or whole",
        (MUSIC21, "The files name no encoder"),
        f"{MIT}; the files name no terms of their own, but music21 warns that some of its collection may not be used "
        "commercially",
        training={"epochs": 30, "minutes": None, "patience": 4},
        precision="bf16-mixed",
    ),
    "jsb-record": Recipe(
        ("jsb-chorales",),
        "jsb-record",
        "The JSB Chorales: chorales in four voices by Johann Sebastian Bach, by sixteenths, with the split of 2005",
        (
            "M. Allan and C. K. I. Williams: Harmonising Chorales by Probabilistic Inference. NIPS 2005",
            "N. Boulanger-Lewandowski et al.: Modeling Temporal Dependencies in High-Dimensional Sequences. ICML 2012",
            "By sixteenths: C.-Z. A. Huang et al.: Counterpoint by Convolution. ISMIR 2017",
        ),
        precision="bf16-mixed",
        lesson=lesson(teachers=4, composed=400),
    ),
}


def read_music(name: str, recipe: Recipe, corpora: Path) -> Dataset:
    """Return the dataset that a model learns from; several sources become one collection.

    What is held out of one of them alone is held out here, with its variants in the others.
    """
    preset = find_preset(recipe.preset)
    if len(recipe.sources) == 1:
        return prepare(recipe.sources[0], corpora, preset.representation, preset.options)[0]
    folder = corpora / name / preset.representation
    mark = " ".join([__version__, *map(fingerprint, recipe.sources)])
    if (found := load_dataset(folder, mark)) is not None:
        return found
    pieces = list[Piece]()
    for source in recipe.sources:
        own = read_source(source, corpora).pieces
        pieces += [
            replace(piece, name=f"{source}/{piece.name}", file=f"{source}/{piece.file}", split=split)
            for piece, split in zip(own, assign_splits(own), strict=True)
        ]
    collection = Collection(name, tuple(pieces), (), None, folder)
    return build(collection, preset.representation, preset.options, Target(folder, mark))


def wanted(recipe: Recipe) -> tuple[Any, TrainConfig]:
    """Return the network and the settings for training that a recipe asks for, before any lesson."""
    preset = find_preset(recipe.preset)
    return replace(preset.model, **recipe.model), preset.training_with(recipe.training)


def taught(lesson: Lesson | None, model: Any, training: TrainConfig) -> tuple[Any, TrainConfig]:  # noqa: ANN401
    """Return the network and the settings of the last stage of training."""
    return (replace(model, **lesson.model), replace(training, **lesson.training)) if lesson else (model, training)


class Lines:
    """A line an epoch."""

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:
        """See midigen.training.loop.Reporter."""

    def sample(self, figures: dict[str, float]) -> None:
        """See midigen.training.loop.Reporter."""

    def epoch(self, metrics: dict[str, float]) -> None:
        """See midigen.training.loop.Reporter."""
        print(*(f"{name} {value:.4g}" for name, value in metrics.items()), flush=True)


def train_anew(name: str, recipe: Recipe, folders: argparse.Namespace) -> Path:
    """Train as ``midigen train`` does, after a lesson if there is one, and return the run folder."""
    dataset = read_music(name, recipe, folders.corpora)
    model, training = wanted(recipe)
    hardware = Hardware("cpu", recipe.precision)
    if recipe.lesson is None:
        run = claim_run(folders.checkpoints, name)
        train(Job(run.name, run, dataset, model, training), hardware, Lines())
        return run
    teachers = []
    for seed in range(1, recipe.lesson.teachers + 1):
        run = claim_run(folders.checkpoints, f"{name}-teacher-{seed}")
        train(Job(run.name, run, dataset, model, replace(training, seed=seed)), hardware, Lines())
        teachers.append(run)
    return teach(name, recipe, teachers, folders)


def teach(name: str, recipe: Recipe, teachers: list[Path], folders: argparse.Namespace) -> Path:
    """Train a network on what its teachers, run folders, expect; return its run folder."""
    lesson, dataset = recipe.lesson, read_music(name, recipe, folders.corpora)
    assert lesson is not None
    found = [find_checkpoint(str(folder), folders.checkpoints) for folder in teachers]
    checkpoints = sorted(map(load_checkpoint, found), key=lambda checkpoint: checkpoint.config["metrics"]["valid_loss"])
    composed = [
        Piece(f"{COMPOSED}{number}/{index}", score, "", sha256(score.notes.tobytes()).hexdigest(), "train")
        for number, checkpoint in enumerate(checkpoints)
        for index, score in enumerate(generate(checkpoint, Request(number, lesson.composed)).scores)
    ]
    pieces = (*read_source(recipe.sources[0], folders.corpora).pieces, *composed)
    place = Target(dataset.folder.with_name(f"{dataset.folder.name}-and-composed"), name)
    collection = Collection(recipe.sources[0], pieces, (), None, place.folder)
    larger = build(collection, dataset.representation.name, dataset.representation.options, place)
    # What is known of keys and ranges stays what the real pieces say.
    larger = replace(larger, representation=checkpoints[0].representation)
    run = claim_run(folders.checkpoints, name)
    weights = checkpoints[0].model.state_dict()
    job = Job(run.name, run, larger, *taught(lesson, *wanted(recipe)), weights, tuple(found))
    train(job, Hardware("cpu", recipe.precision), Lines())
    return run


def require_recipe(checkpoint: Checkpoint, dataset: Dataset, recipe: Recipe, *, name: str) -> None:
    """Leave with a sentence if a run is not what its card would say of it."""
    config = checkpoint.config
    model, training = taught(recipe.lesson, *wanted(recipe))
    held = {split: [dataset.manifest["pieces"][index]["name"] for index in dataset.indices(split)] for split in SPLITS}
    split = {part: [name for name in names if not name.startswith(COMPOSED)] for part, names in config["split"].items()}
    said = {
        "source": (config["source"], recipe.sources[0] if len(recipe.sources) == 1 else name),
        "network": (architecture_from_json(config["model"]), model),
        "training": (TrainConfig(**config["training"]), training),
        "split": (split, held),
    }
    for what, (found, expected) in said.items():
        if found != expected:
            sys.exit(f"The {what} of {checkpoint.folder} is not what the recipe of {name} says: change one of them.")


def figures(checkpoint: Checkpoint, dataset: Dataset) -> dict[str, float]:
    """Return the nats a note of the held-out pieces."""
    return {split: round(likelihood(checkpoint, dataset, split).nll_per_note, 5) for split in HELD_OUT}


def passages_report(known: Passages, dataset: Dataset) -> dict[str, Any]:
    """Say how many passages are kept and how many held-out ones only seem to be among them."""
    music = {
        split: [dataset.representation.decode(*dataset.piece(i)) for i in dataset.indices(split)] for split in SPLITS
    }
    exact = TrainingMusic(music["train"])
    held_out = [score for split in HELD_OUT for score in music[split]]
    true = [exact.share(steps(score), PASSAGE) for score in held_out]
    asked = sum(whole for _, whole in true)
    seeming = sum(round(known.shared(score).share * whole) for score, (_, whole) in zip(held_out, true, strict=True))
    return {
        "steps": PASSAGE,
        "kept": len(known.hashes),
        "found_by_chance": len(known.hashes) / 2**32,
        "held_out": asked,
        "held_out_found": sum(found for found, _ in true),
        "held_out_found_wrongly": seeming - sum(found for found, _ in true),
    }


def pack(name: str, recipe: Recipe, run: Path, folders: argparse.Namespace) -> dict[str, Any]:
    """Write midigen/pretrained/NAME from a run and return its card."""
    trained = load_checkpoint(find_checkpoint(str(run), folders.checkpoints))
    dataset = read_music(name, recipe, folders.corpora)
    require_recipe(trained, dataset, recipe, name=name)
    PRETRAINED.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=PRETRAINED))
    try:
        folder.chmod(0o755)
        weights = {key: value.to(torch.bfloat16) for key, value in trained.model.state_dict().items()}
        save_file(weights, folder / MODEL)
        sizes = {split: len(dataset.indices(split)) for split in SPLITS}
        given = f", {told} given" if (told := told_in_advance(trained.representation)) else ""
        config = {**trained.config, "format": FORMAT, "name": name, "split": sizes}
        (folder / CONFIG).write_text(json.dumps(config) + "\n", "utf-8")
        known = Passages.of(dataset.representation.decode(*dataset.piece(i)) for i in dataset.indices("train"))
        known.save(folder / PASSAGES)
        for heavy, most in ((MODEL, MOST_BYTES), (PASSAGES, MOST_PASSAGE_BYTES)):
            if (size := (folder / heavy).stat().st_size) > most:
                sys.exit(f"{heavy} of {name} has {size:,} bytes, and {most:,} is the most that may ship.")
        card = {
            **described(name, recipe, trained),
            "split": sizes,
            "figures": {
                "unit": f"nats per {trained.representation.note_unit}{given}",
                "float32": figures(trained, dataset),
                "bfloat16": figures(load_checkpoint(folder), dataset),
            },
            "passages": passages_report(known, dataset),
        }
        (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
        for file in folder.iterdir():
            file.chmod(0o644)
        shutil.rmtree(PRETRAINED / name, ignore_errors=True)
        folder.replace(PRETRAINED / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return card


def described(name: str, recipe: Recipe, trained: Checkpoint) -> dict[str, Any]:
    """Return what a card says that needs no measuring."""
    config = trained.config
    taught_by = map(Path, read_trainer(trained.folder).get("teachers", ()))
    return {
        "name": name,
        "data": recipe.data,
        "corpus": ", ".join(recipe.sources),
        "credits": recipe.credits,
        "licence": recipe.licence,
        "representation": trained.representation.name,
        "network": config["model"],
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        "training": {
            "preset": recipe.preset,
            "seconds": round(sum(stage["metrics"]["seconds"] for stage in (config, *map(read_config, taught_by)))),
            "epoch": int(config["metrics"]["epoch"]),
            "seed": config["training"]["seed"],
            **({"lesson": asdict(recipe.lesson)} if recipe.lesson else {}),
        },
        "midigen": config["midigen"],
        "command": f"scripts/train_pretrained {name}",
    }


def main() -> None:
    """Train or pack one model and print its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--run", type=Path, help="pack this run instead of training")
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    given = parser.parse_args()
    recipe = RECIPES[given.name]
    try:
        run = given.run or train_anew(given.name, recipe, given)
        print(json.dumps(pack(given.name, recipe, run, given), indent=1, ensure_ascii=False))
    except MidigenError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
