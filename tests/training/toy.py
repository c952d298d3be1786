"""A tiny llama on task `hops` and a recipe for it, for the tests of this room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise, RewardExact
from sgpo_cli.recipe.schema import Data, HopsTask, JudgeUse, Launch, Recipe, Scratch, Trainer
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir

TASK = HopsTask(entities=16, relations=4, hops=3)
SETTINGS = {"loss_type": "dr_grpo", "adam_beta2": 0.95, "beta": 0.0, "epsilon": 0.2}


def make_policy(folder: Path) -> Path:
    """A llama of one narrow layer that knows the task's format and some of its facts."""
    import torch

    from sgpo_cli.data.hops import corpus
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.load import build_scratch, save_policy

    words = tokenizer(TASK)
    scratch = Scratch(layers=1, hidden_size=32, heads=2, intermediate_size=64, initializer_range=0.1)
    model = build_scratch(scratch, words, seed=3)
    rows = [words(f"{row.problem} {row.solution} {words.eos_token}")["input_ids"] for row in corpus(TASK, 4000, 0)]
    ids = torch.tensor(rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(120):
        batch = ids[torch.randint(len(ids), (64,), generator=generator)]
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_policy(model, words, folder)
    return folder


def recipe(*, rescue: RescueNone | RescueStepwise | None = None, steps: int = 4, **trainer: Any) -> Recipe:
    """4 problems x 4 rollouts a step, two updates; held-out measurements every second step."""
    settings: dict[str, Any] = {
        "steps": steps,
        "prompts_per_step": 4,
        "group_size": 4,
        "updates_per_step": 2,
        "learning_rate": 1e-3,
        "max_completion_length": 6,
        "eval_every": 2,
        "eval_samples": 1,
        "save_every": 2,
        "trl": dict(SETTINGS),
    }
    rescue = rescue if rescue is not None else RescueStepwise(shape="linear", scaling="std", truncated="keep")
    return Recipe(
        name="toy",
        data=Data(source="hops", hops=TASK, heldout=8),
        reward=[RewardExact()],
        rescue=rescue,
        judge=JudgeUse(card="hops_oracle") if isinstance(rescue, RescueStepwise) else None,
        trainer=Trainer(**{**settings, **trainer}),
        launch=Launch(),
    )


@dataclass
class Result:
    """What a run left."""

    stage: StageDir
    outputs: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stage.metrics.read_text().splitlines()]

    def rollouts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stage.rollouts.read_text().splitlines()]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stage.events.read_text().splitlines()]

    def weights(self) -> bytes:
        return (self.stage.final / "model.safetensors").read_bytes()


def train(asked: Recipe, policy: Path, folder: Path, *, judge: Any = "oracle") -> Result:
    """Runs the job in this process; `judge` replaces the oracle."""
    from sgpo_cli.judging.hops_oracle import HopsOracle
    from sgpo_cli.training.job import run_train

    folder.mkdir(parents=True, exist_ok=True)
    result = Result(StageDir(folder))
    events = EventWriter("train", result.stage.events)
    chosen = HopsOracle(asked.data.hops) if judge == "oracle" else judge
    try:
        result.outputs = run_train(
            recipe=asked, policy=policy, judge=chosen if asked.judge else None, stage=result.stage, events=events
        )
    finally:
        events.close()
    return result


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """A metrics row without its clocks, for comparing runs."""
    plain = json.loads(json.dumps(row))
    plain.pop("seconds")
    for clock in ("seconds", "waited"):
        plain["judge"].pop(clock)
    for measured in (plain["heldout"], plain["heldout_start"]):
        if measured:
            measured.pop("seconds")
    plain["trl"] = {key: value for key, value in plain["trl"].items() if "time" not in key and "seconds" not in key}
    return plain


__all__ = ["TASK", "Result", "make_policy", "recipe", "replace", "timeless", "train"]


def two_ranks(script: str, policy: Path, folder: Path, steps: int) -> Result:
    """Runs a script of this folder on two processes (gloo), and what it left in `folder`."""
    folder.mkdir(exist_ok=True)
    here = Path(__file__)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, str(here.parent / script), str(policy), str(folder), str(steps)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Result(StageDir(folder))
