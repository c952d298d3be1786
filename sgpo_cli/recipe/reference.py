"""The recipe reference, generated from the schema: `python -m sgpo_cli.recipe.reference docs/recipe.md`.

Types, defaults and ranges come from the dataclasses, the sentences from the docstring under each field (read by ast).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from sgpo_cli.recipe import evalcard, kinds, schema
from sgpo_cli.recipe.hints import bare, default_of, fields_of, hints_of, is_required, kind_of, kinds_in, split
from sgpo_cli.recipe.rules.trl import FAMILIES, NAMED, OWNED

_INTRO = """# The recipe

<!-- Generated from the schema by `python -m sgpo_cli.recipe.reference docs/recipe.md`; a test keeps it up to date. -->

A recipe is a YAML file that holds a whole run, from data to report. Every key has a default unless it says *required*.
`sgpo plan RECIPE` shows all mistakes of a recipe at once, each with its line, and runs nothing.

- **A recipe is named** by path, or by bare name: `./recipes/NAME.yaml`, then the recipes that come with sgpo.
- **`extends: OTHER`** starts from another recipe, by name or path (looked for beside the recipe first). Mappings
  merge, lists and single values replace. A section whose `kind` changes drops the fields it inherited from files.
  `name` is not inherited.
- **`key=value`** on the command line wins over files: `trainer.steps=10`, `judge=null`, `rescue={kind: none}`,
  `benchmarks.0.k=4` (list items are numbered from 0). The value is YAML; later ones win over earlier ones.
- **`${...}`** takes another key's value (`${seed}`) or an environment variable (`${oc.env:HOME}`, as a number:
  `${oc.decode:${oc.env:STEPS}}`). A literal `${` is written `\\${`.
- **Files** are taken from the current directory, then from the directory of the recipe that names them.
- **Values** are what they look like: `3` is a number, `"3"` is text, `1e-4` is a number, `no` is text, only `true` and
  `false` are true and false.
- `runs/NAME/recipe.yaml` is the whole recipe as it was run, and runs again as it is.
"""


def reference() -> str:
    """The text of docs/recipe.md."""
    parts = [_INTRO, _section("Recipe", schema.Recipe, "")]
    for name, hint in hints_of(schema.Recipe).items():
        parts += _nested(name, hint)
    parts.append(_trl())
    parts.append("## Judge cards\n\n`judges/NAME.yaml`; `sgpo list judges` names them.\n")
    for kind, cls in _kinds(kinds.JudgeCard).items():
        parts.append(_section(f"kind: {kind}", cls, "", level=3))
        for name, hint in hints_of(cls).items():
            parts += _nested(name, hint, level=4)
    parts.append(_section("Eval cards", evalcard.EvalCard, "`evals/NAME.yaml`; `sgpo list evals` names them.", level=2))
    for name, hint in hints_of(evalcard.EvalCard).items():
        parts += _nested(name, hint, level=3)
    return "\n".join(parts)


def _nested(path: str, hint: Any, level: int = 2) -> list[str]:
    """The sections below a field: its own, its kinds', and theirs in turn."""
    members = _members(hint)
    if by_kind := kinds_in(members):
        head = f"{'#' * level} `{path}`\n\nOne of these kinds; `kind` must be given.\n"
        return [head, *(_section(f"`{path}`, kind: {kind}", cls, "", level + 1) for kind, cls in by_kind.items())]
    parts: list[str] = []
    for member in members:
        if dataclasses.is_dataclass(member):
            cls: type = member  # type: ignore[assignment]
            parts.append(_section(f"`{path}`", cls, "", level))
            for name, inner in hints_of(cls).items():
                parts += _nested(f"{path}.{name}", inner, level)
    return parts


def _members(hint: Any) -> list[Any]:
    """The members of a hint, of a list's items when it is a list."""
    members, _ = split(hint)
    if len(members) == 1 and get_origin(members[0]) is list:
        members, _ = split(get_args(members[0])[0])
    return members


def _kinds(hint: Any) -> dict[str, Any]:
    return kinds_in(split(hint)[0])


def _section(title: str, cls: type, extra: str, level: int = 2) -> str:
    sentence = inspect.cleandoc(cls.__doc__ or "")
    head = [f"{'#' * level} {title}", "", *([extra, ""] if extra else []), sentence, ""]
    rows = [_row(cls, name) for name in fields_of(cls) if not (name == "kind" and _is_constant(hints_of(cls)[name]))]
    if not rows:
        return "\n".join([*head, "No fields but `kind`.", ""])
    table = ["| key | type | default | range | |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join([*head, *table])


def _is_constant(hint: Any) -> bool:
    return get_origin(hint) is Literal and len(get_args(hint)) == 1


def _row(cls: type, name: str) -> str:
    hint, field = hints_of(cls)[name], fields_of(cls)[name]
    members, _ = split(hint)
    bounds = [str(found) for found in (bare(member)[1] for member in members) if found is not None]
    default = "*required*" if is_required(field) else _default(default_of(field))
    if cls in (schema.Recipe, evalcard.EvalCard) and name == "name":
        default = "the file's stem"  # the loader's doing, not the dataclass's
    cells = [f"`{name}`", type_words(hint), default, " ".join(bounds), sentences(cls)[name]]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        kind = kind_of(value.__class__)
        return f"`{{kind: {kind}}}`" if kind is not None else "its defaults"
    if value is None or isinstance(value, bool):
        return f"`{str(value).lower().replace('none', 'null')}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f'`"{value}"`' if isinstance(value, str) and not value.isidentifier() else f"`{value}`"


def type_words(hint: Any) -> str:
    """A hint in a reader's words, without its range."""
    members, optional = split(hint)
    by_kind = kinds_in(members)
    words = "section with `kind`" if by_kind else " or ".join(_type_words(member) for member in members)
    return f"{words}, or `null`" if optional else words


def _type_words(hint: Any) -> str:
    inner, _ = bare(hint)
    origin, args = get_origin(inner), get_args(inner)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if origin is list:
        return f"list of: {type_words(args[0])}"
    if origin is tuple:
        return f"list of {len(args)}: {', '.join(type_words(item) for item in args)}"
    if origin is dict:
        return "keys and values"
    if dataclasses.is_dataclass(inner):
        return "section"
    return {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}[inner]


@cache
def sentences(cls: type) -> dict[str, str]:
    """Field name -> the docstring under it, on one line; a base class's where the class itself has none."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found.update(_own_sentences(base))
    return found


def _own_sentences(cls: type) -> dict[str, str]:
    module = sys.modules[cls.__module__]
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    [body] = [item.body for item in tree.body if isinstance(item, ast.ClassDef) and item.name == cls.__name__]
    found: dict[str, str] = {}
    for field, after in zip(body, [*body[1:], None], strict=True):
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = str(after.value.value) if documented else ""  # type: ignore[union-attr]
            found[field.target.id] = " ".join(text.split())
    return found


def _trl() -> str:
    lines = [
        "## `trainer.trl`",
        "",
        "Any field of TRL's `GRPOConfig` but these. Names and plain types are checked against the installed TRL.",
        "",
        "| field of TRL's | in a recipe |",
        "|---|---|",
        *_by_reason({name: f"`{key}`" for name, key in NAMED.items()}),
        *_by_reason(OWNED),
        *_by_reason({f"{family}..." if family.endswith("_") else family: why for family, why in FAMILIES.items()}),
        "",
    ]
    return "\n".join(lines)


def _by_reason(told: dict[str, str]) -> list[str]:
    """A row a reason, with all the fields it holds for."""
    fields: dict[str, list[str]] = {}
    for name, reason in told.items():
        fields.setdefault(reason, []).append(f"`{name}`")
    return [f"| {', '.join(names)} | {reason} |" for reason, names in fields.items()]


if __name__ == "__main__":
    from sgpo_cli.runs.files import write_text

    write_text(Path(sys.argv[1]), reference())
