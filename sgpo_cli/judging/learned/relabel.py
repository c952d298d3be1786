"""A judge's verdicts as labels for another judge."""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.learned.labels import Labels
from sgpo_cli.judging.verdict import Solution, Verdict


def as_labels(solutions: Sequence[Solution], verdicts: Sequence[Verdict]) -> Labels:
    """Labelled responses; those without a step, and those on which the judge said nothing, are counted."""
    found = Labels()
    for solution, verdict in zip(solutions, verdicts, strict=True):
        if not solution.steps:
            found.left_out["without steps"] += 1
        elif verdict.first_error is None:
            found.left_out["on which the judge abstained"] += 1
        elif verdict.checked == 0:
            found.left_out["in which the judge found nothing to check"] += 1
        else:
            found.rows.append(Labelled(solution.problem, solution.steps, verdict.first_error))
    return found
