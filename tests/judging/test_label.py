"""The labelling job: the file contract, resuming, refusing, and that labels never reach the judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.arithmetic.judge import ArithmeticJudge
from sgpo_cli.judging.labelling.counts import LabelSummary, Progress
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.label import Output, label
from sgpo_cli.judging.verdict import Judge, Solution, Verdict


class Recorder:
    """Finds nothing, and remembers what it was shown; stops when told to."""

    name = "recorder"

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[Solution] = []
        self.stop_after = stop_after

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen.extend(solutions)
        return [Verdict.found(-1, num_steps=len(s.steps), judge=self.name) for s in solutions]


def write(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(n: int) -> list[dict[str, object]]:
    return [
        {"id": i, "problem": f"p{i}", "steps": ["a", "b"], "first_error": i % 3 - 1, "extra": [i]} for i in range(n)
    ]


def run(source: Path, out: Path, judge: Judge | None = None, **more: object) -> LabelSummary:
    options: dict[str, object] = {"fingerprint": "f", "on_progress": lambda _: None, **more}
    output = Output.named(str(out), overwrite=bool(options.pop("overwrite", False)))
    return label(JsonLines(source), output, judge or Recorder(), **options)  # type: ignore[arg-type]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_rows_keep_their_fields_and_gain_two(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl",
        [
            {"problem": "p", "steps": ["1 + 1 = 2", "2 + 2 = 5"], "first_error": 1, "x": {"y": None}, "id": "é"},
            {"problem": "q", "response": "1 + 1 = 2\n\n3 + 3 = 6", "answer": 6},
        ],
    )
    out = tmp_path / "deep" / "out.jsonl"
    summary = run(source, out, ArithmeticJudge())
    first, second = read(out)
    assert first["x"] == {"y": None} and first["id"] == "é" and first["first_error"] == 1
    assert first["verdict"] == {
        "first_error": 1,
        "num_steps": 2,
        "prefix_score": 0.5,
        "checked": 2,
        "abstained": False,
        "reason": "2 + 2 = 5",
        "judge": "arithmetic",
    }
    assert second["steps"] == ["1 + 1 = 2", "3 + 3 = 6"]
    assert (summary.total, summary.counts.no_error, summary.complete) == (2, 1, False)
    assert summary.measures is not None and summary.measures.acc_error == 1.0
    assert names(out.parent) == {"out.jsonl", "out.jsonl.meta.json"}


def test_labels_never_reach_the_judge(tmp_path: Path) -> None:
    judge = Recorder()
    run(
        write(tmp_path / "in.jsonl", [{"problem": "p", "steps": ["a"], "first_error": 0, "solution": "s"}]),
        tmp_path / "o",
        judge,
    )
    assert judge.seen == [Solution("p", ("a",), reference="s")]
    assert {field.name for field in fields(Solution)} == {"problem", "steps", "reference", "answer"}


def test_resumes_without_repeating_and_equals_a_straight_run(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(300))
    straight, out = tmp_path / "straight.jsonl", tmp_path / "out.jsonl"
    run(source, straight)
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Recorder(stop_after=128))
    assert not out.exists()
    with (tmp_path / "out.jsonl.partial").open("a") as stream:
        stream.write('{"torn')
    judge = Recorder()
    summary = run(source, out, judge)
    assert summary.resumed == 128 and [s.problem for s in judge.seen] == [f"p{i}" for i in range(128, 300)]
    assert out.read_bytes() == straight.read_bytes()
    assert summary.measures == run(source, straight).measures


def test_a_complete_output_costs_nothing(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(5)), tmp_path / "out.jsonl"
    first = run(source, out)
    judge = Recorder()
    again = run(source, out, judge)
    assert again.complete and not judge.seen and again.measures == first.measures
    assert names(tmp_path) == {"in.jsonl", "out.jsonl", "out.jsonl.meta.json"}


def test_another_input_judge_or_file_is_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(5)), tmp_path / "out.jsonl"
    run(source, out)
    before = out.read_bytes()
    other = write(tmp_path / "other.jsonl", rows(4))
    for arguments in ({"source": other}, {"fingerprint": "g"}, {"shard": (0, 2)}):
        with pytest.raises(UserError, match="overwrite"):
            run(**{"source": source, "out": out, **arguments})  # type: ignore[arg-type]
    assert out.read_bytes() == before
    assert names(tmp_path) == {"in.jsonl", "other.jsonl", "out.jsonl", "out.jsonl.meta.json"}
    assert run(other, out, overwrite=True).total == 4
    out.write_text("mine\n")
    with pytest.raises(UserError, match="overwrite"):
        run(other, out)
    assert out.read_text() == "mine\n"


def test_unfinished_labels_of_another_judge_are_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(200)), tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Recorder(stop_after=64))
    with pytest.raises(UserError, match="overwrite"):
        run(source, out, fingerprint="g")
    assert run(source, out, fingerprint="g", overwrite=True).resumed == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"problem": ', "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"steps": ["a"]}', "no problem"),
        ('{"problem": " ", "steps": ["a"]}', "no problem"),
        ('{"problem": "p"}', "neither steps nor a response"),
        ('{"problem": "p", "steps": "a"}', "not a list"),
        ('{"problem": "p", "steps": ["a"], "first_error": 1}', "of 1 steps"),
        ('{"problem": "p", "steps": ["a"], "first_error": "0"}', "first_error"),
        ('{"problem": "\\ud800', "not JSON"),
    ],
)
def test_bad_rows_are_named_by_line_and_nothing_is_written(tmp_path: Path, line: str, says: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"problem": "p", "steps": ["a"]}\n\n' + line + "\n")
    with pytest.raises(UserError, match=says) as caught:
        run(source, tmp_path / "out.jsonl")
    assert caught.value.where == f"{source}:3"
    assert names(tmp_path) == {"in.jsonl"}


def test_missing_empty_and_odd_inputs(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(UserError, match="no such file"):
        run(tmp_path / "none.jsonl", out)
    with pytest.raises(UserError, match="no rows"):
        run(write(tmp_path / "empty.jsonl", []), out)
    with pytest.raises(UserError, match="cannot read"):
        run(tmp_path, out)
    source = write(tmp_path / "in.jsonl", rows(2))
    with pytest.raises(UserError, match="input itself"):
        run(source, source)
    with pytest.raises(UserError, match="directory"):
        run(source, tmp_path)
    with pytest.raises(UserError, match="shard"):
        run(source, out, shard=(2, 2))
    with pytest.raises(UserError, match="no rows"):
        run(source, out, shard=(3, 4))
    assert names(tmp_path) == {"empty.jsonl", "in.jsonl"}


def test_shards_part_the_rows(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(7))
    for i in range(3):
        run(source, tmp_path / f"{i}.jsonl", shard=(i, 3))
    assert [[row["id"] for row in read(tmp_path / f"{i}.jsonl")] for i in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(write(tmp_path / "in.jsonl", rows(130)), tmp_path / "out.jsonl", on_progress=seen.append)
    assert [progress.done for progress in seen] == [0, 64, 128, 130]
    assert all(progress.total == 130 for progress in seen) and seen[-1].no_error == 130


def test_a_judge_that_loses_rows_fails_the_run(tmp_path: Path) -> None:
    class Short(Recorder):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            return super().judge(solutions)[1:]

    with pytest.raises(RunFailed, match="verdicts for"):
        run(write(tmp_path / "in.jsonl", rows(3)), tmp_path / "out.jsonl", Short())


SLOW = """
import sys, time
from pathlib import Path
from sgpo_cli.judging.labelling.label import Output, label
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.verdict import Verdict
class Slow:
    name = "recorder"
    def judge(self, solutions):
        time.sleep(0.2)
        return [Verdict.found(-1, num_steps=len(s.steps), judge=self.name) for s in solutions]
source, output = JsonLines(Path(sys.argv[1])), Output(Path(sys.argv[2]))
label(source, output, Slow(), fingerprint="f", on_progress=lambda p: print(p.done, flush=1))
"""


def test_killed_and_locked(tmp_path: Path) -> None:
    source, out, straight = (
        write(tmp_path / "in.jsonl", rows(1000)),
        tmp_path / "out.jsonl",
        tmp_path / "straight.jsonl",
    )
    run(source, straight)
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(source), str(out)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert child.stdout is not None
        while int(child.stdout.readline()) < 128:
            pass
        with pytest.raises(UserError, match="another process"):
            run(source, out)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    time.sleep(0.05)
    assert 128 <= run(source, out).resumed < 1000
    assert out.read_bytes() == straight.read_bytes()


class Blind(Recorder):
    """Abstains on the first row, finds nothing to check in the others."""

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [
            Verdict.abstain("why", num_steps=2, judge=self.name)
            if solution.problem == "p0"
            else Verdict.found(-1, num_steps=2, checked=0, judge=self.name)
            for solution in solutions
        ]


def test_what_had_nothing_to_check_is_counted_beside_what_abstained(tmp_path: Path) -> None:
    labelled = run(write(tmp_path / "in.jsonl", rows(4)), tmp_path / "o", Blind()).to_json()
    counted = {"total": 4, "abstained": 1, "failed": 0, "no_error": 3, "unchecked": 3, "resumed": 0, "written": 4}
    why = labelled["rows"].pop("abstained_why")
    assert labelled["rows"] == {**counted, "left_out": {}}
    assert sum(why.values()) == 1
    assert (labelled["abstained"], labelled["unchecked"]) == (0.25, 0.75)
    plain = [{"problem": f"p{i}", "steps": ["a", "b"]} for i in range(4)]
    told = run(write(tmp_path / "plain.jsonl", plain), tmp_path / "p", Blind()).to_json()
    assert (told["abstained"], told["unchecked"]) == (0.25, 0.75) and "acc_error" not in told


def test_complete_says_that_the_output_is_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(3))
    first, again = run(source, tmp_path / "o"), run(source, tmp_path / "o")
    assert [(s.complete, s.to_json()["complete"], s.to_json()["nothing_to_do"]) for s in (first, again)] == [
        (False, True, False),
        (True, True, True),
    ]


@pytest.mark.parametrize("field", ["problem", "id", "extra"])
def test_half_a_surrogate_pair_is_named_before_anything_is_written(tmp_path: Path, field: str) -> None:
    row = {"problem": "p", "steps": ["a"]}
    whole = {**row, "id": "\U0001f600"}  # spelt as a pair of escapes: that is a character
    source = write(tmp_path / "in.jsonl", [whole, {**row, field: "x\ud800y"}])
    with pytest.raises(UserError, match="half of a surrogate pair") as caught:
        run(source, tmp_path / "out" / "o.jsonl")
    assert caught.value.where == f"{source}:2"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", ['{"problem": "p', '{"problem": "p\x01"}', f'{{"problem": {"1" * 5000}}}'])
def test_what_is_not_json_is_said_in_a_sentence(tmp_path: Path, line: str) -> None:
    (tmp_path / "in.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match="not JSON") as caught:
        run(tmp_path / "in.jsonl", tmp_path / "o")
    assert "at at" not in caught.value.what and "starting at at" not in caught.value.what
