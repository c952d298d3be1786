"""One grading worker as its parent sees it: a plain subprocess behind two pipes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO

import sgpo_cli
from sgpo_cli.errors import RunFailed
from sgpo_cli.verify.grade import Comparison
from sgpo_cli.verify.outcome import REASONS, Reason

_START_SECONDS = 120.0
_READ_BYTES = 1 << 16


class WorkerDied(Exception):
    """The process ended before it answered."""


class Worker:
    """A worker process; at most one comparison is in flight. Not thread safe: the pool holds the lock."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sgpo_cli.verify.worker", str(os.getpid()), str(math.ceil(timeout))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=_environment(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._received = b""
        self.ready = False
        self.graded = 0
        self.deadline = time.monotonic() + _START_SECONDS
        self.comparison: Comparison | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def fileno(self) -> int:
        """The replies' file descriptor, so that a selector can wait for the worker itself."""
        return self._replies.fileno()

    def send(self, comparison: Comparison) -> None:
        """Hands a comparison over and starts its deadline; a dead worker is noticed by `receive`."""
        self.comparison = comparison
        self.deadline = time.monotonic() + self._timeout
        line = json.dumps(asdict(comparison)) + "\n"
        data = memoryview(line.encode())
        try:
            while data:
                data = data[self._requests.write(data) or 0 :]
        except BrokenPipeError:
            return

    def receive(self) -> Reason | None:
        """The reason of the comparison in flight once it is here; None when there is only a part, or "ready"."""
        chunk = os.read(self._replies.fileno(), _READ_BYTES)
        if not chunk:
            raise WorkerDied
        line, found, self._received = (self._received + chunk).partition(b"\n")
        if not found:
            self._received = line
            return None
        message = json.loads(line)
        if "ready" in message:
            self.ready = True
            return None
        self.comparison = None
        self.graded += 1
        reason: Reason = message["reason"]
        assert reason in REASONS
        return reason

    def start_failed(self) -> RunFailed:
        """The error to raise when the process ended, or said nothing, before it was ready."""
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        tail = self._errors.read()[-2000:].decode(errors="replace").strip()
        last = tail.rsplit("\n", 1)[-1] if tail else f"exit status {self._process.returncode}, no message"
        self.kill()
        return RunFailed(
            f"the math grader's worker process could not start: {last}",
            fix="is math-verify installed in this Python? Try: python -c 'import math_verify'",
        )

    def close(self) -> None:
        """Ends an idle worker: its input ends, so it leaves; killed when it does not leave at once."""
        self._requests.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, reaped, and every file closed."""
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._replies, self._errors):
            stream.close()

    def forget(self) -> None:
        """After a fork: drops this process's copies of the pipes; the worker stays the other process's."""
        self._requests.close()
        self._replies.close()
        self._process.returncode = 0  # not our child: nothing to reap


def _environment() -> dict[str, str]:
    """The environment in which the worker finds this same package, however the parent found it."""
    home = Path(sgpo_cli.__file__).resolve().parent.parent
    if home.name in {"site-packages", "dist-packages"}:
        return dict(os.environ)  # installed: found anyway, and its neighbours must not come before the standard library
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{inherited}" if inherited else str(home)}
