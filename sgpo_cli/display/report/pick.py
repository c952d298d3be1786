"""Which groups the report shows: for each third of the run, the one with the most to see; read in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sgpo_cli.display.groups import Row, class_of, groups_of, was_rescued

# (what, how many parts the run is cut into): from each part one group is shown.
_WANTED = (("rescued", 3), ("mixed", 2), ("no signal", 1), ("ungraded", 1))
_WITHOUT_RESCUE = (("no signal", 3), ("mixed", 2), ("ungraded", 1))
# Only where there is nothing of these: a run in which no group, or every group, got a signal still shows rollouts.
_NOTHING_ELSE = ((("ungraded", 3),), (("all_correct", 1),))
_WHEN = {1: ("",), 2: ("early", "late"), 3: ("early", "middle", "late")}


@dataclass(frozen=True, slots=True)
class Picked:
    """A whole group and why it is shown."""

    what: str
    when: str
    rows: list[Row]


def pick(rows: Iterable[Row], *, first: int, last: int) -> list[Picked]:
    """Up to seven groups of the steps `first` to `last`: the rescued ones first, each kind in the order of the run.

    Rescued: the most different rewards. Mixed: nearest to half right. No signal: the first all-negative group that got
    no advantage (all of GRPO's are). In a run without rescue, those stand in the rescued groups' place. One ungraded
    group is shown, or three when none was ever graded; an all-correct one only where there is no other.
    """
    best: dict[tuple[str, int], tuple[float, list[Row]]] = {}
    for group in groups_of(rows):
        what, score = _interest(group)
        for kind, parts in _parts(what):
            part = _part(group[0]["step"], first, last, parts)
            key = (f"{kind}/{parts}", part)
            if key not in best or score > best[key][0]:
                best[key] = (score, group)
    return _chosen(best)


def _interest(group: Sequence[Row]) -> tuple[str, float]:
    kind = class_of(group)
    if was_rescued(group):
        return "rescued", len({round(row.get("reward") or 0.0, 6) for row in group})
    if kind == "mixed":
        return "mixed", -abs(sum(row.get("outcome") == 1 for row in group) - len(group) / 2)
    return ("no signal", 0.0) if kind == "all_negative" else (kind, 0.0)


def _parts(what: str) -> list[tuple[str, int]]:
    """In which lists a group is a candidate: one without a signal stands on its own, or in the rescued ones' place."""
    wanted = dict.fromkeys([*_WANTED, *_WITHOUT_RESCUE, *(one for more in _NOTHING_ELSE for one in more)])
    return [(kind, parts) for kind, parts in wanted if kind == what]


def _part(step: int, first: int, last: int, parts: int) -> int:
    return min(parts - 1, (step - first) * parts // max(1, last - first + 1))


def _chosen(best: dict[tuple[str, int], tuple[float, list[Row]]]) -> list[Picked]:
    kinds = {key.partition("/")[0] for key, _ in best}
    wanted: tuple[tuple[str, int], ...] = _WANTED if "rescued" in kinds else _WITHOUT_RESCUE
    if not kinds & {"rescued", "no signal", "mixed"}:
        wanted = next((more for more in _NOTHING_ELSE if more[0][0] in kinds), ())
    return [
        Picked(kind, _WHEN[parts][part], best[(f"{kind}/{parts}", part)][1])
        for kind, parts in wanted
        for part in range(parts)
        if (f"{kind}/{parts}", part) in best
    ]


def spread(rows: Sequence[Row], count: int) -> list[int]:
    """Positions of `count` rows that span the group's advantages, from the largest to the smallest, in file order."""
    ranked = sorted(range(len(rows)), key=lambda i: -(rows[i].get("advantage") or 0.0))
    if len(ranked) <= count:
        return sorted(ranked)
    return sorted({ranked[round(i * (len(ranked) - 1) / (count - 1))] for i in range(count)})
