"""Reward kind `code`: what the tests say, in a sandbox, as an outcome or as a share."""

from __future__ import annotations

import pytest

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.kinds import RewardCode, RewardMath
from sgpo_cli.training.rewards import build_rewards
from sgpo_cli.verify.code import choose_sandbox
from sgpo_cli.verify.pool import Grader

ROWS = [
    Row(id="a", problem="Double it.", extra={"test_list": ["assert f(1) == 2", "assert f(2) == 4"]}),
    Row(
        id="b",
        problem='def g(x):\n    """Square."""\n',
        extra={"test": "def check(g):\n    assert g(3) == 9", "entry_point": "g"},
    ),
]
RESPONSES = [
    "```python\ndef f(x): return 2 * x\n```",
    "```python\ndef f(x): return x + 1\n```",
    "No idea.",
    "    return x * x\n",
]


@pytest.fixture(autouse=True)
def _sandboxed() -> None:
    try:
        choose_sandbox()
    except UserError as problem:
        pytest.skip(str(problem))


def build(*rewards, rows=ROWS):
    return build_rewards(list(rewards), rows, lambda timeout: Grader(timeout=timeout))


def test_all_tests_are_the_outcome_and_the_share_is_none() -> None:
    made = build(RewardCode(), RewardCode(score="fraction", weight=0.5))
    assert made.outcome == 0 and made.weights == [1.0, 0.5]
    told = {"completions": RESPONSES, "row": [0, 0, 0, 1]}
    assert made.functions[0](**told) == [1.0, 0.0, 0.0, 1.0]
    assert made.functions[1](**told) == [1.0, 0.5, 0.0, 1.0]
    assert [function.__name__ for function in made.functions] == ["code_0", "code_1"]


def test_a_broken_test_is_ungraded_not_wrong() -> None:
    rows = [Row(id="a", problem="?", extra={"test_list": ["assert f(1) =="]})]
    assert build(RewardCode(), rows=rows).functions[0](completions=[RESPONSES[0]], row=[0]) == [None]


def test_a_row_without_tests_is_named() -> None:
    with pytest.raises(UserError, match="no tests"):
        build(RewardCode(), rows=[*ROWS, Row(id="c", problem="?", answer="1")])


def test_one_outcome_only() -> None:
    with pytest.raises(UserError, match="has 2"):
        build(RewardMath(), RewardCode())
    with pytest.raises(UserError, match="has 0"):
        build(RewardCode(score="fraction"))


def test_the_same_tests_are_told_apart_by_row_not_by_name() -> None:
    other = [Row(id="a", problem="Halve it.", extra={"test_list": ["assert f(2) == 1"]})]
    assert build(RewardCode()).functions[0](completions=RESPONSES[:1], row=[0]) == [1.0]
    assert build(RewardCode(), rows=other).functions[0](completions=RESPONSES[:1], row=[0]) == [0.0]
