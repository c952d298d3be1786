"""The plan's memory against the measured peak of real train stages, on the CPU in float32.

    python benchmarks/memory_estimate.py [--only NAME ...] [--write docs/planning.md]

Each case builds a model of 60 million parameters or more with random weights, plans a recipe with it and runs two steps
of its train stage through `sgpo train`, completions at full length. Measured: the stage process's peak resident memory
less that of a process that has imported the same modules and nothing else. Estimated: `memory_gib` of `sgpo plan`, less
what it counts for imports.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from document import put

MARKS = ("<!-- memory_estimate: begin -->", "<!-- memory_estimate: end -->")
IMPORTS = "import psutil, sgpo_cli.stages.train, sgpo_cli.training.job; print(psutil.Process().memory_info().rss)"


@dataclass(frozen=True)
class Case:
    """One model and one batch."""

    name: str
    architecture: str
    layers: int
    hidden: int
    intermediate: int
    kv_heads: int
    prompt: int
    answer: int
    prompts: int
    micro: int
    more: tuple[str, ...] = ()


CASES = (
    Case("wide", "qwen3", 8, 768, 3072, 4, 64, 64, 2, 2),
    Case("deep", "llama", 20, 512, 1792, 8, 64, 192, 4, 8),
    Case("long", "qwen3", 10, 704, 2816, 4, 256, 256, 2, 4),
    Case("long, checkpointed", "qwen3", 10, 704, 2816, 4, 256, 256, 2, 4, ("trainer.trl.gradient_checkpointing=true",)),
    Case("many rows", "llama", 12, 768, 2048, 4, 64, 128, 8, 2),
    Case("reference", "llama", 12, 768, 2048, 4, 64, 128, 2, 4, ("trainer.trl.beta=0.04",)),
    Case(
        "malloc",
        "llama",
        20,
        512,
        1792,
        8,
        64,
        192,
        4,
        8,
        ('launch.env={MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072"}',),
    ),
)


def overrides(case: Case, data: Path) -> list[str]:
    scratch = (
        f"model.scratch={{architecture: {case.architecture}, layers: {case.layers}, hidden_size: {case.hidden}, "
        f"heads: 8, kv_heads: {case.kv_heads}, intermediate_size: {case.intermediate}, "
        "context: 2048, tie_embeddings: false}"
    )
    return [
        f"data.source={data}",
        "data.heldout=0",
        "warmup={kind: none}",
        "benchmarks=[]",
        "trainer.steps=2",
        f"trainer.prompts_per_step={case.prompts}",
        "trainer.group_size=4",
        "trainer.updates_per_step=1",
        f"trainer.micro_batch={case.micro}",
        f"trainer.max_completion_length={case.answer}",
        "trainer.eval_every=0",
        "trainer.save_every=2",
        scratch,
        *case.more,
    ]


def peak_of(command: list[str], cwd: Path) -> int:
    """Peak resident bytes of the train stage's process."""
    run = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    while run.poll() is None:
        for child in psutil.Process(run.pid).children(recursive=True):
            try:
                if child.cmdline()[-1].endswith("stages/train"):
                    status = Path(f"/proc/{child.pid}/status").read_text()
                    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
                    peak = max(peak, int(line.split()[1]) * 1024)
            except (psutil.Error, OSError, IndexError, ValueError):
                continue
        time.sleep(0.02)
    if run.returncode != 0:
        raise SystemExit(run.stdout.read() if run.stdout else "failed")
    return peak


def measure(case: Case) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        data = here / "rows.jsonl"
        # One token a byte: the prompt's length is known.
        rows = [{"problem": "x" * (case.prompt - 1), "answer": str(i)} for i in range(16)]
        data.write_text("\n".join(map(json.dumps, rows)) + "\n")
        recipe = here / "memory.yaml"
        recipe.write_text("reward: [{kind: math}]\ndata: {columns: {problem: problem, answer: answer}}\n")
        common = [sys.executable, "-m", "sgpo_cli"]
        told = overrides(case, data)
        plan = json.loads(subprocess.check_output([*common, "plan", "memory.yaml", *told, "--json"], cwd=here))
        [stage] = [stage for stage in plan["stages"] if stage["kind"] == "train"]
        peak = peak_of([*common, "train", "memory.yaml", *told, "--until", "train"], here)
    bare = int(subprocess.check_output([sys.executable, "-c", IMPORTS]))
    estimate = stage["estimate"]
    return {
        "parameters": estimate["parameters"] / 1e6,
        "estimated": sum(v for k, v in estimate["memory"]["parts"].items() if k != "process"),
        "measured": (peak - bare) / 2**30,
        "parts": estimate["memory"]["parts"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    lines = [
        "| case | model | M parameters | rows x tokens at once | rollouts at once | estimated GiB | measured GiB "
        "| off by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    errors = []
    for case in CASES:
        if asked.only and case.name not in asked.only:
            continue
        got = measure(case)
        errors.append(got["estimated"] / got["measured"] - 1)
        lines.append(
            f"| {case.name} | {case.architecture}, {case.layers} x {case.hidden} | {got['parameters']:.0f} "
            f"| {case.micro} x {case.prompt + case.answer} | {case.prompts * 4} "
            f"| {got['estimated']:.2f} | {got['measured']:.2f} | {errors[-1]:+.0%} |"
        )
        print(lines[-1], {k: round(v, 2) for k, v in got["parts"].items()}, flush=True)  # type: ignore[attr-defined]
    lines += ["", f"Largest error {max(map(abs, errors)):.0%}. Process memory less imports; float32 on the CPU."]
    print("\n".join(lines))
    if asked.write:
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
