"""A small bench for the tests of this room."""

from __future__ import annotations

from sgpo_cli.data.rows import Row
from sgpo_cli.evaluation.bench import Bench, make_bench
from sgpo_cli.recipe.evalcard import EvalCard, Grading, Sampling


def card(**changes) -> EvalCard:
    settings = {"name": "sums", "file": "sums.jsonl", "prompt": "{problem} Use \\boxed{}.", "k": 2}
    return EvalCard(**{**settings, **changes})


def sums(n: int = 5, **changes) -> Bench:
    """Problems `0 + 1`, `1 + 1`, ...: p0, p1, ..."""
    rows = [Row(id=f"p{i}", problem=f"What is {i} + 1?", answer=str(i + 1)) for i in range(n)]
    return make_bench(card(**changes), rows, source="sums.jsonl")


__all__ = ["Grading", "Sampling", "card", "sums"]
