"""Shipped: the models that come with midigen, in ``midigen/pretrained/NAME/``.

    model.safetensors    the weights, rounded to bfloat16
    config.json          as in a checkpoint folder; of the split only the number of pieces
    card.json            where its music comes from and whom it is owed to, licence, figures, how to make it again
    passages.npz         hashes of the training music's passages (``midigen.evaluation.originality``)

They are checkpoint folders but for the trainer's files, and are written by ``scripts/train_pretrained``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import midigen
from midigen.errors import CheckpointError

if TYPE_CHECKING:
    from midigen.representations.representation import Json

PRETRAINED = Path(midigen.__file__).with_name("pretrained")
DEFAULT_MODEL = "chorales"
"""What composes where nothing is trained yet."""
CARD = "card.json"
MOST_BYTES, MOST_PASSAGE_BYTES = 8 * 1024**2, 1_000_000
"""The largest weights and passages that may ship."""


def shipped_models() -> dict[str, Path]:
    """Return the folder of each model that ships, by name."""
    return {file.parent.name: file.parent for file in sorted(PRETRAINED.glob(f"*/{CARD}"))}


def read_card(folder: Path) -> Json:
    """Return what a model that ships says of itself.

    Raises:
        CheckpointError: the card is missing or damaged.
    """
    try:
        return dict(json.loads((folder / CARD).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{folder / CARD} cannot be read ({error}); install midigen anew.", folder) from error


def split_sizes(config: Json) -> dict[str, int]:
    """Return the number of pieces in each split from a config.json: the names stand in that of a run only."""
    return {split: held if isinstance(held, int) else len(held) for split, held in config["split"].items()}
