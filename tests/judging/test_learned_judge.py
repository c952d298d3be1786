"""The trained judge's figures, its examples, and how it reads: by hand."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.learned.closeness import closeness
from sgpo_cli.judging.learned.examples import IGNORED, RIGHT, WRONG, collate, encode, in_order
from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.learned.judge import LearnedJudge
from sgpo_cli.judging.process_reward.open import from_options
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import LearnedCard
from sgpo_cli.training.judge_trainer import open_writer
from tests.judging.process_reward_tiny import trl_prm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trl_prm(tmp_path_factory.mktemp("learned") / "prm")


def _found(first_error: int, steps: int) -> Verdict:
    return Verdict.found(first_error, num_steps=steps, judge="j")


def test_closeness_by_hand() -> None:
    verdicts = [_found(0, 4), _found(2, 4), _found(-1, 4), _found(3, 4), Verdict.abstain("x", num_steps=4, judge="j")]
    told = closeness(verdicts, [0, 1, -1, 3, 2], [4] * 5)
    assert told.n == 5 and told.exact == pytest.approx(3 / 5)
    # x = 0, .5, 1, .75 and y = 0, .25, 1, .75: means .5625 and .5
    x, y = [0, 0.5, 1, 0.75], [0, 0.25, 1, 0.75]
    mx, my = 0.5625, 0.5
    r = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sqrt(
        sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)
    )
    assert told.correlation == pytest.approx(r)
    assert told.correlation_ci95 is not None
    assert told.correlation_ci95[0] == pytest.approx(tanh(atanh(r) - 1.959963984540054))
    constant = closeness([_found(0, 4)] * 3, [0, 1, 2], [4] * 3)
    assert constant.correlation is None and constant.exact == pytest.approx(1 / 3)
    assert closeness([], [], []).exact is None


def test_targets_stand_where_the_judge_reads(folder: Path) -> None:
    writer = open_writer(folder)
    rows = [Labelled("What?", ("one", "two", "three"), 1), Labelled("Why?", ("one", "two"), -1)]
    first, second = encode(rows, writer, max_length=100)[0]
    # Cut behind the first wrong step; read at the same tokens as when judged.
    judged = writer.row(Solution("What?", ("one", "two", "three")))
    assert first.ids == judged.ids[: judged.positions[1] + 1]
    assert first.targets == ((judged.positions[0], RIGHT), (judged.positions[1], WRONG))
    assert [step for _, step in second.targets] == [RIGHT, RIGHT]
    batch = collate([first, second], pad_id=7)
    assert batch["input_ids"].shape == batch["labels"].shape == (2, max(len(first.ids), len(second.ids)))
    for at, example in enumerate((first, second)):
        assert batch["attention_mask"][at].sum() == len(example.ids)
        learned = {i: v for i, v in enumerate(batch["labels"][at].tolist()) if v != IGNORED}
        assert learned == dict(example.targets)
    none, left_out = encode(rows, writer, max_length=3)
    assert not none and left_out == {"longer than 3 tokens (judge.train.max_length, or what the model reads)": 2}


def test_the_order_is_fixed_and_fair(folder: Path) -> None:
    examples, _ = encode([Labelled(f"p{i}", ("a",), -1) for i in range(5)], open_writer(folder), max_length=99)
    order = in_order(examples, 13, seed=3)
    assert order == in_order(examples, 13, seed=3) != in_order(examples, 13, seed=4)
    assert set(order[:5]) == set(order[5:10]) == set(examples) and len(order) == 13
    with pytest.raises(ValueError):
        in_order([], 3, seed=0)


def test_it_reads_as_a_process_reward_model_and_counts_what_is_missing(folder: Path) -> None:
    plain = from_options({"model": str(folder), "style": "token_classification", "threshold": 0.5})
    solutions = [Solution("What?", ("one", "two"), reference="1. a\n2. b\n3. c\n4. d"), Solution("What?", ("one",) * 6)]
    wanted = [verdict.first_error for verdict in plain.judge(solutions)]
    judge = LearnedJudge(LearnedCard(), folder, max_length=512, reference_steps=True)
    first, second = judge.judge(solutions)
    assert [first.first_error, second.first_error] == [max(wanted[0], 1 if wanted[0] < 0 else 0), wanted[1]]
    assert (first.num_steps, first.checked, second.num_steps) == (4, 2, 6) and first.judge == "learned"
    lenient = LearnedJudge(LearnedCard(threshold=0.0), folder, max_length=512, reference_steps=True)
    early, whole = lenient.judge(solutions)
    assert early.first_error == 1 and early.prefix_score == 1 / 4 and early.reason == "ends after 2 of 4 steps"
    assert whole.first_error == -1 and whole.prefix_score == 1
    own = LearnedJudge(LearnedCard(), folder, max_length=512, reference_steps=False)
    assert own.judge(solutions)[0].num_steps == 2
    short = LearnedJudge(LearnedCard(), folder, max_length=3, reference_steps=True)
    assert short.judge(solutions)[0].abstained
    assert judge.judge([Solution("What?", (), reference="1. a\n2. b")])[0].prefix_score == 0.0


def test_without_a_recipe_that_trains_one() -> None:
    with pytest.raises(UserError, match="card learned is the judge that a recipe trains") as caught:
        load_judge("learned", {"threshold": 0.5})
    assert "judge_train/card.yaml" in str(caught.value.fix)
