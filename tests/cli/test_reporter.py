from __future__ import annotations

import io
import pickle
import sys

import pytest

from midigen.cli.reporter import Reporter
from midigen.training.yardsticks import Yardsticks

METRICS = {"epoch": 3.0, "train_loss": 1.25, "valid_loss": 1.5}
MUSIC = {"notes": 100.0, "loop_rate": 0.25, "pitches": 20.0, "durations": 5.0}
SAMPLE = {"epoch": 3.0, "notes": 90.0, "loop_rate": 0.5, "pitches": 12.0, "durations": 4.0}
KNOWN = Yardsticks(uniform=4.0, unigram=2.7, ngram=1.2, counted=(10, 10), music=MUSIC)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def report(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, is_quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    reporter = Reporter(KNOWN, is_quiet=is_quiet)
    reporter.batch(0.4, 1.25, 900.0)
    reporter.sample(SAMPLE)
    reporter.epoch(METRICS)
    reporter.close()
    return stream.getvalue()


def test_a_terminal_sees_a_bar_with_loss_and_speed_and_a_line_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = report(monkeypatch, Terminal())
    assert " 40%|" in shown
    assert "loss 1.250, 900 tokens/s" in shown
    assert "epoch 3: loss 1.250, validation 1.500" in shown


def test_a_file_gets_the_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert report(monkeypatch, io.StringIO()).splitlines() == [
        "epoch 3: loss 1.250, validation 1.500",
        "  sample: loop rate 50% (corpus 25%), pitches 12 (20), durations 4 (5)",
    ]


def test_what_is_wrong_is_said_once_and_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "60")
    reporter = Reporter(KNOWN, is_quiet=False)
    reporter.batch(0.6, 1.3, 900.0)
    for epoch in (1, 2, 3):
        reporter.epoch({"epoch": epoch, "train_loss": 1.3, "valid_loss": 1.3})
    reporter.close()
    text = stream.getvalue()
    assert text.count("above the n-gram's") == 1
    assert "The validation loss 1.300 is still above the n-gram's\n  1.200: counting does better." in text


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> None:
    assert report(monkeypatch, stream, is_quiet=True) == ""


def test_a_reporter_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Reporter(KNOWN, is_quiet=True))).is_quiet  # noqa: S301  # our own bytes
