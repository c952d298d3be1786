"""Offline SGPO from the command line: made, labelled and learned from; and with labels that `sgpo judge` wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import SHORT_SGPO, rows, sgpo_here

ASKED = [*SHORT_SGPO, "offline.problems=8"]


@pytest.fixture
def warm(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared", symlinks=True)
    return tmp_path


@pytest.mark.slow
def test_offline_and_with_labels_of_elsewhere(warm: Path) -> None:
    told = sgpo_here("train", "tiny_sgpo_offline", *ASKED, "--until", "train", cwd=warm)
    assert told.returncode == 0, told.stdout + told.stderr
    stages = warm / "runs/tiny_sgpo_offline/stages"
    made, labelled = rows(stages / "rollout/rollouts.jsonl"), rows(stages / "judge/labels.jsonl")
    assert len(made) == 8 * 4 and all(len(row["ids"]) == len(row["logprobs"]) for row in made)
    groups = [made[start : start + 4] for start in range(0, len(made), 4)]
    negative = [group for group in groups if all(row["outcome"] == 0 for row in group)]
    assert [(row["group"], row["sample"]) for row in labelled] == [
        (row["group"], row["sample"]) for group in negative for row in group
    ]
    metrics = rows(stages / "train/metrics.jsonl")
    assert len(metrics) == 4 and metrics[0]["drift"]["log_ratio"] < 1e-4 < metrics[-1]["drift"]["log_ratio"]
    assert all(row["judge"]["abstained"] == 0 for row in metrics) and sum(row["groups"]["rescued"] for row in metrics)

    # GRPO of the same responses makes none anew.
    plain = [word for word in ASKED if not word.startswith("judge.")]
    plan = json.loads(sgpo_here("plan", "tiny_grpo_offline", *plain, "--json", cwd=warm).stdout)
    assert [stage["kind"] for stage in plan["stages"]] == ["warmup", "rollout", "train", "eval", "report"]
    same = next(stage for stage in plan["stages"] if stage["kind"] == "rollout")["fingerprint"]
    assert (stages / "rollout").resolve().name == same

    # The same responses, labelled by `sgpo judge`, fed in: their verdicts are used, and no judge is needed.
    short = [{key: row[key] for key in ("id", "problem", "response")} for row in made]
    short.append({"problem": "e0 r0 r0", "response": "e1"})  # no problem of the data: counted, left out
    (warm / "mine.jsonl").write_text("\n".join(map(json.dumps, short)) + "\n")
    told = sgpo_here("judge", "mine.jsonl", "--out", "labelled.jsonl", "--judge", "arithmetic", cwd=warm)
    assert told.returncode == 0, told.stderr
    lines = rows(warm / "labelled.jsonl")
    for line, row in zip(lines, made, strict=False):
        line["verdict"] = {"first_error": row["sample"], "num_steps": 64, "checked": 9, "abstained": False}
        line["verdict"] |= {"prefix_score": row["sample"] / 64, "reason": None, "judge": "mine"}
    (warm / "labelled.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    fed = [*ASKED, "name=fed", "offline.responses=labelled.jsonl", "judge=null"]
    told = sgpo_here("train", "tiny_sgpo_offline", *fed, "--until", "train", cwd=warm)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "of a problem that is not among" in told.stdout + told.stderr
    verdicts = [row["verdict"] for row in rows(warm / "runs/fed/stages/train/rollouts.jsonl") if row["verdict"]]
    assert verdicts and {verdict["judge"] for verdict in verdicts} == {"mine"}

    (warm / "labelled.jsonl").write_text(json.dumps(lines[0]) + "\n")
    told = sgpo_here("train", "tiny_sgpo_offline", *fed[:-3], "name=few", *fed[-2:], "--until", "train", cwd=warm)
    assert told.returncode == 2 and "not one problem has 4 responses" in told.stderr
