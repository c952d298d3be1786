"""A run has one owner, its children keep it locked, and no child outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.runs.locks import PARENT_VARIABLE, Lock, parent_token
from tests.tiny import environment


def test_a_second_owner_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with Lock(tmp_path / ".lock", what="run x"), pytest.raises(UserError, match=rf"run x is locked.*{os.getpid()}"):
        Lock(tmp_path / ".lock", what="run x").acquire()
    Lock(tmp_path / ".lock", what="run x").acquire().release()


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / ".lock", what="run x").acquire()
    child = subprocess.Popen(["sleep", "30"], pass_fds=lock.descriptors)
    try:
        lock.release()
        with pytest.raises(UserError):
            Lock(tmp_path / ".lock", what="run x").acquire()
    finally:
        child.kill()
        child.wait()
    Lock(tmp_path / ".lock", what="run x").acquire(wait_s=5).release()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    grandchild = "from sgpo_cli.runs.locks import watch_parent; import time; watch_parent(); time.sleep(60)"
    parent = (
        "import os, subprocess, sys, time\n"
        "from sgpo_cli.runs.locks import PARENT_VARIABLE, parent_token\n"
        f"child = subprocess.Popen([sys.executable, '-c', {grandchild!r}],\n"
        "    env={**os.environ, PARENT_VARIABLE: parent_token()}, start_new_session=True)\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    time.sleep(1)
    assert child.is_running()
    process.send_signal(signal.SIGKILL)
    process.wait()
    child.wait(timeout=5)


def test_the_token_names_this_process() -> None:
    assert parent_token().startswith(f"{os.getpid()}:")
    assert PARENT_VARIABLE == "SGPO_PARENT"
