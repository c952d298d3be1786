"""Whether printed text is the expected text, as contest judges see it (and LiveCodeBench).

Surrounding white space does not count, neither of the text nor of a line. Lines must agree in number, and each in its
text or, token by token, as decimal numbers of the same value (`1.0` and `1`, exactly: no tolerance).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def same_output(found: str, expected: str) -> bool:
    found_lines = [line.strip() for line in found.strip().split("\n")]
    expected_lines = [line.strip() for line in expected.strip().split("\n")]
    if len(found_lines) != len(expected_lines):
        return False
    return all(_same_line(a, b) for a, b in zip(found_lines, expected_lines, strict=True))


def _same_line(found: str, expected: str) -> bool:
    if found == expected:
        return True
    a, b = found.split(), expected.split()
    if len(a) != len(b):
        return False
    try:
        return [Decimal(token) for token in a] == [Decimal(token) for token in b]
    except InvalidOperation:
        return False
