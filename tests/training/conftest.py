from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two threads beside other work are many times slower than one on models this small."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny policy for all tests of this room."""
    import toy

    return toy.make_policy(tmp_path_factory.mktemp("policy") / "final")
