"""SGPO against GRPO on the built-in task: every figure of docs/results.md comes from here.

    python benchmarks/study_tiny.py [--seeds 0 1 2] [--jobs 2] [--root study] [--write docs/results.md]

Runs the shipped recipes through `sgpo train`, each arm with each seed from the same warm start, two runs side by side
with one thread each. GRPO gets three learning rates, so that it is compared at its best. Finished runs under --root are
not run again. Held-out accuracy: 512 problems, 2 samples each; steps to 25% and 50% by linear interpolation between
measurements; area is the mean of held-out accuracy over steps 0 to 100. Spread is the sample standard deviation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from document import put

ACCURACY_BAND = (0.005, 0.03)
ALL_NEGATIVE_BAND = (0.85, 0.93)
MARKS = ("<!-- study_tiny: begin -->", "<!-- study_tiny: end -->")


@dataclass(frozen=True)
class Arm:
    """One row of the table: a shipped recipe and what is changed in it."""

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()


ARMS = (
    Arm("GRPO, lr 1.5e-4", "tiny_grpo", ("trainer.learning_rate=1.5e-4",)),
    Arm("GRPO, lr 3e-4", "tiny_grpo"),
    Arm("GRPO, lr 6e-4", "tiny_grpo", ("trainer.learning_rate=6e-4",)),
    Arm("SGPO, oracle judge, lr 3e-4", "tiny_sgpo"),
)


def run_name(arm: Arm, seed: int) -> str:
    changes = "".join(f"-{o.partition('=')[0].rpartition('.')[2]}_{o.partition('=')[2]}" for o in arm.overrides)
    return f"{arm.recipe}{changes.replace('[]', 'none')}-s{seed}"


def train(arm: Arm, seed: int, root: Path, name: str | None = None) -> Path:
    name = name or run_name(arm, seed)
    command = [sys.executable, "-m", "sgpo_cli", "train", arm.recipe, f"name={name}", f"seed={seed}", *arm.overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stdout}{done.stderr}")
    print(f"  {name}: done", flush=True)
    return root / "runs" / name


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass(frozen=True)
class Figures:
    """What one run came to."""

    final: float
    curve: list[tuple[int, float]]
    all_negative: list[float]
    rescued: float
    seconds: float
    judge_calls: int

    def steps_to(self, level: float) -> float | None:
        """The first step at which held-out accuracy reaches `level`, between measurements by a straight line."""
        for (s0, a0), (s1, a1) in zip(self.curve, self.curve[1:], strict=False):
            if a0 < level <= a1:
                return s0 + (s1 - s0) * (level - a0) / (a1 - a0)
        return None

    def area(self) -> float:
        pairs = list(zip(self.curve, self.curve[1:], strict=False))
        return sum((s1 - s0) * (a0 + a1) / 2 for (s0, a0), (s1, a1) in pairs) / self.curve[-1][0]


def figures(run: Path) -> Figures:
    metrics = rows(run / "stages/train/metrics.jsonl")
    curve = [(0, metrics[0]["heldout_start"]["accuracy"])]
    curve += [(row["step"], row["heldout"]["accuracy"]) for row in metrics if row["heldout"]]
    share = [row["groups"]["all_negative"] / row["groups"]["total"] for row in metrics]
    negative = sum(row["groups"]["all_negative"] for row in metrics)
    return Figures(
        final=curve[-1][1],
        curve=curve,
        all_negative=[mean(share[a : a + 10] or [nan]) for a in (0, 20, 40, 80)],
        rescued=sum(row["groups"]["rescued"] for row in metrics) / max(1, negative),
        seconds=sum(row["seconds"] for row in metrics),
        judge_calls=sum(row["judge"]["calls"] for row in metrics),
    )


def spread(values: list[float], digits: int = 3) -> str:
    text = f"{mean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def reached(runs: list[Figures], level: float) -> str:
    """Mean over the seeds that got there, and how many did."""
    known = [step for run in runs if (step := run.steps_to(level)) is not None]
    if not known:
        return "> 100"
    text = spread(known, 0)
    return text if len(known) == len(runs) else f"{text} ({len(known)} of {len(runs)} seeds)"


def table(results: dict[Arm, list[Figures]], seeds: list[int]) -> list[str]:
    head = (
        "| method | final, each seed | final | steps to 25% | steps to 50% | area | all-negative 0/20/40/80 | rescued "
        "| judge calls | s for 100 steps |"
    )
    lines = [head, "|" + "---|" * 10]
    for arm, runs in results.items():
        each = " / ".join(f"{run.final:.3f}" for run in runs)
        negative = "/".join(f"{mean(column):.2f}" for column in zip(*(r.all_negative for r in runs), strict=True))
        rescued = f"{mean([run.rescued for run in runs]):.0%}" if any(run.rescued for run in runs) else "–"
        lines.append(
            f"| {arm.name} | {each} | {spread([r.final for r in runs])} | {reached(runs, 0.25)} | {reached(runs, 0.5)} "
            f"| {spread([r.area() for r in runs])} | {negative} | {rescued} "
            f"| {mean([r.judge_calls for r in runs]):,.0f} | {spread([r.seconds for r in runs], 0)} |"
        )
    return lines


def warm_start(run: Path) -> list[str]:
    """The warm start's figures, held to their bands: outside them the comparison would be another one."""
    judge = json.loads((run / "stages/judge/judge.json").read_text())
    accuracy, negative = judge["accuracy"], judge["all_negative"]
    assert ACCURACY_BAND[0] <= accuracy <= ACCURACY_BAND[1], accuracy
    assert ALL_NEGATIVE_BAND[0] <= negative <= ALL_NEGATIVE_BAND[1], negative
    return [
        f"Warm start (one for all runs), on {judge['rows']:,} rollouts in groups of 8: accuracy {accuracy:.3f}, "
        f"{negative:.1%} of groups all-negative, mean prefix score of wrong answers {judge['prefix_score']:.3f}."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"))
    asked = parser.parse_args()
    asked.root.mkdir(parents=True, exist_ok=True)
    first = train(ARMS[-1], asked.seeds[0], asked.root)  # makes the warm start that all others share
    with ThreadPoolExecutor(asked.jobs) as pool:
        made = {arm: [pool.submit(train, arm, seed, asked.root) for seed in asked.seeds] for arm in ARMS}
        results = {arm: [figures(run.result()) for run in runs] for arm, runs in made.items()}
    grpo = max((arm for arm in ARMS if arm.recipe == "tiny_grpo"), key=lambda a: mean(r.final for r in results[a]))
    sgpo = results[ARMS[-1]]
    gap = mean(r.final for r in sgpo) - mean(r.final for r in results[grpo])
    lines = [
        *warm_start(first),
        "",
        *table(results, asked.seeds),
        "",
        f"Seeds {', '.join(map(str, asked.seeds))}; ± is the sample standard deviation over seeds. Worst SGPO seed "
        f"{min(r.final for r in sgpo):.3f}; SGPO's mean is {gap:.3f} above that of GRPO at its best learning rate "
        f"({grpo.name}). 25,600 rollouts a run; seconds are of the RL steps alone, two runs side by side on two cores.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
