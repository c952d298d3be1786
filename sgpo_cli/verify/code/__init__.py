"""Grading of programs that a model wrote, in a sandbox. See `grade_code`, `choose_sandbox`, `extract_code`.

**How a verdict comes about.** The program and the tests never share a process. `exam` starts two sandboxes with a
socket between them: one holds the program and answers "call f with these arguments", the other holds the tests and
compares the values that come back, as plain data rebuilt there. So there is no verdict that the program could print,
no harness to patch, no expected value to read, no `__eq__` of its own that is asked, and nothing to gain by
`sys.exit(0)`, by answering too early, or by killing what it can reach (itself). Programs that read and print
(`script`) are compared in the grader; what is expected never enters the sandbox.

**What the sandbox covers**, with bubblewrap or with the kernel's namespaces directly (`sandbox`, `inside/launch.py`):

- files: an empty root, read-only; Python with its standard library and the shared libraries it needs, read-only, at
  their own paths (in a home, where Python lives in one; the rest of that home is not there); four devices; a script's
  input as /dev/stdin; a /tmp in memory of `scratch_mib`. Of /etc only ld.so.cache, which names the host's shared
  libraries. No project, shell, /proc, /sys, site-packages. No environment.
- other processes: a process namespace that ends, with all in it, when the program or the grader ends.
- network: an empty network namespace, and `socket` is refused.
- kernel surface (x86_64, aarch64): a filter refuses namespaces, mounts, tracing, BPF, io_uring, keys, memory that no
  limit counts, and more (`seccomp`). No capabilities, no_new_privs; as root, a user of its own without any rights.
- limits: processor time, memory, threads, file size, open files by setrlimit, hard; besides, `process` looks at all
  the processes of a program together every 30 ms (time, memory, threads) and ends them; wall time; output.

**What it does not cover.**

- Faults of the kernel itself. For programs of an adversary, put a virtual machine around it.
- Side channels: the time of day, the processor model, the load of the machine, and timing are visible.
- Between two looks a program of many processes may exceed the memory limit for 30 ms; kernel memory (inodes of /tmp
  under bubblewrap, pipes) is bounded by time and by other limits only, not counted. No cgroup is used.
- Programs run side by side slow each other: time limits count processor time, but wall time does tick.
- A correct answer by a wrong way: a program that recognises the arguments and returns remembered values passes.
- What the tests do not compare: `assert f(x)` asks only for truth, and objects that are no plain data tell of
  themselves what they like (attributes, items), though they equal nothing but themselves.
- `Unconfined` (unsafe=True) covers nothing but the limits; a child that leaves the process group survives.
- The aarch64 filter's numbers are from the kernel's table and were not run on such a machine.
"""

from sgpo_cli.verify.code.benchmarks import humaneval_tests, livecodebench_tests, mbpp_tests, with_prelude
from sgpo_cli.verify.code.choice import choose_sandbox
from sgpo_cli.verify.code.extract import complete, extract_code
from sgpo_cli.verify.code.grade import grade_code, grade_many
from sgpo_cli.verify.code.outcome import (
    FAILURE_KINDS,
    AssertTests,
    CallTests,
    Case,
    CodeOutcome,
    CodeTests,
    Failure,
    FailureKind,
    FunctionTests,
    Item,
    Limits,
    StdinTests,
)
from sgpo_cli.verify.code.sandbox import Sandbox

__all__ = [
    "FAILURE_KINDS",
    "AssertTests",
    "CallTests",
    "Case",
    "CodeOutcome",
    "CodeTests",
    "Failure",
    "FailureKind",
    "FunctionTests",
    "Item",
    "Limits",
    "Sandbox",
    "StdinTests",
    "choose_sandbox",
    "complete",
    "extract_code",
    "grade_code",
    "grade_many",
    "humaneval_tests",
    "livecodebench_tests",
    "mbpp_tests",
    "with_prelude",
]
