"""Tests that call the program: two sandboxes, one with the program, one with the tests, and a link between them.

The verdict comes from the second, in which no code of the program ever runs. A program that dies or hangs in one test
gets a fresh pair for the rest, as long as its time lasts.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from sgpo_cli.verify.code.interface import interface_of, modules_of
from sgpo_cli.verify.code.outcome import (
    AssertTests,
    CallTests,
    Failure,
    FailureKind,
    FunctionTests,
    count_of,
)
from sgpo_cli.verify.code.process import START_SECONDS, Job, Running, wait


def examine(job: Job, tests: FunctionTests | AssertTests | CallTests) -> dict[int, Failure]:
    """The failures by test. Raises OSError when a process cannot be started, Stopped when nobody wants it any more."""
    told, count = describe(tests), count_of(tests)
    failures: dict[int, Failure] = {}
    first = 0
    while first < count:
        if time.monotonic() >= job.end:
            return failures | _rest(first, count, "not_run", "the time for the whole program was over")
        first = _Session(job, told, first, count).run(failures)
    return failures


def describe(tests: FunctionTests | AssertTests | CallTests) -> dict[str, Any]:
    """The tests as the examiner reads them."""
    if isinstance(tests, CallTests):
        cases = [{"args": list(case.args), "expected": case.expected} for case in tests.cases]
        return {"kind": "calls", "entry_point": tests.entry_point, "cases": cases}
    if isinstance(tests, FunctionTests):
        name = tests.entry_point
        given: dict[str, Any] = {
            "interface": [name],
            "modules": [],
            "check": name,
            "setup": tests.setup,
            "tests": [tests.test],
        }
        return {"kind": "code", **given}
    given = {"interface": list(interface_of(tests)), "modules": list(modules_of(tests)), "check": None}
    return {"kind": "code", **given, "setup": tests.setup, "tests": list(tests.tests)}


def _rest(first: int, count: int, kind: FailureKind, detail: str) -> dict[int, Failure]:
    return {index: Failure(index, kind, detail) for index in range(first, count)}


class _Session:
    """One pair of processes, from test `first` on."""

    def __init__(self, job: Job, tests: dict[str, Any], first: int, count: int) -> None:
        self.job, self.first, self.count = job, first, count
        self.limits = job.limits
        self.current: int | None = None
        self.next = first
        self.started = False
        self.deadline = time.monotonic() + START_SECONDS
        mine, theirs = socket.socketpair()
        with mine, theirs:
            left = count - first
            task: dict[str, Any] = {"mode": "serve", "source": job.program}
            self.program = Running(job.sandbox, task, job.limits, tests=left, link=mine)
            try:
                task = {"mode": "examine", "tests": tests, "first": first, "count": count}
                self.examiner = Running(job.sandbox, task, job.limits, tests=left, link=theirs)
            except BaseException:
                self.program.close()
                raise
        self.both = (self.program, self.examiner)

    def _begin(self) -> None:
        """The wall time of a test, or of loading, starts now."""
        self.started = True
        self.deadline = min(self.job.end, time.monotonic() + self.limits.wall_seconds)

    def run(self, failures: dict[int, Failure]) -> int:
        """Adds to `failures`; the index of the test to go on with in a fresh pair (`count`: done)."""
        try:
            while True:
                self.job.wait(self.both, self.deadline)
                if not self.started and all(one.ready for one in self.both):
                    self._begin()
                found = self._heard(failures)
                if found is None and self.next < self.count:
                    found = self._broken()
                if found is not None:
                    return self._stop(found, failures)
                if self.next >= self.count:
                    return self.count
        finally:
            self.program.close()
            self.examiner.close()

    def _heard(self, failures: dict[int, Failure]) -> tuple[FailureKind, str] | None:
        """Takes in the examiner's messages; a failure that ends the session, if there is one."""
        while len(self.examiner.messages) > (1 if self.examiner.ready else 0):
            message = self.examiner.messages.pop(1)
            if "begin" in message:
                self.current = message["begin"]
                self._begin()
                for one in self.both:
                    one.begin_test()
            elif "end" in message:
                if message["kind"] is not None:
                    failures[message["end"]] = Failure(message["end"], message["kind"], message["detail"])
                self.next, self.current = message["end"] + 1, None
            elif "failed" in message:
                return tuple(message["failed"])
            elif "garbled" in message:
                return tuple(message["garbled"])
            elif "lost" in message:
                return self._how_it_ended()
        return None

    def _broken(self) -> tuple[FailureKind, str] | None:
        """A limit exceeded, a sandbox that did not start, an examiner that died."""
        if self.program.over or self.examiner.over:
            kind = self.program.over or self.examiner.over
            assert kind is not None
            return kind, "in the program" if self.program.over else "in the test, with what the program returned"
        if time.monotonic() >= self.deadline:
            if not self.started:
                return "sandbox_failed", f"it did not start within {START_SECONDS:g} s"
            return "timeout", f"after {self.limits.wall_seconds:g} s of wall time"
        for one, name in ((self.program, "program"), (self.examiner, "tests")):
            if one.ended and not one.descriptors() and not one.ready:
                return "sandbox_failed", f"the sandbox of the {name} ended at once: {one.last_words()}"
        if self.examiner.ended and not self.examiner.descriptors():
            # Only what the program returned can have done that, so it fails closed.
            return "bad_reply", f"the tests' process ended: {self.examiner.last_words()}"
        return None

    def _how_it_ended(self) -> tuple[FailureKind, str]:
        """The program's process closed the link: it exceeded a limit, or left."""
        until = time.monotonic() + 1.0
        while not self.program.ended and time.monotonic() < until:
            wait((self.program,), 0.01)
        self.program.kill()
        if not self.program.ready:
            return "sandbox_failed", f"the sandbox of the program ended: {self.program.last_words()}"
        if self.program.over:
            return self.program.over, "in the program"
        if self.program.cpu_seconds > self.limits.cpu_seconds:
            return "timeout", f"after {self.program.cpu_seconds:.1f} s of processor time"
        return "exited", f"the program's process ended before it had answered ({self.program.last_words()})"

    def _stop(self, found: tuple[FailureKind, str], failures: dict[int, Failure]) -> int:
        """A failure of one test leaves the others; one outside a test (loading, the sandbox) is that of all."""
        kind, detail = found
        if self.current is None or kind == "sandbox_failed":
            failures |= _rest(self.next, self.count, kind, detail)
            return self.count
        failures[self.current] = Failure(self.current, kind, detail)
        return self.current + 1
