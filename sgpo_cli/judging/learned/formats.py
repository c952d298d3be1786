"""The schemas in which labelled steps come, one function each: a row in, labelled responses out.

- `sgpo`: ours, what `sgpo judge` reads and writes: `problem`, `steps` or `response`, and `first_error` or `verdict`
- `processbench`: `problem`, `steps`, `label` (arXiv 2412.06559)
- `stepwise`: TRL's stepwise supervision: `prompt`, `completions`, `labels` (true and false)
- `prm800k`: as OpenAI published it (arXiv 2305.20050): `question.problem`, `label.steps[].completions[].rating`
- `math_shepherd`: `input` with a `ки` behind every step, `label` with `+` or `-` in its place (arXiv 2312.08935)

Each says of a response where its first wrong step is, 0-based, -1 for none. What follows a wrong step is not learned
from: three of the five say nothing of it, and what is right behind an error is a matter of taste.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.judging.split import split_steps

Record = Mapping[str, Any]
TAG = "ки"
OURS = {"first_error", "verdict"}
"""Columns that hold a label in our own schema."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One response with its label; `where` is the place of its row."""

    problem: str
    steps: tuple[str, ...]
    first_error: int
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Nothing:
    """A row that teaches nothing, and why."""

    why: str


Reader = Callable[[Record, str], Iterator[Labelled | Nothing]]


def _sgpo(row: Record, where: str) -> Iterator[Labelled | Nothing]:
    steps, verdict = _steps(row, where), row.get("verdict")
    label = row.get("first_error")
    if verdict is not None and not isinstance(verdict, Mapping):
        fix = "it is what `sgpo judge` writes; a label of your own goes into first_error"
        raise UserError(f"verdict is {verdict!r}, not an object", where=where, fix=fix)
    if label is None and verdict is not None:
        if verdict.get("abstained"):
            yield Nothing("on which the judge abstained")
            return
        if verdict.get("checked") == 0:
            yield Nothing("in which the judge found nothing to check")
            return
        label = verdict.get("first_error")
    if label is None:
        yield Nothing("without first_error or verdict")
        return
    yield _labelled(row, "problem", steps, _index(label, steps, "first_error", where), where)


def _steps(row: Record, where: str) -> tuple[str, ...]:
    """The steps, or the response's, as `sgpo judge` takes both."""
    if row.get("steps") is not None:
        return _texts(row, "steps", where)
    if not isinstance(row.get("response"), str):
        raise UserError("this row has neither steps nor a response", where=where)
    return tuple(split_steps(row["response"]))


def _processbench(row: Record, where: str) -> Iterator[Labelled | Nothing]:
    steps = _texts(row, "steps", where)
    yield _labelled(row, "problem", steps, _index(row["label"], steps, "label", where), where)


def _stepwise(row: Record, where: str) -> Iterator[Labelled | Nothing]:
    steps, labels = _texts(row, "completions", where), row["labels"]
    if not isinstance(labels, list) or len(labels) != len(steps):
        count = len(labels) if isinstance(labels, list) else 0
        raise UserError(f"{len(steps)} steps (completions) and {count} labels", where=where, fix="one label a step")
    for at, label in enumerate(labels):
        if label not in (True, False):
            raise UserError(f"label {at} is {label!r}", where=where, fix="a step's label is true or false")
    yield _labelled({"prompt": _asked(row["prompt"], where)}, "prompt", steps, _first_false(labels), where)


def _asked(prompt: Any, where: str) -> Any:
    """A prompt's text: as it stands, or what the user says in one of chat messages."""
    if not isinstance(prompt, list):
        return prompt
    said = [one.get("content") for one in prompt if isinstance(one, Mapping) and one.get("role") == "user"]
    if len(said) != 1:
        fix = "a judge is asked about one problem: give prompt as a text"
        raise UserError(f"prompt has {len(said)} messages of role user", where=where, fix=fix)
    return said[0]


def _prm800k(row: Record, where: str) -> Iterator[Labelled | Nothing]:
    """The path of chosen steps, and, for every alternative rated -1, the path up to it.

    0 (neutral) counts as right, as in ProcessBench; a step without a rating ends what is known.
    """
    question, label = row["question"], row["label"]
    if not isinstance(question, Mapping) or not isinstance(label, Mapping) or not isinstance(label.get("steps"), list):
        raise UserError("label has no steps", where=where, fix="a row of PRM800K has question.problem and label.steps")
    path: list[str] = []
    made = 0
    for number, step in enumerate(label["steps"]):
        rated = [_rated(one, number, where) for one in step.get("completions") or []]
        for text, rating in rated:
            if rating == -1:
                made += 1
                yield _labelled(question, "problem", (*path, text), len(path), where)
        chosen, human = step.get("chosen_completion"), step.get("human_completion")
        if chosen is not None and not (isinstance(chosen, int) and 0 <= chosen < len(rated)):
            what = f"chosen_completion of step {number} is {chosen!r}, of {len(rated)} completions"
            raise UserError(what, where=where)
        taken = rated[chosen] if chosen is not None else (str(human["text"]), 1) if human else None
        if taken is None or taken[1] not in (0, 1):
            break
        path.append(taken[0])
    if path and label.get("finish_reason") == "solution":
        made += 1
        yield _labelled(question, "problem", tuple(path), -1, where)
    if not made:
        yield Nothing("without a step rated wrong, given up")


def _rated(one: Any, step: int, where: str) -> tuple[str, int | None]:
    text, rating = (one.get("text"), one.get("rating")) if isinstance(one, Mapping) else (None, None)
    if not isinstance(text, str):
        raise UserError(f"a completion of step {step} has no text", where=where)
    if rating is not None and (rating not in (-1, 0, 1) or isinstance(rating, bool)):
        raise UserError(f"a rating of step {step} is {rating!r}", where=where, fix="PRM800K rates -1, 0 or 1")
    return text, rating


def _math_shepherd(row: Record, where: str) -> Iterator[Labelled | Nothing]:
    text, label = row["input"], row["label"]
    if not isinstance(text, str) or not isinstance(label, str):
        raise UserError("input and label are texts", where=where)
    pieces = text.split(TAG)
    if len(pieces) < 2:
        raise UserError(f"input has no {TAG}: no step ends", where=where, fix=f"Math-Shepherd ends every step in {TAG}")
    right, at = [], 0
    for number, piece in enumerate(pieces[:-1]):
        sign = label[at + len(piece) : at + len(piece) + 1]
        if not label.startswith(piece, at) or sign not in ("+", "-"):
            what = f"label does not follow input at step {number}: the step, then + or -, is expected"
            raise UserError(
                what, where=where, fix=f"label is input with + or - for each of its {len(pieces) - 1} {TAG}"
            )
        right.append(sign == "+")
        at += len(piece) + 1
    problem, mark, first = pieces[0].partition("Step 1:")
    if not mark:
        raise UserError("input has no 'Step 1:' behind the problem", where=where)
    steps = ((mark + first).strip(), *(piece.strip() for piece in pieces[1:-1]))
    yield _labelled({"problem": problem}, "problem", steps, _first_false(right), where)


@dataclass(frozen=True, slots=True)
class Format:
    """How rows of a schema are told, and read."""

    marks: tuple[str, ...]
    """Columns that every row of it has."""
    read: Reader


FORMATS: dict[str, Format] = {
    "stepwise": Format(("prompt", "completions", "labels"), _stepwise),
    "math_shepherd": Format(("input", "label"), _math_shepherd),
    "prm800k": Format(("question", "label"), _prm800k),
    "processbench": Format(("problem", "steps", "label"), _processbench),
    "sgpo": Format(("problem",), _sgpo),
}
"""In the order in which they are tried: the first whose columns a row has is its schema."""


def format_of(row: Record) -> str | None:
    """The schema of a row, by its columns; None for one of no schema."""
    return next((name for name, kind in FORMATS.items() if all(mark in row for mark in kind.marks)), None)


def _labelled(row: Record, key: str, steps: tuple[str, ...], first_error: int, where: str) -> Labelled | Nothing:
    problem = row.get(key)
    if not isinstance(problem, str) or not problem.strip():
        raise UserError(f"this row has no {key}", where=where)
    return Labelled(problem.strip(), steps, first_error, where) if steps else Nothing("without steps")


def _texts(row: Record, key: str, where: str) -> tuple[str, ...]:
    steps = row[key]
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise UserError(f"{key} is not a list of texts", where=where)
    blank = next((at for at, step in enumerate(steps) if not step.strip()), None)
    if blank is not None:
        raise UserError(
            f"step {blank} of {key} is empty", where=where, fix="a judge can say nothing of it: take it out"
        )
    return tuple(steps)


def _index(label: Any, steps: tuple[str, ...], key: str, where: str) -> int:
    if not isinstance(label, int) or isinstance(label, bool) or not -1 <= label < len(steps):
        fix = "it is the 0-based index of the first wrong step, -1 when none is wrong"
        raise UserError(f"{key} is {label!r}, of {len(steps)} steps", where=where, fix=fix)
    return label


def _first_false(right: list[bool]) -> int:
    return right.index(False) if False in right else -1
