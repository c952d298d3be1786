"""Opens a benchmark: its card, and its problems from the hub, a local file or the built-in task."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.data.hops import problems
from sgpo_cli.evaluation.bench import Bench, load_bench, make_bench
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.schema import HopsTask

_HOPS_SEED = 0  # the bench's problems are the same for every run
_HOPS_ROWS = 512


def open_bench(card_name: str, *, file: str | None = None, task: HopsTask) -> Bench:
    """The bench of a card; `file` stands in for its hub data set, `task` are the settings of task hops."""
    card = load_eval_card(card_name)
    if card.task == "hops" and file is None:
        rows = problems(task, card.rows or _HOPS_ROWS, _HOPS_SEED, "bench")
        return make_bench(card, rows, source="task hops")
    return load_bench(card, file=Path(file) if file is not None else None)
