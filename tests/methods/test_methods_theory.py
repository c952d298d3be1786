"""The theory check's ordering: the harder the steps, the more a rescue is worth."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def theory() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "theory_two_steps.py"
    spec = importlib.util.spec_from_file_location("theory_two_steps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_ordering(theory: ModuleType) -> None:
    grpo, sgpo, sgpo_plain, grpo_plain = theory.METHODS
    easy = {m.name: theory.median(m, 0.5, seeds=3, limit=2000) for m in theory.METHODS}
    hard = {m.name: theory.median(m, 0.1, seeds=3, limit=2000) for m in theory.METHODS}
    assert easy["GRPO"] == pytest.approx(easy["SGPO"], rel=0.1)
    assert hard["SGPO"] < 0.75 * hard["GRPO"]
    assert hard["SGPO without std"] < 0.8 * hard["GRPO without std"]
    assert hard["SGPO"] < hard["SGPO without std"]
    assert grpo.rescue is None
    assert grpo_plain.scaling == sgpo_plain.scaling == "mean_only"
    assert sgpo.rescue is not None


def test_a_judge_that_tosses_a_coin_is_worth_nothing(theory: ModuleType) -> None:
    clear, half, coin = (theory.median(theory.sgpo("std", q), 0.1, seeds=3, limit=2000) for q in (0.0, 0.25, 0.5))
    grpo = theory.median(theory.METHODS[0], 0.1, seeds=3, limit=2000)
    assert clear < half < coin
    assert coin == pytest.approx(grpo, rel=0.25)
