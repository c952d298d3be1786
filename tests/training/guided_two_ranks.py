"""Run by torchrun: a guided toy on two ranks, three problems of four rollouts, so that one group lies on both.

A fourth argument is more of the recipe, as `key=value,...`: `kill=N` kills this job's rank 1, by signal 9, while it
learns from step N; `extra=1` puts prefixes on top of the budget, into the loss, and lets no rollout end early;
`wide=1` gives the model one batch where it would be given two by length.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import guided_toy
import toy

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.recipe.guidance import GuidanceSteady
from sgpo_cli.recipe.kinds import RescueStepwise
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.leaving import leave
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training import trl_compat
from sgpo_cli.training.guiding import Guide
from sgpo_cli.training.job import run_train

policy, folder, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
more = dict(pair.split("=") for pair in sys.argv[4].split(",")) if len(sys.argv) > 4 else {}
rank = int(os.environ["RANK"])
stage = StageDir(folder)
extra = "extra" in more
guidance = GuidanceSteady(
    loss_on_prefix=extra,
    fraction=0.5,
    length=1,
    max_length=2,
    gain=1.0,
    budget="extra" if extra else "shared",
)
recipe = guided_toy.recipe(
    guidance, rescue=RescueStepwise(truncated="keep"), steps=steps, prompts_per_step=3, updates_per_step=1
)
if extra:
    recipe.trainer.trl["generation_kwargs"] = {"min_new_tokens": recipe.trainer.max_completion_length}
if "wide" in more:
    trl_compat.ScoredBatchTrainer._two_widths = property(lambda _: False, lambda *_: None)  # type: ignore[assignment]
learn, apart = Guide.learn, trl_compat.score_in_two


def noted(self: Guide, batch: object) -> None:
    """Leaves a note of the state that this rank came to."""
    if rank == 1 and batch.step == int(more.get("kill", 0)):  # type: ignore[attr-defined]
        os.kill(os.getpid(), signal.SIGKILL)
    learn(self, batch)  # type: ignore[arg-type]
    with (folder / f"state-{rank}.txt").open("a") as stream:
        stream.write(json.dumps(self.save()) + "\n")


def noted_apart(score: Any, ids: Any, mask: Any, kept: int) -> trl_compat.Scored:
    """Leaves a note of how many rows were scored in two parts."""
    with (folder / f"apart-{rank}.txt").open("a") as stream:
        stream.write(f"{len(ids)}\n")
    return apart(score, ids, mask, kept)


trl_compat.score_in_two = noted_apart
Guide.learn = noted  # type: ignore[method-assign]
run_train(
    recipe=recipe,
    policy=policy,
    judge=HopsOracle(toy.TASK),
    stage=stage,
    events=EventWriter("train", stage.events if rank == 0 else None),
)

leave(0)
