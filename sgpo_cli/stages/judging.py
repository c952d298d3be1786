"""Opens the judge that a recipe or a command names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.store import VerdictStore
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import (
    HopsOracleCard,
    JudgeCard,
    LanguageModelCard,
    LearnedCard,
    ProcessRewardCard,
    asked_by,
)
from sgpo_cli.recipe.schema import HopsTask, JudgeUse
from sgpo_cli.runs.rundir import runs_root

SHARED_STORE = ".shared/verdicts.sqlite"
"""Under the directory of all runs: one store for every run and for `sgpo judge`."""


def open_judge(
    card: str,
    *,
    task: HopsTask,
    endpoints: Sequence[str] | None = None,
    store: Path | None = None,
    processes: int = 1,
    learned: Mapping[str, Any] | None = None,
) -> Judge:
    """The judge of `card`, ready to be asked.

    `task`: what a judge of the built-in task is told of its facts; `endpoints`: servers in the place of a language
    model's own; `store`: where its verdicts are kept; `processes`: how many open the same judge and share its
    concurrency; `learned`: where the judge that the recipe trains lies (`learned_options`). Whoever opens a judge
    closes it (`close_judge`).
    """
    loaded = load_judge_card(card)
    kept = VerdictStore(store) if store is not None and _is_stored(loaded) else None
    return _open(loaded, task, endpoints, kept, processes, learned or {})


def _open(
    card: JudgeCard,
    task: HopsTask,
    endpoints: Sequence[str] | None,
    store: VerdictStore | None,
    processes: int,
    learned: Mapping[str, Any],
) -> Judge:
    options: dict[str, Any] = {key: value for key, value in asdict(card).items() if key != "kind"}
    if isinstance(card, HopsOracleCard):
        options["task"] = task
    if isinstance(card, LanguageModelCard):
        options["store"] = store
        options["endpoints"] = list(endpoints) if endpoints else card.endpoints
        options["concurrency"] = max(1, card.concurrency // processes)
    if isinstance(card, ProcessRewardCard) and card.device == "server":
        options["endpoints"] = list(endpoints) if endpoints else card.endpoints
        options["concurrency"] = max(1, card.concurrency // processes)
    if asked := asked_by(card):
        members = [load_judge_card(name) for name in asked]
        options["members"] = [_open(member, task, endpoints, store, processes, learned) for member in members]
    if isinstance(card, LearnedCard):
        options |= learned
    return load_judge(card.kind, options)


def _is_stored(card: JudgeCard) -> bool:
    """Whether verdicts are worth keeping: where asking costs money or a server's time."""
    return isinstance(card, LanguageModelCard) or any(_is_stored(load_judge_card(name)) for name in asked_by(card))


def recipe_judge(
    use: JudgeUse, *, task: HopsTask, processes: int = 1, card: str | None = None, trained: str | None = None
) -> Judge:
    """The judge that a recipe uses; `card` names another one to be opened the same way, `trained` is the folder that
    stage `judge_train` left."""
    return open_judge(
        card or use.card,
        task=task,
        endpoints=use.endpoints,
        store=store_path(use.store),
        processes=processes,
        learned=learned_options(use, trained),
    )


def learned_options(use: JudgeUse, trained: str | None) -> dict[str, Any]:
    """What card `learned` is told by the recipe that trains it; empty where nothing is trained."""
    if use.train is None or trained is None:
        return {}
    return {
        "folder": trained,
        "max_length": use.train.max_length,
        "reference_steps": use.train.reference_steps,
    }


def store_path(store: str | None) -> Path | None:
    """The file of the verdict store that a recipe or a command asks for."""
    if store is None:
        return None
    return runs_root() / SHARED_STORE if store == "shared" else Path(store).expanduser()


def close_judge(judge: Judge) -> None:
    """Ends a judge's connections and store, where it has any."""
    close = getattr(judge, "close", None)
    if close is not None:
        close()
