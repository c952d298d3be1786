"""How fast mixed groups tell a good judge from a bad one: the table of docs/trust.md.

    python benchmarks/trust_power.py [--rollouts 8192] [--root study] [--write docs/trust.md]

Recipe `tiny_sgpo` up to its judge stage with that many rollouts of the warm start; then its oracle and the spoilt
judges of benchmarks/study_trust.py read the mixed groups. Two statistics of a group: concordance (how often the judge
puts a right answer above a wrong one, less how often below) and agreement (what methods/trust.py uses). `z` is the mean
over groups by its standard deviation, so that (2/z)^2 groups put the mean two standard errors above 0. `slope` is what
methods/trust.py makes of all of them, and `true` the slope of the oracle's advantages on the judge's in all-negative
groups, where they are used: what the weight would best be, if it could be seen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev

from document import put
from study_trust import CARDS, JUDGES

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.noise import Noise
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Judge, Solution
from sgpo_cli.methods.advantages import group_advantages
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.methods.trust import Standing, group_evidence
from sgpo_cli.recipe.kinds import RescueStepwise, Trust
from sgpo_cli.recipe.schema import HopsTask

MARKS = ("<!-- trust_power: begin -->", "<!-- trust_power: end -->")
RESCUE = Stepwise(RescueStepwise())
FOR_EVER = Trust(memory=10**9)


def rolled_out(rollouts: int, root: Path) -> list[list[dict[str, object]]]:
    """The warm start's groups, graded."""
    name = f"trust_power-{rollouts}"
    asked = ["tiny_sgpo", f"name={name}", f"judge.measure={rollouts}", "--until", "judge"]
    root.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "sgpo_cli", "train", *asked], cwd=root, env=environment, check=True)
    lines = (root / "runs" / name / "stages/judge/rollouts.jsonl").read_text().splitlines()
    return [list(rows) for _, rows in groupby(map(json.loads, lines), key=lambda row: row["group"])]


def graded(judge: Judge, group: list[dict[str, object]]) -> list[float]:
    asked = [Solution(str(row["problem"]), tuple(split_steps(str(row["response"])))) for row in group]
    return [RESCUE.graded(verdict.prefix_score or 0.0) for verdict in judge.judge(asked)]


def advantages(rewards: list[float]) -> list[float]:
    return group_advantages(rewards, scaling=RESCUE.config.scaling, floor=RESCUE.config.floor)


def concordance(outcomes: list[int], rewards: list[float]) -> float:
    right = [reward for reward, outcome in zip(rewards, outcomes, strict=True) if outcome]
    wrong = [reward for reward, outcome in zip(rewards, outcomes, strict=True) if not outcome]
    return mean((r > w) - (r < w) for r in right for w in wrong)


def row(name: str, judge: Judge, oracle: Judge, groups: list[list[dict[str, object]]]) -> str:
    ranks, found, along, power = [], [], 0.0, 0.0
    for group in groups:
        outcomes = [int(str(one["outcome"])) for one in group]
        kind = classify(outcomes)
        if kind == "mixed":
            rewards = graded(judge, group)
            ranks.append(concordance(outcomes, rewards))
            found.append(group_evidence(outcomes, rewards, scaling=RESCUE.config.scaling, floor=RESCUE.config.floor))
        elif kind == "all_negative":
            judged, true = advantages(graded(judge, group)), advantages(graded(oracle, group))
            along += sum(j * t for j, t in zip(judged, true, strict=True))
            power += sum(j * j for j in judged)
    known = [one for one in found if one is not None]
    agreed = [one.agreement for one in known]
    slope = Standing().learn(known, FOR_EVER).slope(FOR_EVER)
    z = [mean(values) / stdev(values) if stdev(values) else 0.0 for values in (ranks, agreed)]
    return (
        f"| {name} | {mean(ranks):+.2f} | {z[0]:+.2f} | {mean(agreed):+.2f} | {z[1]:+.2f} | {slope:+.2f} "
        f"| {along / power if power else 0.0:+.2f} | {power / max(1, len(groups) - len(known)):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=8192)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--write", type=Path, default=Path("docs/trust.md"))
    asked = parser.parse_args()
    groups = rolled_out(asked.rollouts, asked.root)
    oracle = HopsOracle(HopsTask())
    judges = {
        JUDGES[name]: Noise(oracle, how, chance or 0.0, 0) for name, (how, chance) in CARDS.items() if how != "constant"
    }
    mixed = [group for group in groups if classify([int(str(one["outcome"])) for one in group]) == "mixed"]
    right = [one for group in mixed for one in group if one["outcome"]]
    sound = mean(graded(oracle, [one])[0] == RESCUE.graded(1.0) for one in right)
    lines = [
        "| judge | concordance | z | agreement | z | slope | true | power |",
        "|" + "---|" * 8,
        *(row(name, judge, oracle, groups) for name, judge in {"oracle": oracle, **judges}.items()),
        "",
        f"{asked.rollouts:,} rollouts of the warm start, {len(mixed)} mixed groups of 8; of their {len(right)} right "
        f"answers {sound:.0%} have every step right. Power: the judge's squared advantages in an all-negative group.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
