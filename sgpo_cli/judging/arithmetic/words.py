"""The words the arithmetic judge knows: which end an expression, which name operations, which are units.

Everything else after a number is taken for a unit ("3 red apples"); these lists hold the exceptions.
"""

from __future__ import annotations

# A step's text is cut at these: an expression never reaches across them.
BOUNDARY = frozenset(
    """and or so but where which who whom whose when whenever while then therefore thus hence because since if as
    giving gives give gave given get gets getting got is are was were be been being has have had having means mean meaning
    makes make made leaving leaves equals equal yields yield that this these those we i you he she it they let assume
    suppose first second next finally now also after before until calculate compute find substitute substituting
    simplify simplifying total totals totaling totalling becomes become will would can could should must may might
    using use uses represents represent represented costs cost earns spends spent pays paid takes took needs""".split()
)
# Of those, the ones that may stand between a number and its operator without ending the expression in a label.
APPROXIMATELY = frozenset("approximately about roughly around nearly almost approx exactly only just".split())
ROUNDING = frozenset(
    "approximately about roughly around nearly almost approx round rounded rounding nearest estimate estimated".split()
)
OPERATOR_WORDS = {"plus": "+", "minus": "-", "times": "*"}
# Signs that a number is not what it seems: quotients with remainders, congruences, clock times, other bases.
NOT_ARITHMETIC = frozenset(
    """remainder remainders mod modulo modulus modular leftover base binary hexadecimal congruent gcd lcm
    factorial choose""".split()
)
# Short words that are units; any other run of one or two letters may be algebra.
SHORT_UNITS = frozenset(
    """km cm mm kg mg ml mi ft in lb oz hr pm am yd dl mb gb tb of by on at to us no go my up an do me per cup day
    man men kid dog cat hen cow pig car bag box pen egg pie bus van toy pet cap hat fan art gym job""".split()
)
# What may be glued to a number ("5km"): a unit, not a factor.
GLUED_UNITS = frozenset(
    """km cm mm kg mg ml mi ft in lb lbs oz hr hrs pm am yd mph kph mins min sec secs th st nd rd usd cents kmh mb gb
    feet inches miles hours minutes seconds days weeks months years apples""".split()
)

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
# How many of the smaller make the larger, and the products that a chain of them gives.
CONVERSIONS = frozenset(
    """2 3 4 5 7 8 10 12 16 20 24 25 30 31 36 52 60 100 128 144 180 240 360 365 1000 1440 1760 3600 5280 10000 36000
    86400 100000 1000000""".split()
)
