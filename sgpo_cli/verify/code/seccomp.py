"""A filter of system calls for the sandbox: what no graded program needs and what widens the kernel's surface.

Allowed by default; refused with EPERM: namespaces, mounts, tracing, other processes' memory, sockets (`socketpair`
stays), memory that no limit counts (memfd, System V and POSIX queues and segments), keys, BPF, io_uring, modules,
watches on files, clocks. `clone3` answers ENOSYS, so that the C library takes `clone`, whose flags can be read.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

_EPERM, _ENOSYS = 1, 38
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FLAGS_AT = 0, 4, 16
_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET


@dataclass(frozen=True, slots=True)
class _Machine:
    """An architecture's audit number, its numbers of `clone` and of the refused calls; x32: a second call table."""

    arch: int
    clone: int
    refused: tuple[int, ...]
    second_table: bool


# From 424 on all architectures share their numbers: io_uring, mount calls, pidfd_getfd, mount_setattr, memfd_secret.
_SHARED = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 447)
_CLONE3 = 435

_X86_64 = (
    *(29, 41, 64, 68, 101, 103, 135, 154, 155, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176),
    *(179, 240, 246, 248, 249, 250, 253, 272, 294, 298, 300, 303, 304, 308, 310, 311, 312, 313, 319, 320, 321, 323),
)
_AARCH64 = (
    *(26, 39, 40, 41, 51, 60, 89, 92, 97, 104, 105, 106, 116, 117, 142, 161, 162, 170, 180, 186, 190, 194, 198),
    *(217, 218, 219, 224, 225, 241, 262, 264, 265, 268, 270, 271, 272, 273, 279, 280, 282, 294),
)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 56, _X86_64, second_table=True),
    "aarch64": _Machine(0xC00000B7, 220, _AARCH64, second_table=False),
}


def filter_bytes(machine: str | None = None) -> bytes | None:
    """The filter as an array of struct sock_filter; None on an architecture whose numbers are not known here."""
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return None
    code = [_step(_LOAD, _ARCH_AT), _step(_EQUAL, known.arch, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NUMBER_AT)]
    if known.second_table:
        code += [_step(_AT_LEAST, 0x40000000, 0, 1), _step(_RETURN, _ERRNO | _EPERM)]
    code += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | _ENOSYS)]
    for number in (*known.refused, *_SHARED):
        code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | _EPERM)]
    code += [_step(_EQUAL, known.clone, 0, 3), _step(_LOAD, _FLAGS_AT), _step(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1)]
    code += [_step(_RETURN, _ERRNO | _EPERM), _step(_RETURN, _ALLOW)]
    return b"".join(code)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
