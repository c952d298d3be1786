"""The sampling evaluation: complete, in order, and the same whether or not it was interrupted."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.evaluation.run import DRAWN, Go, evaluate, plan_batches, sample_seed
from sgpo_cli.generation.engine import Completion
from sgpo_cli.verify.pool import Grader
from tests.evaluation.benches import Sampling, sums


class Fake:
    """Answers by (prompt, seed), right about half the time; dies at a given call."""

    name = "fake"

    def __init__(self, dies_at: int | None = None, short: bool = False) -> None:
        self.calls: list[int] = []
        self.dies_at = dies_at
        self.short = short

    def generate(self, prompts, *, max_new_tokens, temperature, top_p, seed, top_k=None):
        if self.dies_at == len(self.calls):
            raise KeyboardInterrupt
        self.calls.append(tuple(seed))
        made = []
        for prompt, own in zip(prompts, seed, strict=True):
            rng = random.Random(own)
            text = f"\\boxed{{{int(prompt.split()[2]) + rng.choice([1, 2])}}}"
            made.append(Completion(text, (1, 2), rng.random() < 0.3))
        return made[1:] if self.short else made


def run(path, engine, bench=None, **options):
    seen = []
    settings = {"model": "m", "seed": 3, "batch_size": 3, "k": 4} | options
    with Grader() as grader:
        summary = evaluate(
            bench or sums(12), engine, path, grader=grader, on_progress=lambda *at: seen.append(at), **settings
        )
    return summary, seen


def samples(path):
    return (path / "samples.jsonl").read_text()


def test_every_sample_is_there_in_order(tmp_path):
    summary, seen = run(tmp_path, Fake())
    rows = [json.loads(line) for line in samples(tmp_path).splitlines()]
    assert [(row["id"], row["sample"]) for row in rows] == [(f"p{p}", s) for p in range(12) for s in range(4)]
    assert summary["n_problems"] == 12 and summary["k"] == 4 and summary["missing"] == 0 and summary["samples"] == 48
    assert summary["engine"] == "fake" and summary["model"] == "m" and summary["sampling"]["seed"] == 3
    assert summary["truncated"] == sum(row["truncated"] for row in rows)
    assert summary["avg_at_k"] == pytest.approx(sum(row["correct"] for row in rows) / 48)
    assert seen[0] == (0, 48) and seen[-1] == (48, 48)
    assert summary["accounted"] == {
        "expected": 48,
        "right": sum(row["correct"] for row in rows),
        "wrong": sum(not row["correct"] for row in rows),
        "ungraded": 0,
        "absent": 0,
    }


def numbers(summary):
    return {name: value for name, value in summary.items() if name != "seconds"}


@pytest.mark.parametrize("torn", ["", '{"batch": 7, "resp'])
def test_an_interrupted_evaluation_goes_on_and_changes_no_number(tmp_path, torn):
    straight, _ = run(tmp_path / "straight", Fake())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", Fake(dies_at=5))
    with (tmp_path / "cut" / DRAWN).open("a") as stream:
        stream.write(torn)
    engine = Fake()
    resumed, seen = run(tmp_path / "cut", engine)
    assert numbers(resumed) == numbers(straight)
    assert samples(tmp_path / "cut") == samples(tmp_path / "straight")
    assert len(engine.calls) == 16 - 5 and seen[0] == (15, 48)


@pytest.mark.parametrize("change", [{"seed": 4}, {"model": "other"}, {"batch_size": 5}, {"bench": "sampling"}])
def test_batches_of_another_evaluation_do_not_count(tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Fake(dies_at=5))
    if change == {"bench": "sampling"}:
        change = {"bench": sums(12, sampling=Sampling(temperature=0.1))}
    engine = Fake()
    run(tmp_path, engine, **change)
    fresh = Fake()
    run(tmp_path / "fresh", fresh, **change)
    assert engine.calls == fresh.calls
    assert samples(tmp_path) == samples(tmp_path / "fresh")


def test_batches_are_fixed_ahead_and_hold_similar_lengths():
    prompts = ["x" * n for n in (1, 9, 5, 7, 3)]
    batches = plan_batches(prompts, Go(1, 3), 4)
    assert batches == plan_batches(prompts, Go(1, 3), 4)
    requests = [request for batch in batches for request in batch]
    assert sorted((r.problem, r.sample) for r in requests) == [(p, s) for p in range(5) for s in (1, 2)]
    lengths = [len(prompts[request.problem]) for request in requests]
    assert lengths == sorted(lengths, reverse=True)


def test_seeds_belong_to_samples_and_differ():
    seeds = {sample_seed(seed, problem, sample) for seed in (0, 1) for problem in "ab" for sample in range(50)}
    assert len(seeds) == 200 and all(0 <= seed < 2**31 for seed in seeds)


def test_more_samples_a_problem_reuse_those_there_are_and_equal_a_straight_run(tmp_path):
    run(tmp_path / "grown", Fake(), k=3)
    engine = Fake()
    grown, seen = run(tmp_path / "grown", engine, k=8)
    straight, _ = run(tmp_path / "straight", Fake(), k=8)
    assert samples(tmp_path / "grown") == samples(tmp_path / "straight")
    assert numbers(grown) == numbers(straight)
    assert sum(map(len, engine.calls)) == 12 * 5 and seen[0] == (36, 96)
    engine = Fake()
    fewer, _ = run(tmp_path / "grown", engine, k=2)
    assert engine.calls == [] and fewer["samples"] == 24
    run(tmp_path / "two", Fake(), k=2)
    assert samples(tmp_path / "grown") == samples(tmp_path / "two")


def test_growing_that_is_interrupted_goes_on(tmp_path):
    run(tmp_path, Fake(), k=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Fake(dies_at=3), k=5)
    engine = Fake()
    run(tmp_path, engine, k=5)
    assert sum(map(len, engine.calls)) == 12 * 3 - 9
    run(tmp_path / "straight", Fake(), k=5)
    assert samples(tmp_path) == samples(tmp_path / "straight")


def test_greedy_samples_are_not_drawn_twice(tmp_path):
    with pytest.raises(UserError, match="the same answer 4 times"):
        run(tmp_path, Fake(), sums(3, sampling=Sampling(temperature=0.0)))


class Refusing(Fake):
    def generate(self, prompts, **options):
        made = super().generate(prompts, **options)
        return [Completion("", (), False, "refused: too long"), *made[1:]]


def test_what_the_engine_could_not_answer_is_ungraded_and_counted(tmp_path):
    summary, _ = run(tmp_path, Refusing(), sums(3), k=1)
    assert summary["ungraded"] == 1 and summary["outcomes"]["engine_failed"] == 1
    rows = [json.loads(line) for line in samples(tmp_path).splitlines()]
    assert [row["detail"] for row in rows if row["correct"] is None] == ["refused: too long"]


def test_an_engine_that_loses_answers_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="2 answers to 3 prompts"):
        run(tmp_path, Fake(short=True))


def test_nonsense_sizes(tmp_path):
    with pytest.raises(UserError):
        run(tmp_path, Fake(), k=0)


SLOW = """
import sys, time
from pathlib import Path
from sgpo_cli.evaluation.run import evaluate
from sgpo_cli.verify.pool import Grader
from tests.evaluation.benches import sums
from tests.evaluation.test_eval_run import Fake

class Slow(Fake):
    def generate(self, *args, **options):
        time.sleep(0.2)
        print("batch", flush=True)
        return super().generate(*args, **options)

with Grader() as grader:
    evaluate(sums(12), Slow(), Path(sys.argv[1]), model="m", seed=3, batch_size=3, k=4, grader=grader,
             on_progress=lambda *_: None)
"""


def test_kill_9_costs_at_most_the_batch_in_flight(tmp_path):
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert child.stdout is not None
    for _ in range(4):
        child.stdout.readline()
    child.kill()
    child.wait()
    engine = Fake()
    resumed, _ = run(tmp_path / "killed", engine)
    straight, _ = run(tmp_path / "straight", Fake())
    assert numbers(resumed) == numbers(straight)
    assert samples(tmp_path / "killed") == samples(tmp_path / "straight")
    assert len(engine.calls) in (12, 13)
