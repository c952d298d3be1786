"""The job: what it leaves, and that however it is broken off it ends the same."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.errors import Interrupted, RunFailed
from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.recipe.kinds import RescueNone
from sgpo_cli.runs import stops
from sgpo_cli.runs.rundir import StageDir


@pytest.fixture(scope="module")
def straight(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> toy.Result:
    """Six steps in one go."""
    return toy.train(toy.recipe(steps=6), policy, tmp_path_factory.mktemp("straight"))


def same(one: toy.Result, two: toy.Result) -> None:
    """Equal metrics (clocks aside), equal rollouts, equal weights."""
    assert [toy.timeless(row) for row in one.metrics()] == [toy.timeless(row) for row in two.metrics()]
    assert one.rollouts() == two.rollouts()
    assert one.weights() == two.weights()


def test_what_a_run_leaves(straight: toy.Result) -> None:
    rows, rollouts = straight.metrics(), straight.rollouts()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(rollouts) == 6 * 16
    for row in rows:
        mine = [r for r in rollouts if r["step"] == row["step"]]
        groups = [[r for r in mine if r["group"] == g] for g in range(4)]
        negative = [g for g in groups if all(r["outcome"] == 0 for r in g)]
        assert row["groups"]["total"] == 4
        assert row["groups"]["all_negative"] == len(negative)
        assert row["groups"]["rescued"] == sum(any(r["advantage"] for r in g) for g in negative)
        assert sum(row["groups"][kind] for kind in ("all_correct", "all_negative", "mixed", "ungraded")) == 4
        assert row["accuracy"] == pytest.approx(sum(r["outcome"] for r in mine) / 16)
        assert row["reward"] == pytest.approx(sum(r["reward"] for r in mine) / 16)
        assert row["zero_advantage"] == pytest.approx(sum(abs(r["advantage"]) < 1e-6 for r in mine) / 16)
        assert row["judge"]["judged"] == sum(r["verdict"] is not None for r in mine)
        assert row["judge"]["calls"] + row["judge"]["cached"] == row["judge"]["judged"]
        assert (row["heldout"] is not None) == (row["step"] % 2 == 0)
        assert row["grad_norm"] > 0
        assert row["kl"] is None
    assert any(row["groups"]["rescued"] for row in rows)
    assert rows[0]["heldout_start"]["problems"] == 8
    for rollout in rollouts:
        assert (rollout["step_ends"] is None) == (rollout["verdict"] is None)
        if rollout["step_ends"]:
            assert rollout["step_ends"][-1] == len(rollout["response"])
    for folder in (straight.stage.final, straight.stage.path / "best"):
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in folder.iterdir()}
    kinds = [(event["event"], event["step"]) for event in straight.events()]
    assert kinds[0] == ("metrics", 0)
    assert [step for kind, step in kinds if kind == "progress"] == [1, 2, 3, 4, 5, 6]
    assert sorted(p.name for p in straight.stage.checkpoints.iterdir()) == ["checkpoint-12", "checkpoint-8"]


def test_measuring_does_not_touch_the_training(policy: Path, tmp_path: Path, straight: toy.Result) -> None:
    blind = toy.train(toy.recipe(steps=6, eval_every=0), policy, tmp_path)
    assert blind.weights() == straight.weights()
    assert blind.outputs["best"] is None


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


def test_broken_off_between_checkpoints_ends_the_same(policy: Path, tmp_path: Path, straight: toy.Result) -> None:
    recipe = toy.recipe(steps=6)
    with pytest.raises(RunFailed, match="power cut"):
        toy.train(recipe, policy, tmp_path, judge=Breaking(3))
    # A kill may leave a half-written checkpoint and a torn line as well.
    half = tmp_path / "checkpoints" / "checkpoint-6"
    shutil.copytree(tmp_path / "checkpoints" / "checkpoint-4", half)
    (half / "complete.json").unlink()
    (half / "model.safetensors").write_bytes(b"half")
    with (tmp_path / "rollouts.jsonl").open("a") as stream:
        stream.write('{"step": 4, "gro')
    same(toy.train(recipe, policy, tmp_path), straight)


KILLED = """
import os, signal, sys
from pathlib import Path
import toy
from sgpo_cli.judging.hops_oracle import HopsOracle

class Killing(HopsOracle):
    left = 4
    def judge(self, solutions):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().judge(solutions)

toy.train(toy.recipe(steps=6), Path(sys.argv[1]), Path(sys.argv[2]), judge=Killing(toy.TASK))
"""


@pytest.mark.slow
def test_killed_outright_ends_the_same(policy: Path, tmp_path: Path, straight: toy.Result) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(policy), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "final").exists()
    assert len(toy.Result(StageDir(tmp_path)).metrics()) == 3
    same(toy.train(toy.recipe(steps=6), policy, tmp_path), straight)


def test_asked_to_stop_saves_and_goes_on(
    policy: Path, tmp_path: Path, straight: toy.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy.recipe(steps=6)
    asked = iter([False, False, True])
    monkeypatch.setattr(stops, "stop_asked", lambda: next(asked))
    with pytest.raises(Interrupted, match="after step 3 of 6"):
        toy.train(recipe, policy, tmp_path)
    monkeypatch.undo()
    assert not (tmp_path / "final").exists()
    same(toy.train(recipe, policy, tmp_path), straight)


def test_a_finished_run_without_its_last_folder_writes_it_again(
    policy: Path, tmp_path: Path, straight: toy.Result
) -> None:
    shutil.copytree(straight.stage.path, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "final")
    again = toy.train(toy.recipe(steps=6), policy, tmp_path / "again")
    same(again, straight)
    assert again.outputs["heldout"] == straight.outputs["heldout"]


def test_plain_grpo_counts_the_groups_it_learns_nothing_from(policy: Path, tmp_path: Path) -> None:
    run = toy.train(toy.recipe(rescue=RescueNone(), steps=2), policy, tmp_path)
    for row in run.metrics():
        assert row["groups"]["rescued"] == 0
        assert row["judge"]["calls"] == 0
        silent = row["groups"]["all_negative"] + row["groups"]["all_correct"]
        assert row["zero_advantage"] == pytest.approx(silent / 4)
        assert row["steps_right"] is not None


class Absent(HopsOracle):
    """A judge that never gives a verdict: by raising, by abstaining, or by finding nothing to check."""

    def __init__(self, how: str) -> None:
        super().__init__(toy.TASK)
        self.how = how

    def judge(self, solutions: Any) -> Any:
        from sgpo_cli.judging.verdict import Verdict

        if self.how == "raises":
            raise ConnectionError("no route")
        if self.how == "abstains":
            return [Verdict.abstain("unsure", num_steps=len(s.steps), judge="x") for s in solutions]
        return [Verdict.found(-1, num_steps=len(s.steps), checked=0, judge="x") for s in solutions]


@pytest.mark.parametrize("how", ["raises", "abstains", "finds nothing to check"])
def test_a_judge_that_gives_nothing_leaves_plain_grpo(policy: Path, tmp_path: Path, how: str) -> None:
    run = toy.train(toy.recipe(steps=1), policy, tmp_path / "sgpo", judge=Absent(how))
    plain = toy.train(toy.recipe(rescue=RescueNone(), steps=1), policy, tmp_path / "grpo")
    row = run.metrics()[0]
    with_steps = [r for r in run.rollouts() if r["verdict"] and r["verdict"]["num_steps"]]
    assert row["judge"]["fallback"]
    assert row["judge"]["abstained"] >= len(with_steps) > 0
    assert (row["judge"]["failed"] > 0) == (how == "raises")
    assert row["groups"]["abstained"] > 0
    assert row["groups"]["rescued"] == 0
    assert run.weights() == plain.weights()
    mixed = {r["group"] for r in run.rollouts() if r["outcome"]}  # read to measure the judge
    assert {r["reason"] for r in run.rollouts() if r["verdict"] and r["group"] not in mixed} == {"fallback"}
    assert any(event["event"] == "warning" for event in run.events())


def test_a_judge_that_gives_nothing_may_stop_the_run(policy: Path, tmp_path: Path) -> None:
    recipe = toy.recipe(steps=1)
    assert recipe.judge is not None
    recipe.judge.then = "stop"
    with pytest.raises(RunFailed, match=r"abstained on \d+ of \d+ rollouts of step 1.*unsure"):
        toy.train(recipe, policy, tmp_path, judge=Absent("abstains"))
    assert not (tmp_path / "final").exists()


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Sets the largest file that may be written, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "measured"),
    [(30_000, True), (30_000, False), (70_000, False), (2_000, False)],
    ids=["the best policy", "a checkpoint's model", "a checkpoint's optimizer", "rollouts"],
)
def test_a_full_disk(
    policy: Path,
    tmp_path: Path,
    straight: toy.Result,
    small_files: Callable[[int], None],
    size: int,
    measured: bool,
) -> None:
    recipe = toy.recipe(steps=6, eval_every=2 if measured else 0)
    small_files(size)
    with pytest.raises(RunFailed, match=r"no space left|cannot write weights"):
        toy.train(recipe, policy, tmp_path)
    small_files(10**9)
    assert not (tmp_path / "final").exists()
    assert toy.train(recipe, policy, tmp_path).weights() == straight.weights()


@pytest.mark.parametrize(("rate", "said"), [(1e8, "has diverged"), (1e20, "the loss of update 2 is nan")])
def test_a_policy_that_blows_up(policy: Path, tmp_path: Path, rate: float, said: str) -> None:
    with pytest.raises(RunFailed, match=said):
        toy.train(toy.recipe(steps=2, learning_rate=rate, eval_every=0), policy, tmp_path)


def test_metrics_hold_no_nan(straight: toy.Result) -> None:
    for path in (straight.stage.metrics, straight.stage.rollouts, straight.stage.events):
        for line in path.read_text().splitlines():
            json.loads(line, parse_constant=lambda name: pytest.fail(name))
