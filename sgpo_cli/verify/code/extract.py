"""The program in a response, and a whole program from a completion.

Rules of `extract_code`:

1. Thinking is skipped: only what follows the last `</think>` is looked at, when there is such a mark. So is what
   follows `[DONE]`, and `[PYTHON]` around a program.
2. The fenced blocks are looked at in three ranks: those that say they are Python, those that say nothing, those that
   say they are something else (output, bash, text).
3. The last block that defines `entry_point` wins, of the best rank that has one.
4. When none does, or none was named: the last block that can be a program, of the best rank that has one. A block that
   shows output (`YES`, `42`) cannot; one that says it is Python and is cut off, or wrong, can. With none named, a block
   that prints nothing is no program while another of its rank is one.
5. Without any fence the response itself is the program when it is Python, or else the longest Python in it that
   defines `entry_point` (none named: that prints). Prose is no program: None.

In a block, `>>> ` of an interactive session is taken off when the block is no Python otherwise.
"""

from __future__ import annotations

import re
import textwrap

from sgpo_cli.verify.code.fences import PYTHON, UNTOLD, Block, blocks_of
from sgpo_cli.verify.code.syntax import (
    behind_futures,
    defines,
    is_program,
    parsed,
    programs_in,
    without_doctests,
)

_THOUGHT = "</think>"
_OVER = re.compile(r"^[ \t]*\[(?:DONE|/PYTHON)\][ \t]*$", re.MULTILINE)
_BEGUN = re.compile(r"^[ \t]*\[(?:BEGIN|PYTHON)\][ \t]*$", re.MULTILINE)
_PRINTS = re.compile(r"\bprint[ \t]*\(|\bwrite(?:lines)?[ \t]*\(")


def answer_of(response: str) -> str:
    """Where the program is looked for (rule 1), with line ends of one kind and without byte order marks."""
    text = response.replace("\r\n", "\n").replace("\ufeff", "").rpartition(_THOUGHT)[2]
    text = _OVER.split(text, maxsplit=1)[0]
    return _BEGUN.split(text, maxsplit=1)[-1]


def extract_code(response: str, entry_point: str | None = None) -> str | None:
    """The program of a response, or None when it has none. `entry_point`: the function or class it should define."""
    text = answer_of(response)
    blocks = blocks_of(text)
    if not blocks:
        return _bare(text, entry_point)
    ranks = [[without_doctests(block.code) for block in rank] for rank in _ranks(blocks)]
    if entry_point:
        for rank in ranks:
            defining = [code for code in rank if defines(code, entry_point)]
            if defining:
                return defining[-1]
    for at, rank in enumerate(ranks):
        able = [code for code in rank if is_program(code) or (at == 0 and parsed(code) is None)]
        printing = [code for code in able if _PRINTS.search(code) or parsed(code) is None]
        if able:
            return (able if entry_point else printing or able)[-1]
    return next((rank[-1] for rank in ranks if rank), None)


def _ranks(blocks: list[Block]) -> list[list[Block]]:
    filled = [block for block in blocks if block.code.strip()]
    python = [block for block in filled if block.language in PYTHON]
    untold = [block for block in filled if block.language in UNTOLD]
    return [python, untold, [block for block in filled if block.language not in PYTHON | UNTOLD]]


def _bare(text: str, entry_point: str | None) -> str | None:
    """A program without any fence."""
    for whole in (textwrap.dedent(text).strip("\n"), text.strip()):
        if is_program(whole):
            return whole
    plain = without_doctests(textwrap.dedent(text))
    able = [code for code in programs_in(plain) if _is_asked_for(code, entry_point)]
    return max(able, key=len, default=None)


def _is_asked_for(code: str, entry_point: str | None) -> bool:
    return defines(code, entry_point) if entry_point else _PRINTS.search(code) is not None and is_program(code)


def complete(prompt: str, code: str, entry_point: str) -> str:
    """HumanEval's program: the prompt with its body, or, when `code` defines the function itself, what stands before
    the function in the prompt (imports, helpers) and then `code`."""
    if not defines(code, entry_point):
        return prompt + code
    start = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    return behind_futures((prompt[: start.start()] if start else "") + "\n", code)
