"""GRPO, SGPO, G2RPO-A and both on a GPU: time, memory and tokens a second, against the plan and against TRL's trainer.

    python benchmarks/study_gpu.py --device h100-80gb [--seeds 0] [--root study-gpu] [--write docs/results.md] [--tiny]

Task `hops` with chains of 12 facts and a llama of 85 million parameters from random weights, taught by the same warm-up
for all; the recipes are the shipped tiny ones but for these sizes. TRL's own GRPOTrainer runs 20 steps from the same
warm start with the very GRPOConfig that the recipe makes, in a process of its own. `--tiny` walks the same way at the
tiny recipes' sizes, on anything. It has not been run on a GPU by us: see docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from document import put
from study_tiny import Arm, figures, reached, rows, run_name, train

MARKS = ("<!-- study_gpu: begin -->", "<!-- study_gpu: end -->")
SIZES = (
    "model.scratch={architecture: llama, layers: 12, hidden_size: 768, heads: 12, intermediate_size: 2048, "
    "rope_theta: 1000, initializer_range: 0.02, context: 64}",
    "data.hops.hops=12",
    "trainer.max_completion_length=15",
    "trainer.learning_rate=3e-5",
    "warmup.learning_rate=3e-4",
)
TINY = ("trainer.steps=4", "warmup.steps=40", "data.heldout=32", "trainer.eval_every=2")
METHODS = {"GRPO": "tiny_grpo", "SGPO": "tiny_sgpo", "G2RPO-A": "tiny_g2rpoa", "both": "tiny_sgpo_g2rpoa"}
TRL_STEPS = 20


@dataclass(frozen=True)
class Spent:
    """What a run took, beside what its plan said."""

    seconds: float
    planned_s: tuple[float, float]
    peak_gib: float
    planned_gib: float
    tokens_a_second: float


def spent(run: Path) -> Spent:
    metrics = rows(run / "stages/train/metrics.jsonl")
    plan = json.loads((run / "plan.json").read_text())
    [estimate] = [stage["estimate"] for stage in plan["stages"] if stage["kind"] == "train"]
    done = json.loads((run / "stages/train/done.json").read_text())["outputs"]
    recipe = json.loads((run / "stages/train/stage.json").read_text())["recipe"]["trainer"]
    rollouts = recipe["prompts_per_step"] * recipe["group_size"]
    steady = metrics[1:]  # the first step warms up kernels and allocator
    tokens = sum(row["completion_length"] * rollouts for row in steady)
    return Spent(
        seconds=done["seconds"],
        planned_s=tuple(estimate["seconds"]),
        peak_gib=done["peak_gib"],
        planned_gib=estimate["memory_gib"],
        tokens_a_second=tokens / sum(row["seconds"] for row in steady),
    )


def trl_seconds(run: Path) -> float:
    """Seconds a step of TRL's own trainer from the run's warm start, in a process of its own."""
    told = subprocess.check_output([sys.executable, __file__, "--trl", str(run)], text=True)
    return float(told.splitlines()[-1])


def time_trl(run: Path) -> None:
    """Trains `TRL_STEPS` steps with GRPOTrainer and nothing of ours but the configuration; prints seconds a step."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOTrainer

    from sgpo_cli.generation.load import load_policy, load_tokenizer
    from sgpo_cli.recipe.load import load_recipe
    from sgpo_cli.training.problems import load_problems
    from sgpo_cli.training.quiet import quiet
    from sgpo_cli.training.settings import grpo_config, updates_per_step

    quiet()
    recipe = load_recipe(str(run / "recipe.yaml"), [f"trainer.steps={TRL_STEPS}"]).recipe
    policy = run / "stages/warmup/final"
    model, tokenizer = load_policy(policy), load_tokenizer(policy)
    problems = load_problems(recipe)
    data = Dataset.from_list([{"prompt": row.problem, "answer": row.answer} for row in problems.rows])
    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(time.perf_counter())

    def right(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        return [float(text.split("#")[-1].strip() == gold) for text, gold in zip(completions, answer, strict=True)]

    trainer = GRPOTrainer(
        model=model,
        reward_funcs=right,
        args=grpo_config(recipe, run / "trl", [1.0], model.dtype),
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.train()
    updates = updates_per_step(recipe)
    print((marks[-1] - marks[updates - 1]) / (TRL_STEPS - 1))


def table(runs: dict[str, list[Path]], trl: float) -> list[str]:
    lines = [
        "| method | final, each seed | steps to 50% | s a step | of TRL's own | tokens/s | train, s (planned) "
        "| peak GiB (planned) |",
        "|" + "---|" * 8,
    ]
    for name, found in runs.items():
        got, cost = [figures(run) for run in found], [spent(run) for run in found]
        steps = [row["seconds"] for run in found for row in rows(run / "stages/train/metrics.jsonl")[1:]]
        low, high = cost[0].planned_s
        lines.append(
            f"| {name} | {' / '.join(f'{run.final:.3f}' for run in got)} | {reached(got, 0.5)} | {mean(steps):.3f} "
            f"| {mean(steps) / trl:.2f} | {mean(c.tokens_a_second for c in cost):,.0f} "
            f"| {mean(c.seconds for c in cost):,.0f} ({low:,.0f} to {high:,.0f}) "
            f"| {max(c.peak_gib for c in cost):.2f} ({cost[0].planned_gib}) |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="what the plan is made for: sgpo plan names them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--root", type=Path, default=Path("study-gpu"))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--trl", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.trl is not None:
        time_trl(asked.trl)
        return
    asked.root.mkdir(parents=True, exist_ok=True)
    common = ("benchmarks=[]", *(TINY if asked.tiny else SIZES))
    common += (f"launch.device={asked.device}",) if asked.device else ()
    runs: dict[str, list[Path]] = {}
    for name, recipe in METHODS.items():
        # One at a time: they are timed.
        arm = Arm(name, recipe, common)
        for seed in asked.seeds:
            run = run_name(Arm(name, recipe), seed)
            done = asked.root / "runs" / run
            fresh = done if (done / "done.json").exists() else train(arm, seed, asked.root, name=run)
            runs.setdefault(name, []).append(fresh)
    trl = trl_seconds(runs["GRPO"][0])
    lines = [
        *table(runs, trl),
        "",
        f"TRL's own trainer {trl:.3f} s a step over {TRL_STEPS - 1} steps. Seeds {', '.join(map(str, asked.seeds))}; "
        f"planned for {asked.device or 'this machine'}. A step's seconds hold no held-out measurement.",
    ]
    print("\n".join(lines))
    if asked.write is not None:
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
