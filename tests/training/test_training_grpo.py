"""Without a rescue, SgpoTrainer is TRL's GRPOTrainer: same seed, same losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import toy
from transformers import TrainerCallback
from trl import GRPOTrainer

from sgpo_cli.generation.load import load_policy, load_tokenizer
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise
from sgpo_cli.training.job import _dataset
from sgpo_cli.training.problems import load_problems
from sgpo_cli.training.settings import grpo_config
from sgpo_cli.training.trainer import SgpoTrainer


class Losses(TrainerCallback):
    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            self.rows.append((logs["loss"], logs["grad_norm"], logs["entropy"]))


def half_right(completions: list[str], **_: Any) -> list[float]:
    """A reward that depends on the response only, so that some groups are mixed and some are not."""
    return [float(text.startswith(("e1", "e5"))) for text in completions]


def losses(policy: Path, folder: Path, make: Any) -> list[tuple[float, float, float]]:
    recipe = toy.recipe(rescue=RescueNone(), steps=3, micro_batch=4)
    problems = load_problems(recipe)
    model = load_policy(policy)
    seen = Losses()
    trainer = make(
        model=model,
        reward_funcs=[half_right],
        args=grpo_config(recipe, folder, [1.0], model.dtype),
        train_dataset=_dataset(problems, [row.problem for row in problems.rows]),
        processing_class=load_tokenizer(policy),
        callbacks=[seen],
    )
    trainer.train()
    return seen.rows


def test_rescue_none_is_grpo_to_the_last_bit(policy: Path, tmp_path: Path) -> None:
    plain = losses(policy, tmp_path / "trl", GRPOTrainer)
    ours = losses(policy, tmp_path / "ours", lambda **kw: SgpoTrainer(rescue=load_rescue(RescueNone()), **kw))
    assert len(plain) == 6
    assert any(loss != 0 for loss, _, _ in plain)
    assert ours == plain


class FirstIsWorst:
    """A judge whose verdicts differ within a group."""

    name = "first_is_worst"

    def judge(self, solutions: Any) -> list[Any]:
        from sgpo_cli.judging.verdict import Verdict

        return [
            Verdict.found(len(s.steps[0]) % len(s.steps), num_steps=len(s.steps), judge="x")
            if s.steps
            else Verdict.found(-1, num_steps=0, judge="x")
            for s in solutions
        ]


def test_a_rescue_moves_only_the_groups_that_it_takes(policy: Path, tmp_path: Path) -> None:
    """Rows of mixed groups keep TRL's advantages bit for bit; all-negative groups get ours."""
    seen: dict[str, Any] = {}

    class Watching(SgpoTrainer):
        def after_scoring(self, batch: Any) -> Any:
            advantages = super().after_scoring(batch)
            seen.setdefault("pairs", []).append((batch.advantages.clone(), advantages.clone()))
            return advantages

    rows: list[Any] = []
    method = load_rescue(RescueStepwise(shape="linear", scaling="std", truncated="keep"))
    losses(
        policy,
        tmp_path / "ours",
        lambda **kw: Watching(rescue=method, judge=FirstIsWorst(), on_batch=rows.append, **kw),
    )
    changed = kept = 0
    for (before, after), batch in zip(seen["pairs"], rows, strict=True):
        for number, kind in enumerate(batch.kinds):
            part = slice(4 * number, 4 * number + 4)
            if kind == "all_negative":
                assert before[part].abs().max() == 0
                changed += batch.rescued[number]
            else:
                assert (before[part] == after[part]).all()
                kept += 1
    assert changed
    assert kept
