"""Looking for a file under several directories, for text that may not even be a path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def look(text: str, roots: Iterable[Path]) -> Path | None:
    """The first of the roots under which something stands at `text`, resolved; None when there is nothing.

    `text` may be absolute or start with `~`. What no system takes for a path (too long, a NUL, an unknown user's home)
    is nowhere.
    """
    try:
        path = Path(text).expanduser()
        return next((found.resolve() for root in roots if (found := root / path).exists()), None)
    except (OSError, ValueError, RuntimeError):
        return None


def listed(directory: Path) -> list[Path]:
    """What lies in a directory, by name, hidden files left out; nothing when there is none that we may read."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except (OSError, ValueError):
        return []
