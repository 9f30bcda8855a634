"""Workers: every item gets an answer, and no process outlives the iterator."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from midigen.errors import MidigenError, RepresentationError, SourceError
from midigen.formats.workers import map_in_workers


def behave(item: str) -> str | None:
    """Do what the item says."""
    match item:
        case "sleep":
            time.sleep(60)
        case "die":
            os._exit(3)
        case "refuse":
            raise RepresentationError("too low", file="a.mid")
        case "break":
            raise ZeroDivisionError("by zero")
        case "nothing":
            return None
        case "unpicklable":
            return lambda: None  # type: ignore[return-value]
        case "large":
            return "x" * 1_000_000
    return f"{item} {os.getpid()}"


def answers(items: list[str], timeout_seconds: float = 20, processes: int = 1) -> dict[int, str | MidigenError | None]:
    return dict(map_in_workers(behave, items, timeout_seconds, processes))


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def test_every_item_is_answered_with_its_index() -> None:
    found = answers(list("abcdef"), processes=2)
    assert {index: str(text)[0] for index, text in found.items()} == dict(enumerate("abcdef"))
    assert len({str(text).split()[1] for text in found.values()}) <= 2


def test_what_goes_wrong_with_an_item_is_its_result_and_the_rest_goes_on() -> None:
    found = answers(["die", "refuse", "break", "unpicklable", "nothing", "large", "fine"])
    assert isinstance(found[0], SourceError)
    assert "die crashed" in str(found[0])
    assert isinstance(found[1], RepresentationError)
    assert (str(found[1]), found[1].file) == ("too low", "a.mid")
    assert "break failed with ZeroDivisionError: by zero" in str(found[2])
    assert isinstance(found[3], SourceError)
    assert found[4] is None
    assert found[5] == "x" * 1_000_000
    assert str(found[6]).startswith("fine")


def test_an_item_that_takes_too_long_is_given_up() -> None:
    started = time.monotonic()
    found = answers(["sleep", "fine"], timeout_seconds=0.5)
    assert "sleep took longer than 0.5 s" in str(found[0])
    assert str(found[1]).startswith("fine")
    assert time.monotonic() - started < 20


def test_errors_name_the_file() -> None:
    ((_, error),) = map_in_workers(Path.read_text, [Path("none.txt")], 20)
    assert isinstance(error, SourceError)
    assert error.file == "none.txt"


def test_few_items_share_one_worker() -> None:
    found = answers(["a", "b", "c"], processes=3)
    assert len({str(text).split()[1] for text in found.values()}) == 1


def test_closing_the_iterator_ends_the_workers() -> None:
    results = map_in_workers(behave, ["fine", "sleep", "sleep", "sleep"], 60, 2)
    assert str(next(results)[1]).startswith("fine")
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_no_items_give_no_results() -> None:
    assert answers([]) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_workers_leave_ctrl_c_to_the_parent() -> None:
    results = map_in_workers(interrupt_oneself, ["a"], 20)
    assert list(results) == [(0, "survived")]


def interrupt_oneself(item: str) -> str:
    import signal

    os.kill(os.getpid(), signal.SIGINT)
    return "survived"


def test_where_no_process_can_start_one_error_says_so() -> None:
    # Python that is fed through a pipe has no file that a new process could begin with.
    script = "from midigen.formats.workers import map_in_workers\nlist(map_in_workers(len, ['a'], 5))"
    run = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=False)
    assert "Processes for reading scores cannot be started here." in run.stderr
