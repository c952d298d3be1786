"""Opens a benchmark: its card, and its problems from the hub, a local file or the built-in task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sgpo_cli.data.hops import problems
from sgpo_cli.evaluation.bench import Bench, load_bench, make_bench
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.schema import Benchmark, HopsTask

_HOPS_SEED = 0  # the bench's problems are the same for every run
_HOPS_ROWS = 512


def open_bench(card_name: str, *, file: str | None = None, task: HopsTask) -> Bench:
    """The bench of a card; `file` stands in for its hub data set, `task` are the settings of task hops."""
    card = load_eval_card(card_name)
    if card.task == "hops" and file is None:
        rows = problems(task, card.rows or _HOPS_ROWS, _HOPS_SEED, "bench")
        return make_bench(card, rows, source="task hops")
    return load_bench(card, file=Path(file) if file is not None else None)


def open_use(use: Benchmark, *, task: HopsTask) -> Bench:
    """The bench with what the recipe, or `sgpo eval`, sets of its own: k, sampling, how many problems."""
    bench = open_bench(use.card, file=use.file, task=task)
    told = {name: getattr(use, name) for name in ("temperature", "top_p", "top_k", "max_new_tokens")}
    sampling = replace(bench.sampling, **{name: value for name, value in told.items() if value is not None})
    bench = replace(bench, k=use.k or bench.k, sampling=sampling)
    return bench.first(use.limit) if use.limit is not None else bench
