"""``midigen presets``: the recipes that train knows."""

from __future__ import annotations

import typer

from midigen.cli.console import Console


def presets(ctx: typer.Context) -> None:
    """List the recipes for training, and where they come from.

    The size of a network depends on the vocabulary; shown is that for the corpus that the recipe was made for.

    Example: midigen presets
    """
    from midigen.presets import PRESETS, count_parameters

    console: Console = ctx.obj
    listed = [
        (name, preset.representation, preset.network, count_parameters(preset), preset.source)
        for name, preset in PRESETS.items()
    ]
    keys = ("name", "representation", "model", "parameters", "source")
    console.document([dict(zip(keys, row, strict=True)) for row in listed])
    console.table(
        ("preset", "tokens", "network", "parameters", "source"),
        [(name, tokens, network, f"{count:,}", source) for name, tokens, network, count, source in listed],
    )
