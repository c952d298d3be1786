"""Bad input: a clear message, the exit code of the contract, nothing half-written, never a traceback."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import SHORT, environment, sgpo, sgpo_here

GOOD = {"problem": "What is 2 + 3?", "response": "Step 1: 2 + 3 = 5."}


def refused(told: subprocess.CompletedProcess[str], *words: str, code: int = 2) -> None:
    assert told.returncode == code, told.stdout + told.stderr
    assert "Traceback" not in told.stdout + told.stderr
    for word in words:
        assert word in told.stderr, (word, told.stderr)


def recipe(here: Path, text: str) -> str:
    (here / "mine.yaml").write_text(text)
    return "mine.yaml"


@pytest.mark.parametrize("command", ["train", "plan"])
def test_a_misspelt_key_three_levels_deep(tmp_path: Path, command: str) -> None:
    name = recipe(tmp_path, "extends: tiny_sgpo\ndata:\n  hops:\n    misconceptions:\n      shared: 0.5\n")
    refused(sgpo(command, name, cwd=tmp_path), "mine.yaml:5", "shared", "share")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


def test_all_mistakes_at_once_with_their_places(tmp_path: Path) -> None:
    name = recipe(
        tmp_path, 'extends: tiny_sgpo\ntrainer:\n  steps: "3"\n  trl: {output_dir: x}\nrescue: {kind: stepwize}\n'
    )
    told = sgpo("plan", name, "trainer.group_sise=4", "seed=-1", cwd=tmp_path)
    refused(told, "mine.yaml:3", "mine.yaml:4", "mine.yaml:5", "stepwise", "override 1", "group_size", "override 2")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["trainer.prompts_per_step=3", "trainer.group_size=3"], ["updates_per_step"]),
        (["benchmarks.0.card=hopps"], ["hopps", "hops"]),
        (["judge=null"], ["judge"]),
        (["judge.card=oracle"], ["oracle"]),
        (["trainer.trl.num_generations=4"], ["num_generations", "group_size"]),
        (["trainer.trl.learning_rat=1"], ["learning_rat"]),
        (["reward=[]"], ["outcome"]),
        (["guidance.kind=fixed"], ["guidance.length", "guidance.loss_on_prefix"]),
        (["guidance={kind: fixed, length: 6, loss_on_prefix: false, fraction: 0.05}"], ["fraction", "no rollout"]),
        (["data.source=nowhere.jsonl"], ["nowhere.jsonl"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_impossible_combinations_are_found_before_anything_is_loaded(
    tmp_path: Path, overrides: list[str], words: list[str]
) -> None:
    refused(sgpo("train", "tiny_sgpo", *overrides, cwd=tmp_path, timeout=20), *words)
    assert list(tmp_path.iterdir()) == []


def test_guidance_without_a_solution_column(tmp_path: Path) -> None:
    """Task hops has its solutions built in; a file's must be named."""
    (tmp_path / "rows.jsonl").write_text('{"problem": "1+1?", "answer": "2"}\n')
    overrides = [
        "data.source=rows.jsonl",
        "data.heldout=0",
        "trainer.eval_every=0",
        "judge=null",
        "rescue={kind: none}",
        "warmup={kind: none}",
        "benchmarks=[]",
        "reward=[{kind: math}]",
        "guidance={kind: fixed, length: 6, loss_on_prefix: false}",
    ]
    for command in ("plan", "train"):
        refused(sgpo(command, "tiny_sgpo", *overrides, cwd=tmp_path, timeout=20), "data.columns.solution")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2\nb: 3\n", ["mine.yaml:2"]),
        ("", ["mine.yaml"]),
        ("- 1\n- 2\n", ["mine.yaml"]),
        ("a: 1\na: 2\n", ["a"]),
    ],
)
def test_not_a_recipe(tmp_path: Path, text: str, words: list[str]) -> None:
    refused(sgpo("plan", recipe(tmp_path, text), cwd=tmp_path), *words)


def test_no_such_recipe_names_those_there_are(tmp_path: Path) -> None:
    refused(sgpo("train", "tiny_sgop", cwd=tmp_path), "tiny_sgop", "tiny_sgpo")
    refused(sgpo("train", "there/is/none.yaml", cwd=tmp_path), "none.yaml")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([json.dumps(GOOD), '{"problem": "x", "resp'], ["in.jsonl:2"]),
        ([json.dumps(GOOD), json.dumps({"response": "1 + 1 = 2"})], ["in.jsonl:2", "problem"]),
        ([json.dumps({"problem": "x"})], ["in.jsonl:1", "response"]),
        ([json.dumps(GOOD), "[1, 2]"], ["in.jsonl:2"]),
        ([], ["in.jsonl"]),
    ],
)
def test_judge_refuses_bad_rows_before_it_writes(tmp_path: Path, lines: list[str], words: list[str]) -> None:
    (tmp_path / "in.jsonl").write_text("".join(line + "\n" for line in lines))
    refused(sgpo("judge", "in.jsonl", "--out", "out.jsonl", "--judge", "arithmetic", cwd=tmp_path), *words)
    assert not list(tmp_path.glob("out*"))


def test_judge_refuses_an_output_that_exists(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "out.jsonl").write_text("mine\n")
    command = ["judge", "in.jsonl", "--out", "out.jsonl", "--judge", "arithmetic"]
    refused(sgpo(*command, cwd=tmp_path), "--overwrite")
    assert (tmp_path / "out.jsonl").read_text() == "mine\n"
    assert sgpo(*command, "--overwrite", cwd=tmp_path).returncode == 0


def test_judge_names(tmp_path: Path) -> None:
    refused(sgpo("judge", "none.jsonl", "--out", "o", "--judge", "arithmetic", cwd=tmp_path), "none.jsonl")
    (tmp_path / "in.jsonl").write_text(json.dumps(GOOD) + "\n")
    refused(sgpo("judge", "in.jsonl", "--out", "o", "--judge", "arithmatic", cwd=tmp_path), "arithmetic")
    refused(sgpo("judge", "in.jsonl", "--out", "o", "--judge", "arithmetic", "--shard", "3/3", cwd=tmp_path), "shard")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['{"problem": "1+1?", "answer": "2"}', '{"problem": '], ["rows.jsonl:2"]),
        (['{"problem": "1+1?", "answer": "2"}', '{"answer": "2"}'], ["rows.jsonl:2", "problem"]),
        (['{"question": "1+1?", "answer": "2"}'], ["question"]),
        ([], ["rows.jsonl"]),
    ],
)
def test_training_data_that_cannot_be_read(tmp_path: Path, lines: list[str], words: list[str]) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(line + "\n" for line in lines))
    overrides = [
        "data.source=rows.jsonl",
        "data.heldout=0",
        "trainer.eval_every=0",
        "judge=null",
        "rescue={kind: none}",
    ]
    told = sgpo(
        "train", "tiny_sgpo", *overrides, "warmup={kind: none}", "benchmarks=[]", "reward=[{kind: math}]", cwd=tmp_path
    )
    refused(told, *words)


def test_a_nan_reward_stops_the_run_and_names_the_sample(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def reward(problem, response, answer, row):\n    return float('nan')\n")
    told = sgpo_here(
        "train", "tiny_grpo", *SHORT, "reward=[{kind: exact}, {kind: python, path: 'bad.py:reward'}]", cwd=tmp_path
    )
    refused(told, "nan", "hops-", code=1)
    assert not (tmp_path / "runs/tiny_grpo/stages/train/final").exists()
    assert not (tmp_path / "runs/tiny_grpo/done.json").exists()


def test_a_runs_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("I am a file")
    refused(sgpo("train", "tiny_sgpo", *SHORT, cwd=tmp_path), "runs")
    refused(sgpo("eval", "--bench", "hops", "--model", "gone", "--out", "runs/x", cwd=tmp_path), "runs")


def test_a_full_disk_fails_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    def small() -> None:
        # Every file may be 100 kB: the policy's weights are not written, small files are.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-m", "sgpo_cli", "train", "tiny_grpo", *SHORT]
    told = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, preexec_fn=small, timeout=120
    )
    refused(told, "could not be written", "free some disk", code=1)
    run = tmp_path / "runs/tiny_grpo"
    assert not (run / "stages/warmup/done.json").exists() and not (run / "stages/warmup/final").exists()
    assert sgpo("train", "tiny_grpo", *SHORT, "--until", "warmup", cwd=tmp_path).returncode == 0


def test_looking_at_nothing(tmp_path: Path) -> None:
    for command in (
        ["show", "nope", "--step", "1"],
        ["report", "nope"],
        ["compare", "nope", "nada"],
        ["list", "things"],
    ):
        refused(sgpo(*command, cwd=tmp_path))
    refused(sgpo("compare", "one", cwd=tmp_path), "two")
    refused(sgpo("judge", "--out", "o", "--judge", "arithmetic", cwd=tmp_path), "runs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"problem": "p", "steps": ["a"]}, "has a label: there is nothing to measure a judge on"),
        ({"problem": "p", "steps": ["a"], "label": 1}, "label is 1, of 1 steps"),
        ({"problem": "p", "steps": ["a"], "first_error": 4}, "first_error is 4, of 1 steps"),
    ],
)
def test_labels_of_a_floor_are_read_before_anything_runs(tmp_path: Path, row: dict[str, object], words: str) -> None:
    (tmp_path / "floor.jsonl").write_text(json.dumps(row) + "\n")
    for command in ("plan", "train"):
        told = sgpo(command, "tiny_sgpo", "judge.floor={f1: 0.5, data: floor.jsonl}", cwd=tmp_path)
        assert told.returncode == 2 and words in told.stderr.replace("\n", " "), told.stderr
    assert not (tmp_path / "runs").exists()
