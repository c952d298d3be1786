"""Run by torchrun: a guided toy on two ranks, three problems of four rollouts, so that one group lies on both."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import guided_toy
import toy

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.recipe.guidance import GuidanceSteady
from sgpo_cli.recipe.kinds import RescueStepwise
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.guiding import Guide
from sgpo_cli.training.job import run_train

policy, folder, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rank = int(os.environ["RANK"])
stage = StageDir(folder)
guidance = GuidanceSteady(loss_on_prefix=False, fraction=0.5, length=1, max_length=2, gain=1.0)
recipe = guided_toy.recipe(
    guidance, rescue=RescueStepwise(truncated="keep"), steps=steps, prompts_per_step=3, updates_per_step=1
)
learn = Guide.learn


def noted(self: Guide, batch: object) -> None:
    """Leaves a note of the state that this rank came to."""
    learn(self, batch)  # type: ignore[arg-type]
    with (folder / f"state-{rank}.txt").open("a") as stream:
        stream.write(json.dumps(self.save()) + "\n")


Guide.learn = noted  # type: ignore[method-assign]
run_train(
    recipe=recipe,
    policy=policy,
    judge=HopsOracle(toy.TASK),
    stage=stage,
    events=EventWriter("train", stage.events if rank == 0 else None),
)
