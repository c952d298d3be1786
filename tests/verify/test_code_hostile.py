"""Hostile programs: each is contained, scored as what it did and never as right, and the next program is graded."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sgpo_cli.verify.code import AssertTests, Limits, Sandbox, StdinTests, grade_code
from tests.verify.code_sandboxes import KINDS, sandbox_or_skip
from tests.verify.hostile import FUNCTIONS, SCRIPTS

pytestmark = pytest.mark.slow  # half a minute: programs that must be waited for, in every kind of sandbox

LIMITS = Limits(
    cpu_seconds=0.3, wall_seconds=1.2, total_seconds=8, memory_mib=256, processes=8, output_kib=256, scratch_mib=2
)
TESTS = AssertTests(("assert f(5) == 32",))
SLOW = {"a value without end", "a value too deep"}
"""What they are stopped for must come before the clock, on a busy machine too."""
CASES = StdinTests((("5\n", "32\n"),))


@pytest.fixture(params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_or_skip(request.param)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(autouse=True)
def _host_unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Before and after: this process alive, its children gone, the places a program aims at as they were."""
    monkeypatch.setenv("SGPO_SECRET", "told to nobody")
    aimed_at = [Path(p) for p in ("/x", "/etc/x", "/root/x", "/dev/x", "/inside", "/tmp/l", "/tmp/0", "/tmp/x")]
    inside = Path(__file__).parents[2] / "sgpo_cli/verify/code/inside/start.py"
    others = set(psutil.Process().children(recursive=True))  # a pool that another test opened
    before = [os.path.lexists(path) for path in aimed_at], inside.read_bytes(), _descriptors()
    yield
    gone_by = time.monotonic() + 3
    while set(psutil.Process().children(recursive=True)) - others and time.monotonic() < gone_by:
        time.sleep(0.01)
    assert not set(psutil.Process().children(recursive=True)) - others
    assert before == ([os.path.lexists(path) for path in aimed_at], inside.read_bytes(), _descriptors())


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_hostile_function_is_contained(name: str, sandbox: Sandbox, listener: socket.socket) -> None:
    program, kinds = FUNCTIONS[name]
    limits = replace(LIMITS, cpu_seconds=2.0, wall_seconds=5.0) if name in SLOW else LIMITS
    outcome = grade_code(program.replace("PORT", str(listener.getsockname()[1])), TESTS, limits, sandbox)
    assert outcome.passed is False and outcome.fraction == 0.0, outcome
    assert {failure.kind for failure in outcome.failures} <= kinds, outcome
    assert outcome.seconds < 6.0, outcome
    with pytest.raises(BlockingIOError):
        listener.accept()
    good = grade_code("def f(x): return x * x + 7", TESTS, LIMITS, sandbox)
    assert good.passed is True, good


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_hostile_script_is_contained(name: str, sandbox: Sandbox) -> None:
    program, kinds = SCRIPTS[name]
    outcome = grade_code(program, CASES, LIMITS, sandbox)
    assert outcome.passed is False and outcome.kind in kinds, outcome
    assert outcome.seconds < 4.0, outcome
    good = grade_code("print(int(input()) ** 2 + 7)", CASES, LIMITS, sandbox)
    assert good.passed is True, good
