"""The pool: hard timeouts, crashes, recycling, threads, forks, and no orphans."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.verify import process
from sgpo_cli.verify.outcome import Grade, GradeItem
from sgpo_cli.verify.pool import Grader

HANGS = GradeItem(r"\boxed{\sum_{k=1}^{10^{12}} k^k}", "18")
EASY = [GradeItem(rf"\boxed{{x+{n}}}", f"{n}+x") for n in range(6)]  # right, and needs computer algebra
WRONG = GradeItem(r"\boxed{x+1}", "x+2")


def test_a_timeout_kills_the_worker_and_costs_only_its_item():
    with Grader(timeout=1.0) as grader:
        started = time.monotonic()
        grades = grader.grade_many([EASY[0], HANGS, WRONG, EASY[1]])
        assert time.monotonic() - started < 10
    assert [grade.reason for grade in grades] == ["match", "timeout", "mismatch", "match"]
    assert grades[1] == Grade(None, r"\sum_{k=1}^{10^{12}} k^k", "timeout")


def test_a_crash_costs_only_the_comparison_in_flight():
    with Grader(timeout=20) as grader:
        grader.grade_many(EASY[:1])
        victim = grader._workers[0].pid
        threading.Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
        grades = grader.grade_many([HANGS, *EASY])
    assert [grade.reason for grade in grades] == ["error"] + ["match"] * len(EASY)
    assert grades[0].outcome is None


def test_an_idle_worker_that_dies_is_noticed():
    with Grader() as grader:
        grader.grade_many(EASY[:1])
        os.kill(grader._workers[0].pid, signal.SIGKILL)
        time.sleep(0.2)
        grades = grader.grade_many(EASY)
    assert [grade.reason for grade in grades] == ["match"] * len(EASY)


def test_workers_are_recycled_and_order_is_kept():
    with Grader(workers=2, recycle_after=2) as grader:
        items = [one for pair in zip(EASY, [WRONG] * 6, strict=True) for one in pair]
        pids = set()
        for start in range(0, len(items), 4):
            grades = grader.grade_many(items[start : start + 4])
            assert [grade.outcome for grade in grades] == [1, 0, 1, 0]
            pids |= {worker.pid for worker in grader._workers}
        assert len(pids) > 2
        assert len(grader._workers) <= 2


def test_equal_comparisons_are_run_once(monkeypatch):
    sent = []
    send = process.Worker.send
    monkeypatch.setattr(process.Worker, "send", lambda self, one: (sent.append(one), send(self, one)))
    with Grader() as grader:
        assert {grade.outcome for grade in grader.grade_many([EASY[0]] * 8)} == {1}
    assert len(sent) == 1


def test_exact_items_and_plain_numbers_need_no_worker():
    with Grader() as grader:
        grades = grader.grade_many([GradeItem("# e9", "e9", "exact"), GradeItem(r"\boxed{033}", "33")])
        assert [grade.outcome for grade in grades] == [1, 1]
        assert not grader._workers


def test_any_thread_may_grade_at_the_same_time():
    wrong: list[object] = []

    def work() -> None:
        outcomes = [grade.outcome for grade in grader.grade_many([*EASY, WRONG])]
        if outcomes != [1] * 6 + [0]:
            wrong.append(outcomes)

    with Grader() as grader:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def _grade_into(queue, grader):
    queue.put([grade.outcome for grade in grader.grade_many([*EASY, WRONG])])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_daemon_child_process_may_grade(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    with Grader() as grader:
        if method == "fork":
            grader.grade_many(EASY[:1])  # the child inherits live pipes and must not use them
        inherits = method == "fork"
        target, args = (_grade_into, (queue, grader)) if inherits else (_fresh, (queue,))
        child = context.Process(target=target, args=args, daemon=True)
        child.start()
        assert queue.get(timeout=60) == [1] * 6 + [0]
        child.join(20)
        assert [grade.outcome for grade in grader.grade_many([*EASY, WRONG])] == [1] * 6 + [0]


def _fresh(queue):
    with Grader() as grader:
        _grade_into(queue, grader)


PARENT = """
import sys, time
from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.pool import Grader
grader = Grader(timeout={timeout})
grader.grade_many([GradeItem(r"\\boxed{{x+1}}", "1+x")])
print(grader._workers[0].pid, flush=True)
if {busy}:
    grader.grade_many([GradeItem(r"\\boxed{{\\sum_{{k=1}}^{{10^{{12}}}} k^k}}", "18")])
time.sleep(60)
"""


@pytest.mark.parametrize(("busy", "within"), [(False, 5), (True, 12)])
def test_no_worker_outlives_a_killed_parent(busy, within):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(busy=busy, timeout=1)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + within
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_close_ends_the_workers_and_the_grader_can_go_on():
    grader = Grader()
    grader.grade_many(EASY[:1])
    worker = grader._workers[0].pid
    grader.close()
    assert not _alive(worker)
    assert grader.grade_many(EASY[:1])[0].outcome == 1
    grader.close()


def test_a_worker_that_cannot_start_fails_the_run_with_its_reason(monkeypatch):
    broken = "import sys; sys.exit('no math-verify here')"
    popen = subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda command, **rest: popen([sys.executable, "-c", broken], **rest)
    )
    with Grader() as grader, pytest.raises(RunFailed, match="no math-verify here"):
        grader.grade_many(EASY[:1])


def test_the_worker_imports_no_torch():
    code = (
        "import sys; from sgpo_cli.verify.math_answer import equal; equal('x+1', '1+x'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_nonsense_settings_are_the_users_mistake():
    with pytest.raises(UserError):
        Grader(workers=0)
