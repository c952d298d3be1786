"""Whether two folders hold the same weights, read from their safetensors files; nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor's bytes stand in a file, and what they are of."""

    file: Path
    begin: int
    size: int
    form: tuple[Any, ...]
    """dtype and shape."""


def same_weights(one: Path, other: Path) -> bool:
    """Tensor by tensor, so that shards and their order do not matter; False where either folder holds none.

    Only files that are whole are looked at: those of a complete checkpoint or policy.
    """
    mine, theirs = _tensors(one), _tensors(other)
    if not mine or {name: tensor.form for name, tensor in mine.items()} != {
        name: tensor.form for name, tensor in theirs.items()
    }:
        return False
    return all(_same_bytes(tensor, theirs[name]) for name, tensor in mine.items())


def _tensors(folder: Path) -> dict[str, _Tensor]:
    """By name. A file begins with the length of its JSON head, 8 bytes, little-endian; offsets count from behind it."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            head = json.loads(stream.read(length))
        for name, told in head.items():
            if name != "__metadata__":
                begin, end = told["data_offsets"]
                found[name] = _Tensor(file, 8 + length + begin, end - begin, (told["dtype"], *told["shape"]))
    return found


def _same_bytes(one: _Tensor, other: _Tensor) -> bool:
    with one.file.open("rb") as mine, other.file.open("rb") as theirs:
        mine.seek(one.begin)
        theirs.seek(other.begin)
        left = one.size
        while left > 0:
            block = min(_BLOCK, left)
            if mine.read(block) != theirs.read(block):
                return False
            left -= block
    return one.size == other.size
