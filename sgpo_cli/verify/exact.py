"""Kind `exact`: the text behind the last marker, compared letter by letter (the built-in tasks answer `# e9`)."""

from __future__ import annotations

from sgpo_cli.verify.outcome import Grade, GradeItem, decided


def grade_exact(item: GradeItem) -> Grade:
    """Grades one item; no marker, or nothing behind the last one, is `no_answer`; an empty gold is ungraded."""
    _, found, behind = item.response.rpartition(item.marker)
    extracted = behind.strip()
    if not item.gold.strip():
        return decided("unparsable_gold", extracted or None)
    if not found or not extracted:
        return decided("no_answer", None)
    golds = {gold.strip() for gold in (item.gold, *item.aliases)}
    return decided("match" if extracted in golds else "mismatch", extracted)
