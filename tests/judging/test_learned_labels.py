"""Files of labelled steps: five schemas read by hand-made and by real rows, and every way in which they are wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.errors import UserError
from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.learned.labels import Labels, divide, read_labels, set_aside
from sgpo_cli.judging.learned.relabel import as_labels
from sgpo_cli.judging.learned.rows import read_rows, write_rows
from sgpo_cli.judging.verdict import Solution, Verdict

STEPS = ["3 + 4 = 7.", "7 * 2 = 15.", "So 15."]


def _completion(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": False}


def _prm800k(*steps: Any, finish: str = "solution") -> dict[str, Any]:
    told = [
        {"completions": list(c), "chosen_completion": chosen, "human_completion": human} for c, chosen, human in steps
    ]
    return {"question": {"problem": "p?"}, "label": {"steps": told, "finish_reason": finish}}


SHEPHERD = {
    "input": "Add up. Step 1: 3 + 4 = 7. ки\nStep 2: 7 * 2 = 15. ки\nStep 3: So 15. ки",
    "label": "Add up. Step 1: 3 + 4 = 7. +\nStep 2: 7 * 2 = 15. -\nStep 3: So 15. -",
    "task": "GSM8K",
}
ROWS: dict[str, tuple[dict[str, Any], Labelled]] = {
    "sgpo": ({"problem": "p?", "steps": STEPS, "first_error": 1}, Labelled("p?", tuple(STEPS), 1)),
    "processbench": (
        {"id": "x", "problem": "p?", "steps": STEPS, "label": -1, "final_answer_correct": True},
        Labelled("p?", tuple(STEPS), -1),
    ),
    "stepwise": (
        {"prompt": "p?", "completions": STEPS, "labels": [True, False, True]},
        Labelled("p?", tuple(STEPS), 1),
    ),
    "math_shepherd": (
        SHEPHERD,
        Labelled("Add up.", ("Step 1: 3 + 4 = 7.", "Step 2: 7 * 2 = 15.", "Step 3: So 15."), 1),
    ),
    "prm800k": (
        _prm800k(([_completion("a", 1)], 0, None), ([_completion("b", 0)], 0, None)),
        Labelled("p?", ("a", "b"), -1),
    ),
}


def _file(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("schema", list(ROWS))
def test_each_schema_is_told_by_its_columns(schema: str, tmp_path: Path) -> None:
    row, wanted = ROWS[schema]
    for told in ("auto", schema):
        found = read_labels(_file(tmp_path, row, row), told)
        assert found.rows == [wanted, wanted]
        assert found.rows[1].where.endswith("labels.jsonl:2")


def test_verdicts_are_labels_where_there_are_no_others(tmp_path: Path) -> None:
    def row(**verdict: Any) -> dict[str, Any]:
        return {"problem": "p?", "steps": STEPS, "verdict": {"abstained": False, "checked": 3, **verdict}}

    rows = [
        row(first_error=2),
        {**row(first_error=2), "first_error": 0},  # a person's label wins
        row(first_error=None, abstained=True),
        row(first_error=-1, checked=0),
        {"problem": "p?", "response": "1. one\n2. two", "first_error": 1},
        {"problem": "p?", "steps": STEPS},
    ]
    found = read_labels(_file(tmp_path, *rows))
    assert [one.first_error for one in found.rows] == [2, 0, 1]
    assert found.rows[2].steps == ("1. one", "2. two")
    assert found.left_out == {
        "on which the judge abstained": 1,
        "in which the judge found nothing to check": 1,
        "without first_error or verdict": 1,
    }


def test_which_of_two_labels_is_read_is_said(tmp_path: Path) -> None:
    both = {**ROWS["processbench"][0], "verdict": Verdict.found(0, num_steps=3, judge="j").to_json()}
    auto, ours = read_labels(_file(tmp_path, both)), read_labels(_file(tmp_path, both), "sgpo")
    assert (auto.rows[0].first_error, ours.rows[0].first_error) == (-1, 0)
    assert auto.note is not None and "verdict is not read" in auto.note and ours.note is None


def test_chat_messages_are_a_problem(tmp_path: Path) -> None:
    chat = {**ROWS["stepwise"][0], "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "p?"}]}
    assert read_labels(_file(tmp_path, chat)).rows == [ROWS["stepwise"][1]]


def test_prm800k_gives_the_path_and_its_wrong_turns(tmp_path: Path) -> None:
    human = {"text": "h", "rating": None}
    row = _prm800k(
        ([_completion("a", 1), _completion("bad", -1)], 0, None),
        ([_completion("worse", -1)], None, human),
        ([_completion("end", 1)], 0, None),
    )
    assert [(one.steps, one.first_error) for one in read_labels(_file(tmp_path, row)).rows] == [
        (("bad",), 0),
        (("a", "worse"), 1),
        (("a", "h", "end"), -1),
    ]
    # An error that ends it; a rating that is missing ends what is known.
    row = _prm800k(([_completion("a", 1)], 0, None), ([_completion("x", -1)], None, None), finish="found_error")
    assert [(one.steps, one.first_error) for one in read_labels(_file(tmp_path, row)).rows] == [(("a", "x"), 1)]
    row = _prm800k(([_completion("a", None)], 0, None), finish="give_up")
    assert not read_labels(_file(tmp_path, row)).rows


def test_real_rows_of_others(shared_data: Path) -> None:
    raw = shared_data / "raw_format_samples"
    shepherd = read_labels(raw / "samples_math-shepherd.jsonl")
    assert len(shepherd.rows) == 7 and shepherd.rows[0].first_error == 4 and shepherd.rows[1].first_error == 0
    assert [len(row.steps) for row in shepherd.rows] == [5, 3, 2, 5, 5, 2, 3]
    assert shepherd.rows[0].steps[0].startswith("Step 1: Janet spends 3 hours")
    openai = read_labels(raw / "samples_prm800k.jsonl")
    first = [row for row in openai.rows if row.where.endswith(":1")]
    assert [row.first_error for row in first] == [1] * 5 + [-1] and len(first[-1].steps) == 6
    assert sum(row.first_error < 0 for row in openai.rows) == 4  # of six, one error is found and one is given up
    bench = read_labels(shared_data / "steps_processbench_gsm8k.jsonl")
    assert len(bench.rows) == 208 and bench.wrong == 110


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("more labels than steps", {"prompt": "p", "completions": STEPS, "labels": [True] * 4}, "3 steps .* and 4 labels"),
    ("label is no truth value", {"prompt": "p", "completions": ["a"], "labels": [2]}, "label 0 is 2"),
    ("beyond the last step", {"problem": "p", "steps": STEPS, "first_error": 3}, "first_error is 3, of 3 steps"),
    ("below -1", {"problem": "p", "steps": STEPS, "label": -2}, "label is -2, of 3 steps"),
    ("no number", {"problem": "p", "steps": STEPS, "first_error": "1"}, "first_error is '1'"),
    ("steps are no list", {"problem": "p", "steps": "a", "first_error": 0}, "steps is not a list of texts"),
    ("no steps at all", {"problem": "p", "first_error": 0}, "neither steps nor a response"),
    ("no problem", {"problem": " ", "steps": ["a"], "first_error": 0}, "this row has no problem"),
    ("rating out of range", _prm800k(([_completion("a", 2)], 0, None)), "a rating of step 0 is 2"),
    ("chosen out of range", _prm800k(([_completion("a", 1)], 1, None)), "chosen_completion of step 0 is 1, of 1"),
    ("a sign too few", {**SHEPHERD, "label": SHEPHERD["label"].replace(" -\nStep 3", "\nStep 3")}, "at step 1"),
    ("an empty step", {"problem": "p", "steps": ["a", " "], "first_error": 0}, "step 1 of steps is empty"),
    ("a verdict that is none", {"problem": "p", "steps": ["a"], "verdict": 3}, "verdict is 3, not an object"),
    ("two truths", {"problem": "p", "steps": STEPS, "label": 1, "first_error": 0}, "label is 1 and first_error is 0"),
    (
        "two problems",
        {"prompt": [{"role": "user", "content": "p"}] * 2, "completions": ["a"], "labels": [True]},
        "prompt has 2 messages of role user",
    ),
    ("no tag", {"input": "Add up.", "label": "Add up."}, "no step ends"),
    ("no schema", {"question": "p", "answer": "7"}, "no schema of labelled steps has these columns: question, answer"),
]


@pytest.mark.parametrize(("row", "what"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_said_with_its_line(row: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_labels(_file(tmp_path, row))
    assert str(caught.value.where).endswith("labels.jsonl:1")


def test_one_schema_a_file(tmp_path: Path) -> None:
    mixed = _file(tmp_path, ROWS["sgpo"][0], ROWS["stepwise"][0])
    with pytest.raises(UserError, match=r"of schema stepwise, and the file is read as sgpo \(as line 1 is\)") as caught:
        read_labels(mixed)
    assert str(caught.value.where).endswith(":2")
    with pytest.raises(UserError, match="of schema processbench, and the file is read as sgpo"):
        read_labels(_file(tmp_path, ROWS["sgpo"][0], ROWS["processbench"][0]))
    with pytest.raises(UserError, match="has no prompt and no completions"):
        read_labels(_file(tmp_path, {"x": 1}), "stepwise")
    with pytest.raises(UserError, match="has no rows"):
        read_labels(_file(tmp_path))


def _rows(count: int, wrong: Sequence[int], problems: int = 50) -> list[Labelled]:
    return [Labelled(f"problem {i % problems}", ("a", "b"), 0 if i in wrong else -1) for i in range(count)]


def test_too_few_or_one_kind_only() -> None:
    with pytest.raises(UserError, match=r"9 labelled responses are too few .*judge\.train\.least is 10"):
        divide(Labels(_rows(9, [1])), share=0, least=10, where="x")
    with pytest.raises(UserError, match=r"too few .*\(\d+ more are held out") as caught:
        divide(Labels(_rows(20, [1])), share=0.5, least=20, where="x")
    assert "lower judge.train.least, or judge.train.heldout" in str(caught.value.fix)
    with pytest.raises(UserError, match="no step of 20 labelled responses is wrong"):
        divide(Labels(_rows(20, [])), share=0, least=10, where="x")
    with pytest.raises(UserError, match="every first step of 20 labelled responses is wrong"):
        divide(Labels(_rows(20, range(20))), share=0, least=10, where="x")
    with pytest.raises(UserError, match="no problem of 1 was set aside"):
        divide(Labels(_rows(20, [1], problems=1)), share=0.001, least=10, where="x")


def test_the_rollouts_of_a_policy_that_gets_nothing_right_can_be_learned_from() -> None:
    """Their first steps are right: a judge is taught steps, and hard data is what it is for."""
    rows = [Labelled(f"problem {i}", ("a", "b"), 1) for i in range(20)]
    learn, _ = divide(Labels(rows), share=0, least=10, where="x")
    assert len(learn) == 20


@given(st.integers(1, 300), st.floats(0, 0.99))
def test_a_problem_is_wholly_on_one_side(count: int, share: float) -> None:
    rows = _rows(count, [])
    learn, held = set_aside(rows, share)
    assert not {row.problem for row in learn} & {row.problem for row in held}
    assert len(learn) + len(held) == count
    assert share > 0 or not held
    # More is set aside of what was set aside already: the same problem, the same side.
    assert {row.problem for row in held} <= {row.problem for row in set_aside(rows, min(1.0, share + 0.2))[1]}


def test_verdicts_of_another_judge(tmp_path: Path) -> None:
    solutions = [Solution("p", ("a", "b")), Solution("p", ()), Solution("p", ("c",)), Solution("p", ("d",))]
    verdicts = [
        Verdict.found(1, num_steps=11, judge="j", checked=2),  # it may count steps that the response lacks
        Verdict.found(-1, num_steps=0, judge="j"),
        Verdict.abstain("why", num_steps=1, judge="j"),
        Verdict.found(-1, num_steps=1, judge="j", checked=0),
    ]
    found = as_labels(solutions, verdicts)
    assert found.rows == [Labelled("p", ("a", "b"), 1)]
    assert sum(found.left_out.values()) == 3
    write_rows(tmp_path / "rows.jsonl", found.rows)
    assert read_rows(tmp_path / "rows.jsonl") == found.rows
