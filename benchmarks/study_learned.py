"""SGPO with a judge that its recipe trains: every figure of "A judge of one's own" in docs/results.md comes from here.

    python benchmarks/study_learned.py [--seeds 0 1 2] [--jobs 1] [--root study] [--write docs/results.md]

Runs the shipped recipes through `sgpo train`, weighed by the trust rule (the default) and with full weight. Each seed
has a judge of its own (`judge.train.seed`), taught on 2,000 other rollouts of the one warm start; the badly trained one
on 300, labelled by an oracle that turns each step's verdict round one time in five. GRPO's figures are those that
study_tiny.py wrote into docs/results.md, from the same warm start and seeds; `--grpo` runs it again. Finished runs
under --root are not run again. The judge is measured on 1,024 rollouts of 128 held-out problems before RL.
"""

from __future__ import annotations

import argparse
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from document import put
from study_tiny import Arm, Figures, figures, spread, table, train
from study_trust import SHOWN, trusted

MARKS = ("<!-- study_learned: begin -->", "<!-- study_learned: end -->")
GRPO = Arm("GRPO", "tiny_grpo")
LEARNED = Arm("SGPO, learned judge", "tiny_sgpo_learned")
LEARNED_FULL = Arm("SGPO, learned judge, full weight", "tiny_sgpo_learned", ("rescue.trust=null",))
REFRESHED = Arm("SGPO, learned judge, refreshed", "tiny_sgpo_learned", ("judge.train.refresh_every=25",))
FEW = ("judge.train.rollouts=300", "judge.train.label_with=noisy_oracle", "judge.floor=null")
POOR = Arm("SGPO, 300 noisy labels", "tiny_sgpo_learned", FEW)
POOR_FULL = Arm("SGPO, 300 noisy labels, full weight", "tiny_sgpo_learned", (*FEW, "rescue.trust=null"))
LEAST = 0.75
"""What the weighed learned judge has to reach."""


def seeded(arm: Arm, seed: int) -> Arm:
    """The arm with a judge of that seed."""
    return arm if arm is GRPO else replace(arm, overrides=(*arm.overrides, f"judge.train.seed={seed}"))


def grpo_finals(results: Path) -> list[float]:
    """GRPO's final accuracies, each seed, from the table of study_tiny.py."""
    [row] = re.findall(r"^\| GRPO, lr 3e-4 \| ([\d. /]+) \|", results.read_text(), flags=re.MULTILINE)
    return [float(value) for value in row.split("/")]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def judges(taught: dict[str, dict[int, Path]]) -> list[str]:
    """The judges before RL, a row a judge and seed."""
    lines = [
        "| taught on | seed | labels | training, s | exact first error | prefix scores correlate | acc_error "
        "| acc_correct (n) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, seed, run in [(name, seed, run) for name, runs in taught.items() for seed, run in runs.items()]:
        told, made = read(run / "stages/judge/judge.json"), read(run / "stages/judge_train/done.json")["outputs"]
        close, measures = told["closeness"], told["measures"]

        def shown(part: dict[str, Any], key: str) -> str:
            low, high = part[f"{key}_ci95"]
            return f"{part[key]:.3f} ({low:.3f} to {high:.3f})"

        right = f"{measures['acc_correct']:.2f} ({measures['n_correct']})" if measures["n_correct"] else "–"
        lines.append(
            f"| {name} | {seed} | {made['labels']:,} | {made['seconds']:.0f} | {shown(close, 'exact')} "
            f"| {shown(close, 'correlation')} | {measures['acc_error']:.3f} | {right} |"
        )
    return lines


def drift(runs: dict[int, Path]) -> list[str]:
    """How exact a judge still was on the policy's own rollouts, at each refresh, before it was taught on."""
    told = [
        [json.loads(line) for line in (run / "stages/train/judge/refreshes.jsonl").read_text().splitlines()]
        for run in runs.values()
    ]
    said = [
        f"{rows[0]['step']}: " + " / ".join(f"{row['before']['exact']:.2f}" for row in rows)
        for rows in zip(*told, strict=True)
    ]
    labels = mean([sum(row["labels"] for row in rows) for rows in told])
    return [
        f"Exact first errors on the policy's newest rollouts, each seed, before each refresh (step: seeds): "
        f"{'; '.join(said)}. {labels:,.0f} further labels a run."
    ]


def weights(runs: dict[Arm, list[Path]]) -> list[str]:
    """What the trust rule gave, a line an arm."""
    lines = []
    for arm, found in runs.items():
        columns = zip(*(trusted(run).weights for run in found), strict=True)
        said = "/".join(f"{mean(column):.2f}" for column in columns)
        lines.append(f"- {arm.name}: weight at step {'/'.join(map(str, SHOWN))} {said}, mean over the seeds.")
    return lines


def held(yes: bool) -> str:
    return "holds" if yes else "DOES NOT HOLD"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--without-refresh", action="store_true", help="leave the refreshed judge out")
    parser.add_argument("--grpo", action="store_true", help="run GRPO too")
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"))
    asked = parser.parse_args()
    asked.root.mkdir(parents=True, exist_ok=True)
    arms = [LEARNED, POOR, POOR_FULL, LEARNED_FULL]
    arms += [*([] if asked.without_refresh else [REFRESHED]), *([GRPO] if asked.grpo else [])]
    with ThreadPoolExecutor(asked.jobs) as pool:
        made = {arm: {s: pool.submit(train, seeded(arm, s), s, asked.root) for s in asked.seeds} for arm in arms}
        runs = {arm: {seed: run.result() for seed, run in found.items()} for arm, found in made.items()}
    results: dict[Arm, list[Figures]] = {arm: [figures(run) for run in found.values()] for arm, found in runs.items()}
    learned = [r.final for r in results[LEARNED]]
    grpo = [r.final for r in results[GRPO]] if asked.grpo else grpo_finals(asked.write)
    poor, line = [r.final for r in results[POOR]], mean(grpo) - stdev(grpo)
    lines = [
        *judges({"2,000 labels": runs[LEARNED], "300 noisy labels": runs[POOR]}),
        "",
        *table(results, asked.seeds),
        "",
        *weights({arm: list(runs[arm].values()) for arm in (LEARNED, POOR)}),
        f"- Learned judge, weighed: {mean(learned):.3f}, wanted {LEAST}: {held(mean(learned) >= LEAST)}.",
        f"- 300 noisy labels, weighed: {mean(poor):.3f}, wanted GRPO's mean less its spread, {line:.3f}: "
        f"{held(mean(poor) >= line)}.",
        "",
        *([] if asked.without_refresh else [*drift(runs[REFRESHED]), ""]),
        f"Seeds {', '.join(map(str, asked.seeds))}, of judge and of RL; ± is the sample standard deviation over seeds. "
        f"Learned judge {spread(learned)}, GRPO {spread(grpo)}: {mean(learned) - mean(grpo):.3f} above. Seconds of "
        "training are those of a stage in a shared machine, its rollouts and labels included.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
