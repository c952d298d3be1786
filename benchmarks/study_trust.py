"""What is a bad judge worth? The noise study, and the trust rule: the trust part of docs/results.md comes from here.

    python benchmarks/study_trust.py [--seeds 0 1 2] [--jobs 2] [--root study] [--write docs/results.md]

Recipe `tiny_sgpo` with its oracle spoilt by judge cards of kind `noise`, each judge three ways: with full weight
(`rescue.trust: null`), weighed by the trust rule without any label, and weighed with the labelled figures of the judge
stage as a prior, which is the default. No floor, or most of these judges would be refused before training. Same warm
start, same measurements and same rules as benchmarks/study_tiny.py; finished runs under --root are not run again.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from document import put
from study_tiny import Arm, figures, reached, rows, run_name, spread, train

MARKS = ("<!-- study_trust: begin -->", "<!-- study_trust: end -->")
CARDS = {
    "flip10": ("flip", 0.1),
    "flip20": ("flip", 0.2),
    "flip30": ("flip", 0.3),
    "flip40": ("flip", 0.4),
    "replace40": ("replace", 0.4),
    "random": ("random", None),
    "invert": ("invert", None),
    "constant": ("constant", None),
}
JUDGES = {
    "hops_oracle": "oracle",
    "flip10": "flip .1",
    "flip20": "flip .2",
    "flip30": "flip .3",
    "flip40": "flip .4",
    "replace40": "replace .4",
    "random": "random",
    "invert": "inverted",
    "constant": "constant",
}
FULL = ("rescue.trust=null",)
FREE = ("rescue.trust.labels=0",)
WAYS = {"full weight": FULL, "weighed, label-free": FREE, "weighed, with labels": ()}
# In the order in which they are run.
WANTED = (
    ("weighed, with labels", ("flip20", "random", "flip40", "hops_oracle", "invert", "flip30")),
    ("weighed, label-free", ("flip20", "random", "flip40", "invert", "hops_oracle")),
    ("full weight", ("random", "flip40", "flip20", "flip30", "invert", "replace40")),
    ("weighed, label-free", ("replace40", "constant")),
)
GRPO = Arm("GRPO", "tiny_grpo", ("benchmarks=[]",))
SHOWN = (1, 10, 20, 40, 100)


def arm(judge: str, way: str) -> Arm:
    changed = (f"judge.card={judge}", "judge.floor=null", "benchmarks=[]", *WAYS[way])
    return Arm(f"{JUDGES[judge]}, {way}", "tiny_sgpo", changed)


ARMS = {(judge, way): arm(judge, way) for way, judges in WANTED for judge in judges}


@dataclass(frozen=True)
class Trusted:
    """What the trust rule did in one run."""

    weights: list[float]
    """At the steps SHOWN."""
    measured: int
    """Rollouts read to measure the judge alone."""
    calls: int


def trusted(run: Path) -> Trusted:
    metrics = rows(run / "stages/train/metrics.jsonl")
    weight = {row["step"]: 1.0 if row["trust"] is None else row["trust"]["weight"] for row in metrics}
    return Trusted(
        weights=[weight[step] for step in SHOWN],
        measured=sum(row["judge"]["measured"] for row in metrics),
        calls=sum(row["judge"]["calls"] for row in metrics),
    )


def write_cards(root: Path) -> None:
    folder = root / "judges"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (noise, probability) in CARDS.items():
        chance = [] if probability is None else [f"probability: {probability}"]
        lines = ["# study", "kind: noise", "judge: hops_oracle", f"noise: {noise}", *chance, "seed: 0"]
        (folder / f"{name}.yaml").write_text("\n".join([*lines, ""]))


def table(results: dict[Arm, list[Path]]) -> list[str]:
    steps = "/".join(map(str, SHOWN))
    lines = [
        f"| judge | final, each seed | final | steps to 25% | steps to 50% | weight at step {steps} | judge calls "
        "| of these, to measure |",
        "|" + "---|" * 8,
    ]
    for one, runs in results.items():
        got, record = [figures(run) for run in runs], [trusted(run) for run in runs]
        finals = [run.final for run in got]
        weights = "/".join(f"{mean(column):.2f}" for column in zip(*(r.weights for r in record), strict=True))
        judged = one is not GRPO
        lines.append(
            f"| {one.name} | {' / '.join(f'{final:.3f}' for final in finals)} | {spread(finals)} "
            f"| {reached(got, 0.25)} | {reached(got, 0.5)} | {weights if judged else '–'} "
            f"| {mean(r.calls for r in record):,.0f} | {mean(r.measured for r in record):,.0f} |"
        )
    return lines


def verdicts(results: dict[Arm, list[Path]]) -> list[str]:
    """What had to hold, with what did; then where a judge of full weight stops helping."""
    finals = {one: [figures(run).final for run in runs] for one, runs in results.items()}
    grpo = finals[GRPO]
    spread_of = stdev(grpo) if len(grpo) > 1 else 0.0
    line = mean(grpo) - spread_of
    said = [f"- GRPO: {mean(grpo):.3f} ± {spread_of:.3f}, so a bad judge may not end below {line:.3f} in the mean."]
    bounds = {"hops_oracle": 0.83, "flip20": 0.60}
    for (judge, way), one in ARMS.items():
        if way == "full weight" or one not in finals:
            continue
        bound, got = bounds.get(judge, line), mean(finals[one])
        said.append(
            f"- {one.name}: {got:.3f}, wanted {bound:.3f}: {'holds' if got >= bound else 'DOES NOT HOLD'}"
            f" ({len(finals[one])} seeds)."
        )
    worse = [
        f"{JUDGES[judge]} ({mean(finals[one]):.3f})"
        for (judge, way), one in ARMS.items()
        if way == "full weight" and one in finals and mean(finals[one]) < mean(grpo)
    ]
    said.append(f"- With full weight these end below GRPO's mean: {', '.join(worse) or 'none'}.")
    return said


def finished(one: Arm, seed: int, root: Path) -> Path | None:
    run = root / "runs" / run_name(one, seed)
    return run if (run / "done.json").exists() else None


def run_all(seeds: list[int], jobs: int, root: Path) -> None:
    """Every arm with every seed that is not finished yet."""
    write_cards(root)
    arms = [GRPO, *ARMS.values()]
    asked = [(one, seed) for one in arms for seed in seeds if finished(one, seed, root) is None]
    if not asked:
        return
    train(*asked[0], root)  # makes the warm start that all others share
    with ThreadPoolExecutor(jobs) as pool:
        for run in [pool.submit(train, one, seed, root) for one, seed in asked[1:]]:
            run.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--show", action="store_true", help="run nothing: the table of what is finished under --root")
    asked = parser.parse_args()
    if not asked.show:
        run_all(asked.seeds, asked.jobs, asked.root)
    arms = [GRPO, *(ARMS[key] for judge in JUDGES for key in ARMS if key[0] == judge)]
    found = {one: [run for seed in asked.seeds if (run := finished(one, seed, asked.root))] for one in arms}
    results = {one: runs for one, runs in found.items() if runs}
    lines = [
        *table(results),
        "",
        *verdicts(results),
        "",
        f"Seeds {', '.join(map(str, asked.seeds))}, the first of them where fewer figures are given; ± is the sample "
        "standard deviation over seeds. 100 steps, 25,600 rollouts a run; weights are means over the seeds.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
