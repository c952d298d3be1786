"""A judge is measured before it is trusted: below its floor the run stops before training, exit 1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import REPOSITORY, SHORT_SGPO, sgpo_here

LABELLED = REPOSITORY / "docs/examples/steps.jsonl"


@pytest.fixture
def warm(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared")
    return tmp_path


def measured(here: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads((here / "runs/tiny_sgpo/stages/judge/judge.json").read_text())
    return told


def test_a_judge_that_cannot_read_the_task_stops_the_run(warm: Path) -> None:
    told = sgpo_here("train", "tiny_sgpo", *SHORT_SGPO, "judge.card=arithmetic", cwd=warm)
    assert told.returncode == 1, told.stderr
    assert "below its floor" in told.stderr and "0.800" in told.stderr
    assert measured(warm)["measures"]["acc_error"] == 0  # type: ignore[index]
    assert not (warm / "runs/tiny_sgpo/stages/train").exists()
    # The same judge without a floor goes on, and every step falls back to plain GRPO: it has nothing to check.
    again = sgpo_here(
        "train",
        "tiny_sgpo",
        *SHORT_SGPO,
        "judge.card=arithmetic",
        "judge.floor=null",
        "name=lax",
        "--until",
        "train",
        cwd=warm,
    )
    assert again.returncode == 0, again.stderr
    metrics = [json.loads(x) for x in (warm / "runs/lax/stages/train/metrics.jsonl").read_text().splitlines()]
    judged = [row for row in metrics if row["judge"]["judged"]]
    assert judged and all(row["judge"]["fallback"] and row["groups"]["rescued"] == 0 for row in judged)


def test_a_floor_on_labelled_data_of_ones_own(warm: Path) -> None:
    floor = f"judge.floor={{f1: 0.99, data: {LABELLED}}}"
    told = sgpo_here("train", "tiny_sgpo", *SHORT_SGPO, "judge.card=arithmetic", floor, "--until", "judge", cwd=warm)
    assert told.returncode == 1 and "F1" in told.stderr
    assert measured(warm)["measured_on"] == str(LABELLED)
    assert measured(warm)["measures"]["n_error"] == 3  # type: ignore[index]


def test_then_stop_ends_the_run_when_the_judge_abstains(warm: Path) -> None:
    told = sgpo_here(
        "train", "tiny_sgpo", *SHORT_SGPO, "judge.card=arithmetic", "judge.floor=null", "judge.then=stop", cwd=warm
    )
    assert told.returncode == 1 and "abstained" in told.stderr and "of the warm start" in told.stderr
    assert not (warm / "runs/tiny_sgpo/stages/train/final").exists()
