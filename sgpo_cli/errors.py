"""The errors a person can cause or must be told about; shown without a traceback.

Three types, by what the person has to do next:

- `UserError` (exit 2): the input was wrong (recipe, data, flags, a locked run, an output that exists). Mend it.
- `RunFailed` (exit 1): the run itself failed (NaN reward, disk full, a judge below its floor). Look into it.
- `Interrupted` (exit 130 or 143): Ctrl-C or SIGTERM; the state is saved. Type the line it prints to go on.

Failures at a boundary (judge, sampler, verifier) are data, not exceptions: they are recorded on the sample and counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


def placed(what: str, where: str | None) -> str | None:
    """The place that stands before a message; None where there is none, or the message begins with it."""
    begins = where is not None and what.startswith(where) and not what[len(where) :][:1].isalnum()
    return None if begins else where


class SgpoError(Exception):
    """What is wrong, where (file:line), and what to type."""

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        where = placed(self.what, self.where)
        place = f"{where}: " if where else ""
        advice = f"\n  {self.fix}" if self.fix else ""
        return f"{place}{self.what}{advice}"


class UserError(SgpoError):
    """The input was wrong."""

    exit_code = 2


class RunFailed(SgpoError):
    """The input was right; the run failed."""

    exit_code = 1


class Interrupted(SgpoError):
    """Stopped by a signal, with the state saved; `code` is 128 + the signal's number."""

    def __init__(self, what: str, *, code: int = 130, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.exit_code = code


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a recipe: the message, its place, and the advice."""

    what: str
    where: str | None = None
    fix: str | None = None


class RecipeError(UserError):
    """All the mistakes of a recipe at once."""

    def __init__(self, mistakes: list[Mistake], *, title: str) -> None:
        self.mistakes = mistakes
        self.title = title
        lines = [str(UserError(m.what, where=m.where, fix=m.fix)) for m in mistakes]
        super().__init__("\n".join([title, *lines]))

    def to_json(self) -> list[dict[str, str | None]]:
        return [asdict(m) for m in self.mistakes]
