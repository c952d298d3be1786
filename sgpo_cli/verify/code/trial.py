"""The trial of a sandbox: it must run a program, and keep it from everything that it should not reach."""

from __future__ import annotations

import json
from pathlib import Path

from sgpo_cli.verify.code.outcome import Limits
from sgpo_cli.verify.code.process import Running, wait
from sgpo_cli.verify.code.sandbox import Sandbox

_LIMITS = Limits(cpu_seconds=5, wall_seconds=10, memory_mib=512, processes=8)

_PROGRAM = """
import json, os, socket
found = []
for path in {paths!r}:
    if os.path.lexists(path):
        found.append("sees " + path)
for path in ("/", "/sandbox/inside", os.__file__.rpartition("/")[0]):
    try:
        open(path.rstrip("/") + "/x", "w").close()
        found.append("writes to " + path)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError as problem:
    if problem.errno == 111:
        found.append("has a network")
if os.getuid() == 0 or os.geteuid() == 0:
    found.append("is root")
if set(os.environ) - {{"HOME", "PATH", "PYTHONHASHSEED", "LC_CTYPE"}}:
    found.append("has an environment")
for path, how in (("/dev/null", "r+b"), ("/dev/urandom", "rb"), ("/dev/stdin", "rb"), ("/tmp/x", "wb")):
    try:
        open(path, how, buffering=0).close()
    except OSError as problem:
        found.append(f"cannot open {{path}} ({{problem.strerror}})")
children = []
try:
    while len(children) < 40:
        child = os.fork()
        if child == 0:
            import time
            time.sleep(20)
            os._exit(0)
        children.append(child)
    found.append("forks without limit")
except OSError:
    pass
if not children:
    found.append("cannot fork at all")
print(json.dumps(found))
"""


def try_out(sandbox: Sandbox) -> str | None:
    """None when it holds; else what is wrong with it."""
    paths = ["/etc/passwd", "/proc/self", "/sys", "/bin/sh", str(Path.home() / ".bashrc"), str(Path(__file__))]
    try:
        running = Running(sandbox, {"mode": "script", "source": _PROGRAM.format(paths=paths)}, _LIMITS, stdin="")
    except OSError as problem:
        return str(problem)
    try:
        for _ in range(1000):
            if running.ended and not running.descriptors():
                break
            wait((running,), 0.01)
        if running.over:
            return f"no limit held before the watch over it did ({running.over})"
        if running.status != 0:
            return running.last_words()
        found = json.loads(running.stdout)
        return ", ".join(found) or None
    except ValueError as problem:
        return f"its answer cannot be read ({problem})"
    finally:
        running.close()
