"""A judge that mostly waits is asked ahead; nothing but the clock shows it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.training.judge_desk import Question
from sgpo_cli.training.rewards import RewardColumn
from sgpo_cli.training.rollouts import JudgeFigures
from sgpo_cli.training.trainer import SgpoTrainer


class Waiting:
    """The oracle behind a pretended server: it counts requests, and notes which thread asked."""

    name = "hops_oracle"

    def __init__(self, fails: bool = False) -> None:
        self.oracle = HopsOracle(toy.TASK)
        self.usage = Usage()
        self.asked: list[str] = []
        self.fails = fails

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        self.asked.append(threading.current_thread().name)
        self.usage.calls += 2 * len(solutions)  # each took a retry
        self.usage.input_tokens += 10 * len(solutions)
        self.usage.cached_tokens += 7 * len(solutions)
        self.usage.cost = (self.usage.cost or 0.0) + 0.5
        if self.fails:
            self.usage.failed += len(solutions)
            return [Verdict.abstain("server: 500", num_steps=len(s.steps), judge=self.name) for s in solutions]
        return self.oracle.judge(solutions)

    def take_usage(self) -> Usage:
        taken, self.usage = self.usage, Usage()
        return taken


def test_asked_ahead_or_late_the_run_is_the_same(policy: Path, tmp_path: Path, monkeypatch: Any) -> None:
    waiting = Waiting()
    theirs = SgpoTrainer._calculate_rewards

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        waiting.asked.append("scored")
        return theirs(self, *args, **kwargs)

    monkeypatch.setattr(SgpoTrainer, "_calculate_rewards", noting)
    ahead = toy.train(toy.recipe(), policy, tmp_path / "ahead", judge=waiting)
    monkeypatch.undo()
    late = toy.train(toy.recipe(), policy, tmp_path / "late")

    assert set(waiting.asked) == {"judge", "scored"}, "asked from a thread of its own"
    assert waiting.asked[0] == "judge" and waiting.asked[-1] == "scored", "before TRL scores the batch"
    assert ahead.weights() == late.weights()
    assert ahead.rollouts() == late.rollouts()
    judged = [row["judge"] for row in ahead.metrics()]
    assert sum(row["calls"] for row in judged) > 0
    for row, plain in zip(judged, [row["judge"] for row in late.metrics()], strict=True):
        assert row["calls"] == 2 * plain["calls"], "the judge's own count of requests stands"
        assert row["judged"] == plain["judged"]
        assert (row["input_tokens"], row["cached_tokens"]) == (5 * row["calls"], 7 * row["calls"] // 2)
        assert row["cost"] == (0.5 if row["calls"] else None)
        assert row["waited"] <= row["seconds"] + 0.5


def test_a_judge_that_fails_everywhere_is_plain_grpo_or_the_end(policy: Path, tmp_path: Path) -> None:
    recipe = toy.recipe()
    assert recipe.judge is not None
    recipe.judge.max_abstained = 0.3
    fallen = toy.train(recipe, policy, tmp_path / "fallback", judge=Waiting(fails=True))
    for row in fallen.metrics():
        assert row["judge"]["fallback"] == (row["judge"]["judged"] > 0)
        assert row["judge"]["failed"] > 0 or not row["judge"]["judged"]
        assert row["groups"]["rescued"] == 0
    assert all(row["advantage"] == 0 for row in fallen.rollouts() if row["reason"] == "fallback")
    assert any(row["reason"] == "fallback" for row in fallen.rollouts())
    recipe.judge.then = "stop"
    with pytest.raises(RunFailed, match="server: 500"):
        toy.train(recipe, policy, tmp_path / "stop", judge=Waiting(fails=True))


def test_a_question_raises_where_its_answers_are_wanted() -> None:
    class Short(Waiting):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            return []

    question = Question(Short(), [Solution("e1 r0", ("e2",))], ahead=True)
    with pytest.raises(RunFailed, match="0 verdicts for 1"):
        question.answers()


def test_a_rollout_is_graded_once() -> None:
    calls: list[list[str]] = []

    def score(rows: Sequence[Row], texts: Sequence[str]) -> list[float | None]:
        calls.append(list(texts))
        return [float(len(calls))] * len(texts)

    column = RewardColumn("exact", [Row(id="a", problem="p", answer="1", solution=None, extra={})], score)
    assert column.early(completions=["x", "y"], row=[0, 0]) == [1.0, 1.0]
    assert column(completions=["x", "y"], row=[0, 0]) == [1.0, 1.0]
    assert column(completions=["x", "y"], row=[0, 0]) == [2.0, 2.0], "only TRL's own call of that batch"
    column.early(completions=["x"], row=[0])
    assert column(completions=["z"], row=[0]) == [4.0], "other responses are graded anew"


def test_answers_of_unknown_tokens_reach_the_ledgers_counts() -> None:
    """A bill without them would pass for the whole bill."""
    first = JudgeFigures(failed=1)
    first.count(Usage(calls=3, failed=2, uncounted=1, cost=0.5, currency="EUR"))
    assert (first.calls, first.failed, first.uncounted) == (3, 3, 1)
    first.add(JudgeFigures(calls=2, uncounted=2, seconds=4.0, waited=1.0))
    told = first.to_json()
    assert (told["calls"], told["uncounted"], told["cost"], told["currency"], told["seconds"]) == (
        5,
        3,
        0.5,
        "EUR",
        4.0,
    )
