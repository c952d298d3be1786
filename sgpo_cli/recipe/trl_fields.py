"""The fields of TRL's GRPOConfig, read from the installed sources without importing them.

Importing TRL takes seconds and loads torch; a recipe must be checked at once. Only the head of each config class, up to
its first method, is parsed: transformers' file alone takes longer to parse than a recipe takes to load.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# GRPOConfig and its bases, the most derived first.
_SOURCES = (
    ("trl", "trainer/grpo_config.py", "GRPOConfig"),
    ("trl", "trainer/base_config.py", "_BaseConfig"),
    ("transformers", "training_args.py", "TrainingArguments"),
)
# The enumerations that name the values of a field: where they are.
_NAMES = {
    "optim": ("transformers", "training_args.py", "OptimizerNames"),
    "lr_scheduler_type": ("transformers", "trainer_utils.py", "SchedulerType"),
}
_PLAIN = {"int", "float", "bool", "str", "dict", "list", "None"}


@dataclass(frozen=True, slots=True)
class TrlField:
    """A field: the plain types it takes (`float`, `None`, ...), empty when its annotation is not that simple."""

    name: str
    takes: frozenset[str]


@cache
def trl_fields() -> dict[str, TrlField] | None:
    """Name -> field, over all bases; None when the sources are not where we know them to be."""
    fields: dict[str, TrlField] = {}
    for package, file, name in _SOURCES:
        path = _package_file(package, file)
        found = class_fields(path.read_text(encoding="utf-8"), name) if path is not None and path.is_file() else None
        if found is None:
            return None
        for field in found:
            fields.setdefault(field.name, field)
    return fields


@cache
def field_names(field: str) -> tuple[str, ...] | None:
    """The values that the installed transformers knows for a field, such as the names of optimizers; None when the
    field has no such list, or its source is not where we know it to be."""
    if field not in _NAMES:
        return None
    package, file, name = _NAMES[field]
    path = _package_file(package, file)
    return enum_values(path.read_text(encoding="utf-8"), name) if path is not None and path.is_file() else None


def enum_values(source: str, name: str) -> tuple[str, ...] | None:
    """The texts that an enumeration's members are assigned, aliases included; None when there is no such class."""
    lines = source.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"class {name}(")), None)
    if start is None:
        return None
    after = range(start + 1, len(lines))
    end = next((number for number in after if lines[number][:1].strip()), len(lines))
    [made] = ast.parse("\n".join(lines[start:end])).body
    assert isinstance(made, ast.ClassDef)
    values = [item.value for item in made.body if isinstance(item, ast.Assign)]
    return tuple(value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))


def _package_file(package: str, file: str) -> Path | None:
    spec = importlib.util.find_spec(package)  # finds a top-level package without running it
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / file


def class_fields(source: str, name: str) -> list[TrlField] | None:
    """The annotated public fields of a class in a module's source; None when there is no such class."""
    tree = _parse_head(source, name) or ast.parse(source)
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return [
                TrlField(item.target.id, _takes(item.annotation))
                for item in statement.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not _is_hidden(item)
            ]
    return None


def _parse_head(source: str, name: str) -> ast.Module | None:
    """The class up to its first method; None when it is not there or the cut fell inside a string."""
    lines = source.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"class {name}")), None)
    if start is None:
        return None
    after = range(start + 1, len(lines))
    end = next((number for number in after if lines[number].startswith(("    def ", "    @"))), len(lines))
    try:
        return ast.parse("\n".join(lines[start:end]))
    except SyntaxError:
        return None


def _is_hidden(item: ast.AnnAssign) -> bool:
    assert isinstance(item.target, ast.Name)
    return item.target.id.startswith("_") or "ClassVar" in ast.unparse(item.annotation)


def _takes(annotation: ast.expr) -> frozenset[str]:
    """`int | None` -> {int, None}, `dict[str, Any]` -> {dict}; empty for anything else (enums, strings)."""
    names: set[str] = set()
    todo = [annotation]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr):
            todo += [part.left, part.right]
        elif isinstance(part, ast.Subscript):
            todo.append(part.value)
        elif isinstance(part, ast.Constant) and part.value is None:
            names.add("None")
        elif isinstance(part, ast.Name):
            names.add(part.id)
        else:
            return frozenset()
    return frozenset(names) if names <= _PLAIN else frozenset()
