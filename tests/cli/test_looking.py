"""The commands that look at a finished run: show, report, eval, judge, with and without --json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import rows, sgpo_here


@pytest.fixture
def run_here(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "runs", tmp_path / "runs", symlinks=True)
    return tmp_path


def test_show_marks_the_steps(finished: Path) -> None:
    shown = sgpo_here("show", "tiny_sgpo", "--step", "1", "--all", cwd=finished)
    assert shown.returncode == 0, shown.stderr
    assert "first wrong step" in shown.stdout and "group" in shown.stdout
    told = json.loads(sgpo_here("show", "tiny_sgpo", "--step", "1", "--json", cwd=finished).stdout)
    assert told


def test_show_of_a_step_that_is_not_there_says_which_are(finished: Path) -> None:
    shown = sgpo_here("show", "tiny_sgpo", "--step", "99", cwd=finished)
    assert shown.returncode == 2 and "4" in shown.stderr


def test_report_is_self_contained(run_here: Path) -> None:
    (run_here / "runs/tiny_sgpo/report.html").unlink()
    told = sgpo_here("report", "tiny_sgpo", cwd=run_here)
    assert told.returncode == 0, told.stderr
    html = (run_here / "runs/tiny_sgpo/report.html").read_text()
    assert "<svg" in html and "hops_oracle" in html
    assert "http://" not in html.replace("http://www.w3.org/", "") and "https://" not in html
    assert "<script" not in html


def test_eval_without_a_model_takes_the_newest_finished_run_and_says_so(run_here: Path) -> None:
    told = sgpo_here("eval", "--bench", "hops", "--limit", "8", "--k", "2", cwd=run_here)
    assert told.returncode == 0, told.stderr
    assert "tiny_sgpo" in told.stdout.splitlines()[0]
    samples = rows(run_here / "runs/eval-tiny_sgpo/hops/samples.jsonl")
    assert len(samples) == 16 and samples[0].keys() >= {"id", "sample", "response", "extracted", "correct", "reason"}


def test_eval_of_a_folder_into_a_directory_of_ones_own(run_here: Path) -> None:
    model = "runs/tiny_sgpo/stages/train/final"
    command = ["eval", "--bench", "hops", "--model", model, "--limit", "8", "--out", "out", "--json"]
    first = sgpo_here(*command, cwd=run_here)
    assert first.returncode == 0, first.stderr
    (summary,) = json.loads(first.stdout)
    assert summary["n_problems"] == 8 and summary == json.loads((run_here / "out/hops/summary.json").read_text())
    again = sgpo_here(*command, cwd=run_here)
    assert json.loads(again.stdout) == [summary], "a finished evaluation is not done again"
    other = sgpo_here(*command, "--seed", "5", cwd=run_here)
    assert other.returncode == 2 and "--restart" in other.stderr


def test_eval_refuses_a_directory_of_something_else(run_here: Path) -> None:
    (run_here / "mine" / "hops").mkdir(parents=True)
    (run_here / "mine" / "hops" / "thesis.txt").write_text("keep me")
    command = ["eval", "--bench", "hops", "--limit", "2", "--out", "mine", "--restart"]
    assert sgpo_here(*command, cwd=run_here).returncode == 2
    assert (run_here / "mine" / "hops" / "thesis.txt").read_text() == "keep me"


def test_eval_without_anything_to_measure(tmp_path: Path) -> None:
    told = sgpo_here("eval", "--bench", "aime24", cwd=tmp_path)
    assert told.returncode == 2 and "sgpo train" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_eval_plan_runs_nothing(run_here: Path) -> None:
    before = sorted(run_here.rglob("*"))
    told = json.loads(sgpo_here("eval", "--bench", "hops,aime24", "--plan", "--json", cwd=run_here).stdout)
    assert [b["card"] for b in told["benchmarks"]] == ["hops", "aime24"]
    assert sorted(run_here.rglob("*")) == before


def test_aime24_from_a_local_file_on_the_tiny_model(run_here: Path, shared_data: Path) -> None:
    file = str(shared_data / "eval_aime_2024.jsonl")
    told = sgpo_here(
        "eval", "--bench", "aime24", "--file", file, "--k", "2", "--max-new-tokens", "8", "--json", cwd=run_here
    )
    assert told.returncode == 0, told.stderr
    (summary,) = json.loads(told.stdout)
    assert summary["n_problems"] == 30 and summary["avg_at_k"] == 0
    assert summary["ci95"][0] == 0 and summary["ci95"][1] > 0.05, "0 of 30 is not [0, 0]"


def test_judge_without_in_labels_the_newest_runs_rollouts(run_here: Path) -> None:
    told = sgpo_here("judge", "--out", "labels.jsonl", "--judge", "hops_oracle", "--show", "2", cwd=run_here)
    assert told.returncode == 0, told.stderr
    labelled = rows(run_here / "labels.jsonl")
    assert len(labelled) == 64
    for row in labelled:
        # The oracle offline says what it said in training.
        if row["outcome"] == 0 and row["reason"] == "rescued":
            assert row["verdict"]["first_error"] is not None
    assert sgpo_here("judge", "--out", "labels.jsonl", "--judge", "hops_oracle", cwd=run_here).returncode == 0
    other = sgpo_here("judge", "--out", "labels.jsonl", "--judge", "arithmetic", cwd=run_here)
    assert other.returncode == 2 and "--overwrite" in other.stderr


def test_judge_of_a_runs_file_uses_the_runs_task(run_here: Path) -> None:
    """The oracle must know the run's facts (12 entities here, 100 by default), however its rollouts are named."""
    for number, source in enumerate([[], ["tiny_sgpo"], ["runs/tiny_sgpo/stages/train/rollouts.jsonl"]]):
        told = sgpo_here("judge", *source, "--out", f"labels{number}.jsonl", "--judge", "hops_oracle", cwd=run_here)
        assert told.returncode == 0, told.stderr
        assert "settings of task hops: those of run tiny_sgpo" in told.stdout
    first, second, third = ([r["verdict"] for r in rows(run_here / f"labels{n}.jsonl")] for n in range(3))
    assert first == second == third
    in_training = {
        (r["step"], r["group"], r["sample"]): r["verdict"]
        for r in rows(run_here / "runs/tiny_sgpo/stages/train/rollouts.jsonl")
        if r["verdict"] is not None
    }
    offline = {(r["step"], r["group"], r["sample"]): r["verdict"] for r in rows(run_here / "labels0.jsonl")}
    assert in_training and all(offline[key] == verdict for key, verdict in in_training.items())


def test_judge_refuses_a_directory_as_output(run_here: Path) -> None:
    told = sgpo_here("judge", "--out", ".", "--judge", "hops_oracle", cwd=run_here)
    assert told.returncode == 2 and "directory" in told.stderr and "Traceback" not in told.stderr


def test_plan_tells_what_train_would_refuse(run_here: Path) -> None:
    planned = sgpo_here("plan", "tiny_sgpo", "rescue.beta=3", "--json", cwd=run_here)
    (warning,) = json.loads(planned.stdout)["warnings"]
    assert "made from other settings" in warning["what"] and "--restart" in warning["fix"]


def test_benches_measured_one_after_the_other_share_a_directory(run_here: Path) -> None:
    (run_here / "sums.jsonl").write_text('{"problem": "1 + 1?", "answer": "2"}\n')
    (run_here / "sums.yaml").write_text("# One sum.\nfile: sums.jsonl\nsampling: {max_new_tokens: 8}\n")
    first = sgpo_here("eval", "--bench", "hops", "--limit", "4", "--out", "out", cwd=run_here)
    second = sgpo_here("eval", "--bench", "./sums.yaml", "--out", "out", cwd=run_here)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert (run_here / "out/hops/summary.json").exists() and (run_here / "out/sums/summary.json").exists()


def test_responses_take_no_sampling_options(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"problem": "x", "response": "y"}\n')
    told = sgpo_here(
        "eval", "--bench", "gsm8k", "--responses", "answers.jsonl", "--limit", "3", "--k", "2", cwd=tmp_path
    )
    assert told.returncode == 2 and "--k, --limit" in told.stderr


def test_a_policy_that_was_deleted_is_made_again(run_here: Path) -> None:
    final = run_here / "runs/tiny_sgpo/stages/train/final"
    weights = (final / "model.safetensors").read_bytes()
    shutil.rmtree(final)
    assert "no trained policy" in sgpo_here("eval", "--bench", "hops", "--model", "tiny_sgpo", cwd=run_here).stderr
    again = sgpo_here("train", "runs/tiny_sgpo/recipe.yaml", cwd=run_here)
    assert again.returncode == 0, again.stderr
    assert (final / "model.safetensors").read_bytes() == weights
