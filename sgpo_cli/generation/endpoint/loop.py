"""An event loop on a thread of its own, for callers that are not async: threads may hand it coroutines at any time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_S = 10.0
"""How long `close` waits for the thread. Cancelled tasks end at once unless they refuse to."""


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    pid: int
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


_left_by_fork: list[_Running] = []
"""Loops of the parent, kept for ever in a forked child: deleting one would close the parent's selector under it."""


class LoopThread:
    """Starts with the first coroutine, and once more in a forked child; ends with `close`, or with the process."""

    def __init__(self, name: str, opening: Callable[[], None], closing: Callable[[], Awaitable[None]]) -> None:
        """`opening` runs on the loop before the first coroutine, `closing` when all have ended or were cancelled.

        Neither may hold the owner of this object, or it is never collected.
        """
        self._name, self._opening, self._closing = name, opening, closing
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False
        self._running: _Running | None = None
        self._finalizer: weakref.finalize[Any, LoopThread] | None = None

    def is_here(self) -> bool:
        """Whether the caller runs on this loop's thread."""
        running = self._running
        return running is not None and running.pid == os.getpid() and running.thread is threading.current_thread()

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Runs it on the loop; cancelling the future cancels it. Raises `RuntimeError` after `close`."""
        self._after_fork()
        with self._lock:
            if self._closed:
                coroutine.close()
                raise RuntimeError("the client is closed")
            running = self._running or self._start()
            return asyncio.run_coroutine_threadsafe(coroutine, running.loop)

    def close(self) -> None:
        """Cancels what runs, waits until it has ended, and ends the thread. May be called again, and on the loop."""
        self._after_fork()
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if self._finalizer is not None:
            self._finalizer.detach()
        _end(running)

    def _start(self) -> _Running:
        """The lock is held."""
        ready: concurrent.futures.Future[_Running] = concurrent.futures.Future()
        thread = threading.Thread(
            target=_run, args=(thread_main(ready, self._opening, self._closing), ready), name=self._name, daemon=True
        )
        thread.start()
        self._running = running = ready.result()
        # At the process's end the loop is still running in its daemon thread: it is ended in order.
        self._finalizer = weakref.finalize(self, _end, running)
        return running

    def _after_fork(self) -> None:
        """A child made by fork has the parent's memory, but neither its thread nor, perhaps, an open lock."""
        if self._pid == os.getpid():
            return
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._running is not None:
            _left_by_fork.append(self._running)
        self._lock, self._running, self._finalizer, self._pid = threading.Lock(), None, None, os.getpid()


async def thread_main(
    ready: concurrent.futures.Future[_Running], opening: Callable[[], None], closing: Callable[[], Awaitable[None]]
) -> None:
    """What runs on the thread from its start to its end."""
    stop = asyncio.Event()
    opening()
    ready.set_result(_Running(os.getpid(), threading.current_thread(), asyncio.get_running_loop(), stop))
    await stop.wait()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await closing()


def _run(main: Coroutine[Any, Any, None], ready: concurrent.futures.Future[_Running]) -> None:
    try:
        asyncio.run(main)
    except BaseException as problem:
        if ready.done():
            raise
        ready.set_exception(problem)  # whoever starts the thread is told


def _end(running: _Running | None) -> None:
    if running is None or running.pid != os.getpid() or running.loop.is_closed():
        return
    running.loop.call_soon_threadsafe(running.stop.set)
    if running.thread is not threading.current_thread():  # a collector may run anywhere
        running.thread.join(PATIENCE_S)
