"""Asks a judge for a stream of rows: by batches, or, where the judge has a stream of its own, without a barrier."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.labelling.items import Item
from sgpo_cli.judging.verdict import Judge, Solution, Verdict

BATCH = 64
_LOOK_EVERY_S = 0.5
_MOST_WAITING = 256

Asked = list[tuple[Item, Verdict]]
Stream = Callable[[Iterable[Solution]], Iterator[Verdict]]


def ask(judge: Judge, items: Iterator[Item]) -> Iterator[Asked]:
    """Rows with their verdicts, in order. An empty list now and then: time passed, the judge is still at it.

    An error of `items` is raised after the verdicts of the rows before it.
    """
    stream: Stream | None = getattr(judge, "stream", None)
    source = _Source(items)
    yield from _by_batches(judge, source) if stream is None else _streamed(judge.name, stream, source)
    if source.fault is not None:
        raise source.fault


class _Source:
    """The rows up to an error, which is kept for later."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self.fault: BaseException | None = None

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from self._items
        except Exception as problem:  # noqa: BLE001  # raised again by `ask`
            self.fault = problem


def _by_batches(judge: Judge, items: Iterable[Item]) -> Iterator[Asked]:
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        verdicts = judge.judge([item.solution for item in batch])
        if len(verdicts) != len(batch):
            raise RunFailed(f"judge {judge.name} gave {len(verdicts)} verdicts for {len(batch)} solutions")
        yield list(zip(batch, verdicts, strict=True))


def _streamed(name: str, stream: Stream, items: Iterable[Item]) -> Iterator[Asked]:
    """The judge's stream is read in a thread of its own, so that a stop is heeded while a slow answer is awaited."""
    pump = _Pump(name, stream, items)
    threading.Thread(target=pump.run, name="labelling", daemon=True).start()
    try:
        while True:
            asked, last = pump.take()
            yield asked
            if last:
                break
    finally:
        pump.stopped = True
    if pump.fault is not None:
        raise pump.fault


class _Pump:
    """Carries verdicts from the judge's stream to a queue; `stopped` ends it at the next verdict."""

    def __init__(self, name: str, stream: Stream, items: Iterable[Item]) -> None:
        self._name, self._stream, self._items = name, stream, items
        self._queue: queue.Queue[tuple[Item, Verdict] | None] = queue.Queue(_MOST_WAITING)
        self._asked: deque[Item] = deque()
        self.stopped = False
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            verdicts = self._stream(self._solutions())
            try:
                for verdict in verdicts:
                    self._put((self._asked.popleft(), verdict))
                    if self.stopped:
                        return
            finally:
                close = getattr(verdicts, "close", None)
                if close is not None:
                    close()
            if self._asked:
                raise RunFailed(f"judge {self._name} gave no verdict for {len(self._asked)} solutions")
        except BaseException as problem:  # noqa: BLE001  # raised again by the thread that takes the verdicts
            self.fault = problem
        finally:
            self._put(None)

    def _solutions(self) -> Iterator[Solution]:
        for item in self._items:
            if self.stopped:
                return
            self._asked.append(item)
            yield item.solution

    def _put(self, answer: tuple[Item, Verdict] | None) -> None:
        while not self.stopped:
            try:
                self._queue.put(answer, timeout=_LOOK_EVERY_S)
            except queue.Full:
                continue
            return

    def take(self) -> tuple[Asked, bool]:
        """What has come within half a second, and whether it was the last."""
        taken: Asked = []
        try:
            answer = self._queue.get(timeout=_LOOK_EVERY_S)
            while answer is not None:
                taken.append(answer)
                answer = self._queue.get_nowait()
        except queue.Empty:
            return taken, False
        return taken, True
