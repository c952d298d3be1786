"""The code blocks of a text: fenced (``` or ~~~) as models write them, which is not always as Markdown has it."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from sgpo_cli.verify.code.syntax import is_body, is_program, parsed

PYTHON = frozenset({"python", "python3", "py", "py3", "python2", "ipython", "pycon", "sage"})
UNTOLD = frozenset({"", "code", "starter_code"})

_AT_LINE = re.compile(r"^[ \t]*(?:[-*+>]|\d+[.)])?[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<told>[^\n`]*)$")
_IN_LINE = re.compile(rf"^[^`\n]*(?P<fence>`{{3,}})[ \t]*(?P<told>{'|'.join(sorted(PYTHON))})[ \t]*$", re.IGNORECASE)
_WHOLE = re.compile(rf"^[^`\n]*```(?:(?P<told>{'|'.join(sorted(PYTHON))})[ \t]+)?(?P<code>[^`\n]+)```[^`\n]*$")
_LOOKED_AT = 6  # fences that are tried as the end of a block
_LANGUAGE = re.compile(r"[{.]*([\w+#]*)")


@dataclass(frozen=True, slots=True)
class Block:
    """`language`: in lower case, empty when nothing is told; `code`: its content, without the fence's indentation."""

    language: str
    code: str


def blocks_of(text: str) -> list[Block]:
    """The blocks in order. One that is never closed (a truncated response) holds everything to the end. A text that
    begins inside a block (the prompt had opened it) begins with that block."""
    found: list[Block] = []
    lines, at, first = text.split("\n"), 0, True
    while at < len(lines):
        mark = _AT_LINE.match(lines[at]) or _IN_LINE.match(lines[at])
        if mark and first and not mark["told"].strip() and _goes_on("\n".join(lines[:at])):
            found.append(_block("", lines[:at]))
        elif mark:
            end = _end_of_block(lines, at, mark["fence"])
            found.append(_block(mark["told"], _content(lines, at, end), closed=end < len(lines)))
            at = end - 1 if _opens_python(lines[end : end + 1], mark["fence"]) else end
        elif whole := _WHOLE.match(lines[at]):
            found.append(_block(whole["told"] or "", [whole["code"].strip()]))
        first = first and not mark
        at += 1
    return found


def _end_of_block(lines: list[str], opening: int, fence: str) -> int:
    """The line that ends the block: the first fence behind Python (one may stand in a docstring), or the first; the
    number of lines where there is none."""
    first, looked_at = len(lines), 0
    for end in range(opening + 1, len(lines)):
        if not (_closes(lines[end], fence) or _opens_python(lines[end : end + 1], fence)):
            continue
        if parsed(textwrap.dedent("\n".join(_content(lines, opening, end)))) is not None:
            return end
        first, looked_at = min(first, end), looked_at + 1
        if looked_at == _LOOKED_AT:
            break
    return first


def _content(lines: list[str], opening: int, end: int) -> list[str]:
    """What is between, and code that stands on the last line (`return x```)."""
    last = lines[end].rstrip("` \t") if end < len(lines) else ""
    behind = last if last.strip(" \t~") and not _AT_LINE.match(lines[end]) else ""
    return [*lines[opening + 1 : end], *([behind] if behind else [])]


def _opens_python(line: list[str], fence: str) -> bool:
    """Whether it opens another block of Python, the one before never having been closed."""
    mark = _AT_LINE.match(line[0]) if line else None
    return mark is not None and mark["fence"] == fence and mark["told"].strip().lower() in PYTHON


def _closes(line: str, opened: str) -> bool:
    """A fence alone, or behind the last line of code (`return x```)."""
    bare = line.strip()
    if bare.startswith(opened) and not bare.strip(opened[0]):
        return True
    return opened[0] == "`" and bare.endswith(opened) and "`" not in bare.rstrip("`")


def _goes_on(before: str) -> bool:
    """Whether what stands before the first fence is code itself: then that fence closes."""
    return is_program(textwrap.dedent(before)) or is_body(before)


def _block(told: str, lines: list[str], *, closed: bool = True) -> Block:
    match = _LANGUAGE.match(told.strip())
    language = match[1].lower() if match else ""
    code = textwrap.dedent("\n".join(lines) + ("\n" if closed and lines else ""))
    name, _, rest = code.partition("\n")
    if not language and name.strip().lower() in PYTHON:  # the language, slipped into the block
        language, code = name.strip().lower(), rest
    return Block(language, code)
