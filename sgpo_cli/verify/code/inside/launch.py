"""A sandbox of the kernel's own means, for machines without bubblewrap: `main(PLAN, CONTROL, LINK)`.

Runs on the host for an instant: new mount, process, network, IPC, name (and user) namespaces, an empty root with the
plan's binds in it, then a first process that does nothing but wait, and as its child, with no rights left and the
filter of system calls in force, the same start as everywhere. Killing this process kills them all.

PLAN is JSON: {binds: [[source, target]], hidden: [folder], devices: [file], stdin (where a copy of the standard input
goes, or null), scratch_bytes, user (a user namespace is needed), parent (the process that must live), filter (hex, or
null)}. A step that fails ends it with the step's name
on stderr, before anything of the program is read.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any, NoReturn

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    *(0x20000, 0x2000000, 0x4000000, 0x8000000),
    *(0x10000000, 0x20000000, 0x40000000),
)
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
SET_PDEATHSIG, SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVS = 1, 4, 22, 38
CAPSET = {"x86_64": 126, "aarch64": 91}
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
# statvfs flags of a mount that its remount in a user namespace may not drop, as the flags of mount(2).
LOCKED = ((2, NOSUID), (4, NODEV), (8, NOEXEC), (1024, 1024), (2048, 2048), (4096, 1 << 21))

libc = ctypes.CDLL(None, use_errno=True)


def main(told: str, control: int, link: int) -> None:
    plan: dict[str, Any] = json.loads(told)
    # All of them now: this folder's path is another one inside.
    from . import examiner, program, start  # noqa: F401

    check(libc.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != plan["parent"]:
        sys.exit("launch: the grader is gone")
    separate(plan["user"])
    build_root(plan)
    first = os.fork()
    if first:
        wait_and_leave(first)
    check(libc.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    check(libc.prctl(SET_DUMPABLE, 0, 0, 0, 0), "prctl")
    second = os.fork()
    if second:
        wait_and_leave(second)
    check(libc.prctl(SET_DUMPABLE, 1, 0, 0, 0), "prctl")
    start.main(control, link, lock=lambda: drop_rights(plan["filter"]))


def check(result: int, step: str) -> None:
    if result < 0:
        sys.exit(f"launch: {step}: {os.strerror(ctypes.get_errno())}")


def separate(user: bool) -> None:
    """The new namespaces; in a user namespace this user is called 65534 and is root of nothing outside."""
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP | (NEWUSER if user else 0)), "unshare")
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"65534 {uid} 1"), ("gid_map", f"65534 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib costs more than the rest together
                file.write(text)
    libc.sethostname(b"sandbox", 7)


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    check(libc.mount(*texts, ctypes.c_ulong(flags), options.encode() if options else None), f"mount {target}")


def build_root(plan: dict[str, Any]) -> None:
    """An empty root in memory, read-only at the end, with the binds, four devices and a small /tmp."""
    mount("none", "/", None, REC | PRIVATE)
    copied = os.fstat(0).st_size if plan["stdin"] else 0
    mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, f"mode=755,size={(1 << 20) + copied}")
    os.mkdir("/tmp/host")  # noqa: PTH102
    os.chdir("/tmp")
    check(libc.syscall(PIVOT_ROOT[os.uname().machine], b"/tmp", b"/tmp/host"), "pivot_root")
    os.chdir("/")
    os.mkdir("/tmp")  # noqa: PTH102 - before the binds: this Python itself may live below /tmp
    mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, f"mode=1777,size={plan['scratch_bytes']},nr_inodes=1024")
    for source, target in plan["binds"]:
        show(f"/host{source}", target)
    for device in plan["devices"]:
        make_file(device)
        mount(f"/host{device}", device, None, BIND)
    if plan["stdin"]:
        copy_input(plan["stdin"])
    for folder in plan["hidden"]:
        mount("tmpfs", folder, "tmpfs", RDONLY | NOSUID | NODEV, "mode=755,size=4k")
    check(libc.umount2(b"/host", DETACH), "umount")
    os.rmdir("/host")  # noqa: PTH106
    mount("none", "/", None, REMOUNT | BIND | RDONLY | NOSUID | NODEV)
    os.chdir("/tmp")


def show(source: str, target: str) -> None:
    """A read-only view of one file or folder of the host."""
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        make_file(target)
    mount(source, target, None, BIND)
    had = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in LOCKED if had & seen)
    mount("none", target, None, REMOUNT | BIND | RDONLY | kept | NOSUID | NODEV)


def copy_input(path: str) -> None:
    """The standard input, a file, as a file of its own; what is read of it next stays its beginning."""
    make_file(path)
    fd, done = os.open(path, os.O_WRONLY), 0
    while sent := os.sendfile(fd, 0, done, 1 << 20):
        done += sent
    os.close(fd)


def make_file(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def wait_and_leave(child: int) -> NoReturn:
    """Reaps whatever ends, and ends as `child` does; from the first process of a namespace that ends all of it."""
    for fd in range(3, 64):
        try:
            os.close(fd)
        except OSError:
            continue
    while True:
        found, status = os.wait()
        if found == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)


def drop_rights(code: str | None) -> None:
    """After the user was changed: die with the first process, no capabilities, no way back, the filter."""
    check(libc.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.syscall(CAPSET[os.uname().machine], header, (ctypes.c_uint32 * 6)()), "capset")
    check(libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if code is None:
        return
    raw = bytes.fromhex(code)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    filters = Program(len(raw) // 8, raw)
    check(libc.prctl(SET_SECCOMP, 2, ctypes.byref(filters), 0, 0), "seccomp")
