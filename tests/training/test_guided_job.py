"""Guided runs from end to end: places, ledger, resumes, and a judge that places the guidance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import guided_toy
import pytest
import toy

from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.methods.guidance.allocate import guided_count
from sgpo_cli.recipe.guidance import (
    GuidanceAdaptive,
    GuidanceCosine,
    GuidanceJudged,
    GuidanceLinear,
    GuidanceNone,
    GuidancePower,
    GuidanceRandom,
    GuidanceSteady,
    GuidanceStepwise,
)
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise
from sgpo_cli.recipe.schema import JudgeUse, Recipe
from sgpo_cli.runs.files import read_json

COMMON: dict[str, Any] = {"loss_on_prefix": False, "fraction": 0.5, "length": 1, "max_length": 2}
ADAPTIVE = GuidanceAdaptive(**COMMON, preset="paper", scope="per_problem")
STEADY = GuidanceSteady(**COMMON, gain=1.0, ema=0.9)
JUDGED = GuidanceJudged(**COMMON)


def judged_recipe(guidance: Any, steps: int = 6, rescue: Any = None) -> Recipe:
    return replace(
        guided_toy.recipe(guidance, steps=steps, rescue=rescue or RescueNone()), judge=JudgeUse(card="hops_oracle")
    )


@pytest.mark.parametrize("size", range(2, 17))
def test_every_group_has_as_many_guided_rollouts(policy: Path, tmp_path: Path, size: int) -> None:
    """The released code's list of places gives 2,2,2,2,2,0,2 of 10."""
    for fraction in (0.1, 0.25, 0.5, 1.0):
        count = guided_count(fraction, size)
        if not count:
            continue
        asked = guided_toy.recipe(guided_toy.fixed(1, fraction=fraction), steps=1, group_size=size, eval_every=0)
        groups = toy.train(asked, policy, tmp_path / str(fraction)).rollouts()
        for number in range(4):
            mine = [row for row in groups if row["group"] == number]
            assert [row["prefix_tokens"] for row in mine] == [1] * count + [0] * (size - count)
            start = {row["response"][: row["prefix_end"]] for row in mine if row["prefix_tokens"]}
            assert len(start) == 1


@pytest.mark.parametrize(
    "guidance",
    [
        GuidanceLinear(**COMMON),
        GuidanceCosine(**COMMON),
        GuidancePower(**COMMON),
        GuidanceStepwise(**COMMON, every=1),
        GuidanceRandom(**COMMON),
        GuidanceAdaptive(**COMMON, preset="released_code", signal="unguided"),
    ],
)
def test_every_schedule_runs(policy: Path, tmp_path: Path, guidance: Any) -> None:
    rows = toy.train(guided_toy.recipe(guidance, steps=3, eval_every=0), policy, tmp_path).metrics()
    assert rows[0]["guidance"]["length"] == (0.5 if guidance.kind == "random" else 1.0)
    if guidance.kind in ("linear", "cosine", "power"):
        lengths = [row["guidance"]["length"] for row in rows]
        assert lengths == sorted(lengths, reverse=True) and lengths[-1] < 1.0
    if guidance.kind == "stepwise":
        assert [row["guidance"]["length"] for row in rows] == [1.0, 0.5, 0.25]


def test_the_ledger_keeps_guided_and_unguided_apart(policy: Path, tmp_path: Path) -> None:
    run = toy.train(guided_toy.recipe(guided_toy.fixed(2), steps=3), policy, tmp_path)
    for row in run.metrics():
        mine = [r for r in run.rollouts() if r["step"] == row["step"]]
        led = [r for r in mine if r["prefix_tokens"]]
        own = [r for r in mine if not r["prefix_tokens"]]
        assert row["accuracy"] == pytest.approx(sum(r["outcome"] for r in own) / len(own))
        told = row["guidance"]
        assert told["accuracy"] == pytest.approx(sum(r["outcome"] for r in led) / len(led))
        assert (told["length"], told["fraction"]) == (2.0, 0.5)
        assert told["tokens"] == pytest.approx(sum(r["prefix_tokens"] for r in led) / len(led))
        short = sum(r["prefix_tokens"] < 2 for r in mine if r["sample"] < 2)
        assert sum(told[why] for why in ("no_trace", "short_trace", "answer", "budget")) == short
        assert row["groups"]["guided"] == len({r["group"] for r in led})
        for r in mine:
            given = r["response"][: r["prefix_end"]]
            assert len(given.split()) == r["prefix_tokens"]
    assert run.metrics()[0]["heldout_start"]["problems"] == 8


def test_length_zero_is_a_run_without_guidance(policy: Path, tmp_path: Path) -> None:
    plain = toy.train(guided_toy.recipe(GuidanceNone(), steps=4), policy, tmp_path / "a")
    asked = guided_toy.recipe(guided_toy.fixed(0, max_length=2), steps=4)
    none = toy.train(asked, policy, tmp_path / "b")
    assert none.rollouts() == plain.rollouts()
    assert none.weights() == plain.weights()
    for one, two in zip(none.metrics(), plain.metrics(), strict=True):
        guidance = one.pop("guidance")
        signals = guidance.pop("signal")
        assert signals["all"] == one["accuracy"] == (signals["guided"] + signals["unguided"]) / 2
        assert guidance == {
            "length": 0.0,
            "fraction": 0.5,
            "accuracy": None,
            "tokens": None,
            "no_trace": 0,
            "short_trace": 0,
            "answer": 0,
            "budget": 0,
        }
        assert two.pop("guidance") is None
        assert toy.timeless(one) == toy.timeless(two)


class Breaking(HopsOracle):
    """An oracle that breaks the run off at its nth reading."""

    def __init__(self, n: int) -> None:
        super().__init__(toy.TASK)
        self.left = n

    def judge(self, solutions: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise RunFailed("power cut")
        return super().judge(solutions)


def _same(one: toy.Result, two: toy.Result) -> None:
    assert [toy.timeless(row) for row in one.metrics()] == [toy.timeless(row) for row in two.metrics()]
    assert one.rollouts() == two.rollouts()
    assert one.weights() == two.weights()


@pytest.mark.parametrize("guidance", [ADAPTIVE, STEADY, JUDGED], ids=lambda g: g.kind)
def test_a_resumed_run_is_the_straight_one(policy: Path, tmp_path: Path, guidance: Any) -> None:
    """Lengths, ids, rewards and losses: the controller goes on where it stood (the released code forgets)."""
    rescue = RescueStepwise(shape="linear", scaling="std", truncated="keep")
    asked = judged_recipe(guidance, rescue=rescue)
    straight = toy.train(asked, policy, tmp_path / "straight")
    lengths = [row["guidance"]["length"] for row in straight.metrics()]
    assert len(set(lengths)) > 1, "the length never moved: the test shows nothing"
    broken = tmp_path / "broken"
    with pytest.raises(RunFailed, match="power cut"):
        toy.train(asked, policy, broken, judge=Breaking(3))
    kept = read_json(broken / "checkpoints" / "checkpoint-4" / "complete.json")["guidance"]
    assert kept
    _same(toy.train(asked, policy, broken), straight)


KILLED = """
import os, signal, sys
from pathlib import Path
import toy, test_guided_job as ours
from sgpo_cli.judging.hops_oracle import HopsOracle

class Killing(HopsOracle):
    left = 4
    def judge(self, solutions):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().judge(solutions)

recipe = ours.judged_recipe(ours.STEADY, rescue=ours.RescueStepwise(truncated="keep"))
toy.train(recipe, Path(sys.argv[1]), Path(sys.argv[2]), judge=Killing(toy.TASK))
"""


@pytest.mark.slow
def test_killed_outright_ends_the_same(policy: Path, tmp_path: Path) -> None:
    asked = judged_recipe(STEADY, rescue=RescueStepwise(truncated="keep"))
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(policy), str(tmp_path / "killed")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    _same(toy.train(asked, policy, tmp_path / "killed"), toy.train(asked, policy, tmp_path / "straight"))


def test_judged_guidance_asks_for_whole_all_negative_groups(policy: Path, tmp_path: Path) -> None:
    """No rescue, and yet every rollout of an all-negative group is read, guided ones too; no advantage changes."""
    run = toy.train(judged_recipe(JUDGED, steps=4), policy, tmp_path)
    asked = 0
    for row in run.metrics():
        for number in range(4):
            mine = [r for r in run.rollouts() if (r["step"], r["group"]) == (row["step"], number)]
            negative = all(r["outcome"] == 0 for r in mine)
            assert all((r["verdict"] is not None) == negative for r in mine)
            asked += negative
            if negative:
                assert {r["advantage"] for r in mine} == {0.0} and {r["reason"] for r in mine} == {"no_contrast"}
                for r in mine:
                    given = r["response"][: r["prefix_end"]].split()
                    error = r["verdict"]["first_error"]
                    assert error == -1 or error >= len(given), "steps are counted from the start of the response"
        assert row["groups"]["rescued"] == 0
    assert asked


def test_rescue_and_guidance_together(policy: Path, tmp_path: Path) -> None:
    """Where all unguided rollouts are wrong they are rescued among themselves, beside a guided success too."""
    asked = judged_recipe(guided_toy.fixed(2), rescue=RescueStepwise(shape="linear", scaling="std", truncated="keep"))
    run = toy.train(asked, policy, tmp_path)
    beside = 0
    for row in run.metrics():
        for number in range(4):
            mine = [r for r in run.rollouts() if (r["step"], r["group"]) == (row["step"], number)]
            own = [r for r in mine if not r["prefix_tokens"]]
            led = [r for r in mine if r["prefix_tokens"]]
            if not led or any(r["outcome"] for r in own):
                assert all(r["reason"] != "rescued" for r in led)
                continue
            assert all(r["verdict"] for r in own) and not any(r["verdict"] for r in led)
            assert sum(r["advantage"] for r in own) == pytest.approx(0.0, abs=1e-5)
            assert {r["reason"] for r in own} <= {"rescued", "equal_scores", "alone"}
            for r in led:
                assert (r["advantage"] > 0) == bool(r["outcome"] and any(not x["outcome"] for x in mine))
            beside += any(r["outcome"] for r in led) and any(r["advantage"] for r in own)
        kinds = row["groups"]
        assert kinds["rescued"] <= kinds["all_negative"]
    assert beside, "no guided success beside a rescue: the test shows nothing"
