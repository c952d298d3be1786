"""Locks and parents: one process at a time owns a run, and no child outlives its parent.

`Lock` is a POSIX file lock (flock) on a descriptor that a child inherits, so a run stays locked while any process of it
lives, even after its parent was killed. A child learns of its parent's death by looking (`watch_parent`), which also
reaches grandchildren started by torchrun or accelerate, whom no inherited pipe would reach.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import psutil

from sgpo_cli.errors import UserError
from sgpo_cli.runs.files import make_dir, writing

PARENT_VARIABLE = "SGPO_PARENT"
_LOOK_EVERY_S = 0.25
_ORPHANS_S = 10.0


class Lock:
    """An exclusive lock on `path`, held until `release()` and until every child that inherited it has ended."""

    def __init__(self, path: Path, *, what: str, instead: str = "give this run another name with name=...") -> None:
        """`what` is locked, and `instead` is what its owner can do instead of waiting: both for the error."""
        self.path = path
        self.what = what
        self.instead = instead
        self._descriptor: int | None = None

    def acquire(self, *, wait_s: float = 0.0) -> Lock:
        """Takes the lock, waiting up to `wait_s` seconds; `UserError` names the holder when it is taken."""
        make_dir(self.path.parent)
        with writing(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
                # An owner that was killed leaves children that end by themselves within a moment.
                orphaned = holder.isdecimal() and not psutil.pid_exists(int(holder))
                if time.monotonic() - began >= max(wait_s, _ORPHANS_S if orphaned else 0.0):
                    os.close(descriptor)
                    raise UserError(
                        f"{self.what} is locked by another process (pid {holder})",
                        where=str(self.path),
                        fix=f"wait for it, stop it, or {self.instead}",
                    ) from None
                time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        os.set_inheritable(descriptor, True)
        self._descriptor = descriptor
        return self

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to pass to a child (`pass_fds`) so that it holds the lock too."""
        return () if self._descriptor is None else (self._descriptor,)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lock:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def parent_token() -> str:
    """Names this process for its children: pid and start time, so that a reused pid is not taken for it."""
    return f"{os.getpid()}:{psutil.Process().create_time():.2f}"


def _alive(token: str) -> bool:
    pid, _, started = token.partition(":")
    try:
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(started)) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def watch_parent() -> None:
    """Ends this process at once when the process named in `SGPO_PARENT` is gone; nothing when it names none."""
    token = os.environ.get(PARENT_VARIABLE)
    if not token:
        return

    def look() -> None:
        while _alive(token):
            time.sleep(_LOOK_EVERY_S)
        # No clean-up: the parent was killed, every file we keep is atomic, and waiting could hold a GPU for ever.
        os._exit(143)

    threading.Thread(target=look, name="sgpo-parent-watch", daemon=True).start()
