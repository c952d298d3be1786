"""How mistakes are worded: nearest names, values as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def nearest(word: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `word`, best first; none when nothing is near."""
    from difflib import get_close_matches  # 10 ms, and only a mistake needs it

    return get_close_matches(word, list(dict.fromkeys(names)), n=count, cutoff=0.55)


def did_you_mean(word: str, names: Iterable[str], label: str) -> str:
    """Advice: the nearest names, then all of them (`label` says what they are)."""
    listed = list(dict.fromkeys(names))
    near = nearest(word, listed)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{guess}{label}: {', '.join(listed) or 'none'}"


def counted(reasons: Mapping[str, int]) -> str:
    """What was left out, most first: `12 without a label, 3 longer than ...`."""
    most_first = sorted(reasons.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in most_first) or "none left out"


def say(value: Any) -> str:
    """A value as it is called in a message: `the text "3"`, `3`, `true`, `a list`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        short = value if len(value) <= 60 else f"{value[:57]}..."
        return f'the text "{short}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**20:
        return f"a number above {10**20:.0e}" if value > 0 else f"a number below {-(10**20):.0e}"
    return f"{value}"
