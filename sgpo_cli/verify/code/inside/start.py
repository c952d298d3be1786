"""The first code in the sandbox: `main(CONTROL, LINK)` (file descriptors; LINK -1: none), called by layout.BOOT.

It reads the task from CONTROL, takes the limits upon itself (hard ones, so the program cannot raise them), becomes a
user of no rights when it was root, says `ready`, closes CONTROL, and only then runs what it was given.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

HERE = sys.path[-1]


def main(control: int, link: int, lock: Callable[[], None] | None = None) -> None:
    """`lock`: what is left to give up once the user is changed, where no other program has done it."""
    from . import wire

    task = wire.receive(control, most=wire.TRUSTED_BYTES)
    if task["uid"] is not None:
        os.setgroups([])
        os.setresgid(task["uid"], task["uid"], task["uid"])
        os.setresuid(task["uid"], task["uid"], task["uid"])
    limit(task["limits"])
    if lock is not None:
        lock()
    os.environ.clear()
    os.environ.update(task["environment"])
    run = _choose(task, control, link)
    give_exit()
    # Not this folder any more: a program that imports `inside` means a module of its own, and does not find one.
    sys.path[:] = [entry for entry in sys.path if entry != HERE]
    wire.send(control, {"ready": True})
    if task["mode"] != "examine":
        os.close(control)  # `ready` was the last thing this process is believed
    run()


def _choose(task: dict[str, Any], control: int, link: int) -> Callable[[], None]:
    if task["mode"] == "examine":
        from . import examiner

        return lambda: examiner.examine(control, link, task)
    if task["mode"] == "serve":
        from . import program

        nowhere = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):  # what a tested function prints interests nobody
            os.dup2(nowhere, stream)
        os.close(nowhere)
        return lambda: program.serve(link, task["source"])
    return lambda: run_script(task["source"])


def limit(limits: dict[str, int]) -> None:
    """Each limit, soft and hard; a limit that is lower already stays."""
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def give_exit() -> None:
    """`exit` and `quit`, which programs take for Python's own: the site module gives them, and is not loaded here."""
    import builtins
    from _sitebuiltins import Quitter

    for name in ("exit", "quit"):
        setattr(builtins, name, Quitter(name, "Ctrl-D (i.e. EOF)"))


def run_script(source: str) -> None:
    """The program as `__main__`. Leaving by `sys.exit` is leaving; an exception ends with status 1, as ever."""
    import types

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    names: dict[str, Any] = module.__dict__
    with contextlib.suppress(SystemExit):
        exec(compile(source, "program.py", "exec", dont_inherit=True), names)
