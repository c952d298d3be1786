"""The walker: from a tree of `Node`s to the schema's dataclasses, with every mistake at once.

It picks a section's dataclass by `kind:`, refuses unknown keys, wrong types ("3" is not 3, true is not 1), numbers out
of range or not finite, and missing fields. A mistaken value is noted in `Findings` and its default stands in, so that
the walk goes on and the cross-field checks can still look at the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, overload

from sgpo_cli.errors import RecipeError
from sgpo_cli.recipe.hints import bare, default_of, describe, fields_of, hints_of, is_required, kinds_in, split
from sgpo_cli.recipe.nodes import Findings, Node, Place, from_plain, join, to_plain
from sgpo_cli.recipe.words import did_you_mean, nearest, say

T = TypeVar("T")


class _Bad:
    """Stands for a value that could not be read."""


BAD: Final = _Bad()


def read(hint: Any, node: Node, findings: Findings, path: str = "") -> Any:
    """The value of `node` as `hint` asks, or `BAD` when none can be made; mistakes go to `findings`."""
    return _Walker(findings).read(hint, node, path)


@overload
def from_dict(cls: type[T], data: Mapping[str, Any]) -> T: ...
@overload
def from_dict(cls: UnionType, data: Mapping[str, Any]) -> Any: ...
def from_dict(cls: Any, data: Mapping[str, Any]) -> Any:
    """A dataclass of the schema, or the right one of a union of kinds, from plain values such as stage.json holds.

    The inverse of `dataclasses.asdict`; raises `RecipeError` with all mistakes.
    """
    findings = Findings()
    value = read(cls, from_plain(data, Place()), findings)
    if findings.found:
        name = cls.__name__ if isinstance(cls, type) else "a section"
        raise RecipeError(findings.mistakes([]), title=f"these are not the settings of {name}")
    return value


class _Walker:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def read(self, hint: Any, node: Node, path: str) -> Any:
        if node.broken:
            return BAD
        members, optional = split(hint)
        if node.value is None and optional:
            return None
        kinds = kinds_in(members)
        if kinds:
            return self._kinded(kinds, node, path, hint)
        [member] = members
        inner, bounds = bare(member)
        origin, args = get_origin(inner), get_args(inner)
        if origin is Literal:
            return self._choice(args, node, path)
        if origin is list:
            return self._list(args[0], node, path, hint)
        if origin is tuple:
            return self._tuple(args, node, path, hint)
        if origin is dict:
            return self._dict(args[1], node, path, hint)
        if inner in (bool, int, float, str):
            value = self._scalar(inner, node, path, hint)
            if value is not BAD and bounds is not None and not bounds.admits(value):
                return self._bad(node, path, f"{path} must be {describe(hint)}, got {say(node.value)}")
            return value
        return self._section(inner, node, path, hint)

    def _bad(self, node: Node, path: str, what: str, fix: str | None = None) -> Any:
        self.findings.add(path, what, node.place, fix)
        return BAD

    def _wrong(self, node: Node, path: str, hint: Any, fix: str | None = None) -> Any:
        return self._bad(node, path, f"{path or 'it'} must be {describe(hint)}, got {say(node.value)}", fix)

    # --- sections ---------------------------------------------------------------------------------------------

    def _kinded(self, kinds: dict[str, Any], node: Node, path: str, hint: Any) -> Any:
        names = ", ".join(kinds)
        if not isinstance(node.value, dict):
            asked = node.value if isinstance(node.value, str) else "none" if node.value is None else ""
            return self._wrong(node, path, hint, f"write {{kind: {asked if asked in kinds else next(iter(kinds))}}}")
        kind = node.child("kind")
        if kind is None:
            fix = f"add `kind:` with one of: {names}"
            return self._bad(node, path, f"{path or 'this section'} does not say which kind it is", fix)
        if not isinstance(kind.value, str) or kind.value not in kinds:
            here = join(path, "kind")
            what = f"{here} must be one of {names}, got {say(kind.value)}"
            self._bad(kind, here, what, did_you_mean(str(kind.value), kinds, "kinds"))
            return BAD
        return self._section(kinds[kind.value], node, path, hint)

    def _section(self, cls: type, node: Node, path: str, hint: Any) -> Any:
        if not isinstance(node.value, dict):
            empty = f"write `{path.rpartition('.')[2]}: {{}}` for its defaults, or leave it out"
            return self._wrong(node, path, hint, empty if node.value is None else None)
        fields, hints = fields_of(cls), hints_of(cls)
        self._unknown_keys(fields, node, path)
        values: dict[str, Any] = {}
        whole = True
        for name, field in fields.items():
            child, here = node.child(name), join(path, name)
            if child is None:
                if is_required(field):
                    kind = node.child("kind")
                    by_hand = kind is not None and kind.place.override is not None
                    drops = ", and naming a kind drops what the file says for another one" if by_hand else ""
                    at = kind if by_hand and kind is not None else node
                    self._bad(at, here, f"{here} is missing", f"it must be {describe(hints[name])}{drops}")
                    whole = False
                continue
            value = self.read(hints[name], child, here)
            if value is not BAD:
                values[name] = value
            elif is_required(field):
                whole = False
            else:
                values[name] = default_of(field)
        return cls(**values) if whole else BAD

    def _unknown_keys(self, fields: Mapping[str, Any], node: Node, path: str) -> None:
        assert isinstance(node.value, dict)
        kind = node.child("kind")
        of_kind = f" of kind {kind.value}" if kind is not None and "kind" in fields else ""
        for key, child in node.value.items():
            if key in fields:
                continue
            here = join(path, key)
            # What a misspelt key was meant to set is not what its default says: spoil those paths.
            meant = [join(path, name) for name in nearest(key, fields)]
            advice = did_you_mean(key, fields, f"keys of {path or 'a recipe'}{of_kind}")
            self.findings.add(here, f"unknown key {here}", child.place, advice, spoils=[here, *meant])

    # --- collections ------------------------------------------------------------------------------------------

    def _list(self, item: Any, node: Node, path: str, hint: Any) -> Any:
        if not isinstance(node.value, list):
            fix = "write it as a list: put `- ` before each item" if isinstance(node.value, dict | str) else None
            if isinstance(node.value, dict) and all(key.isdigit() for key in node.value):
                fix = f"there are no items to change yet: write {path}=[...]"
            return self._wrong(node, path, hint, fix)
        values = [self.read(item, child, join(path, index)) for index, child in enumerate(node.value)]
        return [value for value in values if value is not BAD]

    def _tuple(self, items: tuple[Any, ...], node: Node, path: str, hint: Any) -> Any:
        if not isinstance(node.value, list) or len(node.value) != len(items):
            return self._wrong(node, path, hint)
        values = [
            self.read(item, child, join(path, index))
            for index, (item, child) in enumerate(zip(items, node.value, strict=True))
        ]
        return BAD if any(value is BAD for value in values) else tuple(values)

    def _dict(self, item: Any, node: Node, path: str, hint: Any) -> Any:
        if not isinstance(node.value, dict):
            return self._wrong(node, path, hint, "write {} for none" if node.value is None else None)
        reader = self._anything if item is Any else lambda child, here: self.read(item, child, here)
        values = {key: reader(child, join(path, key)) for key, child in node.value.items()}
        return {key: value for key, value in values.items() if value is not BAD}

    def _anything(self, node: Node, path: str) -> Any:
        if isinstance(node.value, dict):
            return {key: self._anything(child, join(path, key)) for key, child in node.value.items()}
        if isinstance(node.value, list):
            return [self._anything(child, join(path, index)) for index, child in enumerate(node.value)]
        if isinstance(node.value, float) and not math.isfinite(node.value):
            return self._bad(node, path, f"{path} must be a finite number, got {say(node.value)}")
        return to_plain(node)

    # --- scalars ----------------------------------------------------------------------------------------------

    def _choice(self, choices: tuple[Any, ...], node: Node, path: str) -> Any:
        if isinstance(node.value, str) and node.value in choices:
            return node.value
        names = [str(choice) for choice in choices]
        what = f"{path} must be one of {', '.join(names)}, got {say(node.value)}"
        near = nearest(str(node.value), names, 1)
        return self._bad(node, path, what, f"did you mean {near[0]}?" if near else None)

    def _scalar(self, wanted: type, node: Node, path: str, hint: Any) -> Any:
        value = node.value
        # bool is an int to Python; a recipe tells them apart.
        if isinstance(value, bool) or wanted is bool:
            fits = wanted is bool and isinstance(value, bool)
            return value if fits else self._wrong(node, path, hint, _advice(wanted, node))
        if wanted is float and isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return number
            return self._bad(node, path, f"{path} must be a finite number, got {say(value)}")
        if isinstance(value, wanted):
            return value
        return self._wrong(node, path, hint, _advice(wanted, node))


def _advice(wanted: type, node: Node) -> str | None:
    """What to write instead of a scalar of the wrong type."""
    value, by_hand = node.value, node.place.override is not None
    if wanted is str and isinstance(value, bool | int | float):
        quoted = f'"{say(value)}"'
        return f"quote it for the shell too: '...={quoted}'" if by_hand else f"write it in quotes: {quoted}"
    if wanted is str and isinstance(value, dict) and node.raw is None:
        return "write it in quotes: braces and colons are YAML's"
    if not isinstance(value, str) or wanted is str:
        return None
    if node.raw is not None and "oc.env" in node.raw:
        return f"an environment variable is text; write ${{oc.decode:{node.raw}}}"
    if wanted is bool:
        near = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        word = near.get(value.lower(), value.lower() if value.lower() in ("true", "false") else None)
        return f"write {word}, without quotes" if word else None
    try:
        if not math.isfinite(wanted(value)):
            return "no number is written so; it must be a finite one"
    except ValueError:
        return None
    return f"write {value}, without quotes"
