"""Small recipes written to a directory, and the mistakes they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sgpo_cli.errors import Mistake, RecipeError
from sgpo_cli.recipe.load import load_recipe

BASE = """\
# The smallest recipe that holds.
model: {scratch: {context: 64}}
data:
  heldout: 8
  hops:
    hops: 4
    misconceptions:
      share: 0.5
reward:
  - {kind: exact}
trainer:
  steps: 10
  max_completion_length: 8
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def base(folder: Path, more: str = "", name: str = "base") -> Path:
    """BASE as recipes/NAME.yaml, with more keys at its end."""
    return write(folder / "recipes" / f"{name}.yaml", BASE + more)


def mistakes(name: str | Path, overrides: Sequence[str] = ()) -> list[Mistake]:
    """All mistakes of a recipe; the test fails when there are none."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, overrides)
    return caught.value.mistakes


def only(name: str | Path, overrides: Sequence[str] = ()) -> Mistake:
    [mistake] = mistakes(name, overrides)
    return mistake


def warnings(name: str | Path, overrides: Sequence[str] = ()) -> list[str]:
    return [warning.what for warning in load_recipe(name, overrides).warnings]
