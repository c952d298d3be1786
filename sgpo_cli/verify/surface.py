r"""The surface of an answer: one spelling for the same LaTeX, numbers, units, words, letters and brackets.

`canonical` is applied to both sides before anything is compared. What it settles is spelling only: ``\dfrac``,
``\left(``, ``\!``, degree signs, currency signs, ``\text`` and its relatives, Unicode minus and friends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sgpo_cli.verify.extract import tidy

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "√": r"\sqrt ",
        "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
        "°": "", "’": "'", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
        "€": "", "£": "", "¥": "", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200b": "",
    }
)  # fmt: skip
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
            r"\^\s?(?:\{\s?)?\\(?:circ|degree)(?![A-Za-z])(?:\s?\})?"
            r"(?:\s?(?:\\text\{\s?[CF]\s?\}|[CF])(?![A-Za-z]))?",
            "",
        ),
        (r"\\degree(?![A-Za-z])", ""),
        (r"(?<!\\)\\(?=[$%&#])", ""),
        (r"\{,\}", ","),
        (r"(?<=\d)\.(?=\s?/)", ""),
        (r"(?<![A-Za-z\\])np\.(?=[a-z])", ""),
        (r"\$", ""),
        (r"\\text\{\s?(?:percent|per cent)\s?\}|\bper ?cent\b", "%"),
        (r"\s+", " "),
    )
)
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_THOUSANDS = r"\d{1,3}(?:,\d{3})+(?!\d)"
_DECIMAL = re.compile(rf"(?P<sign>[-+]?) ?(?P<whole>{_THOUSANDS}|\d*)(?:\.(?P<part>\d*))?")
_FRACTION = re.compile(
    r"(?P<sign>[-+]?) ?(?:\\frac ?\{ ?(?P<a>-?\d+) ?\} ?\{ ?(?P<b>-?\d+) ?\}"
    r"|\\frac ?(?P<c>\d)(?P<d>\d)|(?P<e>\d+) ?/ ?(?P<f>\d+))"
)
_POWER = re.compile(
    r"(?P<mantissa>[-+]?\d+(?:\.\d+)?) ?"
    r"(?:[eE](?P<e>[-+]?\d+)|(?:\\times|\\cdot|\*|x) ?10 ?\^ ?\{? ?(?P<p>[-+]?\d+) ?\}?)"
    r"|(?P<sign>[-+]?) ?10 ?\^ ?(?:\{ ?(?P<q>[-+]?\d+) ?\}|(?P<r>\d+))"
)
_PLAIN_UNIT = re.compile(r"(?P<number>[-+]?[\d.,/]*\d%?) ?(?P<unit>[A-Za-z][A-Za-z0-9 ./^{}-]*)")
_NOT_UNITS = {"and", "or", "to", "sin", "cos", "tan", "log", "ln", "exp", "pi", "sqrt", "mod", "if", "x", "by"}
_MAX_DIGITS = 400
_MAX_EXPONENT = 400

_UNITS: dict[str, str] = {
    spelling: name
    for name, spellings in {
        "mm": "mm millimeter millimetre", "cm": "cm centimeter centimetre", "m": "m meter metre",
        "km": "km kilometer kilometre", "in": "in inch inche", "ft": "ft foot feet", "yd": "yd yard",
        "mi": "mi mile", "s": "s sec second", "min": "min minute", "h": "h hr hour", "d": "day", "week": "week",
        "month": "month", "year": "yr year", "g": "g gram", "kg": "kg kilogram", "lb": "lb pound", "oz": "oz ounce",
        "cent": "cent", "dollar": "dollar usd", "mph": "mph", "l": "liter litre", "ml": "ml",
    }.items()
    for spelling in spellings.split()
}  # fmt: skip


_POWERS = {"square": "2", "sq": "2", "cubic": "3", "cu": "3"}
_UNIT_POWER = re.compile(r"(?:(?P<word>square|sq|cubic|cu) )?(?P<base>[a-z]+) ?(?:\^ ?(?P<power>\d))?")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written. `places`: digits after the point, 0 when exact; `digits`: significant digits written."""

    value: Fraction
    places: int = 0
    digits: int = 0
    percent: bool = False
    unit: str | None = None


def canonical(answer: str) -> str:
    """One spelling for an answer; idempotent."""
    text = tidy(answer).translate(_UNICODE)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = tidy(text).removeprefix(r"\approx").removeprefix("≈").strip()
    return _bare_number(text)


def _bare_number(text: str) -> str:
    r"""``\text{(113)}`` and `(113)` are 113; anything else stays as it is: `(3,331)` is a point."""
    wrapped = _TEXT.fullmatch(text)
    inside = wrapped[1].strip() if wrapped else text
    if inside.startswith("(") and inside.endswith(")") and "," not in inside:
        inside = inside[1:-1].strip()
    return inside if number(inside) else text


def key(text: str) -> str:
    r"""What two spellings of one formula share: no blanks, no ``\text`` wrappers."""
    return re.sub(r"\s", "", _TEXT.sub(r"\1", text))


def number(text: str) -> Number | None:
    """The number that a canonical answer is, with its unit and percent sign; None when it is not one number."""
    body, unit = split_unit(text)
    percent = body.endswith("%")
    body = body.removesuffix("%").strip()
    if len(body) > _MAX_DIGITS:
        return None
    parsed = _decimal(body) or _fraction(body) or _power(body)
    if parsed is None:
        return None
    return Number(parsed.value, parsed.places, parsed.digits, percent, unit)


def _decimal(body: str) -> Number | None:
    found = _DECIMAL.fullmatch(body)
    if not found or not (found["whole"] or found["part"]):
        return None
    part = found["part"] or ""
    digits = found["whole"].replace(",", "") + part
    value = Fraction(int(digits or "0"), 10 ** len(part))
    return Number(-value if found["sign"] == "-" else value, len(part), len(digits.lstrip("0")))


def _fraction(body: str) -> Number | None:
    found = _FRACTION.fullmatch(body)
    if not found:
        return None
    over = int(found["a"] or found["c"] or found["e"])
    under = int(found["b"] or found["d"] or found["f"])
    if under == 0:
        return None
    value = Fraction(over, under)
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


def split_unit(text: str) -> tuple[str, str | None]:
    r"""`(answer, unit)`: a trailing ``\text{...}`` (with its power), or words behind a plain number."""
    start = text.rfind(r"\text{")
    if start > 0:
        end = text.find("}", start)
        power = text[end + 1 :].strip()
        if end > 0 and re.fullmatch(r"(?:\^ ?\{? ?\d ?\}?)?", power) and text[:start].strip()[-1:] not in "(,=+-*/^_":
            return text[:start].strip(), _unit_name(text[start + 6 : end] + power)
    plain = _PLAIN_UNIT.fullmatch(text)
    if plain and _reads_as_unit(plain["unit"], attached=text[plain.end("number")] != " "):
        return plain["number"], _unit_name(plain["unit"])
    return text, None


def _reads_as_unit(words: str, *, attached: bool) -> bool:
    """Whether `words` behind a number are a unit and not algebra: `12x` and `5 m` may be products."""
    first = re.split(r"[ ./^]", words, maxsplit=1)[0].lower()
    known = first in _UNITS or first.removesuffix("s") in _UNITS
    if attached:
        return known and len(first) > 1
    return first not in _NOT_UNITS and (len(first) > 1 or (known and first in {"m", "g", "s", "h", "l"}))


def _unit_name(written: str) -> str:
    """One name for the spellings of a unit (`cm^2` for "square centimeters"); an unknown unit keeps its own."""
    words = re.sub(r"[{}.\s]+", " ", written).strip().lower()
    found = _UNIT_POWER.fullmatch(words)
    if found:
        base, power = found["base"], found["power"] or _POWERS.get(found["word"] or "", "")
        known = _UNITS.get(base) or _UNITS.get(base.removesuffix("s"))
        if known:
            return f"{known}^{power}" if power not in ("", "1") else known
    return words


def units_differ(one: str | None, other: str | None) -> bool:
    """Whether both are units that we know, and not the same: `12 cm` is not `12 m` nor `12 cm^2`; `12 apples` and
    `12 m` are."""
    known = set(_UNITS.values())
    return all(unit is not None and unit.partition("^")[0] in known for unit in (one, other)) and one != other


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
