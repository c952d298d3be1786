"""The Slurm script: valid bash, the recipe's machines, nothing that only the cluster's users can know."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sgpo_cli.pipeline.plan import as_json, compile_recipe
from sgpo_cli.pipeline.slurm import slurm_script
from sgpo_cli.recipe.load import load_recipe

FAKES = {
    "scontrol": 'if [ "$1" = show ]; then echo first; echo second; else echo "$@" >> "$TOLD"; fi',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; SLURM_NODEID=1 "$@"',
    "sgpo": 'echo "rank $NODE_RANK at $MASTER_ADDR:$MASTER_PORT: $*" >> "$TOLD"; exit "${CODE:-0}"',
}


def script(*overrides: str) -> str:
    loaded = load_recipe("qwen7b_sgpo", ["launch.device=h100-80gb", *overrides])
    return slurm_script(loaded.recipe, as_json(compile_recipe(loaded))["stages"], ["sgpo", "train", "a b.yaml", "x=1"])


def run(folder: Path, code: int) -> tuple[int, str]:
    """The script in a cluster of fakes: its exit code, and what they were told."""
    tools, told = folder / "bin", folder / "told"
    tools.mkdir()
    for name, body in FAKES.items():
        (tools / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tools / name).chmod(0o755)
    job = folder / "job.sh"
    job.write_text(script("launch.nodes=2"))
    told.touch()
    slurm = {"SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_NODELIST": "x", "SLURM_JOB_ID": "1234567"}
    environment = {**os.environ, **slurm, "PATH": f"{tools}:{os.environ['PATH']}", "TOLD": str(told), "CODE": str(code)}
    done = subprocess.run(["bash", str(job)], env=environment, capture_output=True, text=True, timeout=30)
    return done.returncode, told.read_text()


def test_it_says_what_the_recipe_says() -> None:
    text = script("launch.nodes=2")
    assert "#SBATCH --nodes=2\n" in text and "# planned for h100-80gb\n#SBATCH --gpus-per-node=8\n" in text
    hours = int(text.partition("--time=")[2].partition(":")[0])
    assert 1 <= hours <= 48
    assert "\n##SBATCH --partition=...\n" in text and "\n#SBATCH --partition" not in text
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0


def test_each_machine_runs_the_same_command_and_knows_its_place(tmp_path: Path) -> None:
    code, told = run(tmp_path, 0)
    assert code == 0 and told == "rank 1 at first:30067: train a b.yaml x=1\n"


def test_a_run_that_saved_and_stopped_is_queued_again(tmp_path: Path) -> None:
    code, told = run(tmp_path, 143)
    assert code == 143 and told.endswith("requeue 1234567\n")
