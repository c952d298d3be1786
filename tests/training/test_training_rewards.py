"""Rewards: what the recipe's list becomes, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.recipe.kinds import RescueStepwise, Reward, RewardExact, RewardFormat, RewardMath, RewardPython
from sgpo_cli.training.rewards import build_rewards
from sgpo_cli.verify.outcome import Grade, GradeItem
from sgpo_cli.verify.pool import Grader

ROWS = [Row(id="a", problem="1+1?", answer="2"), Row(id="b", problem="2+2?", answer="4", extra={"note": "n"})]


class FakeGrader:
    """Grades by containment; `?` is a timeout."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def grade_many(self, items: Sequence[GradeItem]) -> list[Grade]:
        return [
            Grade(None, None, "timeout")
            if "?" in item.response
            else Grade(int(item.gold in item.response), None, "match")
            for item in items
        ]


def build(*rewards: Reward, rows: Sequence[Row] = ROWS) -> Any:
    return build_rewards(rewards, rows, FakeGrader)  # type: ignore[arg-type]


def test_outcome_weights_names_and_ungraded() -> None:
    made = build(RewardFormat(weight=0.2, pattern=r"\d+"), RewardMath(weight=1.0))
    assert made.outcome == 1
    assert made.weights == [0.2, 1.0]
    assert [f.__name__ for f in made.functions] == ["format", "math"]
    asked = {"completions": ["2", "five", "?"], "row": [0, 1, 1], "prompts": None, "trainer_state": None}
    assert made.functions[0](**asked) == [1.0, 0.0, 0.0]
    assert made.functions[1](**asked) == [1.0, 0.0, None]


def test_messages_are_read_as_text() -> None:
    made = build(RewardExact())
    assert made.functions[0](completions=[[{"role": "assistant", "content": "# 2"}]], row=[0]) == [1.0]


def test_several_of_a_kind_have_different_names() -> None:
    made = build(RewardFormat(pattern="a"), RewardFormat(pattern="b"), RewardExact())
    assert [f.__name__ for f in made.functions] == ["format_0", "format_1", "exact"]


@pytest.mark.parametrize("rewards", [(), (RewardFormat(),), (RewardMath(), RewardExact())])
def test_exactly_one_outcome(rewards: tuple[Reward, ...]) -> None:
    with pytest.raises(UserError, match="exactly one outcome"):
        build(*rewards)


def test_a_row_without_an_answer_is_named() -> None:
    with pytest.raises(UserError, match="row 'c' has no answer"):
        build(RewardMath(), rows=[*ROWS, Row(id="c", problem="?")])


def test_a_broken_pattern() -> None:
    with pytest.raises(UserError, match="not a regular expression"):
        build(RewardMath(), RewardFormat(pattern="("))


def python(tmp_path: Path, body: str, **kw: Any) -> RewardPython:
    file = tmp_path / "mine.py"
    file.write_text(f"def score(problem, response, answer, row):\n    {body}\n")
    return RewardPython(path=f"{file}:score", **kw)


def test_a_function_of_the_users(tmp_path: Path) -> None:
    reward = python(tmp_path, "return None if row.get('note') else len(response) / int(answer)")
    made = build(reward, RewardExact())
    assert made.functions[0](completions=["abcd", "x"], row=[0, 1]) == [2.0, None]


def test_an_outcome_of_the_users(tmp_path: Path) -> None:
    made = build(python(tmp_path, "return response == answer", outcome=True))
    assert made.outcome == 0
    assert made.functions[0](completions=["2", "5"], row=[0, 1]) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("body", "outcome", "error", "message"),
    [
        ("return float('nan')", False, RunFailed, "sample 'b' is nan"),
        ("return float('inf')", True, RunFailed, "sample 'b' is inf"),
        ("return 1 / 0", False, RunFailed, "ZeroDivisionError on sample 'b'"),
        ("return 'x'", False, UserError, "returned 'x' for sample 'b'"),
        ("return 0.5", True, UserError, "an outcome is 0, 1 or None"),
    ],
)
def test_what_such_a_function_may_not_do(
    tmp_path: Path, body: str, outcome: bool, error: type[Exception], message: str
) -> None:
    rewards = [python(tmp_path, body, outcome=outcome), *([] if outcome else [RewardExact()])]
    with pytest.raises(error, match=message):
        build(*rewards).functions[0](completions=["y"], row=[1])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "names no function"),
        ("gone.py:f", "no such file"),
        ("no_such_package_here:f", "cannot import no_such_package_here"),
        ("math:sqroot", "has no function 'sqroot'"),
        ("math:pi", "is a float, not a function"),
    ],
)
def test_where_a_function_cannot_be_found(path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(RewardPython(path=path), RewardExact())


def test_a_nan_reward_stops_the_run_before_any_update(policy: Path, tmp_path: Path) -> None:
    recipe = toy.recipe(steps=2)
    recipe.reward = [RewardExact(), python(tmp_path, "return float('nan')")]
    with pytest.raises(RunFailed, match=r"sample 'hops-train-0-\d' is nan"):
        toy.train(recipe, policy, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").read_text()
    assert not (tmp_path / "run" / "final").exists()


def test_a_second_reward_adds_to_the_graded_one(policy: Path, tmp_path: Path) -> None:
    recipe = toy.recipe(steps=1, rescue=RescueStepwise(shape="linear", scaling="std", truncated="keep", trust=None))
    recipe.reward = [RewardExact(weight=2.0), python(tmp_path, "return 0.25 * (len(response) % 2)", weight=0.5)]
    run = toy.train(recipe, policy, tmp_path / "run")
    judged = [r for r in run.rollouts() if r["verdict"]]
    assert judged
    for rollout in judged:
        wanted = 2.0 * 0.99 * rollout["verdict"]["prefix_score"] + 0.5 * 0.25 * (len(rollout["response"]) % 2)
        assert rollout["reward"] == pytest.approx(wanted)
        assert math.isfinite(rollout["advantage"])


def test_rows_with_several_answers_need_all_of_them_in_any_order() -> None:
    rows = [Row(id="a", problem="?", answer="1,3", extra={"is_multiple_answer": True})]
    told = {"completions": ["\\boxed{3, 1}", "\\boxed{1}", "$\\boxed{1}$ and $\\boxed{3}$"], "row": [0, 0, 0]}
    with Grader() as grader:
        [reward] = build_rewards([RewardMath()], rows, lambda _: grader).functions
        assert reward(**told) == [1.0, 0.0, 1.0]
