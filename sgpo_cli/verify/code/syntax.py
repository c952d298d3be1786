"""What a piece of text is as Python: a program, a function's body, a doctest session, or none of them."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterator

from sgpo_cli.verify.code.interface import defined_by

_TRIES = 60  # parses of one text in search of a program in it
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)")
_BEGINS = re.compile(
    r"^(?:(?:import|from|def|async|class|for|while|if|with|try)\b|@|print\(|\w+(?:[ \t]*,[ \t]*\w+)*[ \t]*=(?!=))"
)
"""A line with which a program in the middle of prose may begin."""


def parsed(text: str) -> ast.Module | None:
    """The syntax tree; None for what is no Python."""
    tree = _parse(text)
    return tree if isinstance(tree, ast.Module) else None


def _parse(text: str) -> ast.Module | int:
    """The tree, or the line that is wrong (1: the whole)."""
    with warnings.catch_warnings(action="ignore"):  # of a model's `"\d"`
        try:
            return ast.parse(text)
        except SyntaxError as problem:
            return max(problem.lineno or 1, 1)
        except (ValueError, RecursionError, MemoryError):
            return 1


def is_program(text: str) -> bool:
    """Whether it is Python that does something: "Yes", "Answer: B", "42" and a comment parse too."""
    tree = parsed(text)
    return tree is not None and any(_does_something(node) for node in tree.body)


def _does_something(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await)
    return not isinstance(node, ast.AnnAssign) or node.value is not None


def is_body(text: str) -> bool:
    """Whether it is a function's body: Python that returns outside of any function."""
    tree = parsed(textwrap.dedent(text))
    return tree is not None and any(isinstance(node, ast.Return) for node in _outside_functions(tree))


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _outside_functions(child)


def defines(code: str, name: str) -> bool:
    """Whether `code` gives `name` (of "Solution.f": `Solution`) a meaning at its top level: a function, a class, a
    variable, a renamed import. Of code that is cut off, or wrong, its lines tell."""
    first = name.partition(".")[0]
    tree = parsed(code)
    if tree is None:
        own = re.escape(first)
        told = rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{own}\b|^{own}[ \t]*(?::[^=\n]+)?=(?!=)"
        return re.search(told, code, re.MULTILINE) is not None
    if is_body(code):  # its variables are its own
        return False
    renamed = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return first in defined_by(tree) | renamed or _defined_deeper(tree, first)


def _defined_deeper(tree: ast.Module, name: str) -> bool:
    """Below a top-level `try` or `if`."""
    found = (node for node in _outside_functions(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return any(node.name == name for node in found)


def unbound(code: str) -> frozenset[str]:
    """The names that `code` reads and nothing in it, nor Python, defines. Of what is no Python: none."""
    tree = parsed(code)
    read: set[str] = set()
    bound = set(dir(builtins)) | {"__name__", "__file__"}
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif not isinstance(node, ast.alias):  # functions, classes, except handlers, patterns
            bound.add(str(getattr(node, "name", None)))
    return frozenset(read - bound)


def behind_futures(before: str, program: str) -> str:
    """`program` with `before` in front of it, though behind its `from __future__` imports, which must stay first."""
    tree = parsed(program)
    futures = [n for n in (tree.body if tree else ()) if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    if not futures:
        return before + program
    lines = program.split("\n")  # as the parser counts them
    last = futures[-1].end_lineno or 0
    return "\n".join(lines[:last]) + "\n" + before + "\n".join(lines[last:])


def without_doctests(code: str) -> str:
    """Code with an interactive session in it (`>>> ` in the first column): what is between its examples where that is
    a program, else what was typed. `code` itself when it is Python, or has no session."""
    if not re.search(r"^>>>", code, re.MULTILINE) or parsed(code) is not None:
        return code
    between, typed, inside = [], [], False
    for line in code.split("\n"):
        if _PROMPT.match(line):
            typed.append(_PROMPT.sub("", line, count=1))
            inside = True
            continue
        inside = inside and bool(line.strip()) and not _BEGINS.match(line)  # an example's output ends with it
        if not inside:
            between.append(line)
    for found in ("\n".join(between), "\n".join(typed)):
        if is_program(found):
            return found
    return code


def programs_in(text: str) -> Iterator[str]:
    """The programs that stand in prose without any fence, each from its first line as far as it is Python."""
    lines, at, left = text.split("\n"), 0, _TRIES
    while at < len(lines) and left > 0:
        if not _BEGINS.match(lines[at]):
            at += 1
            continue
        end, tries = _end_of_python(lines, at, left)
        left -= tries
        if end > at:
            yield "\n".join(lines[at:end]) + "\n"
        at = max(end, at + 1)


def _end_of_python(lines: list[str], start: int, most: int) -> tuple[int, int]:
    """The end of the longest Python from line `start` on that the parser's complaints lead to (`start`: none), and how
    often it was asked (at most `most` times)."""
    end = len(lines)
    for tries in range(1, most + 1):
        tree = _parse("\n".join(lines[start:end]))
        if isinstance(tree, ast.Module):
            while tree.body and not _does_something(tree.body[-1]):  # a heading of one word
                end = start + tree.body.pop().lineno - 1
            return end, tries
        wrong = min(end, start + tree) - 1
        # A statement begins in the first column; the wrong one goes with all that follows it.
        end = next((at for at in range(wrong, start, -1) if lines[at][:1].strip()), start)
        if end == start:
            return start, tries
    return start, most
