"""A judge on trial in the real trainer: what it is measured on, what follows, and what a run that goes on remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.noise import Noise
from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.methods.advantages import group_advantages
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.methods.trust import Standing, group_evidence
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise, Trust
from sgpo_cli.stages.standing import standing_before
from sgpo_cli.training.rescuing import classify_groups, leave_as_grpo, rescue_groups
from sgpo_cli.training.rollouts import Batch, Rollout
from sgpo_cli.training.trusting import Trial

RULE = Trust(gain=1.0, caution=2.0, memory=16, budget=2)
RESCUE = RescueStepwise(shape="linear", scaling="std", truncated="keep", trust=RULE)


def by_group(result: toy.Result) -> list[list[list[dict[str, Any]]]]:
    """Rollouts by step and group."""
    steps = groupby(result.rollouts(), key=lambda row: row["step"])
    return [[list(group) for _, group in groupby(rows, key=lambda row: row["group"])] for _, rows in steps]


@pytest.fixture(scope="module")
def straight(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> toy.Result:
    """Six steps with a judge that is right nine times in ten."""
    return toy.train(
        toy.recipe(rescue=RESCUE, steps=6), policy, tmp_path_factory.mktemp("trust"), judge=spoilt("flip", 0.1)
    )


def spoilt(how: str, probability: float = 0.0) -> Noise:
    return Noise(HopsOracle(toy.TASK), how, probability, 0)


def test_the_ledger_can_be_worked_out_from_the_rollouts(straight: toy.Result) -> None:
    """Evidence from the verdicts of the first two mixed groups of each step, weights from it, advantages from these."""
    method, standing, measured, rescued = Stepwise(RESCUE), Standing(), 0, 0
    for row, groups in zip(straight.metrics(), by_group(straight), strict=True):
        mixed = [rows for rows in groups if {r["outcome"] for r in rows} == {0, 1}]
        judged = [rows for rows in mixed if any(r["verdict"] for r in rows)]
        assert judged == mixed[:2] and all(r["verdict"] for rows in judged for r in rows)
        found = []
        for rows in judged:
            rewards = [method.graded(Verdict.from_json(r["verdict"]).prefix_score or 0.0) for r in rows]
            found.append(group_evidence([r["outcome"] for r in rows], rewards, scaling="std", floor=RESCUE.floor))
        standing = standing.learn([one for one in found if one is not None], RULE)
        assert row["trust"]["weight"] == pytest.approx(standing.weight(RULE))
        assert row["trust"]["slope"] == pytest.approx(standing.slope(RULE))
        assert row["trust"]["error"] == pytest.approx(standing.error(RULE))
        assert (row["trust"]["groups"], row["trust"]["read"]) == (standing.groups, len(judged))
        assert row["judge"]["measured"] == 4 * len(judged)
        measured += len(judged)
        for rows in groups:
            if {r["outcome"] for r in rows} != {0}:
                continue
            full = group_advantages([r["reward"] for r in rows], scaling="std")
            if row["trust"]["weight"] == 0:
                assert {r["reason"] for r in rows} == {"untrusted"} and not any(r["advantage"] for r in rows)
            else:
                wanted = [row["trust"]["weight"] * advantage for advantage in full]
                assert [r["advantage"] for r in rows] == pytest.approx(wanted)
                rescued += any(wanted)
    assert measured > 2 and rescued > 0, "the run has nothing to look at"


def test_a_judge_without_weight_leaves_grpo_bit_for_bit(policy: Path, tmp_path: Path) -> None:
    plain = toy.train(toy.recipe(rescue=RescueNone()), policy, tmp_path / "grpo")
    judged = toy.train(toy.recipe(rescue=RESCUE), policy, tmp_path / "constant", judge=spoilt("constant"))
    assert judged.weights() == plain.weights()
    assert [row["trust"]["weight"] for row in judged.metrics()] == [0.0] * 4
    assert {r["reason"] for r in judged.rollouts() if r["reason"] == "untrusted"}
    full = toy.train(toy.recipe(rescue=replace(RESCUE, trust=None)), policy, tmp_path / "full", judge=spoilt("random"))
    assert full.weights() != plain.weights() and all(row["trust"] is None for row in full.metrics())


def test_a_run_that_goes_on_remembers_the_judge(straight: toy.Result, policy: Path, tmp_path: Path) -> None:
    asked = toy.recipe(rescue=RESCUE, steps=6)
    toy.train(toy.recipe(rescue=RESCUE, steps=2), policy, tmp_path, judge=spoilt("flip", 0.1))
    marker = sorted((tmp_path / "checkpoints").glob("checkpoint-*/complete.json"))[-1]
    assert json.loads(marker.read_text())["trust"]["groups"] == straight.metrics()[1]["trust"]["groups"]
    resumed = toy.train(asked, policy, tmp_path, judge=spoilt("flip", 0.1))
    assert [toy.timeless(row) for row in resumed.metrics()][2:] == [toy.timeless(row) for row in straight.metrics()][2:]
    assert resumed.weights() == straight.weights()


def rollout(outcome: int | None, score: float | None, *, prefix: int = 0, cut: bool = False) -> Rollout:
    made = Rollout("id", "p", None, None, "r", 3, cut, outcome=outcome, prefix_tokens=prefix)
    made.prefix = score
    return made


def test_guided_and_truncated_rollouts_say_nothing_of_the_judge() -> None:
    """A guided success is not the policy's own; what `truncated: zero` scores is not the judge's."""
    trial = Trial(Stepwise(replace(RESCUE, truncated="zero")), RULE)
    guided = [(1, False, True), (0, False, False), (0, False, False)]
    cut = [(1, False, False), (0, True, False), (0, False, False)]
    assert trial.reads([guided, cut, cut, cut]) == [
        [False] * 3,
        [True, False, True],
        [True, False, True],
        [False] * 3,
    ]
    rows = [rollout(1, 1.0, prefix=2), rollout(0, 0.5), rollout(0, 0.1)]
    batch = Batch(1, 3, rows, ["mixed"], [False])
    assert trial.learn(batch) == 0.0 and batch.trust is not None and batch.trust.read == 0
    rows = [rollout(1, 1.0), rollout(0, 0.9, cut=True), rollout(0, 0.1)]
    trial.learn(Batch(2, 3, rows, ["mixed"], [False]))
    assert (
        trial.standing.groups == 1
        and trial.standing.agreement > 0
        and trial.standing.power == pytest.approx(1.0, rel=1e-3)
    )


def test_a_half_trusted_judge_shares_a_mixed_group_with_grpo() -> None:
    """Under `when: all_incorrect` mixed groups are graded too, and have advantages of GRPO's to lose."""
    method = Stepwise(replace(RESCUE, when="all_incorrect", shape="linear", wrong_max=0.9))

    def made() -> Batch:
        rows = [rollout(1, 1.0), rollout(0, 0.5), rollout(0, 0.0)]
        for row, grpo in zip(rows, (1.0, -0.5, -0.5), strict=True):
            row.advantage, row.earned = grpo, row.prefix
        batch = Batch(1, 3, rows, [], [])
        batch.kinds = classify_groups(batch)
        leave_as_grpo(batch)
        return batch

    judged = group_advantages([1.0, 0.45, 0.0], scaling="std")
    for trust in (0.25, 1.0):
        batch = made()
        assert rescue_groups(batch, method, 1.0, trust) == [0, 1, 2]
        wanted = [trust * j + (1 - trust) * g for j, g in zip(judged, (1.0, -0.5, -0.5), strict=True)]
        assert [row.advantage for row in batch.rollouts] == pytest.approx(wanted)
    batch = made()
    assert rescue_groups(batch, method, 1.0, 0.0) == []
    assert [row.advantage for row in batch.rollouts] == [1.0, -0.5, -0.5]
    assert {row.reason for row in batch.rollouts} == {"untrusted"}


def test_a_step_that_fell_back_says_nothing() -> None:
    trial = Trial(Stepwise(RESCUE), RULE)
    batch = Batch(1, 2, [rollout(1, 1.0), rollout(0, 0.1)], ["mixed"], [False], fallback=True)
    assert trial.learn(batch) == 0.0 and trial.standing == Standing()


def test_the_standing_before_the_first_step(tmp_path: Path) -> None:
    """One mixed group of the judge stage, and two labelled wrong answers whose scores the judge has right."""

    def row(outcome: int, first: int, sample: int, group: int = 0) -> dict[str, Any]:
        verdict = Verdict.found(first, num_steps=4, judge="j").to_json()
        return {"group": group, "sample": sample, "outcome": outcome, "truncated": False, "verdict": verdict}

    rollouts = [row(1, -1, 0), row(0, 1, 1), row(0, 2, 0, 1), row(0, 3, 1, 1)]
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rollouts))
    rule = replace(RULE, labels=8.0)
    alone = standing_before(replace(RESCUE, trust=rule), tmp_path)
    method = Stepwise(RESCUE)
    wanted = group_evidence([1, 0], [method.graded(1.0), method.graded(0.25)], scaling="std", floor=0.2)
    assert wanted is not None and alone == Standing().learn([wanted], rule)
    labelled = [{"label": k, "verdict": Verdict.found(k, num_steps=4, judge="j").to_json()} for k in (0, 3, -1)]
    (tmp_path / "labelled.jsonl").write_text("".join(json.dumps(one) + "\n" for one in labelled))
    both = standing_before(replace(RESCUE, trust=rule), tmp_path)
    assert both is not None and alone is not None
    assert both.power == pytest.approx(8 * (1 - 1 / 16) + alone.power)
    assert both.agreement == pytest.approx(8 * (1 - 1 / 16) + alone.agreement)  # slope 1, gain 1
    assert standing_before(replace(RESCUE, trust=replace(RULE, labels=0.0)), tmp_path) == alone
    assert standing_before(RescueNone(), tmp_path) is None
    assert standing_before(replace(RESCUE, trust=None), tmp_path) is None
