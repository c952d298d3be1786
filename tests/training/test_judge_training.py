"""A judge is really taught; killed and gone on, it is the same judge; and it follows the policy while RL goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.data.hops import first_wrong_step, problems
from sgpo_cli.errors import Interrupted, RunFailed
from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.learned.closeness import closeness
from sgpo_cli.judging.learned.examples import Example, encode
from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.learned.judge import LearnedJudge
from sgpo_cli.judging.learned.rows import write_rows
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import LearnedCard
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.schema import JudgeUse, Recipe
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training import warmup_watch
from sgpo_cli.training.judge_trainer import open_writer, train_judge

TRAIN = JudgeTrain(
    label_with="hops_oracle", steps=60, batch_size=32, learning_rate=5e-3, max_length=64, save_every=20, least=10
)


def _labelled(count: int, seed: int) -> list[Labelled]:
    """Right chains, every second of them with one step replaced."""
    rows = []
    for number, row in enumerate(problems(toy.TASK, count, seed, "train")):
        steps = (row.solution or "").splitlines()
        if number % 2:
            at = number // 2 % 3
            steps[at] = "e0" if steps[at] != "e0" else "e1"
        rows.append(Labelled(row.problem, tuple(steps), first_wrong_step(toy.TASK, row.problem, steps)))
    return rows


@pytest.fixture(scope="module")
def examples(policy: Path) -> list[Example]:
    found, left_out = encode(_labelled(600, 1), open_writer(policy), max_length=64)
    assert not left_out
    return found


@pytest.fixture(scope="module")
def taught(policy: Path, examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("taught")
    train_judge(examples, source=policy, train=TRAIN, steps=60, home=home, events=EventWriter("t", None))
    write_rows(home / "labels.jsonl", _labelled(600, 1))
    return home


def test_it_learns_to_find_the_first_error(taught: Path) -> None:
    rows = _labelled(200, 2)
    judge = LearnedJudge(LearnedCard(), taught / "final", max_length=64, reference_steps=True)
    verdicts = judge.judge([Solution(row.problem, row.steps) for row in rows])
    told = closeness(verdicts, [row.first_error for row in rows], [len(row.steps) for row in rows])
    never = sum(row.first_error < 0 for row in rows) / len(rows)
    assert told.exact is not None and told.exact > never + 0.2, "no better than one that never finds any"
    losses = [json.loads(line)["loss"] for line in (taught / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 60 and losses[-1] < 0.5 * losses[0]
    assert not (taught / "checkpoints").exists()


def test_stopped_and_gone_on_it_is_the_same_judge(
    policy: Path, examples: list[Example], taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def teach(home: Path = tmp_path) -> None:
        train_judge(examples, source=policy, train=TRAIN, steps=60, home=home, events=EventWriter("t", None))

    looks = iter(range(30))

    def look() -> bool:
        if next(looks, None) is None:
            stops._asked.set()
        return stops.stop_asked()

    monkeypatch.setattr(warmup_watch, "_anyone_stops", look)
    with pytest.raises(Interrupted, match=r"stopped at step 3\d of 60 of the judge's training"):
        teach()
    assert not (tmp_path / "final").exists() and list((tmp_path / "checkpoints").iterdir())
    monkeypatch.undo()
    stops.reset()
    teach()
    for name in ("final/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (taught / name).read_bytes(), name


class Killed(LearnedJudge):
    """Fails for good when it is asked the `after`-th time."""

    after = 4

    def judge(self, solutions: Any) -> list[Verdict]:
        self.after -= 1
        if self.after == 0:
            raise RunFailed("killed here")
        return super().judge(solutions)


def _recipe() -> Recipe:
    train = replace(TRAIN, refresh_every=2, refresh_rollouts=24, refresh_steps=3)
    return replace(toy.recipe(steps=4), judge=JudgeUse(card="learned", train=train))


def _go(policy: Path, folder: Path, judge: LearnedJudge) -> toy.Result:
    from sgpo_cli.training.job import run_train

    folder.mkdir(exist_ok=True)
    stage = StageDir(folder)
    events = EventWriter("train", stage.events)
    try:
        run_train(
            recipe=_recipe(), policy=policy, judge=judge, stage=stage, events=events, teacher=HopsOracle(toy.TASK)
        )
    finally:
        events.close()
    return toy.Result(stage)


@pytest.mark.slow
def test_a_judge_that_follows_the_policy_follows_it_after_a_kill_too(
    policy: Path, taught: Path, tmp_path: Path
) -> None:
    def judge(kind: type[LearnedJudge] = LearnedJudge) -> LearnedJudge:
        return kind(LearnedCard(), taught / "final", max_length=64, reference_steps=True)

    straight_judge = judge()
    straight = _go(policy, tmp_path / "straight", straight_judge)
    home = straight.stage.path / "judge"
    assert [path.name for path in sorted(home.glob("step-*"))] == ["step-2"], "none after the last step"
    assert straight_judge.folder == home / "step-2" / "final"
    [told] = [json.loads(line) for line in (home / "refreshes.jsonl").read_text().splitlines()]
    new = [json.loads(line) for line in (home / "step-2/new.jsonl").read_text().splitlines()]
    assert told["step"] == 2 and told["labels"] == len(new) == told["label_calls"] <= 24
    assert all(row["first_error"] == first_wrong_step(toy.TASK, row["problem"], row["steps"]) for row in new)
    assert 0 <= told["before"]["exact"] <= 1
    assert all(row["seconds"] > 0 for row in straight.metrics())
    assert straight.metrics()[1]["seconds"] < told["seconds"], "the judge's training is no part of the step"
    # As many labels from before are mixed in, and the weights are others than those it started from.
    assert len((home / "step-2/labels.jsonl").read_text().splitlines()) == 2 * len(new)
    first, second = ((path / "final/model.safetensors").read_bytes() for path in (taught, home / "step-2"))
    assert first != second

    # Killed in step 3 or 4, after the refresh; the folder of the refresh is torn away too, as a stop would leave it.
    with pytest.raises(RunFailed, match="killed here"):
        _go(policy, tmp_path / "broken", judge(Killed))
    broken = StageDir(tmp_path / "broken")
    assert not broken.final.exists() and (broken.path / "judge/step-2/final").exists()
    shutil.rmtree(broken.path / "judge/step-2/final")
    resumed = _go(policy, tmp_path / "broken", judge())
    assert (broken.path / "judge/step-2/final/model.safetensors").read_bytes() == second
    assert resumed.rollouts() == straight.rollouts()
    assert [toy.timeless(row) for row in resumed.metrics()] == [toy.timeless(row) for row in straight.metrics()]
    assert resumed.weights() == straight.weights()
