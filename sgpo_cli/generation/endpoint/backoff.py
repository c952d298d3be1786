"""How long to wait before the next try."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SPREAD = 0.25
"""Calls that were told the same Retry-After come back over this share of it, not all in one instant."""


def delay(number: int, backoff_s: tuple[float, float]) -> float:
    """Seconds before try `number` + 1 (from 1): exponential with a cap, and anywhere in its upper half."""
    base, cap = backoff_s
    longest = min(cap, base * 2.0 ** min(number - 1, 60))
    return longest * random.uniform(0.5, 1.0)


def spread(told_s: float, backoff_s: tuple[float, float]) -> float:
    """At least what the server told, plus a little that differs from call to call."""
    return told_s + random.uniform(0.0, min(SPREAD * told_s, backoff_s[0]))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, None where it does not say so in a way that can be understood.

    Retry-After as seconds or as an HTTP date (RFC 9110, 10.2.3), and OpenAI's retry-after-ms. A date is compared with
    the server's own Date where it sends one: its clock need not be ours.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("retry-after")
    seconds = _number(told)
    if seconds is not None or told is None:
        return seconds
    then = _date(told)
    if then is None:
        return None
    now = _date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def words(seconds: float) -> str:
    """As a message says it: 0.25 s, 12 s, 3600 s."""
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
