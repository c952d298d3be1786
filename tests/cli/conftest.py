"""One finished run that many tests look at: the tiny SGPO recipe, shortened, in child processes as users run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import SHORT_SGPO, sgpo


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which `sgpo train tiny_sgpo` has finished. Tests only read it."""
    here = tmp_path_factory.mktemp("finished")
    done = sgpo("train", "tiny_sgpo", *SHORT_SGPO, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    (here / "train-output.txt").write_text(done.stdout)
    return here
