"""The examiner's process: runs the tests, against a program that lives in another process.

The program's values arrive as data and are compared here, where none of its code ever runs; what the tests expect
never leaves. Frames to the host over `control`: {failed: [kind, detail]} when the program did not load, and for each
test {begin: index} and {end: index, kind, detail} (kind null: passed; detail "" then), {lost: true} when the program's
process is gone.
"""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import remote, wire

Verdict = tuple[str | None, str]


def examine(control: int, link_fd: int, task: dict[str, Any]) -> None:
    """Runs the tests from index `first` on; stops when the program's process is gone or talks nonsense."""
    link = remote.Link(link_fd)
    first = task["first"]
    try:
        answer = link.loaded()
        if "raised" in answer:
            wire.send(control, {"failed": _not_loaded(str(answer["raised"]), str(answer.get("message")))})
            return
        prepared = _guard(link, lambda: _prepare(link, task["tests"]))
        for index in range(first, task["count"]):
            wire.send(control, {"begin": index})
            if isinstance(prepared, tuple):
                verdict: Verdict = prepared
            else:
                verdict = _guard(link, lambda i=index: prepared(i)) or (None, "")  # type: ignore[misc]
            wire.send(control, {"end": index, "kind": verdict[0], "detail": verdict[1][:300]})
    except remote.Lost:
        wire.send(control, {"lost": True})
    except remote.Garbled as problem:
        wire.send(control, {"garbled": [problem.kind, str(problem)[:300]]})


def _not_loaded(name: str, message: str) -> list[str]:
    kind = {"SyntaxError": "syntax", "IndentationError": "syntax", "TabError": "syntax", "MemoryError": "memory"}
    return [kind.get(name, "exited" if name == "SystemExit" else "raised"), f"on loading, {name}: {message}"[:300]]


def _prepare(link: remote.Link, tests: dict[str, Any]) -> Callable[[int], None]:
    """What runs test number i, raising when it fails; the tests' own code is loaded here."""
    if tests["kind"] == "calls":
        link.watch = False  # its arguments are its own, and may be large
        return lambda index: _call(link, tests, index)
    names: dict[str, Any] = {"__name__": "tests"}
    sources = {"setup": tests["setup"], **{f"test {i}": text for i, text in enumerate(tests["tests"])}}
    code = {name: _compile(name, text) for name, text in sources.items()}
    for name in tests["modules"]:
        names[name] = importlib.import_module(name)
    given = {name: remote.function(link, name) for name in tests["interface"]}
    names |= given  # before the set-up, which may build objects of the program; and again, over what it defined
    exec(code["setup"], names)
    names |= given
    return lambda index: _run(code[f"test {index}"], names, tests["check"], link)


def _compile(name: str, text: str) -> Any:
    try:
        code = compile(text, f"<{name}>", "exec", dont_inherit=True)
    except SyntaxError as problem:
        raise NotImplementedError(f"{name} is no Python: {problem}") from None
    linecache.cache[f"<{name}>"] = (len(text), None, text.splitlines(keepends=True), f"<{name}>")
    return code


def _run(code: Any, names: dict[str, Any], check: str | None, link: remote.Link) -> None:
    link.last = ""
    exec(code, names)
    if check is not None:
        names["check"](names[check])


class Wrong(Exception):
    """A call returned something else than it should."""


def _call(link: remote.Link, tests: dict[str, Any], index: int) -> None:
    """LeetCode's kind: a tuple counts as the list it would be in JSON; all else is Python's own equality."""
    link.last = ""
    case = tests["cases"][index]
    found = link.ask("call", tests["entry_point"], *case["args"])
    if _as_json(found) != case["expected"]:
        raise Wrong(f"expected {str(case['expected'])[:120]}")


def _as_json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value


def _guard(link: remote.Link, work: Callable[[], Any]) -> Any:
    """What `work` returns, or the verdict that its exception means."""
    try:
        return work()
    except NotImplementedError as problem:
        if not hasattr(problem, "from_program"):
            return ("test_error", str(problem))
        return ("raised", link.last)
    except MemoryError as problem:
        return ("memory", link.last if hasattr(problem, "from_program") else "in comparing the result")
    except (AssertionError, Wrong) as problem:
        if not hasattr(problem, "from_program"):
            return ("wrong", _join(_line(problem), str(problem), link.last))
        return ("raised", link.last)
    except Exception as problem:  # noqa: BLE001 - the tests are other people's code: anything may come out of them
        return _other(link, problem)


def _other(link: remote.Link, problem: Exception) -> Verdict:
    name = getattr(problem, "from_program", None)
    if name == "LookupError" and "the program defines no" in str(problem):
        return ("missing", str(problem))
    if name is not None:
        return ("raised", link.last)
    text = f"{type(problem).__name__}: {problem}"
    if isinstance(problem, (NameError, ImportError)) or not link.last:
        return ("test_error", _join(_line(problem), text))
    # The test's own arithmetic stumbled over what the program returned: `None < 1e-6`.
    return ("wrong", _join(_line(problem), text, link.last))


def _line(problem: BaseException) -> str:
    """The line of the test that failed."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if frame.filename.startswith("<test") and frame.line:
            return frame.line.strip()[:160]
    return ""


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


sys.setrecursionlimit(5000)
