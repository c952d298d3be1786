"""Stopping politely: SIGTERM and Ctrl-C ask, the work in hand looks, saves, and raises `Interrupted`.

The first signal asks; a second one of the same process ends it at once (the last checkpoint then stands).
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from sgpo_cli.errors import Interrupted

_asked = threading.Event()
_signal = signal.SIGINT


def _ask(number: int, _frame: FrameType | None) -> None:
    global _signal
    if _asked.is_set():
        if os.isatty(2):
            os.write(2, b"\x1b[?25h\nstopped at once; what the last checkpoint has is kept\n")
        os._exit(128 + number)
    _signal = signal.Signals(number)
    _asked.set()


def install() -> None:
    """Makes SIGINT and SIGTERM ask for a stop; call it in the main thread."""
    signal.signal(signal.SIGINT, _ask)
    signal.signal(signal.SIGTERM, _ask)


def ignore() -> None:
    """Makes both do nothing from here on: all is written, and as Python ends it gives signals their deadly default."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def stop_asked() -> bool:
    return _asked.is_set()


def exit_code() -> int:
    """130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + int(_signal)


def raise_if_asked(what: str) -> None:
    """Raises `Interrupted` when a stop was asked for; call it where the state is saved."""
    if _asked.is_set():
        raise Interrupted(what, code=exit_code())


def reset() -> None:
    """Forgets the request (the in-process launcher runs several stages in one process)."""
    _asked.clear()
