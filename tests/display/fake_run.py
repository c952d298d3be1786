"""Run directories that look like real ones, for tests of the display: made by a small simulation, no model.

`python tests/display/fake_run.py DIR` writes a few under DIR, to look at by eye.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import JsonLines, write_json, write_text
from sgpo_cli.runs.rundir import RunDir

STAGES = ("warmup", "judge", "train", "eval", "report")
SECONDS = {"warmup": 52.0, "judge": 9.0, "eval": 6.5, "report": 1.2}


@dataclass
class Fake:
    """What the fake run did. `until` is the last stage begun; `stop_at` a step at which training was cut off."""

    name: str = "tiny_sgpo"
    rescue: str = "stepwise"
    judge: bool = True
    bench: bool = True
    steps: int = 100
    prompts: int = 32
    group_size: int = 8
    until: str = "report"
    stop_at: int | None = None
    long_steps: bool = False
    prefix_steps: int = 0
    """Guidance length at the start; it falls to 0 at 80% of the run. The first quarter of each group is guided."""
    warnings: list[str] = field(default_factory=list)
    seed: int = 0


class _Writer:
    def __init__(self, fake: Fake, root: Path) -> None:
        self.fake = fake
        self.run = RunDir(root / fake.name)
        self.random = Random(fake.seed)
        self.clock = 1_790_000_000.0
        self.names = [s for s in STAGES if (s != "judge" or fake.judge) and (s != "eval" or fake.bench)]
        self.events: list[Event] = []

    def write(self) -> RunDir:
        self.describe()
        work = {"warmup": self.warmup, "judge": self.judge, "train": self.train, "eval": self.eval}
        for name in self.names:
            self.say(name, "started")
            ended = work.get(name, lambda: True)()
            if not ended:
                break
            self.clock += SECONDS.get(name, 0.0)
            # The report is written by its own stage, which then is not finished yet.
            if name != "report":
                self.say(name, "finished")
                self.run.stage(name).mark_done("0" * 16, {})
            if name == self.fake.until:
                break
        for name in self.names:
            self.write_events(self.run.stage(name).events, [e for e in self.events if e.stage == name])
        self.write_events(self.run.events, self.events)
        if self.fake.until == "report" and self.fake.stop_at is None:
            write_json(self.run.done, {"stages": {}})
        return self.run

    def say(self, stage: str, event: Any, step: int | None = None, total: int | None = None, **data: Any) -> None:
        self.events.append(Event(self.clock, stage, event, step, total, data))

    def write_events(self, path: Path, events: list[Event]) -> None:
        if events:
            with JsonLines(path) as lines:
                lines.extend(event.to_json() for event in events)

    def describe(self) -> None:
        fake = self.fake
        recipe: dict[str, Any] = {
            "name": fake.name,
            "seed": fake.seed,
            "model": {"path": None, "scratch": {"architecture": "llama", "layers": 2, "hidden_size": 64}},
            "data": {"source": "hops", "heldout": 512},
            "warmup": {"kind": "sft", "steps": 320, "batch_size": 128, "learning_rate": 0.003},
            "reward": [{"kind": "exact", "weight": 1.0, "marker": "#"}],
            "judge": {"card": "hops_oracle", "floor": {"f1": 0.8, "data": None}} if fake.judge else None,
            "rescue": {"kind": fake.rescue, **({"shape": "linear"} if fake.rescue == "stepwise" else {})},
            "guidance": self.guidance(),
            "trainer": {
                "steps": fake.steps,
                "prompts_per_step": fake.prompts,
                "group_size": fake.group_size,
                "learning_rate": 0.0003,
            },
            "benchmarks": [{"card": "hops", "k": 2}] if fake.bench else [],
        }
        write_text(self.run.recipe, yaml.safe_dump(recipe, sort_keys=False))
        stages = [self.planned(name) for name in self.names]
        write_json(self.run.plan, {"recipe": fake.name, "stages": stages, "warnings": []})
        packages = {"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"}
        env = {"sgpo": "0.1.0", "python": "3.11.2", "system": "Linux x86_64", "cores": 2, "memory_gib": 7.8}
        write_json(self.run.env, {**env, "packages": packages})

    def guidance(self) -> dict[str, Any]:
        if not self.fake.prefix_steps:
            return {"kind": "none"}
        told = {"kind": "linear", "fraction": 0.25, "length": self.fake.prefix_steps, "max_length": None}
        return {**told, "unit": "steps", "loss_on_prefix": False, "budget": "shared", "end": 0.8}

    def length(self, step: int) -> float:
        return self.fake.prefix_steps * max(0.0, 1.0 - (step - 1) / (0.8 * self.fake.steps))

    def planned(self, name: str) -> dict[str, Any]:
        low = SECONDS.get(name, 45.0)
        calls = {"judge": 256, "train": 20000}.get(name, 0)
        estimate = {"seconds": [low, 1.7 * low], "memory_gib": 0.9, "judge_calls": calls}
        plain = {"name": name, "kind": name, "fingerprint": "0" * 16, "status": "run", "inputs": {}, "outputs": {}}
        return {**plain, "estimate": estimate}

    def warmup(self) -> bool:
        self.say("warmup", "progress", 320, 320)
        return True

    def judge(self) -> bool:
        measures: dict[str, Any] = {
            "acc_error": 0.981,
            "acc_correct": 1.0,
            "f1": 0.99,
            "abstained": 0.0,
            "n_error": 251,
            "n_correct": 5,
        }
        measures |= {"acc_error_ci95": [0.955, 0.992], "acc_correct_ci95": [0.566, 1.0], "f1_ci95": [0.72, 1.0]}
        told: dict[str, Any] = {"judge": "hops_oracle", "card": "hops_oracle", "measured_on": "warm start rollouts"}
        told |= {"rows": 256, "measures": measures, "reason": None, "abstained": 0.0}
        write_json(self.run.stage("judge").measures, {**told, "seconds": 2.2, "calls": 256, **WARM})
        return True

    def train(self) -> bool:
        fake = self.fake
        stage = self.run.stage("train")
        with JsonLines(stage.metrics) as metrics, JsonLines(stage.rollouts) as rollouts:
            start = {"accuracy": 0.0137, "steps_right": 0.14}
            self.say("train", "metrics", 0, fake.steps, heldout=start)
            for step in range(1, fake.steps + 1):
                rows = [row for group in range(fake.prompts) for row in self.group(step, group)]
                rollouts.extend(rows)
                row = {**self.metrics_row(step, rows), "heldout_start": start if step == 1 else None}
                metrics.append(row)
                self.clock += row["seconds"]
                self.say("train", "progress", step, fake.steps)
                told = {key: row.get(key) for key in ("accuracy", "groups", "grad_norm", "heldout")}
                self.say("train", "metrics", step, fake.steps, **told)
                if step == 5:
                    for text in fake.warnings:
                        self.say("train", "warning", step, fake.steps, what=text)
                if step == fake.stop_at:
                    return False
        return True

    def skill(self, step: int) -> float:
        """Chance that one hop is right."""
        helped = self.fake.rescue == "stepwise" or self.fake.prefix_steps > 0
        middle, sharp, top = (50, 0.13, 0.988) if helped else (95, 0.05, 0.9)
        return 0.62 + (top - 0.62) / (1 + math.exp(-sharp * (step - middle)))

    def group(self, step: int, group: int) -> list[dict[str, Any]]:
        hops = 10
        start = self.random.randrange(100)
        problem = f"e{start} " + " ".join(f"r{self.random.randrange(2)}" for _ in range(hops))
        rows = [self.rollout(step, group, sample, problem, hops) for sample in range(self.fake.group_size)]
        return self.advantages(rows)

    def rollout(self, step: int, group: int, sample: int, problem: str, hops: int) -> dict[str, Any]:
        guided = sample < self.fake.group_size // 4
        given = math.floor(self.length(step) + 0.5) if guided else 0
        first = next((i for i in range(given, hops) if self.random.random() > self.skill(step)), -1)
        names = [f"e{self.random.randrange(100)}" for _ in range(hops)]
        trace = Random(problem)  # one for the whole group
        names[:given] = [f"e{trace.randrange(100)}" for _ in range(given)]
        if self.fake.long_steps:
            pieces = [
                f"Step {i + 1}: following the relation from {n}, we get $x_{i} = {i}$ & so on.\n\n"
                for i, n in enumerate(names)
            ]
            pieces.append(f"So the answer is \\boxed{{{names[-1]}}}.")
        else:
            pieces = [f"{name}\n" for name in names] + [f"# {names[-1]}"]
        ends = [sum(len(p) for p in pieces[: i + 1]) for i in range(len(pieces))]
        row: dict[str, Any] = {"step": step, "group": group, "sample": sample, "id": f"hops-{step}-{group}"}
        row |= {"problem": problem, "response": "".join(pieces), "step_ends": ends}
        # As tokens decode: the line break after the last injected step is not yet there.
        prefix = len("".join(pieces[:given]).rstrip())
        row |= {"prefix_tokens": given, "prefix_end": prefix}
        outcome = 1 if first < 0 or self.random.random() < 0.01 else 0
        return {**row, "outcome": outcome, "first": first, "truncated": False, "num_steps": len(pieces)}

    def advantages(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        dead = not any(row["outcome"] for row in rows)
        judged = dead and self.fake.judge and self.fake.rescue == "stepwise"
        rewards = [row["first"] / row["num_steps"] if judged else float(row["outcome"]) for row in rows]
        mean = sum(rewards) / len(rewards)
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
        for row, reward in zip(rows, rewards, strict=True):
            row["reward"] = reward
            row["advantage"] = (reward - mean) / std if std > 1e-6 else 0.0
            row["reason"] = "no_contrast" if std <= 1e-6 else "rescued" if judged else "verified"
            row["verdict"] = self.verdict(row) if judged else None
            del row["first"], row["num_steps"]
        return rows

    def verdict(self, row: dict[str, Any]) -> dict[str, Any]:
        first, count = row["first"], row["num_steps"]
        score = 1.0 if first < 0 else first / count
        told = {"first_error": first, "num_steps": count, "prefix_score": score, "checked": count}
        return {**told, "abstained": False, "reason": None, "judge": "hops_oracle"}

    def metrics_row(self, step: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
        size = self.fake.group_size
        groups = [rows[i : i + size] for i in range(0, len(rows), size)]
        right = [sum(row["outcome"] for row in group) for group in groups]
        rescued = sum(r == 0 and any(row["advantage"] for row in g) for r, g in zip(right, groups, strict=True))
        ledger = {"total": len(groups), "all_correct": right.count(size), "all_negative": right.count(0)}
        ledger |= {"mixed": sum(0 < r < size for r in right), "ungraded": 0, "rescued": rescued}
        own = [row["outcome"] for row in rows if not row["prefix_tokens"]]
        row: dict[str, Any] = {"step": step, "accuracy": sum(own) / len(own), "steps_right": None}
        row |= {"reward": sum(r["reward"] for r in rows) / len(rows), "loss": self.random.gauss(0, 1e-8)}
        signal = 1 - sum(r["advantage"] == 0 for r in rows) / len(rows)
        row |= {"grad_norm": 0.9 * signal * self.random.uniform(0.8, 1.3) + 0.02, "entropy": 0.4, "kl": None}
        row |= {"completion_length": 12.0, "seconds": self.random.uniform(0.4, 0.55), "zero_advantage": 1 - signal}
        row |= {"groups": ledger, "judge": {"calls": 100, "cached": 0, "failed": 0, "seconds": 0.01}, "heldout": None}
        row["guidance"] = self.guided_figures(step, rows) if self.fake.prefix_steps else None
        if step % 10 == 0:
            row["heldout"] = {"accuracy": self.skill(step) ** 10, "steps_right": self.skill(step)}
        return row

    def guided_figures(self, step: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
        outcomes = [row["outcome"] for row in rows if row["sample"] < self.fake.group_size // 4]
        told = {"length": self.length(step), "fraction": 0.25, "accuracy": sum(outcomes) / len(outcomes)}
        return {**told, "no_trace": 0, "short_trace": 0, "answer": 2 if step < 4 else 0, "budget": 0}

    def eval(self) -> bool:
        value = self.skill(self.fake.steps) ** 10
        folder = self.run.stage("eval").path / "hops"
        samples = [
            {"id": f"h{i // 2}", "sample": i % 2, "response": "e1\n# e1", "extracted": "e1"}
            | {"correct": int(self.random.random() < value), "reason": "match"}
            for i in range(1024)
        ]
        with JsonLines(folder / "samples.jsonl") as lines:
            lines.extend(samples)
        summary: dict[str, Any] = {"bench": "hops", "n_problems": 512, "missing": 0, "k": 2, "avg_at_k": value}
        summary |= {"pass_at_k": {"1": value, "2": min(1.0, value * 1.06)}, "maj_at_k": value}
        summary |= {"ci95": [max(0, value - 0.024), min(1, value + 0.022)], "truncated": 3, "ungraded": 0}
        summary |= {"engine": "transformers", "sampling": {"temperature": 1.0}, "model": "stages/train/final"}
        write_json(folder / "summary.json", {**summary, "seconds": 5.9})
        return True


WARM = {"accuracy": 0.0137, "all_negative": 0.906}


def fake_run(root: Path, **options: Any) -> RunDir:
    """Writes a fake run under `root` and returns it; the options are those of `Fake`."""
    return _Writer(Fake(**options), root).write()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    noisy = ["42% of the step's verdicts were abstentions: this step is plain GRPO"]
    fake_run(where, warnings=noisy)
    fake_run(where, name="tiny_grpo", rescue="none", judge=False)
    fake_run(where, name="stopped", stop_at=37, until="train")
    fake_run(where, name="long", long_steps=True, prefix_steps=3, steps=40, prompts=8)
    fake_run(where, name="tiny_guided", rescue="none", judge=False, prefix_steps=6)
