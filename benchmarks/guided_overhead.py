"""What guidance costs: seconds of a guided step over those of an unguided one, at equal numbers of generated tokens.

    python benchmarks/guided_overhead.py [--steps 60] [--budget shared|extra]

One run of recipe tiny_guided_fixed's shape on random weights, every second step without its prefixes, so that both
kinds meet the same machine. Nothing ends early: under `budget: shared` every response of either kind has 13 tokens, 6
of them injected in a guided one; under `extra` every rollout samples 13, after the 6 injected. Prints the ratio of the
medians. Under shared, the recipes' budget, it fails above 1.15. Extra is only reported: a batch is as wide as its
longest row, so that 6 tokens more on a quarter of the rows are 6 columns more for all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

LIMIT = 1.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--budget", choices=["shared", "extra"], default="shared")
    asked = parser.parse_args()

    import torch

    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.load import build_scratch, save_policy
    from sgpo_cli.recipe.load import load_recipe
    from sgpo_cli.runs.events import EventWriter
    from sgpo_cli.runs.rundir import StageDir
    from sgpo_cli.training.guiding import Guide
    from sgpo_cli.training.job import run_train
    from sgpo_cli.training.traces import Start

    torch.set_num_threads(1)
    recipe = load_recipe(
        "tiny_guided_fixed",
        [
            f"trainer.steps={asked.steps}",
            "trainer.eval_every=0",
            f"trainer.save_every={asked.steps}",
            "trainer.learning_rate=1e-9",
            f"guidance.budget={asked.budget}",
            "trainer.max_completion_length=13",
            "trainer.trl.generation_kwargs={min_new_tokens: 13}",
        ],
    ).recipe
    assert recipe.model.scratch is not None
    plan = Guide.starts
    calls = 0

    def every_second(self: Guide, rows: Sequence[Mapping[str, Any]], first: int) -> list[Start]:
        nonlocal calls
        calls += 1
        return plan(self, rows, first) if calls % 2 else [Start() for _ in rows]

    Guide.starts = every_second  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        words = tokenizer(recipe.data.hops)
        policy = Path(folder) / "policy"
        save_policy(build_scratch(recipe.model.scratch, words, seed=0), words, policy)
        stage = StageDir(Path(folder) / "train")
        stage.path.mkdir()
        events = EventWriter("train", None)
        run_train(recipe=recipe, policy=policy, judge=None, stage=stage, events=events)
        rows = [json.loads(line) for line in stage.metrics.read_text().splitlines()][4:]  # without the warm-up
    guided = [row for row in rows if row["groups"]["guided"]]
    plain = [row for row in rows if not row["groups"]["guided"]]
    more = 64 * 6 / 256 if asked.budget == "extra" else 0.0  # a few traces are too short for 6 steps
    for row in rows:
        assert abs(row["completion_length"] - 13 - (more if row["groups"]["guided"] else 0.0)) < 0.2, row["step"]
    seconds = median(row["seconds"] for row in guided), median(row["seconds"] for row in plain)
    ratio = seconds[0] / seconds[1]
    print(f"budget {asked.budget}: guided {seconds[0]:.3f} s, unguided {seconds[1]:.3f} s a step, ratio {ratio:.3f}")
    if ratio > LIMIT and asked.budget == "shared":
        raise SystemExit("guided steps are too slow")


if __name__ == "__main__":
    main()
