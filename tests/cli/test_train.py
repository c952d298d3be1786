"""`sgpo train` as a user types it: every stage in a child process, the files of the contract, skip and restart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import SHORT, SHORT_SGPO, rows, sgpo, sgpo_here, untimed

RUN = Path("runs/tiny_sgpo")


def test_it_ends_with_a_table_and_the_reports_path(finished: Path) -> None:
    told = (finished / "train-output.txt").read_text()
    assert "hops" in told and "95% interval" in told
    assert told.rstrip().endswith("report: runs/tiny_sgpo/report.html")
    assert "\x1b" not in told, "colour without a terminal"
    assert max(len(line) for line in told.splitlines() if not line.startswith(("train ", "warmup ", "warning"))) <= 80


def test_it_leaves_the_files_of_the_contract(finished: Path) -> None:
    run = finished / RUN
    for name in ("recipe.yaml", "plan.json", "env.json", "events.jsonl", "report.html"):
        assert (run / name).stat().st_size > 0, name
    for name in ("metrics.jsonl", "rollouts.jsonl", "events.jsonl", "log.txt", "final/config.json"):
        assert (run / "stages/train" / name).exists(), name
    assert (run / "stages/warmup").is_symlink()
    assert [s["name"] for s in json.loads((run / "plan.json").read_text())["stages"]] == [
        "warmup",
        "judge",
        "train",
        "eval",
        "report",
    ]


def test_metrics_have_a_row_a_step_with_every_key(finished: Path) -> None:
    metrics = rows(finished / RUN / "stages/train/metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    for row in metrics:
        groups = row["groups"]
        classes = [groups[name] for name in ("all_correct", "all_negative", "mixed", "ungraded")]
        assert sum(classes) == groups["total"] == 4
        assert 0 <= groups["rescued"] <= groups["all_negative"]
        assert row.keys() >= {
            *("accuracy", "steps_right", "reward", "loss", "grad_norm", "entropy", "kl", "completion_length"),
            *("seconds", "zero_advantage", "judge", "heldout", "trl"),
        }
        assert row["judge"].keys() >= {"calls", "cached", "failed", "seconds"}
    assert sum(row["groups"]["rescued"] for row in metrics) > 0, "nothing was rescued: the test shows nothing"
    assert [row["heldout"] is not None for row in metrics] == [False, True, False, True]


def test_rollouts_agree_with_the_metrics(finished: Path) -> None:
    metrics = {row["step"]: row for row in rows(finished / RUN / "stages/train/metrics.jsonl")}
    rollouts = rows(finished / RUN / "stages/train/rollouts.jsonl")
    assert len(rollouts) == 4 * 16
    for step, row in metrics.items():
        of_step = [rollout for rollout in rollouts if rollout["step"] == step]
        assert sum(r["outcome"] for r in of_step) / 16 == pytest.approx(row["accuracy"])
        assert sum(r["advantage"] == 0 for r in of_step) / 16 == pytest.approx(row["zero_advantage"])
        groups = {r["group"]: [x["outcome"] for x in of_step if x["group"] == r["group"]] for r in of_step}
        assert sum(not any(g) for g in groups.values()) == row["groups"]["all_negative"]
        for rollout in of_step:
            if rollout["verdict"] is not None and rollout["step_ends"]:
                # The oracle holds a response that stops early to the steps the problem needs.
                assert rollout["verdict"]["num_steps"] >= len(rollout["step_ends"])
                assert rollout["step_ends"][-1] == len(rollout["response"])


def test_events_tell_each_stage_once(finished: Path) -> None:
    events = rows(finished / RUN / "events.jsonl")
    assert all(event.keys() == {"time", "stage", "event", "step", "total", "data"} for event in events)
    finished_stages = [event["stage"] for event in events if event["event"] == "finished"]
    assert finished_stages == ["warmup", "judge", "train", "eval", "report"]


def test_the_summary_holds_and_samples_account_for_every_problem(finished: Path) -> None:
    out = finished / RUN / "stages/eval/hops"
    summary = json.loads((out / "summary.json").read_text())
    samples = rows(out / "samples.jsonl")
    assert len(samples) == summary["n_problems"] * summary["k"] == 32
    assert sum(s["correct"] == 1 for s in samples) / 32 == pytest.approx(summary["avg_at_k"])
    low, high = summary["ci95"]
    assert 0 <= low <= summary["avg_at_k"] <= high <= 1 and low < high


def test_the_same_command_again_does_nothing(finished: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (finished / RUN / "stages").rglob("*") if p.is_file()}
    again = sgpo("train", "tiny_sgpo", *SHORT_SGPO, cwd=finished, timeout=20)
    assert again.returncode == 0 and "already finished" in again.stdout
    assert before == {p: p.stat().st_mtime_ns for p in (finished / RUN / "stages").rglob("*") if p.is_file()}


def test_the_resolved_recipe_runs_again_as_it_is(finished: Path) -> None:
    again = sgpo("train", "runs/tiny_sgpo/recipe.yaml", "--json", cwd=finished, timeout=20)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["run"].endswith("tiny_sgpo")


def test_another_recipe_on_the_same_run_is_refused_with_the_difference(finished: Path) -> None:
    other = sgpo("train", "tiny_sgpo", *SHORT_SGPO, "rescue.scaling=mean_only", cwd=finished)
    assert other.returncode == 2
    assert "rescue.scaling: std_floor -> mean_only" in other.stderr
    assert "--restart" in other.stderr and "name=" in other.stderr
    assert (finished / RUN / "done.json").exists()


def test_grpo_takes_the_warm_start_of_sgpo(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "runs", tmp_path / "runs", symlinks=True)
    done = sgpo_here("train", "tiny_grpo", *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warmup: already finished" in done.stdout
    one, two = (tmp_path / f"runs/{n}/stages/warmup" for n in ("tiny_grpo", "tiny_sgpo"))
    assert one.resolve() == two.resolve()
    metrics = rows(tmp_path / "runs/tiny_grpo/stages/train/metrics.jsonl")
    assert all(row["groups"]["rescued"] == 0 and row["judge"]["calls"] == 0 for row in metrics)
    sgpo_first = rows(finished / RUN / "stages/train/metrics.jsonl")[0]
    # Same policy, same problems, same seed: the first rollouts are the same, only what is made of them differs.
    assert metrics[0]["accuracy"] == sgpo_first["accuracy"]

    compared = sgpo_here("compare", "tiny_sgpo", "tiny_grpo", "--json", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    json.loads(compared.stdout)
    listed = json.loads(sgpo_here("list", "runs", "--json", cwd=tmp_path).stdout)
    assert {run["name"] for run in listed["runs"]} == {"tiny_grpo", "tiny_sgpo"}

    # --until stops there; --restart starts over, keeps the shared warm start, and ends in the same numbers.
    before = untimed(metrics)
    again = sgpo_here("train", "tiny_grpo", *SHORT, "--restart", "--until", "train", cwd=tmp_path)
    assert again.returncode == 0 and "warmup: already finished" in again.stdout
    assert not (tmp_path / "runs/tiny_grpo/stages/eval").exists()
    assert untimed(rows(tmp_path / "runs/tiny_grpo/stages/train/metrics.jsonl")) == before
