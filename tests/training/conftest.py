from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny policy for all tests of this room."""
    import toy

    return toy.make_policy(tmp_path_factory.mktemp("policy") / "final")
