"""Tests from the rows of the benchmarks, as their files on the hub have them (and their common local copies)."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zlib
from collections.abc import Mapping
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.verify.code.interface import defined_by, used_by
from sgpo_cli.verify.code.outcome import AssertTests, CallTests, Case, CodeTests, FunctionTests, StdinTests
from sgpo_cli.verify.code.syntax import behind_futures, unbound

Row = Mapping[str, Any]
_LARGEST = 512 << 20
_DAMAGED = (ValueError, EOFError, LookupError, AttributeError, TypeError, OverflowError)
"""What reading a pickle that is none may raise."""


def humaneval_tests(row: Row) -> FunctionTests:
    """Fields `test`, `entry_point` and `prompt` (or `problem`)."""
    return FunctionTests(row["test"], row["entry_point"], row.get("prompt", row.get("problem", "")))


def mbpp_tests(row: Row) -> AssertTests:
    """Fields `test_list`, `test_setup_code` and, where there is one, the reference in `code` (or `answer`): it says
    which of the names that the tests use are the program's."""
    tests = AssertTests(tuple(row["test_list"]), row.get("test_setup_code") or "")
    reference = row.get("code", row.get("answer"))
    if not reference:
        return tests
    try:
        interface = used_by(tests) & defined_by(reference)
    except SyntaxError:
        return tests
    return AssertTests(tests.tests, tests.setup, tuple(sorted(interface))) if interface else tests


def livecodebench_tests(row: Row) -> CodeTests:
    """Fields `public_test_cases` and, where they are there, `private_test_cases`, as JSON or as the hub packs them;
    `metadata` names the method of the `Solution` that `starter_code` asks for. UserError for a row whose kind of test
    is another."""
    where = f"LiveCodeBench row {row.get('question_id', row.get('id'))}"
    cases = _cases(row.get("public_test_cases"), where) + _cases(row.get("private_test_cases"), where)
    kinds = {case["testtype"] for case in cases}
    if kinds == {"stdin"}:
        return StdinTests(tuple((case["input"], case["output"]) for case in cases))
    if kinds != {"functional"}:
        raise UserError(f"test cases of kind {sorted(kinds) or 'none'}", where=where, fix="drop the row")
    metadata = row.get("metadata") or "{}"
    told = json.loads(metadata) if isinstance(metadata, str) else metadata
    if not told.get("func_name"):
        raise UserError("no func_name in metadata", where=where, fix="drop the row")
    return CallTests(f"Solution.{told['func_name']}", tuple(_call(case, where) for case in cases))


def openr1_tests(row: Row) -> StdinTests:
    """Field `verification_info`, as Open-R1's sets of verifiable coding problems have it (and Code-CoT, made of one):
    `test_cases`, each with `input` and `output`. UserError for a row with other tests than of a whole program."""
    where = f"row {row.get('id')}"
    told = row.get("verification_info")
    try:
        listed = (json.loads(told) if isinstance(told, str) else dict(told or {}))["test_cases"] or ()
        cases = [(str(case["input"]), str(case["output"])) for case in listed]
        kinds = {case.get("type") or "stdin_stdout" for case in listed}
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        what = f"verification_info without test_cases of input and output ({problem!r})"
        raise UserError(what, where=where, fix="drop the row") from None
    if kinds != {"stdin_stdout"}:
        raise UserError(f"test cases of kind {', '.join(sorted(kinds)) or 'none'}", where=where, fix="drop the row")
    return StdinTests(tuple(cases))


def _cases(told: Any, where: str) -> list[dict[str, str]]:
    if not told:
        return []
    if not isinstance(told, str):
        return list(told)
    try:
        return list(json.loads(told))
    except ValueError:
        pass
    try:
        return list(json.loads(_unpacked(told)))
    except (*_DAMAGED, zlib.error, pickle.UnpicklingError) as problem:
        what = f"test cases that are neither JSON nor packed as the hub packs them ({problem})"
        raise UserError(what, where=where, fix="drop the row") from None


def _unpacked(packed: str) -> str:
    """The hub's private tests: base64 of zlib of a pickled text. Nothing but a text is unpickled."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(base64.b64decode(packed, validate=True), _LARGEST)
    if unpacker.unconsumed_tail:
        raise ValueError("larger than 512 MiB")
    found = _TextOnly(io.BytesIO(content)).load()
    if not isinstance(found, str):
        raise ValueError(f"a pickled {type(found).__name__}")
    return found


class _TextOnly(pickle.Unpickler):
    """A pickle is a program: one that names any class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _call(case: Mapping[str, str], where: str) -> Case:
    """An argument a line, each JSON; the expected value likewise."""
    try:
        arguments = tuple(json.loads(line) for line in case["input"].splitlines() if line.strip())
        return Case(arguments, json.loads(case["output"]))
    except ValueError as problem:
        raise UserError(f"a functional test that is no JSON ({problem})", where=where, fix="drop the row") from None


# What LiveCodeBench's own grader puts in front of a program, as LeetCode does; starter code uses it in annotations.
_MODULES = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
_DEEPER = "__import__('sys').setrecursionlimit(50000)\n"
LIVECODEBENCH_PRELUDE = "".join(
    [
        *(f"from {name} import *\n" for name in (*_MODULES, "builtins", "typing")),
        f"import {', '.join(_MODULES)}\n",
        _DEEPER,
    ]
)


def with_prelude(program: str) -> str:
    """A program with what LiveCodeBench's grader imports for it. `from __future__` must stay first."""
    return behind_futures(LIVECODEBENCH_PRELUDE, program)


def with_needed_prelude(program: str) -> str:
    """The same, without the imports (30 ms a test) where the program has a meaning for each of its names."""
    return with_prelude(program) if unbound(program) else behind_futures(_DEEPER, program)
