"""Tests that run the whole program: text in, text out, a fresh sandbox a test. What is expected never leaves here."""

from __future__ import annotations

import time

from sgpo_cli.verify.code.compare import same_output
from sgpo_cli.verify.code.outcome import Failure, FailureKind, Limits, StdinTests
from sgpo_cli.verify.code.process import START_SECONDS, Job, Running, wait


def run_cases(job: Job, tests: StdinTests) -> dict[int, Failure]:
    """The failures by test. Raises OSError when a process cannot be started, Stopped when nobody wants it any more."""
    failures: dict[int, Failure] = {}
    for index, (given, expected) in enumerate(tests.cases):
        if time.monotonic() >= job.end:
            failures[index] = Failure(index, "not_run", "the time for the whole program was over")
            continue
        found = _one(job, given, expected)
        if found is not None:
            failures[index] = Failure(index, found[0], found[1][:300])
    return failures


def _one(job: Job, given: str, expected: str) -> tuple[FailureKind, str] | None:
    running = Running(job.sandbox, {"mode": "script", "source": job.program}, job.limits, stdin=given)
    try:
        started, deadline = False, time.monotonic() + START_SECONDS
        while not running.ended and time.monotonic() < deadline:
            job.wait((running,), deadline)
            if running.ready and not started:
                started, deadline = True, min(job.end, time.monotonic() + job.limits.wall_seconds)
        late = not running.ended
        running.kill()
        _read_the_rest(running)
        return _verdict(running, expected, job.limits, late)
    finally:
        running.close()


def _read_the_rest(running: Running) -> None:
    """What is left in the pipes. Their writers are dead, so it ends; without a sandbox one may have survived."""
    until = time.monotonic() + 0.5
    while running.descriptors() and not running.over and time.monotonic() < until:
        wait((running,), until - time.monotonic())


def _verdict(running: Running, expected: str, limits: Limits, late: bool) -> tuple[FailureKind, str] | None:
    if not running.ready:
        return "sandbox_failed", f"the sandbox did not start: {running.last_words()}"
    if running.over:
        return running.over, "in the program"
    if late:
        return "timeout", f"after {limits.wall_seconds:g} s of wall time"
    if running.status != 0:
        return _ended_badly(running, limits)
    if same_output(running.stdout.decode(errors="replace"), expected):
        return None
    return "wrong", f"printed {bytes(running.stdout[:100])!r}, expected {expected[:100]!r}"


def _ended_badly(running: Running, limits: Limits) -> tuple[FailureKind, str]:
    words = running.last_words()
    if running.cpu_seconds > limits.cpu_seconds:
        return "timeout", f"after {running.cpu_seconds:.1f} s of processor time"
    if words.startswith("MemoryError"):
        return "memory", words
    if words.startswith(("SyntaxError", "IndentationError", "TabError")):
        return "syntax", words
    return ("raised" if running.status == 1 else "exited"), words
