"""The rows of a labelling job: read one at a time, checked with their line numbers, turned into solutions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgpo_cli.data.jsonl import refuse_half_pairs
from sgpo_cli.errors import UserError
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Item:
    """A checked row, its solution as the judge sees it, and its label (never shown to the judge)."""

    row: Row
    solution: Solution
    label: int | None

    def labelled(self, verdict: Verdict) -> Row:
        """The row as it is written: the same fields, plus `steps` and `verdict`."""
        return {**self.row, "steps": list(self.solution.steps), "verdict": verdict.to_json()}


class Source:
    """A JSON-lines file of responses; `digest` is the SHA-256 of what the last whole reading read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = ""

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Line number and row, blank lines passed over; `UserError` names file and line of what is not a row."""
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as stream:
                for number, line in enumerate(stream, start=1):
                    digest.update(line)
                    if line.strip():
                        yield number, _row(line, f"{self.path}:{number}")
        except FileNotFoundError:
            raise UserError(f"no such file: {self.path}") from None
        except (IsADirectoryError, PermissionError) as problem:
            raise UserError(f"cannot read {self.path}: {problem.strerror}") from None
        self.digest = digest.hexdigest()

    def items(self) -> Iterator[Item]:
        for number, row in self.rows():
            yield read_item(row, f"{self.path}:{number}")

    def check(self) -> int:
        """Reads the whole file once, so that a mistake is named before anything is written; how many rows it has."""
        count = 0
        for number, row in self.rows():
            _check(row, f"{self.path}:{number}")
            count += 1
        if not count:
            raise UserError(f"{self.path} has no rows", fix="it takes one JSON object a line, with problem and steps")
        return count


def _row(line: bytes, where: str) -> Row:
    try:
        text = line.decode("utf-8-sig" if where.endswith(":1") else "utf-8")
        row = json.loads(text)
    except json.JSONDecodeError as problem:
        raise UserError(f"not JSON: {problem.msg} (column {problem.colno})", where=where) from None
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text", where=where) from None
    except RecursionError:
        raise UserError("not JSON that can be read: nested too deeply", where=where) from None
    except ValueError:  # Python reads no integer of more than 4300 digits
        raise UserError("not JSON that can be read: a number is too long", where=where) from None
    if not isinstance(row, dict):
        raise UserError("not a JSON object", where=where)
    refuse_half_pairs(row, text, where)
    return row


def _check(row: Row, where: str) -> None:
    problem = row.get("problem")
    if not isinstance(problem, str) or not problem.strip():
        raise UserError("this row has no problem", where=where, fix='each row needs a text field "problem"')
    steps, response = row.get("steps"), row.get("response")
    if steps is None and not isinstance(response, str):
        what = "this row has neither steps nor a response"
        raise UserError(what, where=where, fix='give it "steps" (a list of texts) or "response" (a text, to be split)')
    if steps is not None and not (isinstance(steps, list) and all(isinstance(step, str) for step in steps)):
        raise UserError("steps is not a list of texts", where=where)
    label = row.get("first_error")
    if label is None:
        return
    if not isinstance(label, int) or isinstance(label, bool) or label < -1:
        raise UserError(
            f"first_error is {label!r}", where=where, fix="it is the 0-based index of the first wrong step, or -1"
        )
    if isinstance(steps, list) and label >= len(steps):
        raise UserError(f"first_error is {label}, of {len(steps)} steps", where=where, fix="it counts from 0")


def read_item(row: Row, where: str) -> Item:
    """Checks a row and makes its solution; `steps` wins over `response`."""
    _check(row, where)
    steps, label = row.get("steps"), row.get("first_error")
    texts = [str(step) for step in steps] if isinstance(steps, list) else split_steps(str(row["response"]))
    solution = Solution(
        problem=str(row["problem"]),
        steps=tuple(texts),
        reference=_text(row.get("solution")),
        answer=_text(row.get("answer")),
    )
    return Item(row, solution, label if isinstance(label, int) else None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
