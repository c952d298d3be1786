"""The plan's memory against the measured peak of real train stages, on the CPU in float32.

    python benchmarks/memory_estimate.py [--only NAME ...]         measure; kept in memory_estimate.json
    python benchmarks/memory_estimate.py --write docs/planning.md  nothing measured: the table of what is kept

Each case builds a model of 60 million parameters or more with random weights, plans a recipe with it and runs two steps
of its train stage through `sgpo train`, completions at full length. Measured: the stage process's peak resident memory
less that of a process that has imported the same modules and nothing else. Estimated: `memory_gib` of `sgpo plan`, less
what it counts for imports. tests/pipeline/test_cost.py holds the estimates to what is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from document import put

MARKS = ("<!-- memory_estimate: begin -->", "<!-- memory_estimate: end -->")
KEPT = Path(__file__).with_suffix(".json")
IMPORTS = "import psutil, sgpo_cli.stages.train, sgpo_cli.training.job; print(psutil.Process().memory_info().rss)"


@dataclass(frozen=True)
class Case:
    """One model (8 heads) and one batch; tokens of a prompt and of an answer."""

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
    vocab: int | None = None
    """None: the 261 of bytes; else a folder is made with a model of so many."""
    more: tuple[str, ...] = ()
    note: str = ""
    returned: bool = False
    """Freed memory goes back to the system at once, as it does not in stages by default: nothing is lost in holes."""


RETURNED = 'launch.env={MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072"}'
CASES = (
    Case("wide", "qwen3", 8, 768, 3072, 4, 64, 64, 2, 2),
    Case("deep", "llama", 20, 512, 1792, 8, 64, 192, 4, 8),
    Case("many micro-batches", "llama", 12, 768, 2048, 4, 64, 128, 8, 2),
    Case("reference", "llama", 12, 768, 2048, 4, 64, 128, 2, 4, more=("trainer.trl.beta=0.04",), note="beta 0.04"),
    Case("vocabulary", "llama", 8, 512, 1536, 8, 32, 96, 2, 8, vocab=32000),
    Case(
        "checkpointed",
        "qwen3",
        10,
        704,
        2816,
        4,
        128,
        128,
        2,
        8,
        more=("trainer.trl.gradient_checkpointing=true",),
        note="gradient checkpointing",
    ),
    Case("adapters", "llama", 12, 768, 2048, 4, 64, 128, 2, 4, more=("model.lora={rank: 16}",), note="LoRA, rank 16"),
    Case("sampling", "llama", 12, 768, 2048, 8, 96, 32, 12, 1),
)
CASES = (
    *CASES,
    *(
        replace(case, name=f"{case.name}, returned", note="memory returned", returned=True)
        for case in CASES
        if case.name in {"deep", "checkpointed", "adapters"}
    ),
)


def overrides(case: Case, folder: Path) -> list[str]:
    """`key=value` of a recipe with the case's sizes; its data, and its model where it is a folder, are made here."""
    data = folder / "rows.jsonl"
    # One token a byte: the prompt's length is known.
    rows = [{"problem": "x" * (case.prompt - 1), "answer": str(i)} for i in range(16)]
    data.write_text("\n".join(map(json.dumps, rows)) + "\n")
    if case.vocab is None:
        model = (
            f"model.scratch={{architecture: {case.architecture}, layers: {case.layers}, hidden_size: {case.hidden}, "
            f"heads: 8, kv_heads: {case.kv_heads}, intermediate_size: {case.intermediate}, "
            "context: 2048, tie_embeddings: false}"
        )
    else:
        model = f"model={{path: {model_folder(case, folder / 'model')}, dtype: float32}}"
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
        model,
        *case.more,
        *([RETURNED] if case.returned else []),
    ]


def model_folder(case: Case, folder: Path) -> Path:
    """A config.json with the case's sizes, and a tokenizer; weights are added by `FILL`."""
    folder.mkdir(exist_ok=True)
    told = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": case.architecture,
        "num_hidden_layers": case.layers,
        "hidden_size": case.hidden,
        "num_attention_heads": 8,
        "num_key_value_heads": case.kv_heads,
        "intermediate_size": case.intermediate,
        "vocab_size": case.vocab,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "eos_token_id": 1,
    }
    (folder / "config.json").write_text(json.dumps(told))
    from sgpo_cli.generation.standin import standin_tokenizer

    standin_tokenizer().save_pretrained(folder)
    return folder


FILL = """
import sys
from transformers import AutoConfig, AutoModelForCausalLM
folder = sys.argv[1]
AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
"""


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


RECIPE = "reward: [{kind: math}]\ndata: {columns: {problem: problem, answer: answer}}\n"


def measure(case: Case) -> float:
    """GiB at the peak, less those of imports."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "memory.yaml").write_text(RECIPE)
        told = overrides(case, here)
        if case.vocab is not None:
            subprocess.run([sys.executable, "-c", FILL, str(here / "model")], check=True)
        command = [sys.executable, "-m", "sgpo_cli", "train", "memory.yaml", *told, "--until", "train"]
        peak = peak_of(command, here)
    bare = int(subprocess.check_output([sys.executable, "-c", IMPORTS]))
    return (peak - bare) / 2**30


def estimated(case: Case) -> dict[str, float]:
    """`parameters`, and GiB by part, imports left out."""
    from sgpo_cli.pipeline.cost.estimate import estimate
    from sgpo_cli.recipe.load import load_recipe

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "memory.yaml").write_text(RECIPE)
        told = estimate(load_recipe(f"{folder}/memory.yaml", overrides(case, Path(folder))).recipe, "train")
    parts = {name: size for name, size in told["memory"]["parts"].items() if name != "process"}
    if case.returned:
        parts.pop("allocator", None)
    return {"parameters": told["parameters"], **parts}


def table(kept: dict[str, float]) -> list[str]:
    """Every case that has been measured."""
    lines = [
        "| case | model | M parameters | vocabulary | micro-batch x tokens | rollouts at once | estimated GiB "
        "| measured GiB | off by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    errors = []
    for case in CASES:
        if case.name not in kept:
            continue
        parts = estimated(case)
        parameters = parts.pop("parameters") / 1e6
        total, measured = sum(parts.values()), kept[case.name]
        errors.append(total / measured - 1)
        note = f" ({case.note})" if case.note else ""
        lines.append(
            f"| {case.name}{note} | {case.architecture}, {case.layers} x {case.hidden} | {parameters:.0f} "
            f"| {case.vocab or 261:,} | {case.micro} x {case.prompt + case.answer} | {case.prompts * 4} "
            f"| {total:.2f} | {measured:.2f} | {errors[-1]:+.0%} |"
        )
    tail = "Float32 on the CPU, two steps, answers at full length; a stage process's peak less that of its imports."
    return [*lines, "", f"Largest error {max(map(abs, errors)):.0%} over {len(errors)} cases. {tail}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for case in () if asked.write else CASES:
        if asked.only and case.name not in asked.only:
            continue
        begun = time.monotonic()
        kept[case.name] = round(measure(case), 3)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        parts = {name: round(size, 2) for name, size in estimated(case).items() if name != "parameters"}
        print(f"{case.name}: measured {kept[case.name]}, estimated {sum(parts.values()):.2f}: {parts}", flush=True)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    lines = table(kept)
    print("\n".join(lines))
    if asked.write:
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
