"""How numbers are written, the same in the terminal and in the report. A figure that is missing is a dash."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

DASH = "–"
# Terminal escapes and direction overrides in a model's answer must not reach a terminal; lone surrogates no file.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with every control character but newline and tab replaced by `�`, length kept."""
    return _UNPRINTABLE.sub("\ufffd", text)


def share(value: float | None, digits: int = 3) -> str:
    """A number in [0, 1], as `0.863`."""
    return DASH if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share, as `86%`; never rounded to 0% or 100% when it is neither."""
    if value is None:
        return DASH
    if 0 < value < 0.005:
        return "<1%"
    if 0.995 < value < 1:
        return ">99%"
    return f"{100 * value:.0f}%"


def number(value: float | None) -> str:
    """Three significant digits: `0.0312`, `4.2`, `1,024`, `3e-06`."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def compact(count: float | None) -> str:
    """`812`, `51.2K`, `7.62B`: for counts that nobody adds up."""
    if count is None:
        return DASH
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}"


def signed(value: float | None) -> str:
    """`+1.23`, `-0.50`, `0`."""
    if value is None:
        return DASH
    return "0" if abs(value) < 5e-7 else f"{value:+.2f}"


def interval(ci95: Sequence[float] | None, digits: int = 3) -> str:
    """`[0.841, 0.882]`."""
    if not ci95 or len(ci95) != 2 or any(bound is None for bound in ci95):
        return DASH
    return f"[{ci95[0]:.{digits}f}, {ci95[1]:.{digits}f}]"


def duration(seconds: float | None) -> str:
    """`19 ms`, `0.4 s`, `48 s`, `2 min 10 s`, `3 h 05 min`, `12 days`."""
    if seconds is None:
        return DASH
    if 0 < seconds < 0.1:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 100 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 86400:,.0f} days"


def clock(seconds: float | None) -> str:
    """`0:48`, `12:05`, `3:05:00`: for figures that tick."""
    if seconds is None:
        return "-:--"
    whole = max(0, round(seconds))
    head, tail = divmod(whole, 60)
    return f"{head // 60}:{head % 60:02d}:{tail:02d}" if head >= 60 else f"{head}:{tail:02d}"


def rate(per_second: float | None, unit: str = "") -> str:
    """`1.9/s`, or `2.4/min` when slower than one a second... `12 rows/s` with a unit."""
    if per_second is None:
        return DASH
    label = f" {unit}" if unit else ""
    if per_second >= 1:
        return f"{number(float(f'{per_second:.3g}'))}{label}/s"
    return f"{number(float(f'{60 * per_second:.3g}'))}{label}/min"


def span(bounds: Sequence[float] | None) -> str:
    """A range of durations, as an estimate gives it: `40 s to 1 min 20 s`."""
    if not bounds:
        return DASH
    low, high = bounds[0], bounds[-1]
    return duration(low) if duration(low) == duration(high) else f"{duration(low)} to {duration(high)}"


def plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
