"""The schema's type hints, as the walker and the reference read them."""

from __future__ import annotations

import dataclasses
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from sgpo_cli.recipe.ranges import Range


@cache
def hints_of(cls: type) -> dict[str, Any]:
    """Field name -> evaluated hint, `Annotated` kept."""
    return get_type_hints(cls, include_extras=True)


@cache
def fields_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls)}


def is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The field's default, made afresh; the field must have one."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def split(hint: Any) -> tuple[list[Any], bool]:
    """The members of a hint without None, and whether None was one of them."""
    if get_origin(hint) in (Union, UnionType):
        members = get_args(hint)
        return [member for member in members if member is not NoneType], NoneType in members
    return [hint], False


def bare(hint: Any) -> tuple[Any, Range | None]:
    """A hint without `Annotated`, and its range."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return inner, next((mark for mark in marks if isinstance(mark, Range)), None)
    return hint, None


def kind_of(cls: Any) -> str | None:
    """The kind that a dataclass stands for: its `kind` has one possible value; None for other classes."""
    if not dataclasses.is_dataclass(cls) or "kind" not in fields_of(cls):  # type: ignore[arg-type]
        return None
    values = get_args(hints_of(cls)["kind"])  # type: ignore[arg-type]
    return str(values[0]) if len(values) == 1 else None


def kinds_in(members: list[Any]) -> dict[str, Any]:
    """kind -> dataclass, when every member stands for a kind; else empty."""
    kinds = {kind_of(member): member for member in members}
    return {} if None in kinds else {str(kind): member for kind, member in kinds.items()}


def section(hint: Any) -> type | None:
    """The dataclass of a hint that is one, or a list of one, when it is no union of kinds."""
    members, _ = split(hint)
    if len(members) == 1 and get_origin(members[0]) is list:
        members, _ = split(get_args(members[0])[0])
    if len(members) == 1 and dataclasses.is_dataclass(members[0]):
        return members[0]  # type: ignore[return-value]
    return None


def describe(hint: Any) -> str:
    """What a value of this hint is, in words: `a whole number >= 1`, `one of a, b`."""
    members, optional = split(hint)
    kinds = kinds_in(members)
    if kinds:
        text = f"a section with kind {' or '.join(kinds)}"
    else:
        text = " or ".join(_describe(member) for member in members)
    return f"{text}, or null" if optional else text


def _describe(hint: Any) -> str:
    inner, bounds = bare(hint)
    origin, args = get_origin(inner), get_args(inner)
    suffix = f" {bounds}" if bounds else ""
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is list:
        return f"a list, each item {describe(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(map(describe, args))}"
    if origin is dict or dataclasses.is_dataclass(inner):
        return "a section of keys"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return names[inner] + suffix
