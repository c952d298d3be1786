"""Files of labelled steps and of responses that a recipe names, read before the first stage is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sgpo_cli.errors import Mistake
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.offline import Offline
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.recipe.words import counted


def check_labelled_files(recipe: Recipe, *, at_most: int | None = None) -> list[Mistake]:
    """Reads what a judge is to learn from, what it is measured on, and responses of elsewhere (files of at most
    `at_most` bytes); what is left out of them.

    Raises:
        UserError: rows that cannot be used, with file and line; too few labels, or none to measure the judge on; not
            one whole group of responses.
    """
    judge, offline = recipe.judge, recipe.offline
    odd: list[Mistake] = []
    if judge is not None and judge.train is not None:
        odd += _labels(judge.train, at_most)
    if judge is not None and judge.floor is not None and judge.floor.data is not None:
        path = Path(judge.floor.data)
        if _small(path, at_most):
            from sgpo_cli.judging.labelling.labelled import read_labelled

            read_labelled(path)
    if offline is not None and offline.responses is not None:
        odd += _responses(recipe, offline, Path(offline.responses), at_most)
    return odd


def _labels(train: JudgeTrain, at_most: int | None) -> Iterator[Mistake]:
    if train.labels is None or not _small(path := Path(train.labels), at_most):
        return
    from sgpo_cli.judging.learned.labels import divide, read_labels

    labels = read_labels(path, train.format)
    divide(labels, share=train.heldout, least=train.least, where=str(path))
    if labels.note is not None:
        yield Mistake(labels.note, where="judge.train.labels")
    if labels.left_out:
        what = f"{counted(labels.left_out)}: left out of {len(labels.rows) + labels.left_out.total():,}"
        yield Mistake(what, where="judge.train.labels")


def _responses(recipe: Recipe, offline: Offline, path: Path, at_most: int | None) -> Iterator[Mistake]:
    if not _small(path, at_most):
        return
    from sgpo_cli.training.elsewhere import into_groups, read_fed
    from sgpo_cli.training.problems import load_problems

    fed = read_fed(path)
    source = Path(recipe.data.source)
    if recipe.data.source != "hops" and not (source.is_file() and _small(source, at_most)):
        return
    rows, size = load_problems(recipe).rows, recipe.trainer.group_size
    made = into_groups(fed, rows, size=size, most=offline.problems)
    if made.left_out:
        what = f"{counted(made.left_out)}: left out of {len(fed):,} responses, {len(made.groups):,} groups are whole"
        yield Mistake(what, where="offline.responses")
    if len(made.groups) < recipe.trainer.prompts_per_step:
        per_step = recipe.trainer.prompts_per_step
        what = f"{len(made.groups)} groups are fewer than a step takes ({per_step}): it repeats some"
        yield Mistake(what, where="offline.responses", fix=f"write trainer.prompts_per_step={len(made.groups)} or less")
    if made.unlabelled and recipe.judge is None and recipe.rescue.kind == "stepwise":
        what = f"{made.unlabelled:,} of {size * len(made.groups):,} responses have no verdict, and there is no judge"
        fix = "label them (sgpo judge), or name a judge: judge.card; groups without verdicts are plain GRPO"
        yield Mistake(what, where="offline.responses", fix=fix)


def _small(path: Path, at_most: int | None) -> bool:
    return at_most is None or path.stat().st_size <= at_most
