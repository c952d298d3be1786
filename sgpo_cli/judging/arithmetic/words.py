"""The words the arithmetic judge knows: which end an expression, which name operations, which are units.

Everything else after a number is taken for a unit ("3 red apples"); these lists hold the exceptions.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A step's text is cut at these: an expression never reaches across them.
BOUNDARY = _words(
    """and or so but where which who whom whose when whenever while then therefore thus hence because since
    if as giving gives give gave given get gets getting got is are was were be been being has have had
    having means mean meaning makes make made leaving leaves equals equal yields yield that this these those
    we i you he she it they let assume suppose first second next finally now also after before until
    calculate compute find substitute substituting simplify simplifying total totals totaling totalling
    becomes become will would can could should must may might using use uses implies imply holds solve
    solving with represents represent represented costs cost earns spends spent pays paid takes took needs"""
)
# Between a relation sign and its side: they do not belong to the expression.
APPROXIMATELY = _words("approximately about roughly around nearly almost approx exactly only just")
ROUNDING = _words(
    "approximately about roughly around nearly almost approx round rounded rounding nearest estimate estimated"
)
OPERATOR_WORDS = {"plus": "+", "minus": "-", "times": "*"}
# Verbs that stand for a sign of equality, between a calculation and a number.
VERBS = _words("is are equals gives makes yields was")
# Shares and multiples in words.
SHARES = dict.fromkeys(["half", "one-half"], (1, 2))
SHARES.update(dict.fromkeys(["third", "one-third"], (1, 3)))
SHARES.update(dict.fromkeys(["quarter", "fourth", "one-fourth", "one-quarter"], (1, 4)))
SHARES.update(dict.fromkeys(["three-fourths", "three-quarters"], (3, 4)))
SHARES.update({"two-thirds": (2, 3), "one-fifth": (1, 5), "two-fifths": (2, 5), "three-fifths": (3, 5)})
MULTIPLES = {"twice": 2, "double": 2, "triple": 3, "thrice": 3}
# Before a calculation: what is said is said of something else, "the largest factor of 3 + 5 is 4".
OF_ANOTHER = _words("of than in from between under above below over by with to for range divides divide distributing")
# Who comes in whole numbers, unless it is an average.
PEOPLE = _words(
    """people person persons student students boy boys girl girls child children kid kids man men woman women friend
    friends player players teacher teachers worker workers employee employees adult adults passenger passengers
    guest guests member members"""
)
AVERAGED = _words("average averages averaged mean expected expect per rate ratio probability")
# What is left is never less than nothing.
LEFT_OVER = _words("left remaining remain remains")
# Signs that a number is not what it seems: quotients with remainders, congruences, clock times, other bases.
NOT_ARITHMETIC = _words("remainder remainders mod modulo modulus modular hexadecimal congruent digit digits")
# Signs that an equation is tried out, not claimed.
TRIED = _words(
    """not cannot never neither false contradiction contradicts impossible invalid fails fail doesn't isn't
    aren't don't can't won't checking verify verifying verification testing try trying suppose supposing
    assume assuming guess incorrect satisfy satisfies unless"""
)
# Signs that an equation belongs to one case of several.
CASE = _words(
    """if case cases either or when for let possible possibility option scenario each every another other equations
    second third fourth fifth"""
)
SUPPOSED = _words("if when case cases suppose")
# Beginnings of words that say that an equation follows from the one before.
DERIVED = (
    *("simplif", "combin", "subtract", "adding", "divid", "multipl", "expand", "distribut", "isolat", "cross"),
    *("rearrang", "reduc", "becomes"),
)
# After these, a unit word tells of something else than the number before it ("24 hours in a day").
ASIDE = _words("in for of from on throughout during over within at to with after before until")
# Short words that are units; any other run of one or two letters may be algebra.
SHORT_UNITS = _words(
    """km cm mm kg mg ml mi ft in lb oz hr pm am yd dl kb mb gb tb of by on at to us no go my up an do me per
    cup day man men kid dog cat hen cow pig car bag box pen egg pie bus van toy pet cap hat fan art gym job"""
)
# Letters that are units only in a rate: "m/s", "km/h".
UNIT_LETTERS = frozenset("mglLshd")
# "3 squared" is no three of anything.
POWER_WORDS = _words("squared cubed")
# What may be glued to a number ("5km"): a unit, not a factor.
GLUED_UNITS = _words(
    """km cm mm kg mg ml mi ft in lb lbs oz hr hrs pm am yd mph kph mins min sec secs th st nd rd usd cents
    kmh mb gb feet inches miles hours minutes seconds days weeks months years apples"""
)

# Units of one dimension convert into one another, so "2 hours + 30 minutes = 150 minutes" is not wrong; the numbers
# are sizes in the dimension's smallest unit (a month is a twelfth of a year).
_DIMENSIONS: dict[str, str] = {
    "time": """1 second seconds sec secs|60 minute minutes min mins|3600 hour hours hr hrs|86400 day days daily|
        604800 week weeks weekly wk wks|2628000 month months monthly|31536000 year years yearly annual annually yr yrs|
        315360000 decade decades|3153600000 century centuries""",
    "length": "1 inch inches|12 foot feet ft|36 yard yards yd|63360 mile miles mi",
    "metre": """1 millimeter millimeters mm|10 centimeter centimeters cm|1000 meter meters metre metres|
        1000000 kilometer kilometers kilometre kilometres km""",
    "mass": "1 ounce ounces oz|16 pound pounds lb lbs|32000 ton tons",
    "gram": "1 milligram milligrams mg|1000 gram grams|1000000 kilogram kilograms kg kgs|1000000000 tonne tonnes",
    "volume": """1 teaspoon teaspoons tsp|3 tablespoon tablespoons tbsp|48 cup cups|96 pint pints|192 quart quarts|
        768 gallon gallons""",
    "litre": "1 milliliter milliliters ml|1000 liter liters litre litres",
    "money": """1 cent cents ¢ penny pennies|5 nickel nickels|10 dime dimes|25 quarter quarters|
        100 dollar dollars $ usd bucks""",
    "number": """2 pair pairs|12 dozen dozens|100 hundred hundreds|1000 thousand|1000000 million|
        1000000000 billion""",
}
UNIT: dict[str, tuple[str, int]] = {
    word: (dimension, int(group.split()[0]))
    for dimension, groups in _DIMENSIONS.items()
    for group in groups.split("|")
    for word in group.split()[1:]
}
