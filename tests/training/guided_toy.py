"""Guided runs of the toy, and a trainer that shows what its updates are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import toy

from sgpo_cli.generation.load import load_policy, load_tokenizer
from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.recipe.guidance import Guidance, GuidanceFixed
from sgpo_cli.recipe.kinds import RescueNone
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.training.guiding import Guide
from sgpo_cli.training.inputs import as_dataset
from sgpo_cli.training.problems import load_problems
from sgpo_cli.training.settings import grpo_config
from sgpo_cli.training.trainer import SgpoTrainer


def fixed(length: int = 2, *, loss: bool = False, fraction: float = 0.5, **more: Any) -> GuidanceFixed:
    return GuidanceFixed(length=length, loss_on_prefix=loss, fraction=fraction, **more)


def recipe(guidance: Guidance, *, rescue: Any = None, **trainer: Any) -> Recipe:
    """The toy's recipe, guided; without a rescue unless one is given."""
    return replace(toy.recipe(rescue=rescue if rescue is not None else RescueNone(), **trainer), guidance=guidance)


def odd_end(completions: list[str], **_: Any) -> list[float]:
    """A reward of the response alone (its last number is odd), so that groups are mixed whatever the policy knows."""
    return [float(text[-1:] in set("13579")) for text in completions]


class Watched(SgpoTrainer):
    """Keeps each update's batch and the gradient that reached each token's log-probability."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.updates: list[tuple[dict[str, Any], torch.Tensor]] = []
        self._kept: torch.Tensor | None = None

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if found[0].requires_grad:
            found[0].retain_grad()
            self._kept = found[0]
        return found

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        loss = super()._compute_loss(model, inputs)
        assert self._kept is not None
        self.updates.append((dict(inputs), self._kept))
        return loss


def build(asked: Recipe, policy: Path, folder: Path, *, kind: Any = Watched, **more: Any) -> Any:
    """A trainer on the recipe's problems, rewarded by `odd_end`; `guide=None` in `more` leaves guidance out."""
    problems = load_problems(asked)
    model, tokenizer = load_policy(policy), load_tokenizer(policy)
    more.setdefault("processing_class", tokenizer)
    config = asked.guidance
    if "guide" not in more and config.kind != "none":
        more["guide"] = Guide(
            config,
            schedule=load_guidance(config, seed=asked.seed, steps=asked.trainer.steps),
            group_size=asked.trainer.group_size,
            budget=asked.trainer.max_completion_length,
            tokenizer=more["processing_class"],
        )
    return kind(
        model=model,
        reward_funcs=[odd_end],
        args=grpo_config(asked, folder, [1.0], model.dtype),
        train_dataset=as_dataset(problems, [row.problem for row in problems.rows]),
        rescue=load_rescue(asked.rescue),
        **more,
    )


def torchrun(script: str, *arguments: object, fails: bool = False) -> None:
    """Runs a script of this folder on two processes (gloo); `fails` if one of them is to be killed by signal 9."""
    here = Path(__file__)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, str(here.parent / script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr[-4000:]
    assert not fails or "SIGKILL" in done.stderr, done.stderr[-4000:]


def launch(policy: Path, folder: Path, steps: int, *more: str) -> toy.Result:
    """A run of `guided_two_ranks.py`, whose last argument is `more`; it is to be killed when that says so."""
    folder.mkdir(exist_ok=True)
    torchrun("guided_two_ranks.py", policy, folder, steps, *more, fails=any("kill" in word for word in more))
    return toy.Result(toy.StageDir(folder))


def noted(run: toy.Result, what: str) -> list[list[str]]:
    """For each rank of a run on two what it noted: `state`, the controller's, or `apart`, rows scored in two parts."""
    files = [run.stage.path / f"{what}-{rank}.txt" for rank in (0, 1)]
    return [file.read_text().splitlines() if file.exists() else [] for file in files]
