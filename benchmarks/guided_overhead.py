"""What guidance costs: seconds of a guided step over those of an unguided one, at equal numbers of generated tokens.

    python benchmarks/guided_overhead.py [--rounds 40] [--in-loss]

One run of recipe tiny_guided_fixed's shape on random weights, whose steps take turns, so that all kinds meet the same
machine: unguided; `budget: shared`, a quarter of the rows with 6 injected tokens among their 13; `budget: extra`, the
same with 6 injected tokens before 13 sampled ones. Every rollout samples 13 tokens in all three (nothing ends early;
shared cuts what is sampled back to its budget), so the generated tokens are equal.

A round is one step of each. Its two ratios have the same machine within a second; the median over rounds is what is
judged, by processor time, because a busy machine lengthens the wall's clock at random. The quartiles are those of the
rounds; the interval is the median's own (bootstrap, 95%). Fails above 1.15, either budget.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe

LIMIT = 1.15
TURNS = ("unguided", "shared", "extra")
LENGTH, GIVEN = 13, 6
WARM_UP = 3
"""Rounds not counted."""


@dataclass
class Clock:
    """(processor, wall) seconds at the beginning of every step."""

    marks: list[tuple[float, float]] = field(default_factory=list)

    def mark(self) -> None:
        self.marks.append((time.process_time(), time.perf_counter()))

    def rounds(self, hand: int) -> list[list[float]]:
        """For each round its steps' seconds, in turn; `hand` 0 is the processor's clock, 1 the wall's."""
        moments = [mark[hand] for mark in self.marks]
        spent = [after - before for before, after in pairwise(moments)]
        whole = len(spent) // len(TURNS)
        return [spent[i * len(TURNS) : (i + 1) * len(TURNS)] for i in range(WARM_UP, whole)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="steps of each kind that are counted")
    parser.add_argument("--in-loss", action="store_true", help="train on the injected tokens too")
    asked = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    steps = (asked.rounds + WARM_UP) * len(TURNS) + 1  # the last one only ends the step before it
    with tempfile.TemporaryDirectory() as folder:
        clock, rows = train_in_turns(shape(steps, asked.in_loss), Path(folder))
    check(rows)
    failed = report(clock)
    if failed:
        raise SystemExit(f"guided steps are too slow: {', '.join(failed)}")


def shape(steps: int, in_loss: bool) -> Recipe:
    """tiny_guided_fixed with rollouts of one length, nothing measured in between, and a policy that stays as it is."""
    return load_recipe(
        "tiny_guided_fixed",
        [
            f"trainer.steps={steps}",
            "trainer.eval_every=0",
            f"trainer.save_every={steps}",
            "trainer.learning_rate=1e-9",
            f"guidance.loss_on_prefix={str(in_loss).lower()}",
            f"guidance.length={GIVEN}",
            f"trainer.max_completion_length={LENGTH}",
            f"trainer.trl.generation_kwargs={{min_new_tokens: {LENGTH}}}",
        ],
    ).recipe


def train_in_turns(recipe: Recipe, folder: Path) -> tuple[Clock, list[dict[str, Any]]]:
    """Trains random weights, every step's guidance being the next of `TURNS`: the clock, and the metrics' rows."""
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.load import build_scratch, save_policy
    from sgpo_cli.runs.events import EventWriter
    from sgpo_cli.runs.rundir import StageDir
    from sgpo_cli.training.guiding import Guide
    from sgpo_cli.training.job import run_train
    from sgpo_cli.training.traces import Start

    assert recipe.model.scratch is not None
    clock, plan = Clock(), Guide.starts

    def in_turns(self: Guide, rows: Sequence[Mapping[str, Any]], first: int) -> list[Start]:
        turn = TURNS[len(clock.marks) % len(TURNS)]
        clock.mark()
        if turn == "unguided":
            return [Start() for _ in rows]
        self.config = replace(self.config, budget=turn)  # type: ignore[arg-type]
        return plan(self, rows, first)

    Guide.starts = in_turns  # type: ignore[method-assign]
    try:
        words = tokenizer(recipe.data.hops)
        save_policy(build_scratch(recipe.model.scratch, words, seed=0), words, folder / "policy")
        stage = StageDir(folder / "train")
        stage.path.mkdir()
        run_train(recipe=recipe, policy=folder / "policy", judge=None, stage=stage, events=EventWriter("train", None))
        return clock, [json.loads(line) for line in stage.metrics.read_text().splitlines()]
    finally:
        Guide.starts = plan  # type: ignore[method-assign]


def check(rows: list[dict[str, Any]]) -> None:
    """That the steps were what they are called: who was guided, and how long the responses are."""
    for number, row in enumerate(rows):
        turn = TURNS[number % len(TURNS)]
        assert bool(row["groups"]["guided"]) == (turn != "unguided"), row["step"]
        more = GIVEN / 4 if turn == "extra" else 0.0  # a few traces are too short to give 6 steps
        assert abs(row["completion_length"] - LENGTH - more) < 0.2, row["step"]


def report(clock: Clock) -> list[str]:
    """Prints the table; the budgets above the limit by processor time."""
    failed = []
    print(f"{len(clock.rounds(0))} rounds; limit {LIMIT}, by processor time")
    print(f"{'clock':<10}{'steps':<10}{'ms':>6}{'ratio':>8}{'interval':>16}{'quartiles':>16}")
    for hand, name in enumerate(("processor", "wall")):
        rounds = clock.rounds(hand)
        for turn, kind in enumerate(TURNS):
            ms = 1000 * median(one[turn] for one in rounds)
            if turn == 0:
                print(f"{name:<10}{kind:<10}{ms:>6.0f}")
                continue
            ratios = [one[turn] / one[0] for one in rounds]
            low, high = interval(ratios)
            first, _, third = quantiles(ratios, n=4)
            told = f"{median(ratios):>8.3f}{f'{low:.3f} to {high:.3f}':>16}{f'{first:.3f}, {third:.3f}':>16}"
            print(f"{name:<10}{kind:<10}{ms:>6.0f}{told}")
            if hand == 0 and median(ratios) > LIMIT:
                failed.append(f"budget {kind}: {median(ratios):.3f}")
    return failed


def interval(values: list[float], draws: int = 2000) -> tuple[float, float]:
    """95% of the median, by bootstrap."""
    rng = random.Random(0)
    found = sorted(median(rng.choices(values, k=len(values))) for _ in range(draws))
    return found[int(0.025 * draws)], found[int(0.975 * draws)]


if __name__ == "__main__":
    main()
