"""The program's functions and objects, as the examiner's process sees them: each use is a question over the link."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

from . import wire


class Lost(BaseException):
    """The program's process is gone. Not an Exception: a test that catches exceptions must not catch this."""


class Garbled(BaseException):
    """The program's process said something that is no answer, or too much; `kind` says which."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class RemoteError(Exception):
    """An exception in the program whose type is not one of Python's own."""


class Link:
    """One question at a time. `last` describes the newest call, for the failure's detail. `watch`: whether a change
    that a call makes to its arguments is to be seen by the test."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.watch = True
        self.last = ""
        self._remotes: dict[int, Remote] = {}

    def loaded(self) -> dict[str, Any]:
        """The program's first frame: {loaded} or {raised, message}."""
        return self._receive()

    def ask(self, op: str, on: str | int, *args: Any, **named: Any) -> Any:
        packed = [wire.pack(item, _give) for item in args]
        asked: dict[str, Any] = {"op": op, "on": on, "args": packed, "watch": self.watch}
        asked["named"] = {key: wire.pack(item, _give) for key, item in named.items()}
        try:
            wire.send(self._fd, asked)
        except OSError:
            raise Lost from None
        answer = self._receive()
        if "raised" in answer:
            self.last = f"{_name(on)} raised {answer['raised']}: {answer.get('message')}"[:300]
            raise _error(str(answer["raised"]), str(answer.get("message")))
        value = self._value(answer.get("value"))
        for index, changed in dict(answer.get("changed") or {}).items():
            _write_back(args, index, self._value(changed))
        if op == "call":
            self.last = f"{_name(on)} returned {_short(value)}"
        return value

    def _value(self, told: Any) -> Any:
        try:
            return wire.unpack(told, self._remote)
        except (wire.BadValue, MemoryError) as problem:
            raise Garbled("bad_reply", str(problem)) from None

    def _remote(self, told: dict[str, Any]) -> Remote:
        """The same object of the program is the same object here."""
        number = int(told["handle"])
        return self._remotes.setdefault(number, Remote(self, number, str(told["type"])))

    def _receive(self) -> dict[str, Any]:
        try:
            answer = wire.receive(self._fd)
        except (EOFError, OSError):
            raise Lost from None
        except wire.TooLong as problem:
            raise Garbled("output", str(problem)) from None
        except (wire.BadValue, MemoryError) as problem:
            raise Garbled("bad_reply", str(problem)) from None
        if not isinstance(answer, dict):
            raise Garbled("bad_reply", "an answer that is no object")
        return answer


def function(link: Link, path: str) -> Any:
    """Calls the program's function (or class, or `Class.method`) of that name."""

    def call(*args: Any, **named: Any) -> Any:
        return link.ask("call", path, *args, **named)

    call.__name__ = path
    return call


class Remote:
    """An object that stayed in the program's process.

    It has attributes, items, an order and a length, all as the program tells them; it is equal to nothing but itself,
    whatever its own `__eq__` says.
    """

    def __init__(self, link: Link, handle: int, kind: str) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_handle", handle)
        object.__setattr__(self, "_kind", kind)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._link.ask("get", self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.ask("set", self._handle, name, value)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._link.ask("call", self._handle, *args, **named)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._link.ask("list", self._handle))

    def __len__(self) -> int:
        return int(self._link.ask("len", self._handle))

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self._link.ask("item", self._handle, key)

    def __str__(self) -> str:
        return str(self._link.ask("str", self._handle))

    def __repr__(self) -> str:
        return f"<{self._kind} of the program>"


def _write_back(args: tuple[Any, ...], index: Any, now: Any) -> None:
    """What a function did to its argument, done to the test's own object."""
    if not (isinstance(index, str) and index.isdecimal() and int(index) < len(args)):
        raise Garbled("bad_reply", "a change of an argument that was not given")
    mine = args[int(index)]
    if type(mine) is not type(now):
        raise Garbled("bad_reply", "an argument changed its type")
    if isinstance(mine, (list, bytearray)):
        mine[:] = now
    elif isinstance(mine, (dict, set)):
        mine.clear()
        mine.update(now)


def _give(value: Any) -> dict[str, Any]:
    """A remote object goes back as its handle; nothing else of the test's own can cross."""
    if isinstance(value, Remote):
        return {"handle": object.__getattribute__(value, "_handle")}
    raise NotImplementedError(f"a test passes a {type(value).__name__}, which cannot cross to the program")


def _error(name: str, message: str) -> Exception:
    """The program's exception: Python's own type where there is one, marked `from_program`."""
    found = getattr(builtins, name, None)
    error: Exception = RemoteError(f"{name}: {message}")
    if isinstance(found, type) and issubclass(found, Exception):
        try:
            error = found(message)
        except Exception:  # noqa: BLE001 - UnicodeDecodeError and its like want other arguments
            error = RemoteError(f"{name}: {message}")
    error.from_program = name  # type: ignore[attr-defined]
    return error


def _name(on: str | int) -> str:
    return on if isinstance(on, str) else "an object's method"


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as problem:  # noqa: BLE001 - a detail for people, never worth a failure
        text = f"({type(problem).__name__} in repr)"
    return text if len(text) <= 120 else f"{text[:117]}..."
