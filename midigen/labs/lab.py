"""Lab: a lesson of the texts this project began with, made runnable. The table of all labs, and what goes in and out.

A lab is one module with a function ``run(Settings) -> Report``. It computes, and prints and writes nothing: the command
line shows its report, saves its picture and writes its music.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from midigen.errors import UsageError
from midigen.scores.score import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HALLMAN = "Deep Learning (M. Hallman)"
BAHNG = "Multilayer Perceptrons (M. Bahng)"
VOLUME_3 = "Recurrent Neural Networks and Inverse Problems (Foundations of Applied Mathematics)"
ABC_LAB = "Machine Learning, Lab 2 (Li, Yang, Liu, Soengkono, Wang)"


LIBRARIES = ("scipy", "sklearn", "tensorly")
"""What some labs compute with; midigen does without."""


@dataclass(frozen=True)
class Lab:
    """An entry of the table of contents."""

    title: str
    text: str
    """Where the lesson comes from; several sources are divided by a semicolon."""
    chapter: str
    data: str = ""
    """What the user may give in place of the lab's own data; empty for a lab that takes none."""


LABS = {
    "tensors": Lab(
        "Shapes, derivatives, products and decompositions", f"{HALLMAN}; {ABC_LAB}", "2, 3; part 1, questions 1 to 6"
    ),
    "linear-regression": Lab("A line through points by gradient descent", HALLMAN, "3.1"),
    "activations-and-initialisation": Lab(
        "What keeps a signal alive through fifty layers", f"{HALLMAN}; {BAHNG}", "4; 1.1, 1.3"
    ),
    "regularisation": Lab("Learning less by heart", f"{HALLMAN}; {BAHNG}", "5; 3.1 to 3.4"),
    "optimizers": Lab("Seven ways downhill, from their equations", HALLMAN, "6"),
    "numpy-mlp": Lab("A network of two layers without a framework", BAHNG, "2.1 to 2.3", "the four files of MNIST"),
    "kernels": Lab("What a convolution sees in a picture and in music", f"{HALLMAN}; {BAHNG}", "7.1, 7.2; 4.1, 4.2"),
    "cnn": Lab(
        "Pictures told apart, and composers",
        f"{HALLMAN}; {BAHNG}",
        "7.3, 7.4; 4.2 to 4.6",
        "pictures in a subfolder a class",
    ),
    "recurrent-cells": Lab("RNN, LSTM and GRU gate by gate", f"{HALLMAN}; {BAHNG}", "8.1 to 8.5; 5"),
    "autoencoder": Lab("Two bars in a few numbers", f"{HALLMAN}; {BAHNG}", "9.2; 6", "music"),
    "vae": Lab("Between two phrases", HALLMAN, "9.2", "music"),
    "gan": Lab("A forger and a critic", f"{HALLMAN}; {BAHNG}", "9.1; 7", "music"),
    "inverse-problem": Lab("The density of a rod from its temperature", VOLUME_3, "2"),
}


@dataclass(frozen=True)
class Settings:
    """What a lab is given."""

    seed: int = 0
    corpora: Path = Path("corpora")
    """The working folder for corpora."""
    checkpoints: Path = Path("checkpoints")
    """The working folder for trained models."""
    data: Path | None = None
    """The user's own data, for the labs that take some."""
    progress: Callable[[int, int], None] = lambda _done, _all: None
    """Called with the steps done and of all."""


class Result(NamedTuple):
    """A figure: what it is of, what the text says (or nothing), and what came out here."""

    quantity: str
    text: str
    ours: str


@dataclass(frozen=True)
class Report:
    """What a lab found."""

    results: tuple[Result, ...]
    figure: Figure
    remarks: tuple[str, ...] = ()
    """Sentences: what to see in the picture, and where a formula of the text has a slip."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """Music that came out, by the name of its file without the suffix."""


def find_lab(name: str) -> Callable[[Settings], Report]:
    """Return what runs the lab of that name.

    Raises:
        UsageError: there is none, the message lists those there are; or the libraries for labs are not installed.
    """
    if name not in LABS:
        raise UsageError(f"There is no lab called {name!r}; choose one of: {', '.join(LABS)}.")
    if missing := [library for library in LIBRARIES if importlib.util.find_spec(library) is None]:
        raise UsageError(f"Labs need {', '.join(missing)}: install midigen with its extra called labs.")
    run: Callable[[Settings], Report] = importlib.import_module(f"midigen.labs.{name.replace('-', '_')}").run
    return run
