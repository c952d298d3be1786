"""What `sgpo doctor` found of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` in a word or two, what was found in a line, and, where it is not ok, what to do about it.

    A warning may matter; an error stops the runs that need it.
    """

    subject: str
    level: Level
    what: str
    fix: str | None = None
