"""Run by torchrun: the four methods, each on two ranks, with the rollouts that a run of one process recorded.

Imported by its test, it records them: what the engine sampled, call by call, whatever the ranks.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import guided_toy
import toy

from sgpo_cli.recipe.guidance import GuidanceAdaptive, GuidanceSteady
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.leaving import leave
from sgpo_cli.training.trl_compat import ScoredBatchTrainer

STEPS = 10


def recipes() -> dict[str, Recipe]:
    """Three problems of four rollouts a step, so that with two ranks one group lies on both."""
    paper = GuidanceAdaptive(loss_on_prefix=False, fraction=0.5, length=1, max_length=2)
    # A shorter and rarer prefix leaves groups that fail all the same.
    less = GuidanceSteady(loss_on_prefix=False, fraction=0.25, length=1, max_length=1, gain=1.0)
    rescue = RescueStepwise(truncated="keep")
    sizes: dict[str, Any] = {"steps": STEPS, "prompts_per_step": 3, "updates_per_step": 1, "eval_every": 0}
    return {
        "grpo": toy.recipe(rescue=RescueNone(), **sizes),
        "sgpo": toy.recipe(rescue=rescue, **sizes),
        "guided": guided_toy.recipe(paper, rescue=RescueNone(), **sizes),
        "both": guided_toy.recipe(less, rescue=rescue, **sizes),
    }


@contextmanager
def recording(file: Path) -> Iterator[None]:
    """Writes down what is sampled, a line a call."""
    theirs = ScoredBatchTrainer._generate_single_turn

    def sample(self: Any, prompts: Any, *rest: Any) -> Any:
        ids, logprobs = theirs(self, prompts, *rest)
        with file.open("a") as stream:
            stream.write(json.dumps(ids) + "\n")
        return ids, logprobs

    ScoredBatchTrainer._generate_single_turn = sample
    try:
        yield
    finally:
        del ScoredBatchTrainer._generate_single_turn  # TRL's own shows through again


@contextmanager
def replaying(file: Path, rank: int) -> Iterator[None]:
    """Gives each rank its share of what was written down, in the place of sampling."""
    calls = iter(file.read_text().splitlines())

    def sample(self: Any, prompts: Any, *_: Any) -> Any:
        ids = json.loads(next(calls))
        return ids[rank * len(prompts) : (rank + 1) * len(prompts)], None

    ScoredBatchTrainer._generate_single_turn = sample
    try:
        yield
    finally:
        del ScoredBatchTrainer._generate_single_turn  # TRL's own shows through again


def run(name: str, recipe: Recipe, policy: Path, folder: Path) -> None:
    """One method's run, as a rank of the launch or alone."""
    from sgpo_cli.judging.hops_oracle import HopsOracle
    from sgpo_cli.runs.events import EventWriter
    from sgpo_cli.runs.rundir import StageDir
    from sgpo_cli.training.job import run_train

    rank = int(os.environ.get("RANK", "0"))
    stage = StageDir(folder / name)
    stage.path.mkdir(parents=True, exist_ok=True)
    judge = HopsOracle(recipe.data.hops) if recipe.judge is not None else None
    run_train(
        recipe=recipe,
        policy=policy,
        judge=judge,
        stage=stage,
        events=EventWriter("train", stage.events if rank == 0 else None),
    )


def main(policy: Path, recorded: Path, folder: Path) -> None:
    for name, recipe in recipes().items():
        with replaying(recorded / f"{name}.jsonl", int(os.environ["RANK"])):
            run(name, recipe, policy, folder)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave(0)
