"""Answers made elsewhere: joining, order, missing problems, and the errors a file can have."""

from __future__ import annotations

import json

import pytest

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench import make_bench
from sgpo_cli.evaluation.responses import score_responses
from sgpo_cli.verify.pool import Grader
from tests.evaluation.benches import card, sums


def score(tmp_path, rows, bench=None, **options):
    file = tmp_path / "made.jsonl"
    file.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
    calls = []
    with Grader() as grader:
        summary = score_responses(
            bench or sums(),
            file,
            tmp_path / "out",
            grader=grader,
            on_progress=lambda done, total: calls.append((done, total)),
            **options,
        )
    samples = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert calls[-1] == (len(samples), len(samples))
    return summary, samples


def test_rows_are_joined_by_id_then_by_text_and_keep_their_order(tmp_path):
    rows = [
        {"id": "p3", "response": "\\boxed{4}"},
        {"problem": "What  is 0 + 1?\n", "response": "\\boxed{1}", "id": "elsewhere-7"},
        {"id": "p3", "response": "\\boxed{5}"},
        {"problem": "What is 1 + 1?", "response": "\\boxed{7}", "answer": "7"},
    ]
    summary, samples = score(tmp_path, rows)
    assert [(s["id"], s["sample"], s["correct"]) for s in samples] == [
        ("p3", 0, True), ("p0", 0, True), ("p3", 1, False), ("p1", 0, True),
    ]  # fmt: skip
    assert samples[1]["input_id"] == "elsewhere-7" and "input_id" not in samples[0]
    assert summary["n_problems"] == 5 and summary["missing"] == 2 and summary["k"] == 2
    assert summary["avg_at_k"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert summary["engine"] is None and "elsewhere" in summary["reasons"]["engine"]


def test_another_field(tmp_path):
    _, samples = score(tmp_path, [{"id": "p0", "solution": "A: 1", "response": "no"}], field="solution")
    assert samples[0]["correct"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "p0", "response": "1"}\n{"id": "p1", \n', "made.jsonl:2.*JSON"),
        ('\n{"id": "p9", "response": "1"}\n', "made.jsonl:2.*not in bench sums.*p9"),
        ('{"problem": "What is love?", "response": "1"}\n', "made.jsonl:1.*What is love"),
        ('{"response": "1"}\n', "no id.*no problem"),
        ('{"id": "p0", "solution": "1"}\n', "no text under 'response'.*solution"),
        ('{"id": "p0", "response": ["1"]}\n', "no text under 'response'.*list"),
        ('{"id": "p0", "problem": "What is 1 + 1?", "response": "1"}\n', "one problem.*text another"),
        ("[1]\n", "made.jsonl:1.*object"),
        ("\n", "no responses"),
    ],
)
def test_a_wrong_file_is_named_by_line_and_writes_nothing(tmp_path, text, message):
    with pytest.raises(UserError, match=f"(?s){message}"):
        score(tmp_path, text)
    assert not (tmp_path / "out").exists()


def test_a_missing_file(tmp_path):
    with Grader() as grader, pytest.raises(UserError):
        score_responses(sums(), tmp_path / "none.jsonl", tmp_path / "out", grader=grader, on_progress=lambda *_: None)


def test_one_text_with_two_answers_needs_the_id(tmp_path):
    rows = [Row(id="a", problem="Guess", answer="1"), Row(id="b", problem="Guess", answer="2")]
    bench = make_bench(card(), rows, source="x")
    with pytest.raises(UserError, match="give the id"):
        score(tmp_path, [{"problem": "Guess", "response": "\\boxed{1}"}], bench)
    summary, _ = score(tmp_path, [{"problem": "Guess", "id": "b", "response": "\\boxed{2}"}], bench)
    assert summary["avg_at_k"] == 1.0


def test_a_rows_own_answer_is_its_gold_and_said_where_it_is_another(tmp_path):
    rows = [
        {"id": "p0", "response": "\\boxed{12345}", "answer": "12345"},
        {"id": "p1", "response": "\\boxed{2}", "answer": "2"},
        {"id": "p2", "response": "\\boxed{3}", "answer": " "},
    ]
    summary, samples = score(tmp_path, rows)
    assert [sample["correct"] for sample in samples] == [True, True, True]
    (note,) = summary["notes"]
    assert note.startswith("1 of 3 rows are graded against an `answer` of their own")


def test_sample_numbers_are_kept_and_the_others_filled_in(tmp_path):
    rows = [{"id": "p0", "response": "1"}, {"id": "p0", "response": "1", "sample": 0}]
    rows += [{"id": "p0", "response": "1", "sample": 7}, {"id": "p0", "response": "1"}]
    summary, samples = score(tmp_path, rows)
    assert [sample["sample"] for sample in samples] == [1, 0, 7, 2] and summary["k"] == 4


def test_one_sample_twice_is_refused_with_both_places(tmp_path):
    rows = [{"id": "p0", "response": "1", "sample": 0}, {"problem": "What is 0 + 1?", "response": "2", "sample": 0}]
    with pytest.raises(UserError, match=r"made.jsonl:2: sample 0 of problem 'p0' comes twice.*made.jsonl:1"):
        score(tmp_path, rows)


def test_what_failed_is_ungraded_and_what_was_cut_stays_cut(tmp_path):
    rows = [
        {"id": "p0", "sample": 0, "response": "\\boxed{1}", "truncated": False},
        {"id": "p0", "sample": 1, "response": "", "truncated": False, "failed": "HTTP 400"},
        {"id": "p1", "sample": 0, "response": "and so", "truncated": True},
        {"id": "p1", "sample": 1, "response": "", "truncated": False},
    ]
    summary, samples = score(tmp_path, rows)
    assert [sample["correct"] for sample in samples] == [True, None, False, False]
    assert samples[1]["reason"] == "engine_failed" and samples[1]["detail"] == "HTTP 400"
    assert summary["truncated"] == 1 and summary["ungraded"] == 1


def test_what_failed_means_elsewhere_changes_nothing(tmp_path):
    _, samples = score(tmp_path, [{"id": "p0", "response": "\\boxed{3}", "failed": "yes", "sample": "first"}])
    assert samples[0]["correct"] is False and samples[0]["sample"] == 0 and samples[0]["truncated"] is None
