"""What weight a judge would have had along GRPO's own runs: where it stays 0, SGPO with that judge is that run.

    python benchmarks/trust_replay.py [--seeds 0 1 2] [--root study]

Needs the runs of benchmarks/study_trust.py under --root. A judge without weight leaves GRPO's run as it is, bit for bit
(a test holds the trainer to it); so the rollouts of the GRPO run are those that the judge would have met, and the trust
rule can be followed on them, from the judge stage's rollouts on, without training again. Prints for each spoilt judge
and seed the largest weight of any step, without labels; a judge whose labelled slope is 0 has less with them.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import Any

from study_tiny import run_name
from study_trust import ARMS, CARDS, GRPO, JUDGES

from sgpo_cli.judging.hops_oracle import HopsOracle
from sgpo_cli.judging.noise import Noise
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Judge, Solution
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.methods.trust import Evidence, Standing, group_evidence
from sgpo_cli.recipe.kinds import RescueStepwise, Trust
from sgpo_cli.recipe.schema import HopsTask

RESCUE, RULE = Stepwise(RescueStepwise()), Trust(labels=0)
Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def evidence(judge: Judge, group: list[Row]) -> Evidence | None:
    """What a group says of the judge; truncated rollouts say nothing, as in training."""
    outcomes = [row["outcome"] for row in group]
    if classify(outcomes) != "mixed":
        return None
    asked = [Solution(row["problem"], tuple(split_steps(row["response"]))) for row in group]
    scores = [verdict.prefix_score for verdict in judge.judge(asked)]
    rewards = [
        None if row["truncated"] or score is None else RESCUE.graded(score)
        for row, score in zip(group, scores, strict=True)
    ]
    return group_evidence(outcomes, rewards, scaling=RESCUE.config.scaling, floor=RESCUE.config.floor)


def groups(rows: list[Row]) -> list[list[Row]]:
    return [list(group) for _, group in groupby(rows, key=lambda row: row["group"])]


def largest_weight(judge: Judge, before: list[Row], rollouts: list[Row]) -> float:
    """Over all steps of a run; `before`: the judge stage's rollouts."""
    found = (evidence(judge, group) for group in groups(before))
    standing = Standing().learn((one for one in found if one is not None), RULE)
    weights = []
    for _, step in groupby(rollouts, key=lambda row: row["step"]):
        seen = [one for group in groups(list(step)) if (one := evidence(judge, group)) is not None]
        standing = standing.learn(seen[: RULE.budget], RULE)
        weights.append(standing.weight(RULE))
    return max(weights)


def judged_run(seed: int, root: Path) -> Path:
    """A finished judge stage of that seed: its rollouts are the same whatever the judge."""
    runs = (root / "runs" / run_name(arm, seed) / "stages/judge/rollouts.jsonl" for arm in ARMS.values())
    return next(path for path in runs if path.exists())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--root", type=Path, default=Path("study"))
    asked = parser.parse_args()
    oracle = HopsOracle(HopsTask())
    for name in ("invert", "constant", "random", "flip40"):
        how, chance = CARDS[name]
        judge = Noise(oracle, how, chance or 0.0, 0)
        largest = [
            largest_weight(
                judge,
                read(judged_run(seed, asked.root)),
                read(asked.root / "runs" / run_name(GRPO, seed) / "stages/train/rollouts.jsonl"),
            )
            for seed in asked.seeds
        ]
        print(f"{JUDGES[name]}: {' / '.join(f'{weight:.3f}' for weight in largest)}", flush=True)


if __name__ == "__main__":
    main()
