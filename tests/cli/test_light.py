"""The light wing stays light: help, plan and list import nothing heavy (audited, not timed)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import environment

HEAVY = ("torch", "transformers", "trl", "datasets", "pandas", "numpy", "accelerate", "sympy", "vllm")
_AUDIT = """
import json, sys
from sgpo_cli.cli.main import main
code = main(sys.argv[1:])
print("\\nLOADED " + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["train", "--help"],
        ["plan", "tiny_sgpo"],
        ["plan", "qwen7b_sgpo", "--json"],
        ["plan", "tiny_sgpo", "trainer.trl.epsilon=0.3"],
        ["list"],
        ["eval", "--bench", "humaneval,gpqa_diamond", "--model", "org/model", "--plan"],
        ["doctor", "tiny_sgpo"],
        ["init", "mine", "--yes"],
    ],
    ids=" ".join,
)
def test_no_heavy_import(command: list[str], tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _AUDIT, *command], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    code, loaded = json.loads(told.stdout.rpartition("LOADED ")[2])
    assert code == 0, told.stderr
    assert not set(HEAVY) & set(loaded)


def test_the_commands_are_these(tmp_path: Path) -> None:
    """A new command or option is a deliberate act: this list is the surface."""
    from typer.core import TyperGroup, TyperOption
    from typer.main import get_command

    from sgpo_cli.cli.main import app

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    surface = {
        name: sorted(o for p in command.params if isinstance(p, TyperOption) for o in p.opts)
        for name, command in group.commands.items()
    }
    assert surface == {
        "train": ["--json", "--rehearse", "--restart", "--smoke", "--until"],
        "plan": ["--json", "--online", "--slurm"],
        "judge": sorted(
            ["--columns", "--config", "--endpoint", "--engine", "--json", "--judge", "--merge", "--out", "--overwrite"]
            + ["--revision", "--schema", "--shard", "--show", "--split", "--store", "--workers"]
        ),
        "eval": sorted(
            ["--bench", "--file", "--json", "--k", "--limit", "--max-new-tokens", "--model", "--out", "--plan"]
            + ["--response-field", "--responses", "--restart", "--seed", "--temperature", "--engine", "--server"]
            + ["--key-env", "--chat", "--chat-template", "--save-responses", "--export", "--judge", "--unsafe"]
        ),
        "report": ["--json"],
        "show": ["--all", "--group", "--json", "--step"],
        "compare": ["--json"],
        "list": ["--json"],
        "export": ["--adapter", "--json", "--out", "--overwrite", "--policy", "--private", "--push"],
        "doctor": ["--json", "--model", "--online"],
        "init": sorted(
            ["--columns", "--data", "--device", "--json", "--judge", "--lora", "--method", "--model", "--out", "--yes"]
            + ["-y"]
        ),
    }
