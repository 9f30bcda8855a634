"""Run a function over many items in processes that can be killed.

Readers of scores may hang or eat the processor on a broken file; here that costs one item, not the run. Nothing is
shared with the workers but one pipe each, and none of them outlives the iterator.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from midigen.errors import MidigenError, SourceError

Item = TypeVar("Item")
Result = TypeVar("Result")

START_SECONDS = 60.0
"""How long a process may take to start; the time of an item counts from then on."""
FEW_ITEMS = 4
"""Below this many, starting a second process costs more than it gains."""


def map_in_workers(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    timeout_seconds: float,
    processes: int | None = None,
) -> Iterator[tuple[int, Result | MidigenError]]:
    """Yield (index, result) for every item, in the order in which they are done.

    What goes wrong with an item is its result: a MidigenError that the function raised as it is, a SourceError for
    any other exception, for an item that takes too long and for a worker that dies. Closing the iterator ends the
    workers.

    Args:
        function: a function at the top level of a module; it, the items and the results must survive pickling.
        items: names of files as a rule: errors name the item.
        timeout_seconds: time for one item, after which its worker is killed and replaced.
        processes: how many at most; as many as there are processors by default, one for fewer than 4 items.

    Raises:
        SourceError: processes cannot be started at all.
    """
    waiting = deque(enumerate(items))
    count = 1 if len(waiting) < FEW_ITEMS else processes or os.cpu_count() or 1
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < count:
                with _interrupts_wait():
                    workers.append(_Worker(function, timeout_seconds))
                workers[-1].assign(*waiting.popleft())
            patience = min(worker.deadline for worker in workers) - time.monotonic()
            wait([worker.pipe for worker in workers], max(patience, 0))
            done = []
            for worker in list(workers):
                outcome = worker.outcome()
                if outcome is None:
                    continue
                done.append((worker.index, outcome[0]))
                if waiting and worker.process.is_alive():
                    worker.assign(*waiting.popleft())
                else:
                    worker.kill()
                    workers.remove(worker)
            yield from done
    finally:
        for worker in workers:
            worker.kill()


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Keep Ctrl-C back while a process is started, which would otherwise die half-made with a traceback."""
    if threading.current_thread() is not threading.main_thread():  # no other hears Ctrl-C
        yield
        return
    requests: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _frame: requests.append(number))
    try:
        with _deaf_children():
            yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if requests and callable(usual):
        usual(signal.SIGINT, None)


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Let the processes started meanwhile not hear Ctrl-C, from their first instruction on; not on Windows.

    They inherit the mask of the thread that starts them. It alone would not do: other threads have masks of their own.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # or the first start of a process would do it, and lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """A process with an item to work on."""

    def __init__(self, function: Callable[[Any], Any], timeout_seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=_work, args=(end, function), daemon=True)
        self.process.start()
        end.close()  # or the death of the worker would not close the pipe
        self.timeout_seconds = timeout_seconds
        self.deadline = time.monotonic() + START_SECONDS
        self.has_started = False

    def assign(self, index: int, item: object) -> None:
        self.index, self.item = index, item
        if self.has_started:
            self.deadline = time.monotonic() + self.timeout_seconds
        with contextlib.suppress(OSError):  # a dead worker is noticed when its outcome is asked for
            self.pipe.send(item)

    def outcome(self) -> tuple[Any] | None:
        """Return what became of the item, in a tuple, or None while it is being worked on."""
        try:
            if self.pipe.poll():
                message: tuple[Any] | None = self.pipe.recv()
                if message is None:
                    self.has_started = True
                    self.deadline = time.monotonic() + self.timeout_seconds
                return message
        except (EOFError, OSError):
            if not self.has_started:
                raise SourceError("Processes for reading scores cannot be started here.") from None
            return (self._failure("crashed the process that read it"),)
        if time.monotonic() < self.deadline:
            return None
        return (self._failure(f"took longer than {self.timeout_seconds:g} s"),)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def _failure(self, sentence: str) -> SourceError:
        self.kill()
        return _source_error(self.item, sentence)


def _source_error(item: object, sentence: str) -> SourceError:
    return SourceError(f"{item} {sentence}", file=item if isinstance(item, str | Path) else None)


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Say that the process has started (None), then answer each item with its result in a tuple."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends the workers
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
        pipe.send(None)
        while True:
            item = pipe.recv()
            try:
                pipe.send((function(item),))
            except MidigenError as error:
                pipe.send((error,))
            except Exception as error:  # noqa: BLE001  whatever it is, it is the result
                pipe.send((_source_error(item, f"failed with {type(error).__name__}: {error}"),))
