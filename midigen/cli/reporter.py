"""Reporter: how ``midigen train`` shows that it goes on."""

from __future__ import annotations

import sys
from typing import Any

import typer


class Reporter:
    """A bar over the budget with loss and tokens a second, and a line for each epoch.

    The bar appears with the first batch, so that a reporter can be sent to another process before.
    """

    def __init__(self, *, is_quiet: bool) -> None:
        self.is_quiet = is_quiet
        self.bar: Any = None

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:
        """See midigen.training.loop.Reporter."""
        if self.is_quiet or not sys.stderr.isatty():
            return
        if self.bar is None:
            from tqdm import tqdm

            form = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self.bar = tqdm(total=1.0, bar_format=form, dynamic_ncols=True, leave=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:.0f} tokens/s", refresh=False)
        self.bar.update(min(budget_used, 1.0) - self.bar.n)

    def epoch(self, metrics: dict[str, float]) -> None:
        """See midigen.training.loop.Reporter."""
        if self.is_quiet:
            return
        held_out = f", validation {metrics['valid_loss']:.3f}" if "valid_loss" in metrics else ""
        line = f"epoch {metrics['epoch']:.0f}: loss {metrics['train_loss']:.3f}{held_out}"
        if self.bar is None:
            typer.echo(line, err=True)
        else:
            self.bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
