"""What is asked of a code grader and what it answers: limits, tests of three kinds, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

FailureKind = Literal[
    "wrong",  # a test compared and found a difference
    "raised",  # the program raised, on loading or in a call
    "syntax",  # the program is no Python
    "missing",  # it does not define what is tested
    "exited",  # its process ended (sys.exit, a crash) before it had answered
    "timeout",  # processor time, wall time or the whole program's time
    "memory",  # too much memory
    "processes",  # too many processes or threads
    "output",  # it printed or returned too much
    "bad_reply",  # what its process said is no value: it tampered with its own side
    "not_run",  # the time for the whole program was over before this test
    "test_error",  # the test itself is broken: nobody's answer is measured by it
    "sandbox_failed",  # the sandbox could not be started, or died by itself
]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)
UNGRADED: frozenset[str] = frozenset({"test_error", "sandbox_failed"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use. Exceeding one is a failure of its own kind, never a plain wrong answer.

    `cpu_seconds` counts the processor time of a test in all the program's processes, so a busy machine does not fail
    a good program; `wall_seconds` is what ends one that sleeps. `memory_mib` holds for each process's address space
    and for the sum of what all of them keep in memory. Raises ValueError for a limit that is not positive.
    """

    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    total_seconds: float = 120.0
    memory_mib: int = 1024
    processes: int = 16
    output_kib: int = 4096
    scratch_mib: int = 4
    open_files: int = 32

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class FunctionTests:
    """HumanEval's kind, one test: `test` defines `check(candidate)`; `setup` is the prompt, for its helpers."""

    test: str
    entry_point: str
    setup: str = ""


@dataclass(frozen=True, slots=True)
class AssertTests:
    """MBPP's kind, a test a statement. `interface`: the names that come from the program, None: those that are
    nobody else's. A name of Python's own under test (MBPP 126 tests a function `sum`) must be told."""

    tests: tuple[str, ...]
    setup: str = ""
    interface: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments of one call and the value it must return; both plain JSON values."""

    args: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True, slots=True)
class CallTests:
    """LeetCode's kind, a test a call of `entry_point` ("f", or "Solution.f": a fresh instance a call)."""

    entry_point: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class StdinTests:
    """A test a run of the whole program: (stdin, expected stdout), compared as contest judges do."""

    cases: tuple[tuple[str, str], ...]


CodeTests = FunctionTests | AssertTests | CallTests | StdinTests


@dataclass(frozen=True, slots=True)
class Failure:
    """One test that was not passed: its index, one of FAILURE_KINDS, and a line for people (at most 300 characters)."""

    test: int
    kind: FailureKind
    detail: str


@dataclass(frozen=True, slots=True)
class CodeOutcome:
    """`passed` and `fraction` (passed tests / tests) are None where nothing was measured: the sandbox failed, or the
    test is broken. Such a sample is counted as ungraded, never as wrong."""

    passed: bool | None
    fraction: float | None
    failures: tuple[Failure, ...]
    seconds: float
    sandbox: str

    @property
    def kind(self) -> str:
        """`passed`, or the kind of the first failure, or the reason that nothing was measured."""
        ungraded = [failure.kind for failure in self.failures if failure.kind in UNGRADED]
        if ungraded:
            return ungraded[0]
        return self.failures[0].kind if self.failures else "passed"


def outcome(failures: Mapping[int, Failure], count: int, seconds: float, sandbox: str) -> CodeOutcome:
    """The outcome of `count` tests, of which these failed."""
    listed = tuple(failures[index] for index in sorted(failures))
    if any(failure.kind in UNGRADED for failure in listed) or count == 0:
        return CodeOutcome(None, None, listed, seconds, sandbox)
    return CodeOutcome(not listed, (count - len(listed)) / count, listed, seconds, sandbox)


def count_of(tests: CodeTests) -> int:
    """How many tests there are."""
    if isinstance(tests, FunctionTests):
        return 1
    return len(tests.tests) if isinstance(tests, AssertTests) else len(tests.cases)


@dataclass(frozen=True, slots=True)
class Item:
    """One program and its tests, for grading many."""

    program: str
    tests: CodeTests
    limits: Limits = field(default_factory=Limits)
