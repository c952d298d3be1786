"""`launch.config_file` is read with the recipe: what accelerate would stumble on in stage train is said before any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgpo_cli.errors import RecipeError
from sgpo_cli.pipeline.commands import accelerate_config
from sgpo_cli.pipeline.machines import ALONE
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Launch

ASKS = ["launch.engine=accelerate", "launch.processes=2", "launch.config_file=mine.yaml"]
GOOD = "distributed_type: MULTI_GPU\nnum_processes: 2\nuse_cpu: true\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# Title\n\nwords: [and `more\n", "mine.yaml:3: not YAML"),
        ("# only words\n", "it must hold keys"),
        ("- 1\n", "it must hold keys"),
        ("num_processes: 2\n", "distributed_type is missing"),
        (GOOD + "num_proceses: 2\n", "no key of accelerate's configuration: num_proceses"),
        (GOOD.replace("2", "1"), "num_processes 1, and the recipe asks for 2"),
        ("distributed_type: MULTI_GPU\n", "does not say num_processes"),
        ("distributed_type: 'NO'\nnum_processes: 2\n", "distributed_type NO starts one process"),
        ("distributed_type: NO\n", "a bare NO as false"),
        ("distributed_type: MULTI_CPU\nnum_processes: 2\n", "distributed_type MULTI_CPU starts one process"),
        (GOOD + "num_machines: 2\n", "num_machines 2, and the recipe asks for launch.nodes 1"),
        (GOOD + "compute_environment: AMAZON_SAGEMAKER\n", "compute_environment AMAZON_SAGEMAKER"),
    ],
)
def test_a_file_that_would_fail_later_is_a_mistake(here: Path, text: str, told: str) -> None:
    (here / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe("tiny_grpo", ASKS)
    [mistake] = caught.value.mistakes
    assert told in mistake.what and mistake.fix and "override" in str(mistake.where)


def test_a_json_file_is_read_as_one(here: Path) -> None:
    (here / "mine.json").write_text('{"distributed_type":\n}')
    with pytest.raises(RecipeError, match=r"mine\.json:2: not JSON"):
        load_recipe("tiny_grpo", [*ASKS[:2], "launch.config_file=mine.json"])


def test_a_good_file_is_taken_and_ours_would_be(here: Path) -> None:
    (here / "mine.yaml").write_text(GOOD)
    assert load_recipe("tiny_grpo", ASKS).recipe.launch.config_file == "mine.yaml"
    for strategy in ("ddp", "fsdp2", "zero3"):
        ours = accelerate_config(Launch(engine="accelerate", processes=2, strategy=strategy), ALONE, cpu=False)  # type: ignore[arg-type]
        (here / "mine.yaml").write_text(json.dumps(ours))
        load_recipe("tiny_grpo", ASKS)
