"""The program in a response, and a whole program from a completion.

Rules of `extract_code`:

1. Thinking is skipped: only what follows the last `</think>` is looked at, when there is such a mark.
2. The fenced blocks (``` or ~~~) that say they are Python, or say nothing, are the candidates. A block of another
   language (output, bash, text) is not. Without a single such block every block is a candidate, whatever it says.
3. The last candidate that defines `entry_point` wins; the last candidate when none does, or none was named.
4. A fence that is opened and never closed (a truncated response) holds everything to the end.
5. Without any fence the response itself is the program when it is Python, and None otherwise: prose is no program.
"""

from __future__ import annotations

import ast
import re
import textwrap

_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<told>[^\n`]*)$", re.MULTILINE)
_PYTHON = {"", "python", "python3", "py", "py3", "python2", "ipython", "pycon", "sage", "code", "starter_code"}
_THOUGHT = "</think>"


def extract_code(response: str, entry_point: str | None = None) -> str | None:
    """The program of a response, or None when it has none. `entry_point`: the function or class it should define."""
    text = response.rpartition(_THOUGHT)[2]
    blocks = _blocks(text)
    if not blocks:
        bare = textwrap.dedent(text).strip("\n")
        return bare if bare.strip() and _is_python(bare) else None
    candidates = [code for language, code in blocks if language in _PYTHON] or [code for _, code in blocks]
    candidates = [code for code in candidates if code.strip()]
    if not candidates:
        return None
    defining = [code for code in candidates if entry_point and defines(code, entry_point)]
    return (defining or candidates)[-1]


def _blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of each fenced block, indentation of the fence taken off."""
    found, opened = [], None
    for mark in _FENCE.finditer(text):
        if opened is None:
            opened = mark
        elif mark["fence"].startswith(opened["fence"]) and not mark["told"].strip():
            found.append(_block(opened, text[opened.end() : mark.start()]))
            opened = None
    if opened is not None:
        found.append(_block(opened, text[opened.end() :]))
    return found


def _block(opened: re.Match[str], content: str) -> tuple[str, str]:
    language = (opened["told"].split() or [""])[0].strip("{}.").lower()
    return language, textwrap.dedent(content.removeprefix("\n"))


def defines(code: str, name: str) -> bool:
    """Whether `code` defines a function or class `name` (of "Solution.f": `Solution`), even when it is cut off."""
    first = re.escape(name.partition(".")[0])
    return re.search(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{first}\b", code, re.MULTILINE) is not None


def complete(prompt: str, code: str, entry_point: str) -> str:
    """HumanEval's program: the prompt with its body, or, when `code` defines the function itself, what stands before
    the function in the prompt (imports, helpers) and then `code`."""
    if not defines(code, entry_point):
        return prompt + code
    start = re.search(rf"^def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    return (prompt[: start.start()] if start else "") + "\n" + code


def _is_python(text: str) -> bool:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # "Yes" and "42" parse; a program does something.
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)
