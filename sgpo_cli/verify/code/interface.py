"""Which names of an assert list come from the program.

All others are the tests' own: were `math.isclose` of a test taken from the program, the program could define it.
"""

from __future__ import annotations

import ast
import builtins
import sys

from sgpo_cli.verify.code.outcome import AssertTests


def defined_by(reference: str | ast.Module) -> frozenset[str]:
    """The functions, classes and variables that a reference solution, or its tree, defines at its top level. Raises
    SyntaxError."""
    found: set[str] = set()
    for node in (ast.parse(reference) if isinstance(reference, str) else reference).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _stored(name)}
    return frozenset(found)


def used_by(tests: AssertTests) -> frozenset[str]:
    """The names that the tests and their set-up read. A text that is no Python reads none."""
    return frozenset(name.id for name in _names(tests) if not _stored(name))


def interface_of(tests: AssertTests) -> tuple[str, ...]:
    """`tests.interface`, or else every name read that is neither Python's, a standard module's nor the tests' own."""
    if tests.interface is not None:
        return tests.interface
    read = used_by(tests)
    own = {name.id for name in _names(tests) if _stored(name)} | _imported_or_defined(tests)
    strange = read - own - set(dir(builtins)) - sys.stdlib_module_names
    if strange:
        return tuple(sorted(strange))
    called = [node.func.id for node in _walk(tests) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return tuple(called[:1])


def modules_of(tests: AssertTests) -> tuple[str, ...]:
    """Standard modules that the tests name without importing them (MBPP's rely on the program's imports)."""
    own = {name.id for name in _names(tests) if _stored(name)} | _imported_or_defined(tests)
    taken = own | set(interface_of(tests))
    return tuple(sorted((used_by(tests) & sys.stdlib_module_names) - taken))


def _walk(tests: AssertTests) -> list[ast.AST]:
    found: list[ast.AST] = []
    for text in (tests.setup, *tests.tests):
        try:
            found += ast.walk(ast.parse(text))
        except SyntaxError:
            continue  # the examiner reports it as a broken test
    return found


def _names(tests: AssertTests) -> list[ast.Name]:
    return [node for node in _walk(tests) if isinstance(node, ast.Name)]


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _imported_or_defined(tests: AssertTests) -> set[str]:
    found: set[str] = set()
    for node in _walk(tests):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found
