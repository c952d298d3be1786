"""Given the same rollouts, two processes come to what one comes to: rewards, advantages, ledger, guidance length."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import replay

NEAR = 1e-6
"""Of advantages and shares: sums over ranks are taken in another order."""
LEARNED = 1e-4
"""Of gradient norms, relative: the weights differ in their last bits from the second update on."""


@pytest.fixture(scope="module")
def runs(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(one process, two processes): folders with a run of each method."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for name, recipe in replay.recipes().items():
        with replay.recording(one / f"{name}.jsonl"):
            replay.run(name, recipe, policy, one)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    here = Path(replay.__file__)
    done = subprocess.run(
        [*command, str(here), str(policy), str(one), str(two)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return one, two


def rows(folder: Path, name: str, file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name / file).read_text().splitlines()]


def answers(row: dict[str, Any]) -> int:
    """How many answers the judge read or knew; which of the two, each rank finds in its own rows: equal rows of two
    ranks are read twice."""
    return int(row["judge"]["calls"] + row["judge"]["cached"])


@pytest.mark.xdist_group("torchrun")
@pytest.mark.parametrize("name", ["grpo", "sgpo", "guided", "both"])
def test_two_processes_equal_one(runs: tuple[Path, Path], name: str) -> None:
    one, two = (rows(folder, name, "rollouts.jsonl") for folder in runs)
    assert len(one) == replay.STEPS * 12
    for mine, theirs in zip(one, two, strict=True):
        assert mine.pop("advantage") == pytest.approx(theirs.pop("advantage"), abs=NEAR)
        assert mine.pop("reward") == pytest.approx(theirs.pop("reward"), abs=NEAR)
        assert mine == theirs, "the rest of a rollout, its verdict and reason too"
    ledgers = [rows(folder, name, "metrics.jsonl") for folder in runs]
    for mine, theirs in zip(*ledgers, strict=True):
        assert mine["groups"] == theirs["groups"]
        assert mine["guidance"] == theirs["guidance"]
        assert (mine["trust"] or {}) == pytest.approx(theirs["trust"] or {}, abs=NEAR)
        for share in ("accuracy", "steps_right", "reward", "zero_advantage", "completion_length", "loss"):
            assert mine[share] == pytest.approx(theirs[share], abs=NEAR), share
        for count in ("judged", "failed", "measured", "abstained", "fallback"):
            assert mine["judge"][count] == theirs["judge"][count], count
        assert answers(mine) == answers(theirs)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=LEARNED, abs=1e-5)
    if name in {"sgpo", "both"}:
        assert sum(row["groups"]["rescued"] for row in ledgers[0]) > 0
        assert all(answers(row) for row in ledgers[0])
    if name in {"guided", "both"}:
        assert len({row["guidance"]["length"] for row in ledgers[0]}) > 1, "a length that never moved shows nothing"
