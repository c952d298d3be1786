"""Without a rescue, SgpoTrainer is TRL's GRPOTrainer: same seed, same losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toy
from transformers import TrainerCallback
from trl import GRPOTrainer

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.generation.load import load_policy, load_tokenizer
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise
from sgpo_cli.training.inputs import as_dataset
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
        train_dataset=as_dataset(problems, [row.problem for row in problems.rows]),
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
    method = load_rescue(RescueStepwise(shape="linear", scaling="std", truncated="keep", trust=None))
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


def alone(policy: Path, folder: Path, reward: Any, batches: list[Any]) -> None:
    """SgpoTrainer as a library: a data set of prompts, a reward function, a judge, and nothing of the job's."""
    from datasets import Dataset

    recipe = toy.recipe(steps=1)
    model = load_policy(policy)
    trainer = SgpoTrainer(
        model=model,
        reward_funcs=[reward],
        args=grpo_config(recipe, folder, [1.0], model.dtype),
        train_dataset=Dataset.from_list([{"prompt": f"e{i} r0 r1 r2"} for i in range(4)]),
        processing_class=load_tokenizer(policy),
        rescue=load_rescue(RescueStepwise(truncated="keep")),
        judge=FirstIsWorst(),
        on_batch=batches.append,
    )
    trainer.train()


def test_the_trainer_by_itself(policy: Path, tmp_path: Path) -> None:
    batches: list[Any] = []
    alone(policy, tmp_path, lambda completions, **_: [0.0] * len(completions), batches)
    (batch,) = batches
    assert batch.kinds == ["all_negative"] * 4
    assert {r.problem for r in batch.rollouts} == {f"e{i} r0 r1 r2" for i in range(4)}
    assert batch.judged == 16


def test_an_outcome_is_zero_or_one(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"is 0\.5"):
        alone(policy, tmp_path, lambda completions, **_: [0.5] * len(completions), [])


def test_a_rescue_without_its_judge(policy: Path, tmp_path: Path) -> None:
    method = load_rescue(RescueStepwise())
    with pytest.raises(UserError, match="needs a judge"):
        losses(policy, tmp_path, lambda **kw: SgpoTrainer(rescue=method, **kw))
