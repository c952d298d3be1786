"""What to tell of rows whose traces give guidance less than asked for, or nothing, before the first step."""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.methods.guidance.cut import CutReason
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.training.traces import Start

_LESS: dict[CutReason, str] = {
    "short_trace": "have a solution shorter than that",
    "answer": "have no more of it before the answer",
    "budget": "have no more that fits trainer.max_completion_length",
}
_NOTHING: dict[CutReason, str] = {  # a trace that is only short gives something
    "no_trace": "have no solution",
    "answer": "have a solution that is all answer",
    "budget": "have a solution whose first step does not fit trainer.max_completion_length",
}


def cut_warnings(config: Guided, rows: Sequence[Row], starts: Sequence[Start]) -> list[str]:
    """At most two warnings, with counts, shares and a first row: rows that give nothing, and rows that give less.

    `starts` are what the rows' guided rollouts would start from at `config.length`, a row each.

    Raises:
        UserError: no row gives anything.
    """
    if not config.length:
        return []
    short = [(row, start) for row, start in zip(rows, starts, strict=True) if start.cut and start.cut.reason]
    nothing = [(row, start) for row, start in short if not start.ids]
    if len(nothing) == len(rows):
        raise UserError(
            f"no row's solution gives guidance anything to start from: {_why(nothing, _NOTHING)}",
            where=rows[0].where,
            fix="check data.columns.solution" + ("; or write guidance.unit: tokens" if config.unit == "steps" else ""),
        )
    told = []
    if nothing:
        told.append(
            f"guidance: {_of(nothing, rows)} give it nothing to start from ({_why(nothing, _NOTHING)}): their groups "
            f"are plain GRPO (the first: {nothing[0][0].where})"
        )
    less = [(row, start) for row, start in short if start.ids]
    if less:
        unit = config.unit.removesuffix("s") if config.length == 1 else config.unit
        told.append(
            f"guidance: {_of(less, rows)} give less than the {config.length} {unit} asked for "
            f"({_why(less, _LESS)}): they get what there is (the first: {less[0][0].where})"
        )
    return told


def _of(some: Sequence[object], rows: Sequence[Row]) -> str:
    """`12 of 200 rows (6%)`."""
    share = len(some) / len(rows)
    percent = "less than 1%" if share < 0.01 else f"{min(round(100 * share), 99)}%" if share < 1 else "all"
    return f"{len(some):,} of {len(rows):,} rows ({percent})"


def _why(cut: Sequence[tuple[Row, Start]], words: dict[CutReason, str]) -> str:
    """`10 have no solution, 2 have a solution that is all answer`; reasons of equal words are one."""
    counts: dict[str, int] = {}
    for _, start in cut:
        assert start.cut is not None and start.cut.reason is not None
        why = words[start.cut.reason]
        counts[why] = counts.get(why, 0) + 1
    return ", ".join(f"{count:,} {why if count > 1 else _one(why)}" for why, count in counts.items())


def _one(why: str) -> str:
    return why.replace("have ", "has ", 1)
