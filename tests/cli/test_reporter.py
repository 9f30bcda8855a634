from __future__ import annotations

import io
import pickle
import sys

import pytest

from midigen.cli.reporter import Reporter

METRICS = {"epoch": 3.0, "train_loss": 1.25, "valid_loss": 1.5}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def report(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, is_quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    reporter = Reporter(is_quiet=is_quiet)
    reporter.batch(0.5, 1.25, 900.0)
    reporter.epoch(METRICS)
    reporter.close()
    return stream.getvalue()


def test_a_terminal_sees_a_bar_with_loss_and_speed_and_a_line_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = report(monkeypatch, Terminal())
    assert " 50%|" in shown
    assert "loss 1.250, 900 tokens/s" in shown
    assert "epoch 3: loss 1.250, validation 1.500" in shown


def test_a_file_gets_the_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert report(monkeypatch, io.StringIO()) == "epoch 3: loss 1.250, validation 1.500\n"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> None:
    assert report(monkeypatch, stream, is_quiet=True) == ""


def test_a_reporter_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Reporter(is_quiet=True))).is_quiet  # noqa: S301  # our own bytes
