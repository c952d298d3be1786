"""The grading worker: one JSON comparison a line in, one JSON reason a line out, until its input ends.

Run by pool.Grader as `python -m sgpo_cli.verify.worker PARENT_PID SECONDS`. It never outlives its parent for long: it
leaves when its input ends or its parent changes, and an alarm of the operating system (default action: death) cuts
off a comparison that runs far beyond the timeout, even inside C code, in case nobody is left to kill it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from sgpo_cli.verify.grade import Comparison

_MEMORY_BYTES = 4 << 30
_GRACE_SECONDS = 5
_POLL_SECONDS = 1.0


def main(parent: int, seconds: int) -> None:
    """Serves comparisons; `seconds` is the pool's timeout, rounded up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes our input
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _cap_memory()
    replies = _own_stdout()

    from sgpo_cli.verify.grade import settle
    from sgpo_cli.verify.math_answer import equal

    equal("1", "1")  # loads the libraries and their grammars before the first deadline starts
    _reply(replies, {"ready": True})
    waiting = b""
    while True:
        line, found, rest = waiting.partition(b"\n")
        if not found:
            more = _read(parent)
            if not more:
                return
            waiting += more
            continue
        waiting = rest
        request = json.loads(line)
        signal.alarm(seconds + _GRACE_SECONDS)
        try:
            reason = settle(_comparison(request))
        except Exception as problem:  # noqa: BLE001 - computer algebra raises anything; recorded as this item's reason
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
            reason = "error"
        signal.alarm(0)
        _reply(replies, {"reason": reason})


def _comparison(request: dict[str, Any]) -> Comparison:
    from sgpo_cli.verify.grade import Comparison

    several = request["several"]
    return Comparison(request["answer"], tuple(request["golds"]), None if several is None else tuple(several))


def _read(parent: int) -> bytes:
    """Some bytes of input; empty when it has ended or the parent is gone."""
    stdin = sys.stdin.fileno()
    while not select.select([stdin], [], [], _POLL_SECONDS)[0]:
        if os.getppid() != parent:
            return b""
    return os.read(stdin, 1 << 16)


def _own_stdout() -> BinaryIO:
    """The stream of replies; anything that a library prints goes to stderr from now on."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return replies


def _reply(replies: BinaryIO, message: dict[str, object]) -> None:
    replies.write(json.dumps(message).encode() + b"\n")


def _cap_memory() -> None:
    """A hostile formula ends this process, not the machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    cap = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (cap, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
