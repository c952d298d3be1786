"""From a response to a program, and to a grade: each benchmark's form, LiveCodeBench's packed tests, mixed grading."""

from __future__ import annotations

import base64
import json
import os
import pickle
import time
import zlib
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.verify.code import AssertTests, CallTests, StdinTests, choose_sandbox
from sgpo_cli.verify.code.benchmarks import livecodebench_tests
from sgpo_cli.verify.code.task import asserts_of, form_of, program_of, task_of
from sgpo_cli.verify.grader import AnyGrader
from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.programs import ProgramItem
from tests.verify import code_shapes as shapes

PROMPT = 'import math\n\n\ndef f(x):\n    """Square it."""\n'
HUMANEVAL = {"problem": PROMPT, "test": "def check(c):\n    assert c(3) == 9", "entry_point": "f"}
MBPP = {"problem": "Double it.", "test_list": ["assert g(1) == 2", "assert g(2) == 4"]}
STDIN = {"public_test_cases": [{"input": "2\n", "output": "4\n", "testtype": "stdin"}]}
OPENR1 = {"verification_info": {"test_cases": [{"input": "2\n", "output": "4\n", "type": "stdin_stdout"}]}}
CALL = {
    "public_test_cases": '[{"input": "2", "output": "4", "testtype": "functional"}]',
    "metadata": '{"func_name": "twice"}',
    "starter_code": "class Solution:\n    def twice(self, n: int) -> int:\n        ",
}


@pytest.fixture
def grader() -> AnyGrader:
    try:
        choose_sandbox()
    except UserError as problem:
        pytest.skip(str(problem))
    return AnyGrader(programs=True)


@pytest.mark.parametrize(
    ("response", "passes"),
    [
        ("    return x * x\n", True),  # a base model completes
        ("    return x * x\n\n\ndef other(): return undefined\nprint(f(1))", True),  # and goes on with something else
        ("```python\ndef f(x):\n    return x * x\n```", True),
        ("```python\nreturn x * x\n```", True),  # a body in a block, however it is indented
        ("```python\n    y = x\n    return y * x\n```", True),
        ("Sure!\n```python\nimport math\ndef f(x):\n    return math.pow(x, 2)\n```\nThis squares.", True),
        ("def f(x):\n    return x * x", True),
        ("    return x + x\n", False),
        ("I would multiply x by itself.", False),
        ("", False),
    ],
)
def test_humaneval_takes_bodies_and_functions(grader: AnyGrader, response: str, passes: bool) -> None:
    task = task_of(HUMANEVAL, "here")
    with grader:
        [grade] = grader.grade_many([ProgramItem(response, task)])
    assert grade.outcome == int(passes), grade


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        (shapes.NEAR, shapes.FUNCTION),
        (shapes.TWICE, shapes.ASSERTS),
        (shapes.SUMS, shapes.SCRIPT),
        (shapes.TIMES, shapes.METHOD),
    ],
    ids=["function", "asserts", "script", "method"],
)
def test_shapes_of_answers(grader: AnyGrader, row: dict[str, object], answers: shapes.Shapes) -> None:
    task = task_of(row, "here")
    with grader:
        grades = grader.grade_many([ProgramItem(response, task) for response, _ in answers.values()])
    found = dict(zip(answers, grades, strict=True))
    misgraded = {name: found[name] for name, (_, right) in answers.items() if found[name].outcome != int(right)}
    assert not misgraded


def test_a_long_senseless_response_takes_no_time() -> None:
    began = time.monotonic()
    for text in ("```\n(\n", "```python\n", "from x y\n", "x = 1\ny y\n", ">>> x y\n", "```a```\n", "    x = (\n"):
        for row in (HUMANEVAL, STDIN):
            program_of(task_of(row, "here"), text * 2000)
    assert time.monotonic() - began < 20


def test_each_form_is_told_by_its_columns() -> None:
    assert [form_of(row) for row in (HUMANEVAL, MBPP, STDIN, {"answer": "1"})] == [
        "humaneval", "mbpp", "livecodebench", None,
    ]  # fmt: skip
    mbpp = task_of(MBPP, "here")
    assert isinstance(mbpp.tests, AssertTests) and mbpp.entry_point == "g"
    assert asserts_of(mbpp) == "assert g(1) == 2\nassert g(2) == 4"
    assert isinstance(task_of(STDIN, "here").tests, StdinTests) and task_of(STDIN, "here").public
    call = task_of(CALL, "here")
    assert isinstance(call.tests, CallTests) and call.starter.startswith("class Solution")
    assert "from typing import *" in (program_of(call, "```python\nclass Solution: pass\n```") or "")
    with pytest.raises(UserError, match="no tests"):
        task_of({"answer": "1"}, "file.jsonl:3")
    with pytest.raises(UserError, match="test_list"):
        task_of(STDIN, "file.jsonl:3", "mbpp")


def test_openr1_runs_whole_programs(grader: AnyGrader) -> None:
    task = task_of(OPENR1, "here")
    assert task.form == form_of(OPENR1) == "openr1" and task.entry_point is None
    assert task_of({"verification_info": json.dumps(OPENR1["verification_info"])}, "here").tests == task.tests
    programs = ["```python\nprint(int(input()) * 2)\n```", "```python\nprint(5)\n```"]
    with grader:
        right, wrong = grader.grade_many([ProgramItem(program, task) for program in programs])
    assert (right.outcome, wrong.outcome) == (1, 0)


@pytest.mark.parametrize(
    "told",
    [
        "no JSON",
        "[]",
        {"language": "python"},
        {"test_cases": []},
        {"test_cases": [{"input": "2"}]},
        {"test_cases": [{"input": "2", "output": "4", "type": "function_call", "fn_name": "f"}]},
    ],
    ids=str,
)
def test_openr1_tests_that_cannot_be_run(told: object) -> None:
    with pytest.raises(UserError) as caught:
        task_of({"id": "7", "verification_info": told}, "here")
    assert caught.value.where == "row 7" or "no tests" in str(caught.value)


def test_kinds_of_items_are_graded_together_in_order_and_fractions_are_kept(grader: AnyGrader) -> None:
    mbpp, call = task_of(MBPP, "here"), task_of(CALL, "here")
    items = [
        GradeItem("\\boxed{4}", "4"),
        ProgramItem("```python\ndef g(x): return x + 1\n```", mbpp),
        ProgramItem("```python\nprint(int(input()) ** 2)\n```", task_of(STDIN, "here")),
        GradeItem("Answer: B", "A", "choice"),
        ProgramItem("```python\nclass Solution:\n    def twice(self, n): return n + n\n```", call),
        ProgramItem("```python\ndef g(x): return x + 1\n```", mbpp),
    ]
    with grader:
        grades = grader.grade_many(items)
    assert [grade.outcome for grade in grades] == [1, 0, 1, 0, 1, 0]
    assert [grade.fraction for grade in grades] == [None, 0.5, 1.0, None, 1.0, 0.5]
    assert grades[1].reason == "wrong" and grades[1].detail.startswith("test 1") and grades[2].reason == "passed"


def packed(value: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def test_private_tests_are_unpacked_when_they_are_text_and_nothing_else(tmp_path: Path) -> None:
    private = [{"input": "5\n", "output": "25\n", "testtype": "stdin"}]
    for told in (packed(json.dumps(private)), json.dumps(private), private):
        tests = livecodebench_tests({**STDIN, "private_test_cases": told})
        assert isinstance(tests, StdinTests) and [case[0] for case in tests.cases] == ["2\n", "5\n"]
    assert not task_of({**STDIN, "private_test_cases": packed(json.dumps(private))}, "here").public

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/x",)

    for bad in (packed(Evil()), packed(["a"]), "not packed at all"):
        with pytest.raises(UserError, match="neither JSON nor packed"):
            livecodebench_tests({**STDIN, "private_test_cases": bad})
    assert not list(tmp_path.iterdir())


def test_canonical_solutions_pass_and_others_do_not(grader: AnyGrader, shared_data) -> None:
    """A sample; all of them: benchmarks/code_grading.py."""
    with grader:
        for name, every in (("humaneval", 20), ("mbpp", 60)):
            lines = (shared_data / f"eval_{name}.jsonl").read_text().splitlines()[::every]
            rows = [json.loads(line) for line in lines]
            tasks = [task_of(row, row["id"]) for row in rows]
            mine = [
                ProgramItem(f"```python\n{row['answer']}\n```", task) for row, task in zip(rows, tasks, strict=True)
            ]
            others = [ProgramItem(one.response, task) for one, task in zip(mine, tasks[1:], strict=False)]
            assert {grade.outcome for grade in grader.grade_many(mine)} == {1}
            assert sum(grade.outcome for grade in grader.grade_many(others)) <= 1
