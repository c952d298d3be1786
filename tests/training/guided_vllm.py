"""Run by test_vllm.py in a process of its own: tiny_guided_fixed, shortened, with rollouts by vLLM in that process.

What is patched here is for vLLM's CPU build alone; on a GPU none of it is needed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# Before vLLM is imported: the engine in this process, a small cache, the command line's logging.
os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}

import torch

from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.job import run_train
from sgpo_cli.training.trl_compat import ScoredBatchTrainer
from sgpo_cli.training.warmup import run_warmup
from tests.tiny import SHORT

VLLM = ["generation.engine=vllm", "model.scratch.heads=2"]  # vLLM's CPU attention knows no heads narrower than 32


def keep_weights_loadable() -> None:
    """vLLM's CPU build packs weights for its kernels, after which nothing can be loaded into them; and it compiles."""
    import trl.generation.vllm_generation as theirs
    from vllm.model_executor.layers import utils

    def plain(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain
    engine = theirs.LLM
    theirs.LLM = lambda **settings: engine(**settings, enforce_eager=True)


def without_sync() -> None:
    """The control: vLLM keeps the weights that it began with."""
    import trl.generation.vllm_generation as theirs

    theirs.VLLMGeneration.sync_weights = lambda self: None


def watched(seen: list[dict[str, Any]]) -> None:
    """Notes of every batch what TRL makes of the injected tokens."""
    score = ScoredBatchTrainer._generate_and_score_completions

    def noting(self: Any, inputs: Any) -> Any:
        made = score(self, inputs)
        if self.model.training:
            found = made["sampling_per_token_logps"]
            tool_mask = made.get("tool_mask")
            seen.append(
                {
                    "seed": torch.initial_seed(),
                    "unknown": found.isnan().sum(-1).tolist(),
                    "injected": None if tool_mask is None else (tool_mask == 0).sum(-1).tolist(),
                    "ratio": made["importance_sampling_ratio"].flatten().tolist(),
                }
            )
        return made

    ScoredBatchTrainer._generate_and_score_completions = noting  # type: ignore[method-assign]


def train(recipe: Recipe, policy: Path, folder: Path) -> float:
    """The seconds it took, the engine's start included."""
    folder.mkdir(parents=True, exist_ok=True)
    stage = StageDir(folder)
    events = EventWriter("train", stage.events)
    began = time.perf_counter()
    run_train(recipe=recipe, policy=policy, judge=None, stage=stage, events=events)
    events.close()
    return time.perf_counter() - began


def warm(recipe: Recipe, folder: Path) -> Path:
    stage = StageDir(folder)
    if not stage.final.exists():
        folder.mkdir(parents=True, exist_ok=True)
        events = EventWriter("warmup", stage.events)
        run_warmup(model=recipe.model, data=recipe.data, warmup=recipe.warmup, stage=stage, events=events)
        events.close()
    return stage.final


def main(policy_folder: Path, folder: Path, *options: str) -> dict[str, Any]:
    overrides = [option for option in options if not option.startswith("--")]
    recipe = load_recipe("tiny_guided_fixed", [*SHORT, *VLLM, *overrides]).recipe
    policy = warm(recipe, policy_folder)
    keep_weights_loadable()
    if "--no-sync" in options:
        without_sync()
    seen: list[dict[str, Any]] = []
    watched(seen)
    return {"seconds": train(recipe, policy, folder), "batches": seen}


if __name__ == "__main__":
    torch.set_num_threads(1)
    told = main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    (Path(sys.argv[2]) / "told.json").write_text(json.dumps(told))
