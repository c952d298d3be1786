"""Offline SGPO against GRPO on the same fixed responses: the figures of that section of docs/results.md.

    python benchmarks/study_offline.py [--seeds 0 1 2] [--jobs 1] [--root study] [--write docs/results.md]

For each seed the warm start's responses are made once (`runs/.shared`), and both arms learn from the very same ones, as
the recipes `tiny_sgpo_offline` and `tiny_grpo_offline` say. Held-out accuracy and spread as in study_tiny.py. Drift is
the policy's distance from the one that made the responses, before a step's updates.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from document import put
from study_tiny import Arm, Figures, figures, rows, spread, train

MARKS = ("<!-- study_offline: begin -->", "<!-- study_offline: end -->")
SGPO = Arm("SGPO, offline", "tiny_sgpo_offline")
GRPO = Arm("GRPO, offline", "tiny_grpo_offline")
DRIFT_STEPS = (2, 25, 50, 100)


@dataclass(frozen=True)
class Run:
    """One run's figures, and its rows."""

    figures: Figures
    metrics: list[dict[str, object]]

    def drift(self, key: str, step: int) -> float:
        return float(self.metrics[step - 1]["drift"][key])  # type: ignore[index]


def load(path: Path) -> Run:
    return Run(figures(path), rows(path / "stages/train/metrics.jsonl"))


def table(results: dict[Arm, list[Run]]) -> list[str]:
    steps = "/".join(map(str, DRIFT_STEPS))
    lines = [
        f"| method | final, each seed | final | mean ratio, step {steps} | mean abs. log ratio "
        "| outside the clip range | s for 100 steps |",
        "|" + "---|" * 7,
    ]
    for arm, runs in results.items():
        each = " / ".join(f"{run.figures.final:.3f}" for run in runs)

        def over(key: str, digits: int, runs: list[Run] = runs) -> str:
            return "/".join(f"{mean(run.drift(key, step) for run in runs):.{digits}f}" for step in DRIFT_STEPS)

        lines.append(
            f"| {arm.name} | {each} | {spread([run.figures.final for run in runs])} | {over('ratio', 2)} "
            f"| {over('log_ratio', 2)} | {over('outside', 3)} | {spread([run.figures.seconds for run in runs], 0)} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"))
    asked = parser.parse_args()
    asked.root.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        made = {(arm, seed): pool.submit(train, arm, seed, asked.root) for seed in asked.seeds for arm in (SGPO, GRPO)}
        found = {key: load(run.result()) for key, run in made.items()}
    results = {arm: [found[arm, seed] for seed in asked.seeds] for arm in (SGPO, GRPO)}
    sgpo, grpo = ([run.figures.final for run in results[arm]] for arm in (SGPO, GRPO))
    start = mean([run.figures.curve[0][1] for run in results[SGPO]])
    lines = [
        *table(results),
        "",
        f"Seeds {', '.join(map(str, asked.seeds))}, of the responses and of RL; ± is the sample standard deviation "
        f"over seeds. Before RL {start:.3f}. SGPO's mean is {mean(sgpo) - mean(grpo):.3f} above GRPO's; its worst seed "
        f"{min(sgpo):.3f}, GRPO's best {max(grpo):.3f}. 12,800 responses, each met twice.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
