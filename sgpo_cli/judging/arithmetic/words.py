"""The words the arithmetic judge knows: which end an expression, which name operations, which are units.

Everything else after a number is taken for a unit ("3 red apples"); these lists hold the exceptions.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A step's text is cut at these: an expression never reaches across them.
BOUNDARY = _words("""and or so but where which who whom whose when whenever while then therefore thus hence because since if as
    giving gives give gave given get gets getting got is are was were be been being has have had having
    means mean meaning     makes make made leaving leaves equals equal yields yield that this these those we i you he she it they let assume
    suppose first second next finally now also after before until calculate compute find substitute substituting
    simplify simplifying total totals totaling totalling becomes become will would can could should must may might
    using use uses implies imply holds solve solving with represents represent represented
    costs cost earns spends spent pays paid takes took needs""")
# Between a relation sign and its side: they do not belong to the expression.
APPROXIMATELY = _words("approximately about roughly around nearly almost approx exactly only just")
ROUNDING = _words(
    "approximately about roughly around nearly almost approx round rounded rounding nearest estimate estimated"
)
OPERATOR_WORDS = {"plus": "+", "minus": "-", "times": "*"}
# Signs that a number is not what it seems: quotients with remainders, congruences, clock times, other bases.
NOT_ARITHMETIC = _words("remainder remainders mod modulo modulus modular hexadecimal congruent gcd lcm")
# Signs that an equation is tried out, not claimed.
TRIED = _words("""not cannot no never neither false contradiction contradicts impossible invalid fails fail doesn't isn't aren't
    don't can't won't check checking verify verifying verification test testing try trying suppose supposing assume
    assuming guess incorrect wrong satisfy satisfies works if unless""")
# After these, a unit word tells of something else than the number before it ("24 hours in a day").
ASIDE = _words("in for of from on throughout during over within at to with after before until")
# Short words that are units; any other run of one or two letters may be algebra.
SHORT_UNITS = _words("""km cm mm kg mg ml mi ft in lb oz hr pm am yd dl mb gb tb of by on at to us no go my up an do me per cup day
    man men kid dog cat hen cow pig car bag box pen egg pie bus van toy pet cap hat fan art gym job""")
# What may be glued to a number ("5km"): a unit, not a factor.
GLUED_UNITS = _words("""km cm mm kg mg ml mi ft in lb lbs oz hr hrs pm am yd mph kph mins min sec secs th st nd rd usd cents kmh mb gb
    feet inches miles hours minutes seconds days weeks months years apples""")

# Units of one dimension convert into one another, so "2 hours + 30 minutes = 150 minutes" is not wrong.
_DIMENSIONS: dict[str, str] = {
    "time": """second seconds sec secs s|minute minutes min mins|hour hours hr hrs h|day days daily|week weeks weekly
        wk wks|weekend weekends weekday weekdays|month months monthly|year years yearly annual annually yr yrs|
        quarter quarters quarterly|decade decades|century centuries|am pm|monday mondays tuesday wednesday thursday
        friday saturday sunday""",
    "length": """inch inches|foot feet ft|yard yards yd|mile miles mi|millimeter millimeters mm|centimeter centimeters
        cm|meter meters metre metres m|kilometer kilometers kilometre kilometres km|lap laps|block blocks""",
    "mass": """ounce ounces oz|pound pounds lb lbs|ton tons tonne tonnes|milligram milligrams mg|gram grams g|
        kilogram kilograms kg kgs""",
    "volume": """teaspoon teaspoons tsp|tablespoon tablespoons tbsp|cup cups|pint pints|quart quarts|gallon gallons|
        milliliter milliliters ml|liter liters litre litres l""",
    "money": """cent cents ¢|penny pennies|nickel nickels|dime dimes|dollar dollars $ usd bucks|thousand k|million
        millions|billion""",
    "count": "dozen dozens|pair pairs|score scores|hundred hundreds",
}
UNIT: dict[str, tuple[str, str]] = {
    word: (dimension, group.split()[0])
    for dimension, groups in _DIMENSIONS.items()
    for group in groups.split("|")
    for word in group.split()
}
