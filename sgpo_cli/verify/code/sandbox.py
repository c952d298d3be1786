"""The sandboxes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sgpo_cli.verify.code.layout import ABOVE_INSIDE, BOOT, BOOT_LAUNCH, DEVICES, FLAGS, INSIDE, STDIN, layout
from sgpo_cli.verify.code.outcome import Limits
from sgpo_cli.verify.code.seccomp import filter_bytes

_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Launch:
    """How one sandboxed process is started: argv without the two descriptors at its end, descriptors to hand over and
    to close afterwards, and the user that it must become inside (None: it is one without rights already)."""

    argv: tuple[str, ...]
    descriptors: tuple[int, ...]
    uid: int | None


class Sandbox(Protocol):
    """Starts processes that cannot reach the host. `name` is what outcomes and summaries say."""

    name: str

    def launch(self, limits: Limits, stdin: int | None = None) -> Launch:
        """`stdin`: the file (its descriptor) that the process gets as its standard input, for /dev/stdin inside."""
        ...


class Bubblewrap:
    """bubblewrap. As root it needs no user namespace, and the program becomes a user of its own."""

    def __init__(self, *, privileged: bool) -> None:
        self.privileged = privileged
        self.name = "bubblewrap"

    def launch(self, limits: Limits, stdin: int | None = None) -> Launch:
        argv = [shutil.which("bwrap") or "bwrap", *_BWRAP]
        argv += (
            ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            if self.privileged
            else ["--unshare-user", "--uid", "65534", "--gid", "65534"]
        )
        plan = layout()
        # First of all: this Python itself may live below /tmp.
        argv += ["--perms", "1777", "--size", str(limits.scratch_mib << 20), "--tmpfs", "/tmp"]
        for folder in _parents([*DEVICES, *(target for _, target in plan.shown)]):
            argv += ["--perms", "0755", "--dir", folder]  # bwrap's own would be closed to the program's user
        for source, target in plan.shown:
            argv += ["--ro-bind", source, target]
        for device in DEVICES:
            argv += ["--dev-bind", device, device]
        for folder in plan.hidden:
            argv += ["--tmpfs", folder, "--remount-ro", folder]
        descriptors: list[int] = []
        if stdin is not None:
            descriptors.append(os.open(f"/proc/self/fd/{stdin}", os.O_RDONLY))  # with a place of its own in the file
            argv += ["--perms", "0444", "--file", str(descriptors[-1]), STDIN]
        argv += ["--remount-ro", "/", "--chdir", "/tmp"]
        code = filter_bytes()
        if code is not None:
            descriptors.append(_in_memory(code))
            argv += ["--seccomp", str(descriptors[-1])]
        argv += [plan.python, *FLAGS, "-c", BOOT, ABOVE_INSIDE]
        return Launch(tuple(argv), tuple(descriptors), free_uid() if self.privileged else None)


_BWRAP = (
    *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL"),
)


class Namespaces:
    """The same from the kernel's own calls (inside/launch.py), where bubblewrap is not installed."""

    def __init__(self, *, privileged: bool) -> None:
        self.privileged = privileged
        self.name = "namespaces"

    def launch(self, limits: Limits, stdin: int | None = None) -> Launch:
        plan, code = layout(), filter_bytes()
        told = {
            "binds": plan.shown,
            "hidden": plan.hidden,
            "devices": DEVICES,
            "stdin": None if stdin is None else STDIN,
            "scratch_bytes": limits.scratch_mib << 20,
            "user": not self.privileged,
            "parent": os.getpid(),
            "filter": code.hex() if code else None,
        }
        argv = (plan.python, *FLAGS, "-c", BOOT_LAUNCH, str(INSIDE.parent), json.dumps(told))
        return Launch(argv, (), free_uid() if self.privileged else None)


class Unconfined:
    """No sandbox: the limits of `setrlimit` and a process group to kill. Programs see and change what you can."""

    name = "none"

    def launch(self, limits: Limits, stdin: int | None = None) -> Launch:
        return Launch((layout().python, *FLAGS, "-c", BOOT, str(INSIDE.parent)), (), None)


def _parents(targets: Iterable[str]) -> list[str]:
    """The folders above these, outer ones first."""
    found = {str(folder) for target in targets for folder in Path(target).parents}
    return sorted(found - {"/", "/tmp"}, key=len)


def free_uid() -> int:
    """A user that nobody is: the kernel counts processes per user, so each program gets one of its own."""
    number = os.getpid() * 64 + next(_counter) % 64
    ranges = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    if any(first <= 1_000_000_000 and first + count > 2_000_000_000 for first, _, count in ranges):
        return 1_000_000_000 + number % 1_000_000_000
    return 30_000 + number % 30_000


def _in_memory(content: bytes) -> int:
    """A descriptor from which `content` can be read once."""
    found = os.memfd_create("filter")
    os.write(found, content)
    os.lseek(found, 0, os.SEEK_SET)
    return found


def candidates() -> Sequence[Bubblewrap | Namespaces]:
    """What might work here, best first."""
    if sys.platform != "linux":
        return []
    ways = [True, False] if os.geteuid() == 0 else [False]
    found: list[Bubblewrap | Namespaces] = []
    if shutil.which("bwrap"):
        found += [Bubblewrap(privileged=way) for way in ways]
    return [*found, *(Namespaces(privileged=way) for way in ways)]
