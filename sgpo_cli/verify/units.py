r"""What stands behind a number and may be left out: `cm^2`, `miles per hour`, `apples`; and what may not.

A unit is words only. Words that change what is meant (`or`, `not`, `squared`, `even`, `maybe`) make no unit, nor does
anything with a digit but a power: `18\text{ or 20}` is not 18. `million` and its like are factors. Of two units the
known ones are compared by their powers (`m/s` is not `km/h`), and so are words that say which way (`east`, `p.m.`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_KNOWN: dict[str, tuple[tuple[str, int], ...]] = {
    spelling: ((name, 1),)
    for name, spellings in {
        "mm": "mm millimeter millimetre", "cm": "cm centimeter centimetre", "m": "m meter metre",
        "km": "km kilometer kilometre", "in": "in inch inche", "ft": "ft foot feet", "yd": "yd yard",
        "mi": "mi mile", "s": "s sec second", "min": "min minute", "h": "h hr hour", "d": "day", "week": "week wk",
        "month": "month", "year": "yr year", "mg": "mg milligram", "g": "g gram", "kg": "kg kilogram",
        "ton": "ton tonne",
        "lb": "lb pound", "oz": "oz ounce", "cent": "cent ¢", "dollar": "dollar usd buck", "euro": "euro eur",
        "yen": "yen", "l": "l liter litre", "ml": "ml milliliter millilitre", "gal": "gallon gal", "N": "newton",
        "J": "joule", "W": "watt", "V": "volt", "Hz": "hertz hz", "Pa": "pascal pa", "K": "kelvin",
        "rad": "radian rad", "acre": "acre", "mol": "mol mole",
    }.items()
    for spelling in spellings.split()
} | {"mph": (("mi", 1), ("h", -1)), "kph": (("km", 1), ("h", -1)), "kmh": (("km", 1), ("h", -1)), "n": (("N", 1),),
     "j": (("J", 1),), "w": (("W", 1),)}  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_BEHIND = {"squared": 2, "cubed": 3}
_FACTORS = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WAYS = {
    word: name
    for name, words in {
        "east": "east eastward", "west": "west westward", "north": "north northward", "south": "south southward",
        "up": "up upward higher above", "down": "down downward lower below", "left": "left leftward",
        "right": "right rightward", "more": "gain profit increase", "less": "loss decrease", "before": "before bc bce",
        "after": "after ad ce", "clockwise": "clockwise", "counter": "counterclockwise anticlockwise",
        "am": "am", "pm": "pm", "hot": "hotter warmer", "cold": "colder cooler",
    }.items()
    for word in words.split()
}  # fmt: skip
CHANGING = _words(
    """and or to not is are isn't no never neither nor if when unless mod base maybe perhaps possibly
    plus minus times over by x divided multiplied squared cubed choose factorial between through under
    half halves third fourth quarter fifth sixth seventh eighth ninth tenth hundredth thousandth
    even odd prime composite more less least most than greater fewer larger smaller wrong incorrect false
    infinite undefined sin cos tan cot sec csc log ln exp pi sqrt max gcd lcm"""
) - {"sec"}
"""Words that change an answer: with one of them it is another answer, or none."""
_LISTING = _words("and or is are the answer answers final either if where with for then thus so")
_CHANGING_PROSE = CHANGING - _LISTING - _words("to by x mod sin cos tan cot csc log ln exp pi sqrt max gcd lcm")
_SHORT = {"m", "g", "s", "h", "l"}
_TOKEN = re.compile(r"[a-z¢']+(?:-[a-z]+)*|\^ ?-?\d|/|[ ]")


@dataclass(frozen=True, slots=True)
class Unit:
    """`known`: names of our own with their powers, sorted; `ways`: directions; `factor`: what the number is times."""

    words: str
    known: tuple[tuple[str, int], ...] = ()
    ways: frozenset[str] = frozenset()
    factor: int = 1

    @property
    def name(self) -> str:
        """`cm^2`; the words of a unit that we do not know."""
        told = [name if power == 1 else f"{name}^{power}" for name, power in self.known]
        return " ".join(told) or self.words


def read_unit(text: str, *, plain: bool = False, attached: bool = False) -> Unit | None:
    r"""The unit that `text` is, or None. `plain`: it is not marked as text, so `xy` may be a product; `attached`: and
    no blank stands before it, so `x` is one."""
    words = re.sub(r"[{}]|(?<=[a-z])\.", "", re.sub(r"\\cdot|[*·~\s]+", " ", text.lower())).strip()
    tokens = [token for token in _TOKEN.findall(words) if token != " "]
    if not tokens or "".join(_TOKEN.findall(words)) != words:
        return None
    factor = 1
    while tokens and (size := _FACTORS.get(tokens[0].removesuffix("s"))):
        factor, tokens = factor * size, tokens[1:]
    if plain and factor == 1 and tokens and _may_be_algebra(tokens[0], attached):
        return None
    found = _measure(tokens, nouns_only=plain, known_only=plain and attached)
    if found is None:
        return None
    counts, ways = found
    return Unit(words, tuple(sorted((name, count) for name, count in counts.items() if count)), ways, factor)


def _measure(tokens: list[str], *, nouns_only: bool, known_only: bool) -> tuple[Counter[str], frozenset[str]] | None:
    """Powers of the known units, and ways, in the words of a unit; None where a word is none of a unit's."""
    counts: Counter[str] = Counter()
    ways: set[str] = set()
    sign, power, last = 1, 1, ""
    for token in tokens:
        singular = token.removesuffix("s") if len(token) > 2 else token
        if token in ("/", "per"):
            sign = -1
        elif token[0] == "^" or (token in _POWERS_BEHIND and last):
            if not last:
                return None
            counts[last] += sign * ((_POWERS_BEHIND.get(token) or int(token[1:])) - 1)
        elif token in CHANGING or singular in CHANGING:
            return None
        elif token in _POWERS:
            power = _POWERS[token]
        elif way := _WAYS.get(token) or _WAYS.get(singular):
            ways.add(way)
        elif known := _KNOWN.get(token) or _KNOWN.get(singular):
            for name, own in known:
                counts[name] += sign * own * power
            last, power = known[0][0], 1
        elif known_only or (nouns_only and not _is_noun(token)):
            return None
        else:
            last, power = "", 1
    return counts, frozenset(ways)


def _may_be_algebra(token: str, attached: bool) -> bool:
    return len(token) == 1 and (attached or token not in _SHORT)


def _is_noun(token: str) -> bool:
    """Whether letters that stand free behind a number read as a word: `12 apples`, not `6 xy`."""
    return len(token) >= 3 and any(vowel in token for vowel in "aeiou")


def differ(one: Unit | None, other: Unit | None) -> bool:
    """Whether both say what is measured, or which way, and not the same. What is left out differs from nothing."""
    if one is None or other is None:
        return False
    if one.ways and other.ways and one.ways != other.ways:
        return True
    return bool(one.known and other.known) and one.known != other.known


def changing_words(text: str) -> frozenset[str]:
    r"""Of a canonical answer: the words in its ``\text`` groups, and words outside them that change what is meant.

    `and` and `or` only list; `the answer is` only announces.
    """
    inside = " ".join(re.findall(r"\\text\{([^{}]*)\}", text))
    outside = re.sub(r"\\text\{[^{}]*\}|\\[A-Za-z]+", " ", text)
    found = set(re.findall(r"[^\W\d_]{2,}", inside.lower()))
    found |= {word for word in re.findall(r"[a-z']{2,}", outside.lower()) if word in _CHANGING_PROSE}
    return frozenset(found - _LISTING)
