"""Frames between the processes, and Python values as plain JSON.

A frame is four bytes of length (big-endian) and that many bytes of JSON. Values cross as data only: numbers, text and
the containers of the standard library, rebuilt on the other side as exactly those types, so that no `__eq__` of the
program is ever called by a test. Everything else crosses as a handle: a number that stands for an object which stays
where it is. `unpack` trusts nothing: what it cannot read raises `BadValue`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

MOST_BYTES = 16 << 20  # what is read of an untrusted side at once
TRUSTED_BYTES = 256 << 20
_LARGE = 1 << 64


class TooLong(Exception):
    """A frame is longer than the limit."""


class BadValue(Exception):
    """Not a frame or a value of ours."""


def send(fd: int, message: object) -> None:
    """Writes one frame; BrokenPipeError when the other side is gone."""
    body = json.dumps(message).encode()
    left = memoryview(len(body).to_bytes(4, "big") + body)
    while left:
        left = left[os.write(fd, left) :]


def receive(fd: int, most: int = MOST_BYTES) -> Any:
    """The next frame's content; EOFError when the other side is gone."""
    length = int.from_bytes(_exactly(fd, 4), "big")
    if length > most:
        raise TooLong(f"a message of {length} bytes; at most {most} are read")
    return parse(_exactly(fd, length))


def parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise BadValue(f"{type(problem).__name__} in a message") from None


def _exactly(fd: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            more = os.read(fd, min(size - len(found), 1 << 16))
        except ConnectionResetError:
            more = b""
        if not more:
            raise EOFError
        found += more
    return bytes(found)


def pack(value: Any, keep: Callable[[Any], dict[str, Any]]) -> Any:
    """`value` as JSON; `keep` answers for what is not plain data."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        plain = int(value)
        return plain if -_LARGE < plain < _LARGE else {"int": hex(plain)}
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list):
        return [pack(item, keep) for item in value]
    if isinstance(value, dict):
        kind = type(value).__name__ if type(value).__name__ in ("Counter", "OrderedDict") else "dict"
        return {kind: [[pack(key, keep), pack(item, keep)] for key, item in value.items()]}
    for name, kinds in (("tuple", tuple), ("set", set), ("frozenset", frozenset)):
        if isinstance(value, kinds):
            return {name: [pack(item, keep) for item in value]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytearray" if isinstance(value, bytearray) else "bytes": bytes(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, range):
        return {"range": [pack(part, keep) for part in (value.start, value.stop, value.step)]}
    return _pack_rare(value, keep)


def _pack_rare(value: Any, keep: Callable[[Any], dict[str, Any]]) -> Any:
    """Types of modules that are imported only when a program used them."""
    module, name = type(value).__module__, type(value).__qualname__
    if (module, name) == ("collections", "deque"):
        return {"deque": [pack(item, keep) for item in value]}
    if module in ("decimal", "fractions") and name in ("Decimal", "Fraction"):
        return {name: str(value)}
    if module == "datetime" and name in ("date", "datetime", "time") and getattr(value, "tzinfo", None) is None:
        return {name: value.isoformat()}
    if (module, name) == ("datetime", "timedelta"):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    return keep(value)


def unpack(data: Any, handle: Callable[[dict[str, Any]], Any]) -> Any:
    """The value that `pack` wrote; `handle` makes what stands for an object of the other side."""
    try:
        return _unpack(data, handle)
    except BadValue:
        raise
    except Exception as problem:  # noqa: BLE001 - anything that hostile data provokes means the same
        raise BadValue(f"{type(problem).__name__} in a value") from None


def _unpack(data: Any, handle: Callable[[dict[str, Any]], Any]) -> Any:
    if isinstance(data, list):
        return [_unpack(item, handle) for item in data]
    if not isinstance(data, dict):
        return data
    if "handle" in data:
        return handle(data)
    [(tag, told)] = data.items()
    if tag == "int":
        return int(told, 16)
    if tag in ("bytes", "bytearray"):
        raw = bytes.fromhex(told)
        return raw if tag == "bytes" else bytearray(raw)
    if tag == "complex":
        return complex(*told)
    if tag in ("Decimal", "Fraction", "date", "datetime", "time", "timedelta"):
        return _unpack_rare(tag, told)
    items = [_unpack(item, handle) for item in told]
    if tag in ("Counter", "OrderedDict", "deque"):
        import collections

        return getattr(collections, tag)(dict(items) if tag == "Counter" else items)
    if tag == "dict":
        return dict(items)
    if tag == "range":
        return range(*items)
    plain: dict[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
    return plain[tag](items)


def _unpack_rare(tag: str, told: Any) -> Any:
    import datetime
    import decimal
    import fractions

    if tag == "Decimal":
        return decimal.Decimal(told)
    if tag == "Fraction":
        return fractions.Fraction(told)
    if tag == "timedelta":
        return datetime.timedelta(*told)
    if tag == "time":
        return datetime.time.fromisoformat(told)
    return datetime.datetime.fromisoformat(told) if tag == "datetime" else datetime.date.fromisoformat(told)
