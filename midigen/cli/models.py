"""``midigen models``: the models that come with midigen and those trained here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from midigen.checkpoints.shipped import CARD, read_card, shipped_models
from midigen.cli import options
from midigen.cli.console import Console
from midigen.corpora.catalogue import CATALOGUE

UNITS = """\
Nats on validation pieces: grid per voice and sixteenth, key, bars and whatever
else it sees in advance given; abc per character; chords per element; miditok
per token; others per note."""


def models(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show the card of this model.", autocompletion=lambda: [*shipped_models()]),
    ] = None,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """List the models to compose with, those that ship and yours.

    Any of them serves as MODEL in generate and evaluate, and as --from in train. Nats compare models of the same tokens
    and corpus only.

    Example: midigen models chorales
    """
    console: Console = ctx.obj
    if name is None:
        _list(console, checkpoints)
    else:
        _show(console, name, checkpoints)


def _list(console: Console, checkpoints: Path) -> None:
    listed = [_shipped(read_card(folder)) for folder in shipped_models().values()] + _own(console, checkpoints)
    console.document(listed)
    console.table(
        ("model", "", "corpus", "tokens", "parameters", "nats"),
        [
            (
                row["name"],
                "ships" if row["shipped"] else "yours",
                _shortened(row["corpus"]) if row["shipped"] else row["corpus"],
                row["representation"],
                f"{row['parameters']:,}",
                "-" if row["nll_per_note"] is None else f"{row['nll_per_note']:.4f}",
            )
            for row in listed
        ],
    )
    console.result(f"\n{UNITS}")


def _shortened(corpus: str) -> str:
    """Return the first of several corpora, and how many more there are."""
    first, *others = corpus.split(", ")
    return f"{first} and {len(others)} more" if others else first


def _shipped(card: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("name", "corpus", "representation", "parameters", "licence")
    nll = card["figures"]["bfloat16"]["valid"]
    return {**{key: card[key] for key in keys}, "nll_per_note": nll, "shipped": True}


def _own(console: Console, checkpoints: Path) -> list[dict[str, Any]]:
    """Describe the runs in the working folder; one that cannot be read is left out and said."""
    from midigen.checkpoints.run import count_weights, find_checkpoint, read_config, run_folders
    from midigen.errors import CheckpointError

    rows = []
    for run in run_folders(checkpoints):
        try:
            folder = find_checkpoint(run.name, checkpoints)
            config = read_config(folder)
            row = {
                "name": run.name,
                "corpus": config["source"],
                "representation": config["representation"]["name"],
                "parameters": count_weights(folder),
                "licence": CATALOGUE[config["source"]].licence if config["source"] in CATALOGUE else None,
                "nll_per_note": config["metrics"].get("valid_loss"),
                "shipped": False,
            }
        except (CheckpointError, LookupError) as error:
            console.note(f"Left out {run.name}: {error}")
            continue
        rows.append(row)
    return rows


def _show(console: Console, name: str, checkpoints: Path) -> None:
    """Show a card: of what ships as it was written, of a run what its folder says."""
    from midigen.checkpoints.run import find_checkpoint
    from midigen.errors import UsageError

    folder = find_checkpoint(name, checkpoints)
    if not (folder / CARD).is_file():
        raise UsageError(f"{name} was trained here and has no card; midigen info {name} tells of it.")
    card = read_card(folder)
    console.document(card)
    network, training, figures, kept = (card[key] for key in ("network", "training", "figures", "passages"))
    by_bits = ", ".join(
        f"{split} {figures['bfloat16'][split]:.4f} ({figures['float32'][split]:.4f} before rounding to bfloat16)"
        for split in figures["bfloat16"]
    )
    lasted = f"{training['seconds'] / 60:.0f} minutes to the best epoch"
    if lesson := training.get("lesson"):
        lasted += f", those of its {lesson['teachers']} teachers included"
    console.result(f"{card['name']}: {card['data']}")
    for title, text in (
        ("corpus", card["corpus"]),
        *(("" if number else "credits", credit) for number, credit in enumerate(card["credits"])),
        ("licence", card["licence"]),
        ("tokens", card["representation"]),
        (
            "network",
            f"{network['layers']} x {network['hidden_size']} {network['cell']}, {card['parameters']:,} parameters",
        ),
        ("pieces", ", ".join(f"{count:,} {split}" for split, count in card["split"].items())),
        ("figures", f"{by_bits}; {figures['unit']}"),
        ("training", lasted),
        ("passages", f"{kept['kept']:,} hashes of {kept['steps']} steps of the training music"),
        ("again", card["command"]),
    ):
        console.result(f"  {title:<10}{text}")
