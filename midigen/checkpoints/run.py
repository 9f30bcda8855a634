"""The run folder: what training leaves behind. The only module that knows its layout.

    checkpoints/NAME/
      run.json                   which checkpoint is the best and which the last
      metrics.csv                a line an epoch
      epoch-0007/                never changed once written
        model.safetensors        the weights to generate with
        config.json              representation, architecture, settings, corpus, split, version, metrics
        trainer.safetensors      the weights and the optimizer's moments to go on with
        trainer.json             where training stood, and on which dataset

Weights are safetensors and all else JSON: loading runs no code. A folder is written under a temporary name, flushed to
the disk and renamed, so that there is a whole one or none. PyTorch is loaded only where tensors are.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from midigen.checkpoints.shipped import DEFAULT_MODEL, shipped_models
from midigen.datasets.build import Dataset, load_dataset
from midigen.errors import CheckpointError, RepresentationError, UsageError
from midigen.representations.representation import Json, Representation, representation_from_json

if TYPE_CHECKING:
    from torch import Tensor

    from midigen.models.build import Model

FORMAT = 1
RUN, METRICS, MODEL, CONFIG = "run.json", "metrics.csv", "model.safetensors", "config.json"
TRAINER_TENSORS, TRAINER = "trainer.safetensors", "trainer.json"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network in evaluation mode, its representation and all that was noted."""

    folder: Path
    config: Json
    representation: Representation
    model: Model

    @property
    def name(self) -> str:
        """The name of its run."""
        return str(self.config["name"])

    @property
    def run_folder(self) -> Path:
        """The folder of its run, or its own where it lies alone."""
        return self.folder.parent if (self.folder.parent / RUN).is_file() else self.folder


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint folder is written from."""

    weights: Mapping[str, Tensor]
    config: Json
    trainer_tensors: Mapping[str, Tensor]
    trainer: Json


def save_checkpoint(run: Path, name: str, snapshot: Snapshot, *, is_best: bool, keep_all: bool = False) -> None:
    """Write ``run/name``, name it last (and best), and delete what is neither, unless all are to be kept.

    Raises:
        CheckpointError: it cannot be written; what was there before still is.
    """
    from safetensors.torch import save_file

    try:
        run.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=run))
        try:
            save_file(dict(snapshot.weights), temporary / MODEL)
            save_file(dict(snapshot.trainer_tensors), temporary / TRAINER_TENSORS)
            (temporary / CONFIG).write_text(json.dumps({"format": FORMAT, **snapshot.config}, indent=1), "utf-8")
            (temporary / TRAINER).write_text(json.dumps(snapshot.trainer, indent=1), "utf-8")
            for file in temporary.iterdir():
                _flush(file)
            shutil.rmtree(run / name, ignore_errors=True)
            temporary.replace(run / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        # The first one is the best so far, also where someone deleted the earlier ones.
        pointers = {"best": name, **_pointers(run), "last": name} | ({"best": name} if is_best else {})
        write_text(run / RUN, json.dumps(pointers, indent=1))
        if not keep_all:
            for folder in run.glob("epoch-*"):
                if folder.name not in pointers.values():
                    shutil.rmtree(folder, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"The checkpoint {run / name} cannot be written: {error}.", run / name) from error


def _flush(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def write_text(file: Path, text: str) -> None:
    """Replace a file's text as a whole."""
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_text(text, "utf-8")
    _flush(temporary)
    temporary.replace(file)


def write_metrics(run: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write metrics.csv from one mapping an epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(run / METRICS, text.getvalue())


def _pointers(run: Path) -> dict[str, str]:
    try:
        return dict(json.loads((run / RUN).read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{run / RUN} is damaged; name one of the folders in {run} instead.", run) from error


def find_checkpoint(given: str | None, checkpoints: Path, which: str = "best", tokens: str | None = None) -> Path:
    """Return the folder of a checkpoint: the user's own, else one that ships.

    Args:
        given: a run's name in the working folder, a run folder, a checkpoint folder, or the name of a model that
            ships; None for the newest run, or for the ``chorales`` that ship where there is none.
        checkpoints: the working folder for checkpoints.
        which: "best" or "last" of the run. A model that ships is a best one: its training cannot go on.
        tokens: without a name, look among the runs of this representation only; that of the ``chorales`` is "grid".

    Raises:
        CheckpointError: there is none.
    """
    shipped = shipped_models() if which == "best" else {}
    if given is None:
        runs = sorted(run_folders(checkpoints), key=lambda folder: (folder / RUN).stat().st_mtime, reverse=True)
        newest = next((run for run in runs if tokens is None or _tokens_of(run) == tokens), None)
        if newest is None and DEFAULT_MODEL in shipped:
            return shipped[DEFAULT_MODEL]
        if newest is None:
            raise CheckpointError(f"There is no trained model in {checkpoints} yet; train one: midigen train.")
        folder = newest
    else:
        folder = next((f for f in (checkpoints / given, Path(given)) if f.is_dir()), checkpoints / given)
    if (folder / MODEL).is_file():
        return folder
    name = _pointers(folder).get(which)
    if name is not None:
        return folder / name
    if given in shipped:
        return shipped[given]
    known = ", ".join(run.name for run in run_folders(checkpoints)) or "none yet"
    comes = f"; with midigen come: {', '.join(shipped)}" if shipped else ""
    raise CheckpointError(f"There is no model at {folder}; trained here: {known}{comes}.", folder)


def _tokens_of(run: Path) -> str | None:
    """Return the name of a run's representation; None where it cannot be read."""
    try:
        return str(read_config(run / _pointers(run)["best"])["representation"]["name"])
    except (CheckpointError, LookupError, TypeError):
        return None


def run_folders(checkpoints: Path) -> list[Path]:
    """List the run folders in the working folder, by name."""
    return sorted(file.parent for file in checkpoints.glob(f"*/{RUN}"))


def read_config(folder: Path) -> Json:
    """Return config.json of a checkpoint folder.

    Raises:
        CheckpointError: it is missing, damaged or of another format.
    """
    config = _read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise CheckpointError(f"{folder} has format {config.get('format')}, this midigen reads {FORMAT}.", folder)
    return config


def load_checkpoint(folder: Path) -> Checkpoint:
    """Load the network of a checkpoint folder for generating.

    Raises:
        CheckpointError: a file is missing, damaged, of a later format, or does not fit the others.
    """
    from midigen.models.build import architecture_from_json, make_network

    config = read_config(folder)
    try:
        representation = representation_from_json(config["representation"])
        model = make_network(representation, architecture_from_json(config["model"]))
        model.load_state_dict(load_weights(folder))
    except (KeyError, TypeError, RuntimeError, RepresentationError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder} does not hold a model that fits its description ({reason}).", folder
        ) from error
    return Checkpoint(folder, config, representation, model.eval())


def training_dataset(checkpoint: Checkpoint) -> Dataset | None:
    """Return the dataset that a network was trained on; None where it is gone or has changed, or never was here."""
    if not (checkpoint.folder / TRAINER).is_file():
        return None
    dataset = load_dataset(Path(str(read_trainer(checkpoint.folder).get("dataset"))))
    return dataset if dataset is not None and dataset.corpus_hash == checkpoint.config["corpus_hash"] else None


def read_trainer(folder: Path) -> Json:
    """Return trainer.json of a checkpoint folder.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return _read_json(folder / TRAINER)


def load_trainer_tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors to go on training with.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    return _read_tensors(folder / TRAINER_TENSORS)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint folder.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    return _read_tensors(folder / MODEL)


def count_weights(folder: Path) -> int:
    """Return how many numbers the network of a checkpoint folder holds; they are not read.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with safe_open(folder / MODEL, "numpy") as stored:
            return sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / MODEL} cannot be read ({error}).", folder) from error


def _read_tensors(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read ({error}).", file) from error


def _read_json(file: Path) -> Json:
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file} cannot be read ({error}).", file) from error
