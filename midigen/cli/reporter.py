"""How ``midigen train`` shows that it goes on, what came of it, and what ``--check`` found."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from midigen.cli import options
from midigen.cli.console import Console, shown

if TYPE_CHECKING:
    from midigen.training.job import Job
    from midigen.training.loop import Outcome
    from midigen.training.yardsticks import Yardsticks


class Reporter:
    """A bar over the budget with loss and tokens a second, a line for each epoch and sample, and what is wrong, once.

    The bar appears with the first batch, so that a reporter can be sent to another process before.
    """

    def __init__(self, yardsticks: Yardsticks, *, is_quiet: bool) -> None:
        self.yardsticks, self.is_quiet = yardsticks, is_quiet
        self.bar: Any = None
        self.budget_used = 0.0
        self.history, self.samples = list[dict[str, float]](), list[dict[str, float]]()
        self.said = set[str]()

    def begin(self, job: Job) -> None:
        """Say what is held out and what counting alone reaches; take over what a run to go on with has reached."""
        from midigen.checkpoints.run import read_trainer
        from midigen.training.diagnosis import diagnose_split

        for sentence in diagnose_split(len(job.dataset.indices("valid"))).values():
            self._say(sentence)
        if job.resume is not None:
            progress = read_trainer(job.resume)["progress"]
            self.history, self.samples = [*progress["history"]], [*progress.get("samples", ())]
        known, unit = self.yardsticks, job.dataset.representation.note_unit
        if known.unigram is not None:
            some, every = known.counted
            counted = "" if some == every else f" (counted on {some} of {every} pieces)"
            self._say(f"Counting alone: unigram {known.unigram:.3f}, n-gram {known.ngram:.3f} nats a {unit}{counted}.")

    def batch(self, budget_used: float, loss: float, tokens_per_second: float) -> None:
        """See midigen.training.loop.Reporter."""
        self.budget_used = budget_used
        if self.is_quiet or not sys.stderr.isatty():
            return
        if self.bar is None:
            from tqdm import tqdm

            form = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self.bar = tqdm(total=1.0, bar_format=form, dynamic_ncols=True, leave=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:.0f} tokens/s", refresh=False)
        self.bar.update(min(budget_used, 1.0) - self.bar.n)

    def sample(self, figures: dict[str, float]) -> None:
        """See midigen.training.loop.Reporter."""
        self.samples.append(figures)

    def epoch(self, metrics: dict[str, float]) -> None:
        """See midigen.training.loop.Reporter."""
        from midigen.training.diagnosis import diagnose

        self.history.append(metrics)
        held_out = f", validation {metrics['valid_loss']:.3f}" if "valid_loss" in metrics else ""
        self._say(f"epoch {metrics['epoch']:.0f}: loss {metrics['train_loss']:.3f}{held_out}")
        if self.samples and self.samples[-1]["epoch"] == metrics["epoch"]:
            self._say(f"  sample: {_in_words(self.samples[-1], self.yardsticks.music)}")
        for what, sentence in diagnose(self.history, self.samples, self.yardsticks, self.budget_used).items():
            if what not in self.said and self.budget_used < 1:  # what holds at the end is said with the outcome
                self.said.add(what)
                self._say(sentence)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()

    def _say(self, text: str) -> None:
        if self.is_quiet:
            return
        if self.bar is None:
            typer.echo(_wrapped(text), err=True)
        else:
            self.bar.write(_wrapped(text), file=sys.stderr)


def _wrapped(text: str) -> str:
    """Break a line between words where a terminal ends."""
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns - 1
    return textwrap.fill(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _in_words(sample: dict[str, float], music: dict[str, float]) -> str:
    """Put the figures of a sample beside those of the corpus, which are in brackets."""
    return (
        f"loop rate {sample['loop_rate']:.0%} (corpus {music['loop_rate']:.0%}), "
        f"pitches {sample['pitches']:.0f} ({music['pitches']:.0f}), "
        f"durations {sample['durations']:.0f} ({music['durations']:.0f})"
    )


def way_on(job: Job) -> str:
    """Return the command that goes on with a run."""
    return f"Go on with: midigen train --resume --name {_reference(job)}"


def _reference(job: Job) -> str:
    """Return what other commands call a run: its name, or its folder where that lies elsewhere."""
    return job.name if job.folder == options.CHECKPOINTS / job.name else shown(job.folder)


def report_outcome(console: Console, job: Job, outcome: Outcome, yardsticks: Yardsticks) -> None:
    """Show what came of the run; leave with 130 or 143 if it was told to stop."""
    from midigen.rendering.curves import draw_curves
    from midigen.training.diagnosis import diagnose, diagnose_split
    from midigen.training.loop import INTERRUPTED, TERMINATED

    history, is_stopped = outcome.history, outcome.stopped_because in (INTERRUPTED, TERMINATED)
    wrong = diagnose(history, outcome.samples, yardsticks, 0.0 if is_stopped else 1.0)
    about_split = diagnose_split(len(job.dataset.indices("valid")))
    levels = {"unigram": yardsticks.unigram, "n-gram": yardsticks.ngram}
    if history:
        known = {name: loss for name, loss in levels.items() if loss is not None}
        draw_curves(history, job.folder / "curves.png", job.name, known)
    console.document(
        {
            **_summary(job, outcome),
            "unigram": yardsticks.unigram,
            "ngram": yardsticks.ngram,
            "samples": list(outcome.samples),
            "corpus": yardsticks.music,
            "diagnoses": [*about_split.values(), *wrong.values()],
        }
    )
    if history:
        _show_table(console, job, outcome)
        unit = job.dataset.representation.note_unit
        console.note(f"Losses are in nats per {unit}; the curves are in {shown(job.folder / 'curves.png')}.")
    if outcome.samples:
        console.note(f"Samples: {shown(job.folder / 'samples')}.")
    for sentence in wrong.values():
        console.note(_wrapped(sentence))
    if is_stopped:
        console.note(f"Saved. {way_on(job)}")
        raise typer.Exit(130 if outcome.stopped_because == INTERRUPTED else 143)
    console.note(f"Stopped because {outcome.stopped_because}. Compose with: midigen generate {_reference(job)}")


def _best(outcome: Outcome) -> dict[str, float]:
    return next((row for row in outcome.history if row["epoch"] == outcome.best_epoch), {})


def _speed(outcome: Outcome) -> float | None:
    history = outcome.history
    return sum(row["tokens_per_second"] for row in history) / len(history) if history else None


def _summary(job: Job, outcome: Outcome) -> dict[str, Any]:
    best = _best(outcome)
    return {
        "checkpoint": str(job.folder),
        "epochs": len(outcome.history),
        "parameters": outcome.parameters,
        "train_loss": best.get("train_loss"),
        "valid_loss": best.get("valid_loss"),
        "tokens_per_second": _speed(outcome),
        "seconds": outcome.seconds,
        "stopped_because": outcome.stopped_because,
    }


def _show_table(console: Console, job: Job, outcome: Outcome) -> None:
    best = _best(outcome)
    console.table(
        ("run", "parameters", "epochs", "best", "train", "valid", "accuracy", "tokens/s", "seconds"),
        [
            (
                job.name,
                f"{outcome.parameters:,}",
                str(len(outcome.history)),
                str(outcome.best_epoch),
                f"{best['train_loss']:.4f}",
                f"{best['valid_loss']:.4f}" if "valid_loss" in best else "-",
                f"{best['valid_accuracy']:.1%}" if "valid_accuracy" in best else "-",
                f"{_speed(outcome):.0f}",
                f"{outcome.seconds:.0f}",
            )
        ],
    )


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
