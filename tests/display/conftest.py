"""One fake run of each sort, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import fake_run

from sgpo_cli.runs.rundir import RunDir

SMALL = {"steps": 20, "prompts": 8}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def sgpo(root: Path) -> RunDir:
    return fake_run(root, name="sgpo", warnings=["the judge <b>abstained</b> often"], **SMALL)


@pytest.fixture(scope="session")
def grpo(root: Path) -> RunDir:
    return fake_run(root, name="grpo", rescue="none", judge=False, **SMALL)


@pytest.fixture(scope="session")
def stopped(root: Path) -> RunDir:
    return fake_run(root, name="stopped", stop_at=7, until="train", **SMALL)


@pytest.fixture(scope="session")
def guided(root: Path) -> RunDir:
    return fake_run(root, name="guided", long_steps=True, prefix_steps=3, steps=6, prompts=4)


@pytest.fixture(scope="session")
def plainly_guided(root: Path) -> RunDir:
    """Guidance without a judge: nobody splits the responses."""
    return fake_run(root, name="plainly_guided", rescue="none", judge=False, prefix_steps=6, **SMALL)
