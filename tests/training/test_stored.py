"""Learning from fixed responses: they are what is learned from, ratios are against the policy that made them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.data.hops import problems
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.generation.load import load_policy, load_tokenizer
from sgpo_cli.generation.scoring import log_probs
from sgpo_cli.generation.transformers_engine import TransformersEngine
from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.offline import Offline
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.stored import StoredJudge, read_groups, rows_of

GROUPS, SIZE = 8, 4


def test_log_probabilities_one_token_at_a_time(policy: Path) -> None:
    import torch

    model, tokenizer = load_policy(policy), load_tokenizer(policy)
    prompts = [tokenizer.encode("e1 r0 r1"), tokenizer.encode("e3 r2 r1 r0 r3")]
    responses = [tokenizer.encode(text, add_special_tokens=False) for text in ("e4 e5 # e5", "e2")]
    found = log_probs(model, prompts, responses, temperature=0.7, pad_id=tokenizer.pad_token_id)
    for prompt, response, told in zip(prompts, responses, found, strict=True):
        assert len(told) == len(response)
        for at, token in enumerate(response):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*prompt, *response[:at]]])).logits[0, -1] / 0.7
            assert told[at] == pytest.approx(float(logits.log_softmax(-1)[token]), abs=1e-4)


@pytest.fixture(scope="module")
def stored(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stage rollout leaves, for the toy: 8 groups of 4, half of them labelled by the oracle."""
    tokenizer = load_tokenizer(policy)
    engine = TransformersEngine(load_policy(policy), tokenizer)
    rows = [row for row in problems(toy.TASK, 16, 0, "train")[:GROUPS] for _ in range(SIZE)]
    made = engine.generate([row.problem for row in rows], max_new_tokens=6, temperature=1.0, top_p=1.0, seed=5)
    prompts = [tokenizer.encode(row.problem) for row in rows]
    scores = log_probs(engine.model, prompts, [one.ids for one in made], temperature=1.0, pad_id=0)
    path = tmp_path_factory.mktemp("stored") / "rollouts.jsonl"
    oracle = HopsOracle(toy.TASK)
    lines = []
    for at, (row, one, logprobs) in enumerate(zip(rows, made, scores, strict=True)):
        [verdict] = oracle.judge([Solution(row.problem, tuple(split_steps(one.text)))])
        told = {"group": at // SIZE, "sample": at % SIZE, "id": row.id, "problem": row.problem, "response": one.text}
        told |= {"ids": list(one.ids), "logprobs": logprobs, "truncated": one.truncated, "outcome": 0}
        lines.append(json.dumps(told | {"verdict": verdict.to_json()}))
    path.write_text("\n".join(lines) + "\n")
    return path


def _recipe(**trainer: Any) -> Recipe:
    return replace(toy.recipe(steps=4, **trainer), offline=Offline(problems=GROUPS))


def _go(policy: Path, stored: Path, folder: Path, *, recipe: Recipe | None = None, judge: Any = None) -> toy.Result:
    from sgpo_cli.training.job import run_train

    folder.mkdir(exist_ok=True)
    stage = StageDir(folder)
    events = EventWriter("train", stage.events)
    try:
        run_train(
            recipe=recipe or _recipe(),
            policy=policy,
            judge=judge or StoredJudge.read(stored),
            stage=stage,
            events=events,
            stored=stored,
        )
    finally:
        events.close()
    return toy.Result(stage)


class Killed(StoredJudge):
    left = 3

    def judge(self, solutions: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise RunFailed("killed here")
        return super().judge(solutions)


def test_only_fixed_responses_are_learned_from(policy: Path, stored: Path, tmp_path: Path) -> None:
    straight = _go(policy, stored, tmp_path / "straight")
    lines = [json.loads(line) for line in stored.read_text().splitlines()]
    known = {(row["id"], row["sample"]): row["response"] for row in lines}
    learned = [(row["id"], row["sample"], row["response"]) for row in straight.rollouts()]
    assert len(learned) == 4 * 4 * SIZE and all(known[name, at] == text for name, at, text in learned)
    # Two passes over eight groups, each in another order; no group twice in a pass.
    order = [row["id"] for row in straight.rollouts() if row["sample"] == 0]
    assert set(order[:8]) == set(order[8:]) == {row["id"] for row in lines} and order[:8] != order[8:]
    drifts = [row["drift"] for row in straight.metrics()]
    assert drifts[0]["ratio"] == pytest.approx(1, abs=1e-4) and drifts[0]["log_ratio"] < 1e-4
    assert drifts[0]["outside"] == 0 < drifts[-1]["log_ratio"] and math.isfinite(drifts[-1]["ratio"])
    rescued = [row for row in straight.metrics() if row["groups"]["rescued"]]
    assert rescued and all(row["grad_norm"] > 0 for row in rescued)
    # One update a step: the present policy's log-probabilities are not TRL's by-product then, and are the same.
    once = _go(policy, stored, tmp_path / "once", recipe=_recipe(updates_per_step=1))
    assert once.metrics()[0]["drift"]["log_ratio"] < 1e-4 < once.metrics()[1]["drift"]["log_ratio"]

    with pytest.raises(RunFailed, match="killed here"):
        _go(policy, stored, tmp_path / "broken", judge=Killed("x", StoredJudge.read(stored)._verdicts))
    resumed = _go(policy, stored, tmp_path / "broken")
    assert resumed.rollouts() == straight.rollouts() and resumed.weights() == straight.weights()
    assert [toy.timeless(row) for row in resumed.metrics()] == [toy.timeless(row) for row in straight.metrics()]


def test_the_file_is_looked_at(stored: Path, tmp_path: Path) -> None:
    groups = read_groups(stored, SIZE)
    assert len(groups) == GROUPS and all(len(group.rollouts) == SIZE for group in groups)
    rows = problems(toy.TASK, 16, 0, "train")
    assert [row.id for row in rows_of(groups, rows)] == [group.id for group in groups]
    with pytest.raises(UserError, match="does not hold"):
        rows_of(groups, rows[4:])
    lines = stored.read_text().splitlines()
    torn = tmp_path / "torn.jsonl"
    torn.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(RunFailed, match="damaged at group"):
        read_groups(torn, SIZE)


def test_a_stored_judge_says_what_was_said(stored: Path) -> None:
    judge = StoredJudge.read(stored)
    row = json.loads(stored.read_text().splitlines()[0])
    asked = Solution(row["problem"], tuple(split_steps(row["response"])))
    unknown = Solution(row["problem"], ("something else",))
    [said, nothing] = judge.judge([asked, unknown])
    assert said.to_json() == row["verdict"] and judge.name == "hops_oracle"
    assert nothing.abstained and nothing.reason == "not among the labelled responses"
