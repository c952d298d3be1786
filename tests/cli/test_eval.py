"""`sgpo eval` and `sgpo compare` as a person types them: growing k, servers, programs, plans, files for other tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.verify.code import choose_sandbox
from tests.servers.behaviours import ok
from tests.servers.chat_server import ChatServer
from tests.tiny import rows, sgpo_here

MODEL = "runs/tiny_sgpo/stages/train/final"


@pytest.fixture
def run_here(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "runs", tmp_path / "runs", symlinks=True)
    return tmp_path


def test_samples_are_reused_written_out_and_compared(run_here: Path) -> None:
    command = ["eval", "--bench", "hops", "--limit", "8", "--out", "out", "--json"]
    first = sgpo_here(*command, "--k", "2", cwd=run_here)
    assert first.returncode == 0, first.stderr
    two = rows(run_here / "out/hops/samples.jsonl")
    extras = ["--save-responses", "made.jsonl", "--export", "results.json"]
    more = sgpo_here(*command, "--k", "4", *extras, cwd=run_here)
    assert more.returncode == 0, more.stderr
    four = rows(run_here / "out/hops/samples.jsonl")
    assert [row for row in four if row["sample"] < 2] == two and len(four) == 32
    goes = [row["go"] for row in rows(run_here / "out/hops/drawn.jsonl") if "go" in row and "batch" not in row]
    assert goes == [[0, 2], [2, 4]]

    (summary,) = json.loads(more.stdout)
    results = json.loads((run_here / "results.json").read_text())
    assert results["results"]["hops"]["exact_match,none"] == summary["avg_at_k"]
    assert results["n-samples"]["hops"] == {"original": 8, "effective": 8}
    assert results["configs"]["hops"]["repeats"] == 4

    other = sgpo_here(
        "eval", "--bench", "hops", "--limit", "8", "--k", "2", "--out", "two", "--seed", "1", cwd=run_here
    )
    assert other.returncode == 0, other.stderr
    told = sgpo_here("compare", "out", "two", cwd=run_here)
    assert told.returncode == 0, told.stderr
    assert "not distinguishable" in told.stdout and "on the same 8 problems" in " ".join(told.stdout.split())
    (pair,) = json.loads(sgpo_here("compare", "out", "two", "--json", cwd=run_here).stdout)["benchmarks"]["hops"]
    assert pair["runs"] == ["out", "two"] and pair["problems"] == 8 and 0 <= pair["p"] <= 1
    assert sgpo_here("compare", "out", "tiny_sgpo", cwd=run_here).returncode == 0

    made = rows(run_here / "made.jsonl")
    assert [set(row) for row in made] == [{"id", "sample", "response", "truncated"}] * 32


def test_a_server_answers_and_its_failures_keep_what_was_drawn(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text("".join(f'{{"problem": "{n} + 1?", "answer": "8"}}\n' for n in range(3)))
    (tmp_path / "sums.yaml").write_text("# Sums.\nfile: sums.jsonl\nk: 2\n")
    with ChatServer(ok("It is \\boxed{8}."), model="org/m") as server:
        command = [
            "eval",
            "--bench",
            "./sums.yaml",
            "--server",
            server.url,
            "--model",
            "org/m",
            "--out",
            "out",
            "--json",
        ]
        done = sgpo_here(*command, "--save-responses", "made.jsonl", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (summary,) = json.loads(done.stdout)
        assert summary["avg_at_k"] == 1.0 and summary["engine"] == "server" and summary["samples"] == 6
        assert len(server.log) == 6
        assert len({json.loads(line)["response"] for line in (tmp_path / "made.jsonl").read_text().splitlines()}) == 1
        again = sgpo_here("eval", "--bench", "./sums.yaml", "--responses", "made.jsonl", "--json", cwd=tmp_path)
        (regraded,) = json.loads(again.stdout)
        assert regraded["avg_at_k"] == 1.0 and regraded["k"] == 2 and regraded["accounted"]["right"] == 6
        other = ["--server", server.url, "--model", "other", "--out", "new"]
        wrong = sgpo_here("eval", "--bench", "./sums.yaml", *other, cwd=tmp_path)
        assert wrong.returncode == 2 and "it serves 'org/m'" in wrong.stderr
    assert "--model" in sgpo_here("eval", "--bench", "./sums.yaml", "--server", "http://x/v1", cwd=tmp_path).stderr


def test_programs_made_elsewhere(tmp_path: Path, shared_data: Path) -> None:
    try:
        choose_sandbox()
    except UserError as problem:
        pytest.skip(str(problem))
    problems = rows(shared_data / "eval_humaneval.jsonl")[:4]
    answers = [{"id": row["id"], "response": f"```python\n{row['problem']}{row['answer']}```"} for row in problems]
    answers.append({"id": problems[0]["id"], "response": "```python\ndef has_close_elements(a, b): while True\n```"})
    answers.append({"id": problems[1]["id"], "response": "import os; os._exit(0)"})
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    file = str(shared_data / "eval_humaneval.jsonl")
    command = ["eval", "--bench", "humaneval", "--file", file, "--responses", "answers.jsonl", "--out", "out", "--json"]
    told = sgpo_here(*command, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    (summary,) = json.loads(told.stdout)
    graded = rows(tmp_path / "out/humaneval/samples.jsonl")
    assert [row["correct"] for row in graded] == [True] * 4 + [False] * 2
    assert [row["reason"] for row in graded[4:]] == ["syntax", "no_code"]
    assert summary["missing"] == 160 and summary["maj_at_k"] is None and summary["tests_passed"] == pytest.approx(4 / 6)
    assert summary["accounted"]["absent"] == 164 * 2 - 6


def test_the_plan_shows_prompt_bos_and_stops(run_here: Path) -> None:
    (told,) = json.loads(sgpo_here("eval", "--bench", "hops", "--plan", "--json", cwd=run_here).stdout)["benchmarks"]
    prompt = told["rendered"]
    assert prompt["text"].startswith("e") and prompt["bos"] == {"token": "<s>", "at_start": True}
    assert prompt["begins"][0] == "<s>" and [stop["token"] for stop in prompt["stop"]] == ["</s>"]


def test_two_bos_and_a_missing_chat_template_are_errors_with_a_fix(run_here: Path) -> None:
    (run_here / "twice.jsonl").write_text('{"problem": "e1 r0", "answer": "e2"}\n')
    (run_here / "twice.yaml").write_text("# Twice.\nfile: twice.jsonl\nprompt: '<s> {problem}'\ngrade: {kind: exact}\n")
    for extra in ([], ["--plan"]):
        told = sgpo_here("eval", "--bench", "./twice.yaml", "--model", MODEL, "--out", "x", *extra, cwd=run_here)
        assert told.returncode == 2 and "two BOS" in told.stderr and "take it out" in told.stderr, told.stderr
    told = sgpo_here("eval", "--bench", "hops", "--model", MODEL, "--chat", "--out", "y", "--plan", cwd=run_here)
    assert told.returncode == 2 and "no chat template" in told.stderr and "--no-chat" in told.stderr, told.stderr
    shutil.copytree(run_here / MODEL, run_here / "tiny-Instruct")
    told = sgpo_here("eval", "--bench", "hops", "--model", "tiny-Instruct", "--plan", cwd=run_here)
    assert told.returncode == 2 and "chat model by its name" in told.stderr, told.stderr
    plain = sgpo_here("eval", "--bench", "hops", "--model", "tiny-Instruct", "--no-chat", "--plan", cwd=run_here)
    assert plain.returncode == 0, plain.stderr
    assert (
        sgpo_here("eval", "--bench", "hops", "--model", "tiny_sgpo", "--no-chat", "--plan", cwd=run_here).returncode
        == 2
    )


def test_a_judge_is_measured_on_processbench(tmp_path: Path, shared_data: Path) -> None:
    file = str(shared_data / "steps_processbench_gsm8k.jsonl")
    command = ["eval", "--bench", "processbench", "--judge", "arithmetic", "--file", file, "--out", "out", "--json"]
    told = sgpo_here(*command, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout)
    part = summary["parts"]["steps_processbench_gsm8k"]
    assert summary["rows"] == 208 and 0 < part["f1"] < 1
    assert len(rows(tmp_path / "out/processbench/steps_processbench_gsm8k.jsonl")) == 208
    assert "--judge" in sgpo_here("eval", "--bench", "processbench", cwd=tmp_path).stderr
    assert sgpo_here("eval", "--bench", "hops", "--judge", "arithmetic", cwd=tmp_path).returncode == 2
