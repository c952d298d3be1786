"""The judge around the scores: abstentions, memory, mistakes of a person, and what it must leave alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sgpo_cli.errors import UserError
from sgpo_cli.judging.process_reward.batches import OutOfMemory, Scorer, batched
from sgpo_cli.judging.process_reward.encode import Row
from sgpo_cli.judging.process_reward.judge import ProcessRewardJudge
from sgpo_cli.judging.process_reward.model import QwenProcessReward
from sgpo_cli.judging.process_reward.open import from_options
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from tests.judging.process_reward_tiny import qwen_prm, shepherd, trl_prm

SOLUTION = Solution("add 3 and 4", ("Step 1: 3 + 4 = 7", "so the answer is 7"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen_prm(tmp_path_factory.mktemp("judge") / "prm")


def _judge(folder: Path, **options: Any) -> ProcessRewardJudge:
    return from_options({"model": str(folder), **options})


def _fault(judge: ProcessRewardJudge) -> str:
    with pytest.raises(UserError) as caught:
        judge.judge([SOLUTION])
    return str(caught.value)


# --- verdicts that are none ----------------------------------------------------------------------------------------


def test_a_response_without_steps_needs_no_model() -> None:
    judge: Judge = load_judge("process_reward", {"model": "/nowhere/at/all"})
    assert judge.name == "process_reward"
    assert judge.judge([]) == []
    [verdict] = judge.judge([Solution("p", ())])
    assert (verdict.first_error, verdict.num_steps, verdict.checked, verdict.prefix_score) == (-1, 0, 0, 0.0)


def test_too_long_is_an_abstention_and_never_cut(folder: Path) -> None:
    long = Solution(SOLUTION.problem, SOLUTION.steps * 200)
    first, second, third = _judge(folder).judge([SOLUTION, long, SOLUTION])
    assert second.abstained and second.num_steps == 400 and second.checked == 0
    assert "too long" in str(second.reason) and "reads 512" in str(second.reason), "the model's own limit"
    assert not first.abstained and first == third
    opened = _judge(folder)
    opened.load()
    assert opened._opened is not None
    length = len(opened._opened.writer.row(SOLUTION).ids)
    assert not _judge(folder, max_length=length).judge([SOLUTION])[0].abstained
    assert _judge(folder, max_length=length - 1).judge([SOLUTION])[0].abstained


def test_a_score_that_is_no_number_is_an_abstention(tmp_path: Path) -> None:
    broken = qwen_prm(tmp_path / "prm")
    weights = load_file(broken / "model.safetensors")
    weights["score.2.bias"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    [verdict] = _judge(broken, threshold=0).judge([SOLUTION])
    assert verdict == Verdict.abstain("the score of step 0 is nan", num_steps=2, judge="process_reward")


def test_a_token_beyond_the_vocabulary_is_an_abstention(tmp_path: Path) -> None:
    folder = trl_prm(tmp_path / "prm")
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 9999, "content": "@@@", "special": False})
    file.write_text(json.dumps(tokenizer))
    bad, good = _judge(folder, style="token_classification").judge([Solution("@@@", ("a",)), Solution("p", ("a",))])
    assert bad.abstained and "not in the model's vocabulary" in str(bad.reason) and not good.abstained


def test_an_empty_step_is_scored_where_there_is_a_separator(folder: Path, tmp_path: Path) -> None:
    empty = Solution("p", ("a", "", "b"))
    assert len(_judge(folder).scores(empty)) == 3
    bare = _judge(trl_prm(tmp_path / "prm"), style="token_classification", separator="")
    [verdict] = bare.judge([empty])
    assert verdict.abstained and verdict.reason == "a step has no token at which to read its score"
    assert bare.scores(empty) == verdict.reason


# --- memory --------------------------------------------------------------------------------------------------------


def _rows(lengths: Sequence[int]) -> list[Row]:
    return [Row(tuple(range(length)), (length - 1,)) for length in lengths]


@pytest.mark.parametrize("tokens", [1, 30, 100, 10_000])
def test_batches_hold_every_row_once_and_keep_to_the_bound(tokens: int) -> None:
    draw = random.Random(tokens)
    lengths = [draw.randint(1, 60) for _ in range(80)]
    batches = batched(lengths, tokens)
    assert sorted(at for batch in batches for at in batch) == list(range(80))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[at] for at in batch) <= tokens
    padding = sum(len(b) * max(lengths[at] for at in b) for b in batches) - sum(lengths)
    assert padding < 0.25 * sum(lengths) or tokens == 10_000, "rows of a length are together"


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    asked: list[int] = []

    def forward(rows: Sequence[Row]) -> list[list[float]]:
        asked.append(len(rows) * max(len(row.ids) for row in rows))
        if asked[-1] > 100:
            raise OutOfMemory
        return [[float(len(row.ids))] for row in rows]

    lengths = [7, 50, 20, 150, 3, 50, 90, 12, 12]
    scorer = Scorer(forward, 1000)
    assert scorer.score(_rows(lengths)) == [
        [float(n)] if n <= 100 else f"out of memory with {n} tokens" for n in lengths
    ]
    assert scorer.batch_tokens <= 100
    tries = len(asked)
    assert scorer.score(_rows([50, 50])) == [[50.0], [50.0]] and len(asked) <= tries + 2, "it stays halved"


def test_the_models_own_out_of_memory_is_taken_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solutions = [Solution(f"add {n}", SOLUTION.steps * (1 + n % 3)) for n in range(9)]
    calm = _judge(folder).judge(solutions)
    forward = QwenProcessReward.forward
    sizes: list[int] = []

    def short_of_memory(self: Any, input_ids: torch.Tensor, *rest: Any, **more: Any) -> Any:
        sizes.append(input_ids.numel())
        if input_ids.numel() > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(self, input_ids, *rest, **more)

    monkeypatch.setattr(QwenProcessReward, "forward", short_of_memory)
    assert _judge(folder).judge(solutions) == calm
    assert max(sizes) > 300 and len(sizes) > 3
    monkeypatch.setattr(QwenProcessReward, "forward", lambda *_, **__: _raise(torch.OutOfMemoryError("no")))
    [verdict] = _judge(folder).judge([SOLUTION])
    assert verdict.abstained and str(verdict.reason).startswith("out of memory with ")
    monkeypatch.setattr(QwenProcessReward, "forward", lambda *_, **__: _raise(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        _judge(folder).judge([SOLUTION])
    cpu = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"
    monkeypatch.setattr(QwenProcessReward, "forward", lambda *_, **__: _raise(RuntimeError(cpu)))
    assert _judge(folder).judge([SOLUTION])[0].abstained


def _raise(problem: Exception) -> Any:
    raise problem


# --- mistakes of a person ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "m", "nonsense": 1},
        {"model": "m", "threshold": 1.5},
        {"model": "m", "threshold": "0.8"},
        {"model": "m", "style": "seperator"},
        {"model": "m", "batch_tokens": 0},
        {"model": "m", "max_length": -4},
        {"model": "m", "good_label": -1},
        {"model": "m", "device": "cuda:1"},
    ],
)
def test_options_are_checked_before_anything_is_opened(options: dict[str, object]) -> None:
    with pytest.raises(UserError) as caught:
        from_options(options)
    assert caught.value.exit_code == 2


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        from_options({"threshold": 2, "styl": "separator"})
    assert all(word in str(caught.value) for word in ("model", "threshold", "styl"))


def test_a_model_that_is_not_there_is_told_when_it_is_needed(tmp_path: Path) -> None:
    told = _fault(_judge(tmp_path / "nowhere"))
    assert "no such model folder" in told and "`model:` of the judge card" in told
    told = _fault(from_options({"model": "nobody/nothing-prm"}))
    assert "the judge's model cannot be opened" in told and "`model:` of the judge card" in told


def test_a_model_of_another_kind_is_not_scored_with_random_weights(tmp_path: Path) -> None:
    causal = shepherd(tmp_path / "causal")
    told = _fault(_judge(causal, style="token_classification"))
    assert "no weights that fit score.bias, score.weight: it is not a token-classification model" in told
    headless = qwen_prm(tmp_path / "headless")
    weights = {name: one for name, one in load_file(headless / "model.safetensors").items() if "score" not in name}
    save_file(weights, headless / "model.safetensors", metadata={"format": "pt"})
    assert "no weights that fit score.0.bias, score.0.weight, score.2.bias: it is not a Qwen2For" in _fault(
        _judge(headless)
    )
    other = qwen_prm(tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "architectures": ["Qwen2ForRewardModel"]}))
    assert "cannot open a checkpoint of architecture Qwen2ForRewardModel" in _fault(_judge(other))


def test_a_head_of_another_width_is_told(tmp_path: Path) -> None:
    three = qwen_prm(tmp_path / "three", classes=3)
    assert "no weights that fit score.2.bias, score.2.weight" in _fault(_judge(three))
    assert "the model has 2 classes" in _fault(_judge(qwen_prm(tmp_path / "two"), good_label=2))
    wide = trl_prm(tmp_path / "wide", labels=3)
    assert len(_judge(wide, style="token_classification", good_label=2).scores(SOLUTION)) == 2


def test_tokens_of_right_and_wrong_must_be_tokens(tmp_path: Path) -> None:
    folder = shepherd(tmp_path / "shepherd")
    assert "'good thing' is not one token" in _fault(_judge(folder, style="plus_minus", good="good thing"))
    assert "the same token" in _fault(_judge(folder, style="plus_minus", bad="+"))


# --- what it leaves alone ------------------------------------------------------------------------------------------


def test_opening_and_judging_leave_the_random_state_alone(folder: Path, tmp_path: Path) -> None:
    """A run that is resumed opens the judge at another step; it must draw the same numbers all the same."""
    other = shepherd(tmp_path / "prm")
    torch.manual_seed(7)
    random.seed(7)
    state, plain = torch.get_rng_state(), random.getstate()
    _judge(folder).judge([SOLUTION])
    _judge(other, style="plus_minus").judge([SOLUTION])  # makes a layer of its own
    assert torch.equal(torch.get_rng_state(), state) and random.getstate() == plain


def test_the_same_every_time_and_after_close(folder: Path) -> None:
    judge = _judge(folder, threshold=0.5)
    first = judge.judge([SOLUTION] * 3)
    judge.close()
    assert judge._opened is None
    assert judge.judge([SOLUTION] * 3) == first == _judge(folder, threshold=0.5).judge([SOLUTION] * 3)


def test_half_width_types_are_taken(folder: Path) -> None:
    full = _judge(folder, dtype="float32").scores(SOLUTION)
    half = _judge(folder, dtype="bfloat16").scores(SOLUTION)
    assert full and half and full != half
    assert half == pytest.approx(full, abs=0.1)
    assert _judge(folder, dtype="auto").scores(SOLUTION) == full, "auto is float32 where there is no accelerator"


def test_nothing_heavy_is_imported_before_a_question_is_asked() -> None:
    code = (
        "import sys; from sgpo_cli.judging.registry import load_judge; load_judge('process_reward', {'model': 'a/b'});"
        "import sgpo_cli.judging.process_reward.size;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'tokenizers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
