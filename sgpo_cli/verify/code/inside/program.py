"""The program's process: loads it and answers calls of its functions, knowing nothing of the tests.

Nothing here is trusted: the program shares this process and may change every object of it. All that it can reach is
the link, and all that it can say there is which values its functions return.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import Any

from . import wire


def serve(link: int, source: str) -> None:
    """Frames in: {op, ...}; out: {value, changed} or {raised, message}. Ends when the examiner is gone."""
    module = types.ModuleType("program")
    sys.modules["program"] = module
    wire.send(link, _load(source, module))
    objects: dict[int, Any] = {}
    while True:
        try:
            asked = wire.receive(link, wire.TRUSTED_BYTES)
        except (EOFError, OSError):
            return
        try:
            answer = _answer(asked, module, objects)
        except BaseException as problem:  # noqa: BLE001 - SystemExit too: leaving inside a call is that call's failure
            answer = _raised(problem)
        try:
            wire.send(link, answer)
        except (TypeError, ValueError, RecursionError) as problem:
            wire.send(link, _raised(problem))


def _load(source: str, module: types.ModuleType) -> dict[str, Any]:
    try:
        exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)
    except BaseException as problem:  # noqa: BLE001 - whatever stops it from loading is reported as that
        return _raised(problem)
    return {"loaded": True}


def _raised(problem: BaseException) -> dict[str, Any]:
    try:
        message = str(problem)[:300]
    except BaseException:  # noqa: BLE001 - its __str__ is the program's own
        message = "(no message)"
    return {"raised": type(problem).__name__, "message": message}


def _keep(value: Any, objects: dict[int, Any]) -> dict[str, Any]:
    """The handle of an object that stays here; the same object keeps its handle."""
    number = next((known for known, kept in objects.items() if kept is value), len(objects))
    objects[number] = value
    return {"handle": number, "type": type(value).__name__[:80]}


def _answer(asked: dict[str, Any], module: types.ModuleType, objects: dict[int, Any]) -> dict[str, Any]:
    """One request's value, and (`watch`) the arguments it changed in place. `on`: "f", "Solution.f" or a handle."""
    on, op = asked["on"], asked["op"]
    target = objects[on] if isinstance(on, int) else _find(on, module)
    args = [wire.unpack(item, lambda data: objects[data["handle"]]) for item in asked["args"]]
    named = {key: wire.unpack(item, lambda data: objects[data["handle"]]) for key, item in asked["named"].items()}
    value = wire.pack(_do(op, target, args, named), lambda kept: _keep(kept, objects))
    changed = {}
    for index, arg in enumerate(args if asked["watch"] else []):
        if isinstance(arg, (list, dict, set, bytearray)):
            now = wire.pack(arg, lambda kept: _keep(kept, objects))
            if now != asked["args"][index]:
                changed[str(index)] = now
    return {"value": value, "changed": changed}


def _do(op: str, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
    if op == "call":
        return target(*args, **named)
    if op == "get":
        return getattr(target, args[0])
    if op == "set":
        return setattr(target, args[0], args[1])
    if op == "list":
        return list(target)
    rest: dict[str, Callable[..., Any]] = {"len": len, "item": operator.getitem, "str": str}
    return rest[op](target, *args)


def _find(path: str, module: types.ModuleType) -> Any:
    """`f`, or `Solution.f`: a method of a fresh instance."""
    first, _, method = path.partition(".")
    if not hasattr(module, first):
        raise LookupError(f"the program defines no {first!r}")
    found = getattr(module, first)
    return getattr(found(), method) if method else found
