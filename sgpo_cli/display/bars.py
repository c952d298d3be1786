"""Small pictures made of characters: a sparkline, a progress bar, groups by class. Readable without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.text import Text

_BLOCKS = "▁▂▃▄▅▆▇█"

# (key, word, character): the character tells the class where there is no colour. `rescued` is the part of the
# all-negative groups that got a non-zero advantage; `all_negative` is drawn as what is left.
CLASSES: tuple[tuple[str, str, str], ...] = (
    ("all_correct", "all-correct", "█"),
    ("mixed", "mixed", "▓"),
    ("rescued", "rescued", "▒"),
    ("all_negative", "all-negative", "░"),
    ("ungraded", "ungraded", "?"),
)


def sparkline(values: Sequence[float | None], *, width: int = 24, top: float | None = None) -> str:
    """The last `width` bins of a curve from 0 to `top` (its largest value when None); a gap for a missing value."""
    binned = bins(values, width)
    known = [value for value in binned if value is not None]
    if not known:
        return ""
    ceiling = max(known) if top is None else top
    return "".join(" " if value is None else _block(value, ceiling) for value in binned)


def _block(value: float, top: float) -> str:
    level = 0 if top <= 0 else round(max(0.0, min(1.0, value / top)) * (len(_BLOCKS) - 1))
    return _BLOCKS[level]


def bins(values: Sequence[float | None], count: int) -> list[float | None]:
    """At most `count` means of consecutive values; a bin without a known value is None."""
    if len(values) <= count:
        return list(values)
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    return [_mean(values[a:b]) for a, b in pairwise(edges)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def progress_bar(done: float, total: float | None, *, width: int = 24) -> Text:
    filled = 0 if not total else round(width * max(0.0, min(1.0, done / total)))
    return Text("━" * filled, style="good").append("╌" * (width - filled), style="quiet")


def split_groups(groups: Mapping[str, int | None]) -> dict[str, int]:
    """Counts for drawing, which sum to the total: rescued groups are taken out of the all-negative ones."""
    counts = {key: groups.get(key) or 0 for key, _, _ in CLASSES}
    counts["all_negative"] = max(0, counts["all_negative"] - counts["rescued"])
    return counts


def group_bar(groups: Mapping[str, int | None], *, width: int = 32) -> Text:
    """The groups of one step as a stacked bar of exactly `width` characters (largest remainders)."""
    counts = split_groups(groups)
    total = sum(counts.values())
    if total == 0:
        return Text("╌" * width, style="quiet")
    exact = {key: width * count / total for key, count in counts.items()}
    cells = {key: int(value) for key, value in exact.items()}
    for key in sorted(exact, key=lambda k: cells[k] - exact[k])[: width - sum(cells.values())]:
        cells[key] += 1
    bar = Text()
    for key, _, character in CLASSES:
        bar.append(character * cells[key], style=f"group.{key}")
    return bar


def group_legend(groups: Mapping[str, int | None]) -> Text:
    """`▓ 10 mixed  ▒ 14 rescued  ░ 8 all-negative`: the classes that occur."""
    counts = split_groups(groups)
    legend = Text()
    for key, word, character in CLASSES:
        if counts[key]:
            legend.append("  " if legend.plain else "").append(character, style=f"group.{key}")
            legend.append(f" {counts[key]} {word}")
    return legend
