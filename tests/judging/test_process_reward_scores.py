"""Process reward models, style by style, against a slow reference that scores one whole text at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, Qwen2Config, Qwen2Model

from sgpo_cli.generation.load import load_tokenizer
from sgpo_cli.judging.process_reward.batches import Scored
from sgpo_cli.judging.process_reward.judge import ProcessRewardJudge
from sgpo_cli.judging.process_reward.open import from_options
from sgpo_cli.judging.verdict import Solution
from tests.judging.process_reward_tiny import qwen_prm, shepherd, trl_prm

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
WORDS = [
    "3",
    "+ 4 = 7",
    "so",
    "the answer",
    "is",
    "then",
    "we halve it",
    "total",
    "Step 1:",
    "$x^2$",
    "\\frac{1}{2}",
    "é",
]


def _some(count: int, seed: int = 0) -> list[Solution]:
    draw = random.Random(seed)

    def text(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    return [Solution(text(9), tuple(text(14) for _ in range(draw.randint(1, 6)))) for _ in range(count)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("prm")
    return {
        "separator": qwen_prm(root / "qwen"),
        "plus_minus": shepherd(root / "shepherd"),
        "token_classification": trl_prm(root / "trl"),
    }


def _judge(folders: dict[str, Path], style: str, **options: Any) -> ProcessRewardJudge:
    return from_options({"model": str(folders[style]), "style": style, **options})


# --- the references: nothing of theirs comes from the package but how a tokenizer is opened ------------------------


def _separator_reference(folder: Path) -> Callable[[Solution], list[float]]:
    tokenizer = load_tokenizer(folder)
    weights = load_file(folder / "model.safetensors")
    decoder = Qwen2Model(Qwen2Config.from_pretrained(folder)).eval()
    decoder.load_state_dict({k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")})
    separator = tokenizer.convert_tokens_to_ids("<extra_0>")

    def score(solution: Solution) -> list[float]:
        text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{solution.problem}<|im_end|>\n"
        text += f"<|im_start|>assistant\n{'<extra_0>'.join(solution.steps)}<extra_0><|im_end|>\n"
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.no_grad():
            hidden = decoder(ids).last_hidden_state[0]
        inner = torch.clamp(hidden @ weights["score.0.weight"].T + weights["score.0.bias"], min=0)
        logits = inner @ weights["score.2.weight"].T + weights["score.2.bias"]
        return torch.sigmoid(logits[:, 1] - logits[:, 0])[ids[0] == separator].tolist()

    return score


def _plus_minus_reference(folder: Path) -> Callable[[Solution], list[float]]:
    tokenizer = load_tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    good, bad = (tokenizer.convert_tokens_to_ids(text) for text in ("▁+", "▁-"))
    tag = tokenizer.convert_tokens_to_ids("▁ки")

    def score(solution: Solution) -> list[float]:
        ids = tokenizer.encode(f"{solution.problem} " + "\n".join(f"{step} ки" for step in solution.steps))
        assert ids[0] == tokenizer.bos_token_id
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        return [torch.sigmoid(logits[at, good] - logits[at, bad]).item() for at, one in enumerate(ids) if one == tag]

    return score


def _token_reference(folder: Path) -> Callable[[Solution], list[float]]:
    tokenizer = load_tokenizer(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()

    def score(solution: Solution) -> list[float]:
        ids = tokenizer.encode(solution.problem)
        scores = []
        for step in solution.steps:  # a whole forward pass for each step: no later step can be in it
            ids = ids + tokenizer.encode(step) + tokenizer.encode("\n")
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1]
            scores.append((logits.exp() / logits.exp().sum())[1].item())
        return scores

    return score


REFERENCES = {
    "separator": _separator_reference,
    "plus_minus": _plus_minus_reference,
    "token_classification": _token_reference,
}
styles = pytest.mark.parametrize("style", REFERENCES)


@styles
def test_scores_are_those_of_the_slow_reference(folders: dict[str, Path], style: str) -> None:
    judge, reference = _judge(folders, style), REFERENCES[style](folders[style])
    seen = []
    for solution in _some(12):
        scores = judge.scores(solution)
        assert scores == pytest.approx(reference(solution), abs=2e-5)
        assert isinstance(scores, list) and len(scores) == len(solution.steps)
        seen += scores
    assert max(seen) - min(seen) > 0.3, "scores that hardly differ would prove nothing"


@styles
def test_verdicts_name_the_first_score_below_the_threshold(folders: dict[str, Path], style: str) -> None:
    reference = REFERENCES[style](folders[style])
    solutions = _some(30, seed=3)
    threshold = round(median(score for solution in solutions for score in reference(solution)), 2)
    wanted = []
    for solution in solutions:
        below = [at for at, score in enumerate(reference(solution)) if score < threshold]
        wanted.append(below[0] if below else -1)
    verdicts = _judge(folders, style, threshold=threshold).judge(solutions)
    assert [verdict.first_error for verdict in verdicts] == wanted
    assert len(set(wanted)) > 2, "the examples must hold more than one answer"
    for solution, verdict in zip(solutions, verdicts, strict=True):
        assert verdict.num_steps == verdict.checked == len(solution.steps)
        assert verdict.judge == "process_reward" and not verdict.abstained
        if verdict.first_error == -1:
            assert verdict.reason is None
        else:
            score = reference(solution)[verdict.first_error or 0]
            said, number = str(verdict.reason).split(" scored ")
            assert said == f"step {verdict.first_error}" and number.endswith(f"< {threshold:g}")
            assert float(number.split()[0]) == pytest.approx(score, abs=2e-3)


@styles
def test_neither_neighbours_nor_order_nor_batch_size_change_a_score(folders: dict[str, Path], style: str) -> None:
    solutions = _some(24, seed=5)
    alone = [_judge_scores(_judge(folders, style, batch_tokens=1), [solution])[0] for solution in solutions[:4]]
    one_by_one = _judge_scores(_judge(folders, style, batch_tokens=1), solutions)
    assert one_by_one[:4] == alone
    for batch_tokens in (200, 1000, 100_000):
        judge = _judge(folders, style, batch_tokens=batch_tokens)
        mixed = list(enumerate(solutions))
        random.Random(batch_tokens).shuffle(mixed)
        for (at, _), scores in zip(mixed, _judge_scores(judge, [solution for _, solution in mixed]), strict=True):
            assert scores == pytest.approx(one_by_one[at], abs=2e-5)


def _judge_scores(judge: ProcessRewardJudge, solutions: list[Solution]) -> list[Scored]:
    """What `judge.judge` scores, batches and all."""
    judge.load()
    opened = judge._opened
    assert opened is not None
    return opened.scorer.score([opened.writer.row(solution) for solution in solutions])


@given(thresholds=st.lists(st.floats(0, 1), min_size=2, max_size=8).map(sorted), seed=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_a_higher_threshold_never_finds_the_error_later(
    folders: dict[str, Path], thresholds: list[float], seed: int
) -> None:
    judge = _judge_once(folders)
    solutions = _some(2, seed)
    for solution in solutions:
        firsts = []
        for threshold in thresholds:
            judge.card.threshold = threshold
            first = judge.judge([solution])[0].first_error
            assert first is not None
            firsts.append(len(solution.steps) if first == -1 else first)
        assert firsts == sorted(firsts, reverse=True)


_ONCE: dict[Path, ProcessRewardJudge] = {}


def _judge_once(folders: dict[str, Path]) -> ProcessRewardJudge:
    folder = folders["separator"]
    if folder not in _ONCE:
        _ONCE[folder] = _judge(folders, "separator")
    return _ONCE[folder]


def test_a_threshold_is_a_bound_that_counts_as_right(folders: dict[str, Path]) -> None:
    judge = _judge(folders, "separator")
    solution = _some(1, seed=8)[0]
    scores = judge.scores(solution)
    assert isinstance(scores, list)
    judge.card.threshold = min(scores)
    assert judge.judge([solution])[0].first_error == -1
    judge.card.threshold = min(scores) + 1e-6
    verdict = judge.judge([solution])[0]
    assert verdict.first_error == scores.index(min(scores))
    shown = float(str(verdict.reason).split()[3])
    assert shown <= min(scores), "a score below the threshold is never shown as one that reaches it"


def test_tied_and_untied_heads_are_cut_alike(tmp_path: Path) -> None:
    folders = {"plus_minus": shepherd(tmp_path / "tied", tied=True)}
    judge, reference = _judge(folders, "plus_minus"), _plus_minus_reference(folders["plus_minus"])
    for solution in _some(4):
        assert judge.scores(solution) == pytest.approx(reference(solution), abs=2e-5)


def test_settings_of_a_style_change_what_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    solution = Solution("add 3 + 4", ("Step 1: 3 + 4 = 7", "so 7"))
    plus = _judge(folders, "plus_minus").scores(solution)
    minus = _judge(folders, "plus_minus", good="-", bad="+").scores(solution)
    assert plus and minus and [1 - score for score in minus] == pytest.approx(plus, abs=1e-6)
    for style in ("separator", "token_classification"):
        first, second = (_judge(folders, style, good_label=label).scores(solution) for label in (1, 0))
        assert first and second and [1 - score for score in second] == pytest.approx(first, abs=1e-6)
    # The mark is put where there is none: the reference of the marked text.
    marked = Solution(solution.problem, (solution.steps[0], "Step 2: so 7"))
    for style in REFERENCES:
        numbered = _judge(folders, style, number_steps=True).scores(solution)
        assert numbered == pytest.approx(_judge(folders, style).scores(marked), abs=1e-6)
        assert numbered != pytest.approx(_judge(folders, style).scores(solution), abs=1e-5)
    silent = _judge(folders, "separator", system=None).scores(solution)
    assert silent != pytest.approx(_judge(folders, "separator").scores(solution), abs=1e-5)
    with_blank = _judge(folders, "token_classification", separator="\n\n").scores(solution)
    assert with_blank != pytest.approx(_judge(folders, "token_classification").scores(solution), abs=1e-5)


def test_a_token_classifier_can_be_read_at_separators(tmp_path: Path) -> None:
    """Style separator also opens checkpoints of token-classification models: chat template, score at the separator."""
    folder = trl_prm(tmp_path / "trl")
    tokenizer, model = load_tokenizer(folder), AutoModelForTokenClassification.from_pretrained(folder).eval()
    solution = _some(1)[0]
    text = f"<|im_start|>user\n{solution.problem}<|im_end|>\n<|im_start|>assistant\n"
    ids = torch.tensor([tokenizer.encode(text + "".join(f"{step}<extra_0>" for step in solution.steps))])
    with torch.no_grad():
        wanted = model(ids).logits.softmax(-1)[0, ids[0] == tokenizer.convert_tokens_to_ids("<extra_0>"), 1]
    judge = from_options({"model": str(folder), "system": None})
    assert judge.scores(solution) == pytest.approx(wanted.tolist(), abs=2e-5)
