"""How far a judge was trusted, in words: from the rows of metrics.jsonl and from a step's event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sgpo_cli.display import words


def trust_line(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """`weight 0.45 (step 1) → 0.78 (step 100), on 670 mixed groups; 5,350 rollouts read for it`; None without trust."""
    told = [(row["step"], row["trust"]) for row in rows if row.get("trust")]
    if not told:
        return None
    (first, then), (last, now) = told[0], told[-1]
    start = "" if first == last else f"{words.share(then['weight'])} (step {first}) → "
    read = sum((row.get("judge") or {}).get("measured") or 0 for row in rows)
    cost = f"; {words.plural(read, 'rollout')} read for it" if read else ""
    seen = words.plural(now["groups"], "mixed group")
    return f"weight {start}{words.share(now['weight'])} (step {last}), on {seen}{cost}"


def evidence_line(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The last step's evidence: slope, and what chance alone gives; None without trust."""
    told = [row["trust"] for row in rows if row.get("trust")]
    if not told:
        return None
    slope, error = told[-1]["slope"], told[-1]["error"]
    return (
        f"one unit of the judge's advantage foretells {slope:.2f} of the verifier's "
        f"(a judge that says nothing: 0 ± {error:.2f})"
    )
