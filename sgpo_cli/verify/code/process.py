"""One process in a sandbox: started, listened to, watched, and certainly ended."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sgpo_cli.verify.code.inside import wire
from sgpo_cli.verify.code.layout import ENVIRONMENT, layout
from sgpo_cli.verify.code.outcome import FailureKind, Limits
from sgpo_cli.verify.code.sandbox import Launch, Sandbox
from sgpo_cli.verify.code.usage import Usage, tree_usage

_FIRST_LOOK, _LOOK_EVERY = 0.1, 0.03
_TAIL_BYTES = 2000
_SEND_SECONDS = 30.0


START_SECONDS = 30.0


class Stopped(Exception):
    """Whoever asked for the grading does not want it any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all processes of one program's grading share. `end`: when its whole time is over (monotonic clock)."""

    program: str
    sandbox: Sandbox
    limits: Limits
    end: float
    stop: threading.Event

    def wait(self, running: Sequence[Running], deadline: float) -> None:
        """Until something is heard, the deadline passes or a few hundredths of a second are over. Raises Stopped."""
        if self.stop.is_set():
            raise Stopped
        wait(running, deadline - time.monotonic())


class Running:
    """A sandboxed process. `messages`: what it said on its control channel; `over`: the limit it exceeded."""

    def __init__(
        self,
        sandbox: Sandbox,
        task: dict[str, Any],
        limits: Limits,
        *,
        tests: int = 1,
        link: socket.socket | None = None,
        stdin: str | None = None,
    ) -> None:
        """Raises OSError when the process cannot even be started. `tests`: how many it may use its time for."""
        self.limits = limits
        self.messages: list[dict[str, Any]] = []
        self.stdout, self.stderr = bytearray(), bytearray()
        self.over: FailureKind | None = None
        self.status: int | None = None
        self.cpu_seconds = 0.0
        self._cpu_before = 0.0
        self._heard = bytearray()
        self._written = 0
        self._next_look = time.monotonic() + _FIRST_LOOK
        mine, theirs = socket.socketpair()
        try:
            with theirs, _readable(stdin) as source:
                inherited = [theirs.fileno(), link.fileno() if link else -1]
                launch = sandbox.launch(limits, None if stdin is None else source)
                self._process = _start(launch, source, inherited)
        except OSError:
            mine.close()
            raise
        self._control = mine
        self._ending = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else None
        self._open_streams()
        self._tell({**task, "uid": launch.uid, "limits": rlimits(limits, tests), "environment": ENVIRONMENT})

    def _open_streams(self) -> None:
        assert self._process.stdout and self._process.stderr
        self._streams = {
            self._control.fileno(): self._heard,
            self._process.stdout.fileno(): self.stdout,
            self._process.stderr.fileno(): self.stderr,
        }

    def _tell(self, task: dict[str, Any]) -> None:
        self._control.settimeout(_SEND_SECONDS)
        body = wire.json.dumps(task).encode()
        with contextlib.suppress(OSError):  # it ended already: noticed below, with what it said on stderr
            self._control.sendall(len(body).to_bytes(4, "big") + body)
        self._control.setblocking(False)

    def descriptors(self) -> list[int]:
        """What can still be read; empty when nothing more can come."""
        return list(self._streams)

    def ending(self) -> list[int]:
        """What becomes readable when the process ends, while it has not."""
        return [self._ending] if self._ending is not None and self.status is None else []

    def read(self, fd: int) -> None:
        """Takes in what is there, counts it, and throws away what nobody will look at."""
        kept = self._streams[fd]
        try:
            more = os.read(fd, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            del self._streams[fd]
            return
        kept += more
        if kept is self._heard:
            self._parse()
            return
        self._written += len(more)
        if kept is self.stderr:
            del kept[:-_TAIL_BYTES]
        if self._written > self.limits.output_kib << 10:
            self._exceed("output")

    def _parse(self) -> None:
        while len(self._heard) >= 4:
            length = int.from_bytes(self._heard[:4], "big")
            if length > wire.MOST_BYTES:
                self._exceed("bad_reply")
                return
            if len(self._heard) < 4 + length:
                return
            body = bytes(self._heard[4 : 4 + length])
            del self._heard[: 4 + length]
            self.messages.append(wire.parse(body))

    def usage(self) -> Usage:
        return tree_usage(self._process.pid)

    def begin_test(self) -> None:
        """From here on its processor time counts for the next test."""
        self._cpu_before = self.usage().cpu_seconds

    def look(self, now: float) -> None:
        """Ends it when all its processes together use more than they may."""
        if now < self._next_look or self.ended:
            return
        self._next_look = now + _LOOK_EVERY
        found = self.usage()
        if found.memory_bytes > self.limits.memory_mib << 20:
            self._exceed("memory")
        elif found.threads > 2 * self.limits.processes + 4:  # the kernel's limit is the first; this one is for root
            self._exceed("processes")
        elif found.cpu_seconds - self._cpu_before > self.limits.cpu_seconds:
            self._exceed("timeout")

    def _exceed(self, kind: FailureKind) -> None:
        self.over = self.over or kind
        self.kill()

    @property
    def ready(self) -> bool:
        """Whether the sandbox stands and its first code has run, as told before any of the program's."""
        return bool(self.messages) and "ready" in self.messages[0]

    @property
    def ended(self) -> bool:
        """Whether the process is over (its output may still have to be read)."""
        if self.status is None:
            self._reap(os.WNOHANG)
        return self.status is not None

    def kill(self) -> None:
        """SIGKILL to all of it: the namespace's first process dies with this one, and with it every other."""
        if self.status is None:
            # Not Popen.kill, which would reap it and lose what it used. It is its group's leader, and not reaped yet.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            os.kill(self._process.pid, signal.SIGKILL)
            self._reap(0)

    def _reap(self, how: int) -> None:
        pid, status, used = os.wait4(self._process.pid, how)
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
            self._process.returncode = self.status
            self.cpu_seconds = used.ru_utime + used.ru_stime

    def close(self) -> None:
        self.kill()
        self._control.close()
        if self._ending is not None:
            os.close(self._ending)
            self._ending = None
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def last_words(self) -> str:
        """The last line on its stderr, or how it ended."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else f"exit status {self.status}"


def _start(launch: Launch, source: int, inherited: list[int]) -> subprocess.Popen[bytes]:
    """`inherited`: the descriptors whose numbers are told at the end of argv (-1: none)."""
    try:
        return subprocess.Popen(
            [*launch.argv, *map(str, inherited)],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=layout().environment,
            cwd="/",
            start_new_session=True,
            pass_fds=[fd for fd in (*inherited, *launch.descriptors) if fd >= 0],
        )
    finally:
        for fd in launch.descriptors:
            os.close(fd)


def rlimits(limits: Limits, tests: int) -> dict[str, int]:
    """For setrlimit, by name. The processor time is a backstop: `look` is exact and counts all processes."""
    seconds = min(limits.cpu_seconds * tests, limits.total_seconds)
    return {
        "CPU": math.ceil(seconds) + 2,
        "AS": limits.memory_mib << 20,
        "NPROC": limits.processes + 2,
        "FSIZE": limits.scratch_mib << 20,
        "NOFILE": limits.open_files,
        "CORE": 0,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "STACK": 64 << 20,
    }


def wait(running: Sequence[Running], seconds: float) -> None:
    """Until something was heard or `seconds` passed; looks at what all of them use meanwhile."""
    for one in running:
        one.look(time.monotonic())
    with selectors.DefaultSelector() as selector:
        for one in running:
            for fd in (*one.descriptors(), *one.ending()):
                selector.register(fd, selectors.EVENT_READ, one)
        if not selector.get_map():
            time.sleep(min(max(seconds, 0.0), 0.005))
            return
        for key, _ in selector.select(max(0.0, min(seconds, _LOOK_EVERY))):
            if key.fd in key.data.descriptors():
                key.data.read(key.fd)


@contextlib.contextmanager
def _readable(text: str | None) -> Iterator[int]:
    """The descriptor of a file with `text` at its beginning, sealed where the kernel can, or nothing to read at all."""
    if text is None:
        yield subprocess.DEVNULL
        return
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            file.write(text.encode(errors="replace"))
            file.seek(0)
            yield file.fileno()
        return
    import fcntl

    fd = os.memfd_create("stdin", os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "wb", closefd=False) as writer:
            writer.write(text.encode(errors="replace"))
        os.lseek(fd, 0, os.SEEK_SET)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        yield fd
    finally:
        os.close(fd)
