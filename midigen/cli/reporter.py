"""How ``midigen train`` shows that it goes on, and what ``--check`` found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from midigen.cli.console import Console

if TYPE_CHECKING:
    from midigen.training.job import Job


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


def report_check(console: Console, job: Job) -> None:
    """Run the sanity procedure and judge each of its figures in words."""
    from midigen.training.check import check

    console.note("Checking: can the network learn the first rows of a few pieces by heart?")
    report = check(job.dataset, job.model, job.config)

    def judged(is_good: bool, otherwise: str) -> str:  # noqa: FBT001
        return "good" if is_good else otherwise

    console.document(vars(report))
    console.table(
        ("check", "value", "expected", "verdict"),
        [
            (
                "loss before training",
                f"{report.first_loss:.3f}",
                f"{report.log_vocabulary:.3f} (log of the vocabulary)",
                judged(report.first_loss_is_plausible, "initial weights or tokens look wrong"),
            ),
            (
                f"accuracy after {report.steps} updates",
                f"{report.accuracy:.1%}",
                "100%",
                judged(report.learns_by_heart, "cannot learn by heart: try another learning rate or a larger model"),
            ),
            (
                "update / weight",
                f"{report.update_ratio:.5f}",
                "about 0.001 to 0.01",
                judged(report.update_is_moderate, "raise or lower the learning rate"),
            ),
        ],
    )
