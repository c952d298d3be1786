"""Run by torchrun: trains the toy on two ranks, three problems of four rollouts, so that one group lies on both."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import toy

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.leaving import leave
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.job import run_train

policy, folder, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rank = int(os.environ["RANK"])
stage = StageDir(folder)
recipe = toy.recipe(steps=steps, prompts_per_step=3, updates_per_step=1)


class Counting(HopsOracle):
    """Leaves a note of what this rank was asked."""

    def judge(self, solutions):  # type: ignore[no-untyped-def]
        with (folder / f"asked-{rank}.txt").open("a") as stream:
            stream.writelines(f"{len(solutions)}\n")
        return super().judge(solutions)


run_train(
    recipe=recipe,
    policy=policy,
    judge=Counting(toy.TASK),
    stage=stage,
    events=EventWriter("train", stage.events if rank == 0 else None),
)

leave(0)
