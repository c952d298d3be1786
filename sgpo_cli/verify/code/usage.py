"""What a process and all its descendants use, read from /proc: the second line behind the kernel's own limits.

The kernel limits a single process; only a look at all of them together stops sixteen that take a gigabyte each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds (ended children included once they are reaped), resident private bytes, threads."""

    cpu_seconds: float
    memory_bytes: int
    threads: int


def tree_usage(root: int) -> Usage:
    """The sum over `root` and its descendants. Processes that end meanwhile are left out."""
    cpu, memory, threads = 0, 0, 0
    waiting, seen = [root], 0
    while waiting and seen < 5000:
        pid = waiting.pop()
        seen += 1
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            cpu += sum(map(int, fields[11:15]))  # utime stime cutime cstime
            threads += int(fields[17])
            memory += _private(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_bytes().split())
        except (OSError, IndexError, ValueError):
            continue
    return Usage(cpu / _TICK, memory, threads)


def _private(pid: int) -> int:
    """Bytes of memory that no file on disk stands behind."""
    found = 0
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        if line.startswith((b"RssAnon:", b"RssShmem:")):
            found += int(line.split()[1]) << 10
    return found
