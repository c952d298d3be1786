"""What the recipe says of its model reaches every stage that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.recipe.schema import Model, Recipe
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.policy import open_engine


def test_revision_template_and_trust_reach_the_loaders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sgpo_cli.generation import load, transformers_engine

    seen: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(load, "load_tokenizer", lambda path, **options: seen.update(tokenizer=options))
    monkeypatch.setattr(load, "load_policy", lambda path, **options: seen.update(policy=options))
    monkeypatch.setattr(transformers_engine, "TransformersEngine", lambda *_, **__: None)
    model = Model(path="x", revision="v2", trust_remote_code=True, chat_template="t.jinja", dtype="bfloat16")
    recipe = Recipe(name="r", model=model)
    stage = StageDir(tmp_path)
    open_engine(StageContext(stage, "eval", "eval", "0", recipe, {"policy": "x"}, {}, EventWriter("eval", None)))
    assert seen["tokenizer"] == {"chat_template": "t.jinja", "revision": "v2", "trust_remote_code": True}
    assert seen["policy"]["revision"] == "v2" and seen["policy"]["trust_remote_code"] is True
    assert seen["policy"]["dtype"] == "bfloat16" and seen["policy"]["to_accelerator"] is True
