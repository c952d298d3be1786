"""`Grader`: grades many responses with worker processes that can be killed.

Only what the quick rules leave open goes to a worker (see grade.py), each comparison once per call. A comparison that
overruns the timeout loses its worker (SIGKILL) and is a `timeout`; a worker that dies takes only its own comparison
along (`error`). Workers start when first needed, leave after `recycle_after` comparisons (sympy's caches grow), and
are plain subprocesses: they import no torch, may be started from any thread, from a daemon process, and from a child
made by fork, and leave when their parent is gone, however it went.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

from sgpo_cli.errors import UserError
from sgpo_cli.verify.grade import Comparison, Pending, begin, finish
from sgpo_cli.verify.outcome import Grade, GradeItem, Reason
from sgpo_cli.verify.process import Worker, WorkerDied


class Grader:
    """Grades responses; a context manager, usable from any thread (calls take turns)."""

    def __init__(self, workers: int = 1, timeout: float = 5.0, recycle_after: int = 2000) -> None:
        """`workers`: processes; `timeout`: seconds a comparison; `recycle_after`: comparisons a worker."""
        if workers < 1 or timeout <= 0 or recycle_after < 1:
            raise UserError("a grader needs at least one worker, a positive timeout and recycle_after >= 1")
        self._size = workers
        self._timeout = timeout
        self._recycle_after = recycle_after
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._workers: list[Worker] = []
        self._finalizer = weakref.finalize(self, _close_all, self._workers, self._owner)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; the grader may be used again and then starts new ones."""
        with self._lock:
            _close_all(self._workers, self._owner)

    def grade_many(self, items: Sequence[GradeItem]) -> list[Grade]:
        """One grade for each item, in order. Raises `RunFailed` only when no worker can be started at all."""
        steps = [begin(item) for item in items]
        open_ones = dict.fromkeys(step.comparison for step in steps if isinstance(step, Pending))
        reasons: dict[Comparison, Reason] = {}
        if open_ones:
            self._after_fork()
            with self._lock:
                reasons = self._settle(deque(open_ones))
        return [step if isinstance(step, Grade) else finish(step, reasons[step.comparison]) for step in steps]

    def _after_fork(self) -> None:
        """In a forked child the workers and the lock are the parent's: start afresh."""
        if self._owner == os.getpid():
            return
        for worker in self._workers:
            worker.forget()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._finalizer.detach()
        self._workers = []
        self._finalizer = weakref.finalize(self, _close_all, self._workers, self._owner)

    def _settle(self, todo: deque[Comparison]) -> dict[Comparison, Reason]:
        """Runs the comparisons over the workers; the lock is held."""
        reasons: dict[Comparison, Reason] = {}
        wanted = len(todo)
        try:
            while len(reasons) < wanted:
                self._staff(len(todo))
                for worker in self._workers:
                    if todo and worker.ready and worker.comparison is None:
                        worker.send(todo.popleft())
                for worker in self._wait():
                    self._collect(worker, reasons)
                self._overdue(reasons)
        except BaseException:
            self._abandon()  # their replies belong to nobody now
            raise
        return reasons

    def _staff(self, waiting: int) -> None:
        """Retires idle workers that have done their share or died; starts as many as the waiting work can use."""
        for worker in [w for w in self._workers if w.ready and w.comparison is None]:
            if worker.graded >= self._recycle_after or not worker.alive():
                self._workers.remove(worker)
                worker.close()
        idle = sum(worker.comparison is None for worker in self._workers)
        for _ in range(min(self._size - len(self._workers), waiting - idle)):
            self._workers.append(Worker(self._timeout))

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.comparison is not None or not worker.ready]

    def _wait(self) -> list[Worker]:
        """Waits for a reply, or for the first deadline; the workers that have something to read."""
        busy = self._busy()
        seconds = min(worker.deadline for worker in busy) - time.monotonic()
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker, selectors.EVENT_READ, worker)
            return [entry.data for entry, _ in selector.select(max(0.0, seconds))]

    def _collect(self, worker: Worker, reasons: dict[Comparison, Reason]) -> None:
        comparison = worker.comparison
        try:
            reason = worker.receive()
        except WorkerDied:
            self._workers.remove(worker)
            if not worker.ready:
                raise worker.start_failed() from None
            worker.kill()
            reason = "error"
        if comparison is not None and reason is not None:
            reasons[comparison] = reason

    def _overdue(self, reasons: dict[Comparison, Reason]) -> None:
        """Kills the workers whose comparison has overrun its time."""
        now = time.monotonic()
        for worker in [worker for worker in self._busy() if worker.deadline < now]:
            self._workers.remove(worker)
            if not worker.ready:
                raise worker.start_failed()
            worker.kill()
            assert worker.comparison is not None
            reasons[worker.comparison] = "timeout"

    def _abandon(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()


def _close_all(workers: list[Worker], owner: int) -> None:
    """Ends the workers, in the process that started them only."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.close() if worker.comparison is None else worker.kill()
    workers.clear()
