"""What `sgpo init` is told, and what is made of it where nothing was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.starter.columns import Found, look
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.words import did_you_mean

Method = Literal["sgpo", "g2rpoa", "both", "grpo"]
METHODS: tuple[str, ...] = get_args(Method)
MODEL = "Qwen/Qwen2.5-1.5B-Instruct"
"""Offered where the data is not the built-in task: small enough for one GPU of 24 GB."""


@dataclass(frozen=True, slots=True)
class Answers:
    """None: not said. `data`: `hops`, a JSONL file, a folder or a hub id; `columns`: what -> its column there."""

    name: str
    method: str = "sgpo"
    data: str = "hops"
    model: str | None = None
    judge: str | None = None
    device: str | None = None
    lora: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    found: Found | None = None
    """What a local file holds; None for the built-in task, and for what is not a file here."""

    @property
    def judged(self) -> bool:
        return self.method in {"sgpo", "both"}

    @property
    def guided(self) -> bool:
        return self.method in {"g2rpoa", "both"}


def settled(answers: Answers) -> Answers:
    """The answers with every gap filled, and checked against the data.

    Raises:
        UserError: an unknown method, data that is not here, a column that the method needs and that is not there.
    """
    if answers.method not in METHODS:
        fix = did_you_mean(answers.method, METHODS, "methods")
        raise UserError(f"--method {answers.method}: no such method", fix=fix)
    if answers.judge is not None:
        if not answers.judged:
            fix = "take --method sgpo or both, or leave --judge out"
            raise UserError(f"--judge {answers.judge}: method {answers.method} asks no judge", fix=fix)
        load_judge_card(answers.judge)
    if answers.data == "hops":
        if answers.model is not None or answers.lora:
            what = "the built-in task trains a tiny model of its own, from nothing"
            raise UserError(what, fix="name your data as well: --data FILE.jsonl; or leave --model and --lora out")
        return replace(answers, judge=(answers.judge or "hops_oracle") if answers.judged else None)
    found = _found(answers)
    if answers.guided and found is not None and found.solution is None:
        raise UserError(
            f"--method {answers.method} starts rollouts from solutions, and no column of {answers.data} looks like one",
            fix="name it: --columns solution=COLUMN; or take --method sgpo",
        )
    compares = found is None or found.solution is not None
    judge = (answers.judge or ("vote" if compares else "arithmetic")) if answers.judged else None
    return replace(answers, model=answers.model or MODEL, judge=judge, found=found)


def _found(answers: Answers) -> Found | None:
    """The columns of a local file; None for a folder or a hub id, whose columns are as told, or our own names."""
    path = Path(answers.data).expanduser()
    if path.is_file():
        return look(path, answers.columns)
    if not path.exists() and (path.suffix in {".jsonl", ".json"} or answers.data.startswith((".", "/", "~"))):
        raise UserError("no such file", where=answers.data, fix="name a JSONL file, a folder, a hub id, or hops")
    return None
