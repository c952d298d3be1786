"""Grading programs: one, or many side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sgpo_cli.verify.code.exam import examine
from sgpo_cli.verify.code.outcome import CodeOutcome, CodeTests, Failure, Item, Limits, StdinTests, count_of, outcome
from sgpo_cli.verify.code.process import Job, Stopped
from sgpo_cli.verify.code.sandbox import Sandbox
from sgpo_cli.verify.code.script import run_cases


def grade_code(program: str, tests: CodeTests, limits: Limits, sandbox: Sandbox) -> CodeOutcome:
    """Runs the program's tests in the sandbox. Never raises for anything the program does."""
    return _grade(Item(program, tests, limits), sandbox, threading.Event())


def grade_many(items: Sequence[Item], sandbox: Sandbox, *, workers: int = 2) -> list[CodeOutcome]:
    """Outcomes in the order of `items`. Threads do: the work is done in the sandboxed processes.

    Interrupted (Ctrl-C), it ends the programs that run, and raises."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="code") as threads:
        try:
            return list(threads.map(lambda item: _grade(item, sandbox, stop), items))
        except BaseException:
            stop.set()
            raise


def _grade(item: Item, sandbox: Sandbox, stop: threading.Event) -> CodeOutcome:
    began = time.monotonic()
    count = count_of(item.tests)
    job = Job(item.program, sandbox, item.limits, began + item.limits.total_seconds, stop)
    try:
        failures = run_cases(job, item.tests) if isinstance(item.tests, StdinTests) else examine(job, item.tests)
    except OSError as problem:
        failures = {index: Failure(index, "sandbox_failed", str(problem)[:300]) for index in range(count)}
    except Stopped:
        failures = {index: Failure(index, "not_run", "stopped") for index in range(count)}
    return outcome(failures, count, time.monotonic() - began, sandbox.name)
