"""A policy by its hub id, from a hub cache as a download leaves it and no network: planned, trained, evaluated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import sgpo

ID, COMMIT = "owner/tiny", "0123456789abcdef0123456789abcdef01234567"
SETTINGS = [
    f"model.path={ID}", "model.scratch=null", "warmup={kind: none}", "data.hops.entities=12", "data.heldout=8",
    "trainer.steps=1", "trainer.prompts_per_step=2", "trainer.group_size=4", "benchmarks=[{card: hops, limit: 4}]",
]  # fmt: skip


@pytest.fixture
def hub(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of a hub that has one small model."""
    cache = tmp_path / "hf/hub/models--owner--tiny"
    shutil.copytree(finished / "runs/tiny_sgpo/stages/warmup/final", cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text(COMMIT)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("hub")
def test_a_hub_id_is_a_policy(tmp_path: Path) -> None:
    told = sgpo("train", "tiny_grpo", "name=hub", *SETTINGS, cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    stages = tmp_path / "runs/hub/stages"
    assert json.loads((stages / "eval/hops/summary.json").read_text())["n_problems"] == 4
    assert (stages / "train/final/model.safetensors").exists()
    told = sgpo("eval", "--bench", "hops", "--model", ID, "--limit", "4", "--out", "o", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
