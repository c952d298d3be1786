r"""The surface of an answer: one spelling for the same LaTeX, numbers, units, words, letters and brackets.

`canonical` is applied to both sides before anything is compared. What it settles is spelling only: ``\dfrac``,
``\left(``, ``\!``, degree signs, currency signs, ``\text`` and its relatives, Unicode minus and friends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sgpo_cli.verify.extract import tidy
from sgpo_cli.verify.units import Unit, read_unit

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "√": r"\sqrt ",
        "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
        "°": r"^\circ ", "’": "'", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
        "€": "", "£": "", "¥": "", "∅": r"\emptyset ", "¢": r"\text{ cents}",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200b": "",
    }
)  # fmt: skip
_EXPONENT = r"\s?\^\s?(?:\{\s?-?\d\s?\}|\d)"
_ANGLE = r"-?\d+(?:\.\d+)?"
_DEGREES = r"(?:\^\s?(?:\{\s?)?\\(?:circ|degree)(?![A-Za-z])(?:\s?\})?|\\degree(?![A-Za-z]))"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|displaystyle|textstyle|limits|[bB]igg?[lr]?)(?![A-Za-z])", ""),
        (r"(?<!\\)\\[!,;:>]", ""),
        (r"\\(?:quad|qquad)(?![A-Za-z])|(?<!\\)\\ |~", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\(?:leq|leqslant)(?![A-Za-z])", r"\\le"),
        (r"\\(?:geq|geqslant)(?![A-Za-z])", r"\\ge"),
        (r"\\(?:text(?:bf|it|rm|normal|sf|tt)?|mbox|mathrm|mathbf|mathit|mathsf|operatorname)\s*(?=\{)", r"\\text"),
        (
            rf"\\?(?<![A-Za-z])(?P<name>sin|cos|tan|cot|sec|csc)(?![A-Za-z])(?P<power>{_EXPONENT})?\s?[({{]?\s?"
            rf"(?P<angle>{_ANGLE})\s?{_DEGREES}\s?[)}}]?",
            r"\\\g<name>\g<power>(\\frac{\g<angle>\\pi}{180})",
        ),
        (
            r"\^\s?(?:\{\s?)?\\(?:circ|degree)(?![A-Za-z])(?:\s?\})?"
            r"(?:\s?(?:\\text\{\s?[CF]\s?\}|[CF])(?![A-Za-z]))?",
            "",
        ),
        (r"\\degree(?![A-Za-z])", ""),
        (r"(?<!\\)\\(?=[$%&#])", ""),
        (r"\{,\}", ","),
        (r"\{:\}", ":"),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset "),
        (r"^\\begin\{(aligned|align\*?|gathered|split)\}([^\\&]*)&?([^\\&]*)\\end\{\1\}$", r"\2\3"),
        (r"^\\text\{[^{}]*\banswer is:?\s?\}", ""),
        (r"\\text\{([^A-Za-z{}]*)\}", r"\1"),
        (r"\\text\{(\s?,?\s?(?:and|or))\s([^{}]{0,80}\d[^{}]{0,80})\}", r" \\text{\1 }\2"),
        (r"\\text\{\s?,\s?(?:and|or)\s?\}|,\s?(?:and|or)(?=\s)", ", "),
        (r"\\text\{\s?\(?\s?mod\s(\d+)\s?\)?\s?\}|\(?\\[pb]?mod\s?\{?\s?(\d+)\s?\}?\)?", r"\\pmod{\1\2}"),
        (r"^\](?=[^\[\],]{0,200},[^\[\],]{0,200}\[$)(.*)\[$", r"(\1)"),
        (
            r"^\\\{\s?[a-z](?:\s?\\in\s?(?:\\mathbb\s?\{?\s?R\s?\}?|R))?\s?(?:\\mid|\\vert|\||:)"
            r"(.{0,200}(?:<|>|\\le|\\ge).{0,200})\\\}$",
            r"\1",
        ),
        (r"(?<=\d)\.(?=\s?/)", ""),
        (r"(?<![A-Za-z\\])np\.(?=[a-z])", ""),
        (r"\$", ""),
        (r"\\text\{\s?(?:percent|per cent)\s?\}|\bper ?cent\b", "%"),
        (r"\s+", " "),
    )
)
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_THOUSANDS = r"\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?!\d)"
_DECIMAL = re.compile(rf"(?P<sign>[-+]?) ?(?P<whole>{_THOUSANDS}|\d*)(?:\.(?P<part>\d*))?")
_FRACTION = re.compile(
    r"(?P<sign>[-+]?) ?(?:\\frac ?\{ ?(?P<a>-?\d+) ?\} ?\{ ?(?P<b>-?\d+) ?\}"
    r"|\\frac ?(?P<c>\d)(?P<d>\d)|\\frac ?(?P<g>\d) ?\{ ?(?P<h>\d+) ?\}|\\frac ?\{ ?(?P<i>\d+) ?\} ?(?P<j>\d)"
    r"|(?P<e>\d+) ?/ ?(?P<f>\d+))"
)
_POWER = re.compile(
    r"(?P<mantissa>[-+]?\d+(?:\.\d+)?) ?"
    r"(?:[eE](?P<e>[-+]?\d+)|(?:\\times|\\cdot|\*|x) ?10 ?\^ ?\{? ?(?P<p>[-+]?\d+) ?\}?)"
    r"|(?P<sign>[-+]?) ?10 ?\^ ?(?:\{ ?(?P<q>[-+]?\d+) ?\}|(?P<r>\d+))"
)
_MIXED = re.compile(
    r"(?P<sign>[-+]?) ?(?P<whole>\d+)(?: ?\\frac ?\{ ?(?P<a>\d+) ?\} ?\{ ?(?P<b>\d+) ?\}"
    r"| ?\\frac ?(?P<c>\d) ?(?P<d>\d)| (?:and )?(?P<e>\d+) ?/ ?(?P<f>\d+))"
)
_REPEATING = re.compile(
    r"(?P<sign>[-+]?) ?(?P<whole>\d*)\.(?P<part>\d*) ?\\(?:overline|bar) ?(?:\{ ?(?P<many>\d+) ?\}|(?P<one>\d))"
)
_PLAIN_UNIT = re.compile(r"(?P<number>[-+]?[\d.,/:]*\d%?) ?(?P<unit>[A-Za-z¢][A-Za-z ./^{}0-9-]*)")
_MONEY = re.compile(
    r"(?P<sign>[-+]?) ?(?P<coin>\\\$|\$|€|£|¥) ?(?P<number>[-+]?[\d.,]*\d)"
    r"(?P<rest>(?: ?\\(?:text|mbox|mathrm) ?\{ ?[a-z ]+\}| [a-z ]+)?)"
)
_COINS = {"€": "euros", "£": "pounds", "¥": "yen"}
_MAX_DIGITS = 400
_MAX_EXPONENT = 400


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written. `places`: digits after the point, 0 when exact; `digits`: significant digits written."""

    value: Fraction
    places: int = 0
    digits: int = 0
    percent: bool = False
    unit: Unit | None = None


def canonical(answer: str) -> str:
    """One spelling for an answer; idempotent."""
    text = _money(tidy(answer)).translate(_UNICODE)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = tidy(text).removeprefix(r"\approx").removeprefix("≈").strip()
    return _bare_number(text)


def _money(text: str) -> str:
    """An amount with its coin behind it, as other units stand."""
    found = _MONEY.fullmatch(text)
    if not found:
        return text
    factor = re.sub(r"\\[a-z]+|[{}]", " ", found["rest"]).split()
    words = " ".join([*factor, _COINS.get(found["coin"], "dollars")])
    return f"{found['sign']}{found['number']}\\text{{ {words}}}"


def _bare_number(text: str) -> str:
    r"""``\text{(113)}`` and `(113)` are 113; anything else stays as it is: `(3,331)` is a point."""
    wrapped = _TEXT.fullmatch(text)
    inside = wrapped[1].strip() if wrapped else text
    if inside.startswith("(") and inside.endswith(")") and "," not in inside:
        inside = inside[1:-1].strip()
    return inside if number(inside) else text


def key(text: str) -> str:
    r"""What two spellings of one formula share: no ``\text`` wrappers, and no blanks but between digits: `1 1/2` is not
    `11/2`."""
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", _TEXT.sub(r"\1", text))


def number(text: str) -> Number | None:
    """The number that a canonical answer is, with its unit and percent sign; None when it is not one number."""
    body, unit = split_unit(text)
    percent = body.endswith("%")
    body = body.removesuffix("%").strip()
    if len(body) > _MAX_DIGITS:
        return None
    parsed = _decimal(body) or _fraction(body) or _mixed(body) or _repeating(body) or _power(body)
    if parsed is None:
        return None
    if unit is not None and unit.factor != 1:
        return Number(parsed.value * unit.factor, percent=percent, unit=unit)
    return Number(parsed.value, parsed.places, parsed.digits, percent, unit)


def _decimal(body: str) -> Number | None:
    found = _DECIMAL.fullmatch(body)
    if not found or not (found["whole"] or found["part"]):
        return None
    part = found["part"] or ""
    digits = re.sub("[, ]", "", found["whole"]) + part
    value = Fraction(int(digits or "0"), 10 ** len(part))
    return Number(-value if found["sign"] == "-" else value, len(part), len(digits.lstrip("0")))


def _fraction(body: str) -> Number | None:
    found = _FRACTION.fullmatch(body)
    if not found:
        return None
    over = int(next(found[name] for name in "acegi" if found[name]))
    under = int(next(found[name] for name in "bdfhj" if found[name]))
    if under == 0:
        return None
    value = Fraction(over, under)
    return Number(-value if found["sign"] == "-" else value)


def _mixed(body: str) -> Number | None:
    """`2 1/2`, a whole number and a proper fraction."""
    found = _MIXED.fullmatch(body)
    if not found:
        return None
    over, under = int(found["a"] or found["c"] or found["e"]), int(found["b"] or found["d"] or found["f"])
    if not 0 < over < under:
        return None
    value = int(found["whole"]) + Fraction(over, under)
    return Number(-value if found["sign"] == "-" else value)


def _repeating(body: str) -> Number | None:
    """`0.1` and a group that repeats for ever under a bar."""
    found = _REPEATING.fullmatch(body)
    if not found:
        return None
    start, again = found["whole"] + found["part"], found["many"] or found["one"]
    nines = (10 ** len(again) - 1) * 10 ** len(found["part"])
    value = Fraction(int(start + again) - int(start or "0"), nines)
    return Number(-value if found["sign"] == "-" else value)


def _power(body: str) -> Number | None:
    found = _POWER.fullmatch(body)
    if not found:
        return None
    exponent = int(found["e"] or found["p"] or found["q"] or found["r"])
    if abs(exponent) > _MAX_EXPONENT:
        return None
    mantissa = found["mantissa"] or f"{found['sign']}1"
    return Number(Fraction(mantissa) * Fraction(10) ** exponent)


def split_unit(text: str) -> tuple[str, Unit | None]:
    r"""`(answer, unit)`: a trailing ``\text{...}`` (with its power), or words behind a plain number."""
    start = text.rfind(r"\text{")
    if start > 0:
        end = text.find("}", start)
        power = text[end + 1 :].strip()
        if end > 0 and re.fullmatch(r"(?:\^ ?\{? ?\d ?\}?)?", power) and text[:start].strip()[-1:] not in "(,=+-*/^_":
            unit = read_unit(text[start + 6 : end] + power)
            return (text[:start].strip(), unit) if unit is not None else (text, None)
    plain = _PLAIN_UNIT.fullmatch(text)
    if plain is not None:
        unit = read_unit(plain["unit"], plain=True, attached=text[plain.end("number")] != " ")
        return (plain["number"], unit) if unit is not None else (text, None)
    return text, None


def word(text: str) -> str | None:
    """The canonical answer as plain words, case folded (`\\text{Yes}`, `East`); None when it is not only words."""
    plain = _TEXT.sub(r"\1", text).strip()
    if not re.fullmatch(r"[^\W\d_](?:[^\W\d_]|[ '.-])+", plain):
        return None
    return re.sub(r"[ .'-]+", " ", plain).strip().casefold()


def bracket(text: str) -> str | None:
    r"""`paren`, `bracket`, `brace` when one such pair encloses the whole answer, `mixed` for ``[0,1)``; else None."""
    opening = {r"\{": "brace", "(": "paren", "[": "bracket"}
    closing = {r"\}": "brace", ")": "paren", "]": "bracket"}
    depth, first, marks = 0, "", list(re.finditer(r"\\[{}]|[()\[\]]", text))
    if not marks or marks[0].start() != 0 or marks[-1].end() != len(text) or marks[0].group() not in opening:
        return None
    for mark in marks:
        depth += 1 if mark.group() in opening else -1
        if depth == 0 and mark is not marks[-1]:
            return None
    first, last = opening[marks[0].group()], closing.get(marks[-1].group())
    return None if last is None else first if first == last else "mixed"


def vote(extracted: str) -> str:
    """The class of an extracted math answer in a majority vote: its number, or its canonical spelling."""
    text = canonical(extracted)
    found = number(text)
    return str(found.value) if found else key(text).casefold()
