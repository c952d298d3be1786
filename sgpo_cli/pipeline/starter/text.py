"""The new recipe's text: only what a reader would change, each line with what it is for."""

from __future__ import annotations

import json
from math import ceil

from sgpo_cli.pipeline.starter.answers import Answers
from sgpo_cli.recipe.schema import Columns

_TITLES = {
    "grpo": "GRPO",
    "sgpo": "SGPO (a judge for the groups that are all wrong)",
    "g2rpoa": "G2RPO-A (some rollouts start from a solution's first tokens)",
    "both": "SGPO and G2RPO-A together",
}
_TINY = {"grpo": "tiny_grpo", "sgpo": "tiny_sgpo", "g2rpoa": "tiny_g2rpoa", "both": "tiny_sgpo_g2rpoa"}
_GROUP = 8
_BATCH = 32
_PASSES = 3
_UNKNOWN = 8192
"""Rows of data that is not looked into: enough for any batch."""


def recipe_text(answers: Answers) -> str:
    """YAML that loads; `answers` are settled."""
    sections = _hops(answers) if answers.data == "hops" else _own(answers)
    return "\n\n".join([_head(answers), *sections]) + "\n"


def _head(answers: Answers) -> str:
    on = "the built-in task `hops`" if answers.data == "hops" else f"{answers.data}"
    return "\n".join(
        [
            f"# {_TITLES[answers.method]} on {on}, made by sgpo init.",
            "#",
            f"#   sgpo plan  {answers.name}              what it will do and need; nothing is run",
            f"#   sgpo train {answers.name} --smoke      every stage, on tiny random weights",
            f"#   sgpo train {answers.name}              the real thing; the same line goes on after a stop",
            "#",
            "# Every key is in docs/recipe.md. The values are defaults or common ones: none was tuned for your data.",
            f"name: {_scalar(answers.name)}",
        ]
    )


def _hops(answers: Answers) -> list[str]:
    extends = f"extends: {_TINY[answers.method]}   # data, model, warm-up, method: sgpo list recipes says what it is"
    parts = [f"{extends}\n\nseed: 0"]
    if answers.judge is not None and answers.judge != "hops_oracle":
        # Without a floor: the task can label rollouts, but which floor another judge should reach is the user's to say.
        parts.append(f"judge:\n  card: {_scalar(answers.judge)}\n  floor: null")
    parts.append("trainer:\n  steps: 100          # batches of rollouts\n  learning_rate: 3.0e-4")
    return [*parts, *_launch(answers)]


def _own(answers: Answers) -> list[str]:
    return [
        "seed: 0",
        _model(answers),
        _data(answers),
        _reward(answers),
        *_judge(answers),
        *_guidance(answers),
        _trainer(answers),
        "generation:\n  engine: transformers   # vllm is faster: pip install 'sgpo-cli[vllm]'\n  temperature: 1.0",
        _benchmarks(answers),
        *_launch(answers),
    ]


def _model(answers: Answers) -> str:
    lines = ["model:", f"  path: {_scalar(str(answers.model))}", "  dtype: auto"]
    if answers.lora:
        lines.append("  lora: {rank: 16, alpha: 32}   # adapters only; final/ holds the merged model")
    return "\n".join(lines)


def _data(answers: Answers) -> str:
    found, plain = answers.found, Columns(solution="solution" if answers.guided else None)
    columns = {"problem": plain.problem, "answer": plain.answer, "solution": plain.solution, **answers.columns}
    note = "   # not opened by sgpo init: check the names"
    if found is not None:
        columns = {name: getattr(found, name) for name in ("problem", "answer", "solution", "difficulty", "id")}
        note = ""
    kept = {name: column for name, column in columns.items() if column is not None or name == "answer"}
    listed = ", ".join(f"{name}: {_scalar(column)}" for name, column in kept.items())
    ask = (
        "Write a Python program, in one Python code block."
        if _code(answers)
        else ("Reason step by step, number your steps, and put your final answer within \\boxed{}.")
    )
    return "\n".join(
        [
            "data:",
            f"  source: {_scalar(answers.data)}",
            f"  columns: {{{listed}}}{note}",
            f"  prompt: {json.dumps('{problem}' + chr(10) + ask)}",
            f"  heldout: {_heldout(answers):<14}# never trained on, measured as training goes",
        ]
    )


def _heldout(answers: Answers) -> int:
    """A tenth of the rows, up to 64; a single row is trained on."""
    rows = _UNKNOWN if answers.found is None else answers.found.rows
    return min(64, max(1, rows // 10)) if rows > 1 else 0


def _code(answers: Answers) -> bool:
    return answers.found is not None and answers.found.tests is not None


def _reward(answers: Answers) -> str:
    if _code(answers):
        return "reward:\n  - {kind: code}      # all tests pass, in a sandbox: sgpo doctor says whether one works here"
    return "reward:\n  - {kind: math}      # 1 when the final answer equals the gold one as mathematics, else 0"


def _judge(answers: Answers) -> list[str]:
    if answers.judge is None:
        return []
    judge = [
        "judge:",
        f"  card: {_scalar(answers.judge)}   # finds the first wrong step; others: sgpo list judges",
        "  max_abstained: 0.9  # rules abstain often; a language model should not: 0.3",
        "  then: fallback      # a step with more abstentions is plain GRPO, and counted",
        "  # With labelled responses, the run stops when the judge is worse than this:",
        "  # floor: {f1: 0.6, data: FILE.jsonl}",
    ]
    rescue = [
        "rescue:",
        "  kind: stepwise      # an all-wrong group is ordered by how far each answer was right",
        "  when: all_negative",
        "  scaling: std_floor",
        "  floor: 0.2",
    ]
    return ["\n".join(judge), "\n".join(rescue)]


def _guidance(answers: Answers) -> list[str]:
    if not answers.guided:
        return []
    lines = [
        "guidance:",
        "  kind: adaptive      # rising rewards shorten it, falling ones lengthen it",
        "  fraction: 0.25      # of each group; smaller models want more",
        "  length: 128         # tokens of the solution, to begin with; the end that tells the answer is never given",
        "  max_length: 384",
        "  unit: tokens",
        "  loss_on_prefix: false   # true trains on the given tokens, too",
    ]
    return ["\n".join(lines)]


def _trainer(answers: Answers) -> str:
    heldout = _heldout(answers)
    rows = _UNKNOWN if answers.found is None else answers.found.rows - heldout
    prompts = next(size for size in (_BATCH, 16, 8, 4, 2, 1) if size <= max(rows, 1))
    steps = 200 if answers.found is None else max(10, min(200, ceil(_PASSES * rows / prompts)))
    rate = "1.0e-5" if answers.lora else "1.0e-6"
    looks = max(1, steps // 10)
    return "\n".join(
        [
            "trainer:",
            f"  steps: {steps:<13}# batches of rollouts",
            f"  prompts_per_step: {prompts}",
            f"  group_size: {_GROUP}       # rollouts of each problem",
            "  updates_per_step: 2",
            "  micro_batch: 2      # rows a device takes at once; lower it when memory runs out",
            f"  learning_rate: {rate}",
            "  max_completion_length: 1024",
            f"  eval_every: {looks if heldout else 0}",
            f"  save_every: {looks}",
            "  trl: {beta: 0.0, loss_type: dr_grpo, gradient_checkpointing: true}",
        ]
    )


def _benchmarks(answers: Answers) -> str:
    card = "humaneval" if _code(answers) else "math500"
    return f"benchmarks:              # others: sgpo list evals\n  - {{card: {card}, k: 1}}"


def _launch(answers: Answers) -> list[str]:
    if answers.device is None:
        return []
    return [f"launch:\n  device: {_scalar(answers.device)}   # what sgpo plan estimates for"]


def _scalar(value: str | None) -> str:
    """A value as YAML reads it back: plain where that is safe, else in double quotes; `${` is no interpolation."""
    if value is None:
        return "null"
    if value.replace("_", "a").replace("/", "a").replace("-", "a").replace(".", "a").isalnum() and value[0].isalpha():
        return json.dumps(value) if value.lower() in _WORDS else value
    return json.dumps(value, ensure_ascii=False).replace("${", "\\\\${")


_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
