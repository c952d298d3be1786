"""Kind `choice`: the letter of a multiple choice, or the text of that choice.

The answer is looked for as everywhere (`extract`: the last box, `Answer: C`, "the answer is C"); without any, the last
line counts when it is one letter, alone or in parentheses.
"""

from __future__ import annotations

import re

from sgpo_cli.verify.extract import extract_answer
from sgpo_cli.verify.outcome import Grade, GradeItem, decided
from sgpo_cli.verify.quick import same_letter
from sgpo_cli.verify.surface import canonical, key

_ALONE = re.compile(r"[\s*_`$]*\(?([A-J])\)?[\s*_`$.]*")


def grade_choice(item: GradeItem) -> Grade:
    """Grades one item; no answer, or none that is a letter or a choice's text, is wrong."""
    if not item.gold.strip():
        return decided("unparsable_gold", None)
    extracted = extract_answer(item.response)
    if extracted is None:
        last = item.response.strip().rpartition("\n")[2]
        alone = _ALONE.fullmatch(last)
        extracted = alone[1] if alone else None
    if extracted is None:
        return decided("no_answer", None)
    answer = canonical(extracted)
    if same_letter(canonical(item.gold), answer):
        return decided("match", extracted)
    texts = {key(canonical(alias)).casefold() for alias in item.aliases}
    return decided("match" if key(answer).casefold() in texts else "mismatch", extracted)
