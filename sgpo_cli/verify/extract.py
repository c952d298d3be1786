r"""The final answer of a response, and of a gold text that may be a whole solution.

A response's answer is looked for in this order:

1. the last ``\boxed{...}`` (also ``\fbox``, ``\framebox``), braces balanced. An unclosed last box is no answer: the
   response was cut off while it was answering, and an earlier box is not what it ends on.
2. the last of these, by position: a ``#### N`` line (its content is a number, or it is the last line: other ``####``
   lines are Markdown headings), a line ``A: N``, ``(final) answer is/are/: X``. Where X is a sentence with one number
   in it, that number.
3. the whole response, when it is nothing but one number or one formula.

Every search is linear in the length of the text: possessive quantifiers, no nested repetition.
"""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])\s*+")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"[^\s$.,;]++")
_HASHES = re.compile(r"^[^\n#]{0,40}+####[ \t]*+(?=\S)", re.MULTILINE)
_LETTER_A = re.compile(r"^[ \t*]*+A:[ \t]*+(?=\S)", re.MULTILINE)
_PHRASE = re.compile(
    r"\banswers?(?: to [^\n.:]{0,80}?)?[ \t]*+(?:\bis\b|\bare\b|=|\**+:)[\s:*=]*+(?=\S)", re.IGNORECASE
)
_NUMERIC = re.compile(r"[-+]?\$?\s?[-+]?(?=[.,]*+\d)[\d.,]++(?:/\d+)?\s?%?")
_FORMULA = re.compile(r"\$[^$\n]+\$|\\\([^\n]+\\\)|\\\[[^\n]+\\\]")
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_SENTENCE_END = re.compile(r"[.!?;](?=\s)|,?\s(?:because|since|as|so|which|where|and thus|hence)\s", re.IGNORECASE)
_GOES_ON = re.compile(r"\s*+(?:[-+*/^=\d]|,?\s*+(?:(?:and|or)\s++)?(?:\$|\\\())")
_IN_PROSE = re.compile(r"(?<![\w.,])-?(?:\d++(?:[.,]\d++)*+|\.\d++)(?:/\d++)?%?")
_SPELLED = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)* \((-?\d[\d.,]*)\)")
_BOUNDS = re.compile(
    r"\b(?:not|never|neither|less|fewer|more|greater|larger|smaller|least|most|below|above|under|over|between|up to)\b"
    r"|n't\b",
    re.IGNORECASE,
)
"""Words with which a sentence bounds its number or denies it, and does not state it."""
_WORDS = re.compile(r"[^\W\d_]{2,}+")
_BARE_LIMIT = 200
_LOOK_BACK = 8
_MOST_BOXES = 32


def extract_answer(response: str) -> str | None:
    """The final answer stated in `response`, tidied but not normalised; None when it states none."""
    boxes = list(_BOX.finditer(response))
    if boxes:
        return _boxed(response, boxes[-1].end())
    stated = _stated(response)
    if stated is not None:
        return stated
    whole = response.strip()
    if len(whole) <= _BARE_LIMIT and (_NUMERIC.fullmatch(whole.rstrip(".")) or _FORMULA.fullmatch(whole)):
        return tidy(whole) or None
    return None


def gold_answer(gold: str) -> str:
    """The gold answer itself: out of the last box or `####` line when `gold` is a whole solution. May be empty."""
    boxes = list(_BOX.finditer(gold))
    if boxes:
        boxed = _boxed(gold, boxes[-1].end())
        if boxed is not None:
            return boxed
    hashes = list(_HASHES.finditer(gold))
    return tidy(_line(gold, hashes[-1].end()) if hashes else gold)


def boxes_of(text: str) -> list[tuple[int, int, str]]:
    """(start, end, content) of the closed boxes among the last ones of a text, in its order."""
    found = []
    for box in list(_BOX.finditer(text))[-_MOST_BOXES:]:
        span = _argument(text, box.end())
        if span is not None and (content := tidy(text[span[0] : span[1]])):
            found.append((box.start(), span[1] + (text[box.end() : box.end() + 1] == "{"), content))
    return found


def _boxed(text: str, start: int) -> str | None:
    """The content of the box whose argument starts at `start`; None when it is unclosed or empty."""
    span = _argument(text, start)
    return None if span is None else tidy(text[span[0] : span[1]]) or None


def _argument(text: str, start: int) -> tuple[int, int] | None:
    """Where the argument that begins at `start` lies, without its braces; None when it is unclosed."""
    if not text.startswith("{", start):
        token = _UNBRACED.match(text, start)  # TeX allows \boxed 5
        return token.span() if token else None
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return start + 1, brace.start()
    return None


def _stated(response: str) -> str | None:
    """The last answer stated by a `####` line, an `A:` line or a phrase; None when there is none.

    Statements without content are passed over, but only so many: that keeps a line full of "answer:" linear.
    """
    starts = [(line.end(), True) for line in _HASHES.finditer(response)]
    starts += [(found.end(), False) for pattern in (_LETTER_A, _PHRASE) for found in pattern.finditer(response)]
    last_line = response.rstrip().rfind("\n")
    for start, hashes in sorted(starts, reverse=True)[:_LOOK_BACK]:
        rest = _line(response, start)
        answer = tidy(rest) if hashes else _first_clause(rest)
        if answer and (not hashes or start > last_line or _NUMERIC.fullmatch(answer)):
            return answer
    return None


def _line(text: str, start: int) -> str:
    """The rest of the line from `start`."""
    end = text.find("\n", start)
    return text[start:] if end < 0 else text[start:end]


def _first_clause(rest: str) -> str:
    """The answer at the start of the rest of a line: one formula, or the text up to the clause's end."""
    formula = _FORMULA.match(rest)
    if formula and not _GOES_ON.match(rest, formula.end()):
        return tidy(formula.group())
    end = _SENTENCE_END.search(rest)
    clause = tidy(rest[: end.start()] if end else rest)
    spelled = _SPELLED.fullmatch(clause)
    if spelled:
        return spelled[1]
    if _BOUNDS.search(clause):
        return clause
    numbers = _IN_PROSE.findall(clause)
    is_prose = len(_WORDS.findall(clause)) >= 2 and clause[0].isalpha() and not re.search(r"[\\=^]", clause)
    return numbers[0] if is_prose and len(numbers) == 1 else clause


def tidy(answer: str) -> str:
    """`answer` without surrounding blanks, math delimiters, Markdown marks and closing punctuation."""
    text = answer.strip()
    while True:
        before = text
        for left, right in _WRAPPERS:
            inside = text[len(left) : len(text) - len(right)]
            long_enough = len(text) > len(left) + len(right)
            if long_enough and text.startswith(left) and text.endswith(right) and left not in inside:
                text = inside.strip()
        text = _without_stop(text.removesuffix("**"))
        if text == before:
            return text


def _without_stop(text: str) -> str:
    r"""`text` without the punctuation that closes a sentence; the spacing commands ``\,`` and ``\;`` are whole."""
    end = len(text)
    while end and (text[end - 1].isspace() or (text[end - 1] in ".,;:" and text[end - 2 : end - 1] != "\\")):
        end -= 1
    return text[:end]
