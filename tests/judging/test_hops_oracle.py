"""The hops oracle's verdicts, and that its prefix score never pays for answering early."""

from __future__ import annotations

import pytest

from sgpo_cli.data.hops import facts, parse_problem, problems
from sgpo_cli.errors import UserError
from sgpo_cli.judging.hops_oracle import HopsOracle, from_options
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.schema import HopsTask

TASK = HopsTask()
ROW = problems(TASK, 1, 0, "train")[0]


def chain() -> list[str]:
    parsed = parse_problem(TASK, ROW.problem)
    assert parsed is not None
    return [f"e{entity}" for entity in facts(TASK).chain(*parsed)]


def score(*steps: str) -> float:
    (verdict,) = HopsOracle(TASK).judge([Solution(ROW.problem, steps)])
    assert verdict.prefix_score is not None
    return verdict.prefix_score


def test_right_wrong_foreign_and_empty() -> None:
    right = (*chain(), f"# {ROW.answer}")
    good, bad, foreign, empty = HopsOracle(TASK).judge(
        [
            Solution(ROW.problem, right),
            Solution(ROW.problem, (*right[:4], "r0", *right[5:])),
            Solution("What is 1 + 1?", ("2",)),
            Solution(ROW.problem, ()),
        ]
    )
    assert (good.first_error, good.num_steps, good.checked, good.prefix_score) == (-1, 11, 11, 1.0)
    assert (bad.first_error, bad.prefix_score) == (4, pytest.approx(4 / 11))
    assert foreign.abstained and foreign.reason == "not a problem of task hops"
    assert (empty.first_error, empty.num_steps, empty.prefix_score) == (-1, 0, 0.0)


def test_the_splitter_gives_the_oracle_its_steps() -> None:
    (verdict,) = HopsOracle(TASK).judge([Solution(ROW.problem, tuple(split_steps(ROW.solution or "")))])
    assert (verdict.first_error, verdict.num_steps) == (-1, 11)


def test_answering_early_breaking_off_and_running_on_never_pay() -> None:
    hops = chain()
    whole = [score(*hops[:right], *["r0"] * (10 - right), "# e0") for right in range(10)]
    for right in range(1, 10):
        assert score(*hops[:right], f"# {hops[right - 1]}") <= whole[right]
        assert score(*hops[:right]) < whole[right]
        assert score(*hops[:right], *["r0"] * 30) < whole[right]
    assert whole == sorted(set(whole))


def test_options() -> None:
    assert from_options({}).task == TASK
    assert from_options({"task": HopsTask(hops=4)}).task.hops == 4
    with pytest.raises(UserError):
        from_options({"hops": 4})
