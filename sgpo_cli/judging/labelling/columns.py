"""Which columns of the user's rows hold what: `--columns problem=question,steps=`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields

from sgpo_cli.errors import UserError


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """For each thing that is read, the name of the column that holds it; None: it is not read."""

    problem: str = "problem"
    steps: str | None = "steps"
    response: str | None = "response"
    solution: str | None = "solution"
    answer: str | None = "answer"
    first_error: str | None = "first_error"

    @classmethod
    def parse(cls, text: str | None) -> LabelColumns:
        """From `ours=theirs,...`; `ours=` reads nothing. `UserError` names what is not a column of ours."""
        told: dict[str, str | None] = {}
        known = [field.name for field in fields(cls)]
        for part in filter(None, (text or "").split(",")):
            ours, equals, theirs = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise UserError(
                    f"--columns {part!r} is no pair", fix="write --columns problem=question,steps=completions"
                )
            if ours not in known:
                near = difflib.get_close_matches(ours, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UserError(f"--columns: nothing is called {ours!r}", fix=f"{hint}there are {', '.join(known)}")
            if ours in told:
                raise UserError(f"--columns names {ours} twice")
            told[ours] = theirs or None
        if "problem" in told and told["problem"] is None:
            raise UserError("--columns: a judge needs the problem", fix="write --columns problem=NAME")
        columns = cls.of(told)
        if columns.steps is None and columns.response is None:
            raise UserError("--columns: a judge needs the steps or the response", fix="write --columns steps=NAME")
        return columns

    @classmethod
    def of(cls, told: Mapping[str, str | None]) -> LabelColumns:
        """From `to_json`'s pairs; a problem column is always named."""
        return cls(**told)  # type: ignore[arg-type]

    def check(self, there: Collection[str], where: str) -> None:
        """`UserError` for a column that was renamed to one that is not `there`, with the nearest name."""
        if self == _OURS:
            return  # the usual case, a million times
        for field in fields(self):
            theirs = getattr(self, field.name)
            if theirs is not None and theirs != field.default and theirs not in there:
                near = difflib.get_close_matches(theirs, sorted(there), n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise UserError(
                    f"there is no column {theirs!r}, which --columns names for {field.name}",
                    where=where,
                    fix=f"{hint}columns here: {', '.join(sorted(there)) or 'none'}",
                )

    def to_json(self) -> dict[str, str | None]:
        """Only what differs from our own names."""
        return {name: value for name, value in asdict(self).items() if value != name}


_OURS = LabelColumns()
