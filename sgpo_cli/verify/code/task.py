"""A programming problem of a benchmark: its tests, and how the program is made of a response.

- `humaneval`: the response completes a function. A fenced block, or text that defines the function, is the program
  (behind what the prompt has before the function); any other text is the function's body, up to where a base model
  goes on with something else.
- `mbpp`: the program defines what the asserts call.
- `livecodebench`: a class `Solution` where there is starter code, else a program that reads and prints; both with the
  imports and the recursion limit that LiveCodeBench's own grader gives them.
- `openr1`: a program that reads and prints.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sgpo_cli.errors import UserError
from sgpo_cli.verify.code.benchmarks import (
    humaneval_tests,
    livecodebench_tests,
    mbpp_tests,
    openr1_tests,
    with_needed_prelude,
    with_prelude,
)
from sgpo_cli.verify.code.extract import answer_of, complete, extract_code
from sgpo_cli.verify.code.fences import blocks_of
from sgpo_cli.verify.code.interface import interface_of
from sgpo_cli.verify.code.outcome import AssertTests, CallTests, CodeTests, FunctionTests
from sgpo_cli.verify.code.syntax import defines, is_body

Form = Literal["humaneval", "mbpp", "livecodebench", "openr1"]
COLUMNS: dict[Form, tuple[str, ...]] = {
    "humaneval": ("test", "entry_point"),
    "mbpp": ("test_list",),
    "livecodebench": ("public_test_cases",),
    "openr1": ("verification_info",),
}
"""The columns that tell whose tests a row has."""

_GOES_ON = re.compile(r"^(?=\S)", re.MULTILINE)  # HumanEval's stop words (class, def, #, if, print) begin a line


@dataclass(frozen=True, slots=True)
class CodeTask:
    """`entry_point`: the function or class that a program defines; None for one that reads and prints. `prompt`:
    what HumanEval has completed; `starter`: LiveCodeBench's starter code; `public`: only public tests are there."""

    form: Form
    tests: CodeTests
    entry_point: str | None
    prompt: str = ""
    starter: str = ""
    public: bool = False


def form_of(row: Mapping[str, Any]) -> Form | None:
    """Whose tests these columns are."""
    return next((form for form, names in COLUMNS.items() if all(row.get(name) for name in names)), None)


def task_of(row: Mapping[str, Any], where: str, form: Form | None = None) -> CodeTask:
    """The task of a row that has the benchmark's own columns, its problem under `problem` or `prompt`.

    Raises:
        UserError: the columns of the tests are not there, or cannot be read.
    """
    form = form or form_of(row)
    if form is None or not all(row.get(name) for name in COLUMNS[form]):
        wanted = " or ".join(f"{', '.join(names)} ({one})" for one, names in COLUMNS.items() if form in (None, one))
        raise UserError(f"this row has no tests: it needs {wanted}; it has {', '.join(row)}", where=where)
    if form == "humaneval":
        found = humaneval_tests(row)
        return CodeTask(form, found, found.entry_point, found.setup)
    if form == "mbpp":
        asserts = mbpp_tests(row)
        return CodeTask(form, asserts, next(iter(interface_of(asserts)), None))
    if form == "openr1":
        return CodeTask(form, openr1_tests(row), None)
    tests = livecodebench_tests(row)
    return CodeTask(
        form,
        tests,
        "Solution" if isinstance(tests, CallTests) else None,
        starter=row.get("starter_code") or "",
        public=not row.get("private_test_cases"),
    )


def program_of(task: CodeTask, response: str) -> str | None:
    """The program of a response; None when it has none."""
    if isinstance(task.tests, FunctionTests):
        return _function(task, response)
    code = extract_code(response, task.entry_point)
    if code is None or task.form != "livecodebench":
        return code
    return with_prelude(code) if isinstance(task.tests, CallTests) else with_needed_prelude(code)


def _function(task: CodeTask, response: str) -> str | None:
    """The prompt's function with the body that the response is, or holds; or the response's own function."""
    assert task.entry_point is not None
    text = answer_of(response)
    code, fenced = extract_code(response, task.entry_point), bool(blocks_of(text))
    defined = code is not None and defines(code, task.entry_point)
    body = _body(text)
    if body is not None and not (defined and fenced):  # a base model goes on with more functions, with prose, with both
        return task.prompt + body
    if code is not None and defined:
        return complete(task.prompt, code, task.entry_point)
    if code is not None and code.strip() and (fenced or is_body(code)):
        return task.prompt + _indented(code)
    cut = _until_outdented(text)
    return task.prompt + cut if cut[:1] in (" ", "\t") and cut.strip() else None


def _body(text: str) -> str | None:
    """A function's body, with what it returns, at the start of a completion; None where there is none. The first line
    may have lost its indentation, or some of it."""
    for completion in (text, f"    {text.lstrip()}"):
        body = _until_outdented(completion)
        if is_body(body):
            return _indented(body)
    return None


def _until_outdented(text: str) -> str:
    """A completion up to the first line that is not indented."""
    text = text.lstrip("\n")
    end = _GOES_ON.search(text)
    return text[: end.start()] if end else text


def _indented(code: str) -> str:
    return textwrap.indent(textwrap.dedent(code), "    ")


def asserts_of(task: CodeTask) -> str:
    """MBPP's tests as its prompt shows them; empty for others."""
    return "\n".join(task.tests.tests) if isinstance(task.tests, AssertTests) else ""
