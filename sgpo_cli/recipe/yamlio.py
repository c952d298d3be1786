"""YAML in and out. In: yaml.compose, which keeps line marks, into `Node`s. Out: text that reads back as equal values.

Plain scalars follow YAML 1.2's core schema where 1.1 surprises: `1e-4` is a number, `no` and `on` are text, `010` is
ten, there are no dates and no base-60 numbers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.nodes import Findings, Node, Place, Scalar, join, shown

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"^[-+]?[0-9][0-9_]*$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
# Aliases can blow a small file up (each level twice the last); no recipe comes near this.
MAX_NODES = 50_000

_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own name and shape)


_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


class _Dumper(yaml.SafeDumper):
    """Quotes text that we would read as a number, beside all that YAML 1.1 would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if any(char in value for char in "\r\x85\u2028\u2029\ufeff"):
        style = '"'  # line breaks to YAML 1.1, which PyYAML would write as they are and read as spaces
    else:
        style = "|" if "\n" in value and value[0] not in " \n\t" else ""
    return dumper.represent_scalar(f"{_TAG}str", value, style=style or None)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """YAML text of plain values, in their order; reads back as equal values, here and under YAML 1.1."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)


def read_file(path: Path, findings: Findings) -> Node:
    """The tree of a YAML file; `UserError` when it is missing, is not YAML, or holds no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no such file: {shown(path)}") from None
    except UnicodeDecodeError:
        raise UserError("not YAML: the file is not UTF-8 text", where=shown(path)) from None
    except OSError as problem:
        raise UserError(f"cannot read the file: {problem.strerror}", where=shown(path)) from None
    node = compose(text, Place(file=path), findings)
    if node is None:
        raise UserError("the file is empty", where=f"{shown(path)}:1", fix="it must hold keys, such as `name: my_run`")
    if not isinstance(node.value, dict):
        raise UserError(
            f"the file must hold keys, not {'a list' if isinstance(node.value, list) else 'a single value'}",
            where=str(node.place),
            fix="write `key: value` lines; sgpo list recipes shows examples",
        )
    return node


def compose(text: str, start: Place, findings: Findings, path: str = "") -> Node | None:
    """The tree of a YAML text, None when there is nothing in it. Lines are counted in `start.file`; `UserError` says
    why a text is not YAML. Duplicate keys and tags are noted in `findings` under `path`."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        last = text.rstrip().count("\n") + 1  # what is missing at the end is missed one line further on
        line = min(mark.line + 1, last) if mark else None
        raise UserError(f"not YAML: {_reason(problem)}", where=str(_at(start, line))) from None
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise UserError(f"not YAML: {problem.reason}", where=str(_at(start, line))) from None
    except yaml.YAMLError as problem:
        raise UserError(f"not YAML: {problem}", where=str(start)) from None
    except RecursionError:
        raise UserError("not a recipe: nested too deeply", where=str(start)) from None
    return None if root is None else _Builder(start, findings).build(root, path, _at(start, root.start_mark.line + 1))


def _reason(problem: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (problem.problem, problem.context) if part]
    return " ".join(parts) or "cannot be read"


def _at(start: Place, line: int | None) -> Place:
    return start if start.override is not None else Place(file=start.file, line=line)


class _Builder:
    """Turns composed YAML nodes into ours."""

    def __init__(self, start: Place, findings: Findings) -> None:
        self.start = start
        self.findings = findings
        self.count = 0
        self.open: list[int] = []

    def build(self, source: yaml.Node, path: str, place: Place) -> Node:
        self.count += 1
        if id(source) in self.open or self.count > MAX_NODES:
            raise UserError("aliases make this file endless", where=str(place), fix="write the values out")
        self.open.append(id(source))
        if isinstance(source, yaml.MappingNode):
            node = Node(self._mapping(source, path), place)
        elif isinstance(source, yaml.SequenceNode):
            items = enumerate(source.value)
            node = Node([self.build(item, join(path, index), self._place(item)) for index, item in items], place)
        else:
            assert isinstance(source, yaml.ScalarNode)
            node = self._scalar(source, path, place)
        self.open.pop()
        return node

    def _place(self, source: yaml.Node) -> Place:
        return _at(self.start, source.start_mark.line + 1)

    def _mapping(self, source: yaml.MappingNode, path: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in source.value:
            place = self._place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.findings.add(path, f"a key of {path or 'the file'} is not a word", place)
                continue
            name = key.value
            if name == "<<":
                fix = "write the keys out, or put them in a recipe that `extends:` names"
                self.findings.add(join(path, name), "merge keys (<<) are not read", place, fix)
                continue
            here = join(path, name)
            if name in entries:
                first = entries[name].place
                self.findings.add(here, f"{here} is given twice", place, f"it stands at {first} already")
            entries[name] = self.build(value, here, place)
        return entries

    def _scalar(self, source: yaml.ScalarNode, path: str, place: Place) -> Node:
        try:
            value = self._value(source, path, place)
        except ValueError:  # Python reads no integer of more than 4300 digits
            self.findings.add(path, f"{path} is too long a number", place)
            return Node(None, place, broken=True)
        return Node(value, place)

    def _value(self, source: yaml.ScalarNode, path: str, place: Place) -> Scalar:
        kind = source.tag.removeprefix(_TAG)
        text = source.value
        # Explicit tags (`!!int abc`) reach us unchecked, hence the patterns again.
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return bool(text.lower() == "true")
        if kind == "int" and _INT.match(text):
            return int(text.replace("_", ""))
        if kind == "float" and _FLOAT.match(text):
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        if kind != "str":
            self.findings.add(path, f"{path or 'a value'} has a YAML tag ({source.tag}); recipes use none", place)
        return str(text)
