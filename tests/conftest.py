"""What every test shares: one thread a process, no hub, and the benchmark data that may lie beside the repository."""

from __future__ import annotations

import os

# Before torch is imported anywhere: two threads beside other work collapse to seconds a step.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_COLOR"] = "1"
os.environ.pop("FORCE_COLOR", None)

from collections.abc import Iterator
from pathlib import Path

import pytest

from sgpo_cli.runs import stops

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Path:
    """The folder of real benchmark data; the test is skipped where it is not."""
    told = os.environ.get("SGPO_SHARED")
    folder = (Path(told) if told else REPOSITORY.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not here ({folder}); set SGPO_SHARED to its parent")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that the test stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _forget_stops() -> Iterator[None]:
    yield
    stops.reset()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which `sgpo train tiny_sgpo`, shortened, has finished in child processes. Tests only read it."""
    from tests.tiny import SHORT_SGPO, sgpo

    here = tmp_path_factory.mktemp("finished")
    done = sgpo("train", "tiny_sgpo", *SHORT_SGPO, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    (here / "train-output.txt").write_text(done.stdout)
    return here
