"""What `sgpo judge` is pointed at: the rows to label, and the judge with all that its verdicts depend on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.judging.labelling.columns import LabelColumns
    from sgpo_cli.judging.labelling.items import Rows
    from sgpo_cli.judging.verdict import Judge
    from sgpo_cli.recipe.judgecards import JudgeCard
    from sgpo_cli.recipe.schema import HopsTask
    from sgpo_cli.runs.rundir import RunDir

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FILES = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class Source:
    """How rows are opened; as plain values, so that another process can open them too."""

    name: str
    columns: LabelColumns
    split: str | None = None
    config: str | None = None
    revision: str | None = None

    def open(self) -> Rows:
        """By what is there: a JSON-lines or parquet file, a folder that `datasets` saved or can read, a hub id."""
        from sgpo_cli.judging.labelling.hub import Saved, Streamed, is_saved

        path = Path(self.name).expanduser()
        if path.is_dir():
            if is_saved(path):
                self._refuse("config", "revision")
                return Saved(path, self.columns, split=self.split)
            self._refuse("revision")
            return Streamed(str(path), self.columns, split=self.split, config=self.config)
        if not path.exists() and _HUB_ID.fullmatch(self.name) and not self.name.endswith(_FILES):
            return Streamed(self.name, self.columns, split=self.split, config=self.config, revision=self.revision)
        self._refuse("split", "config", "revision")
        return self._file(path)

    def _file(self, path: Path) -> Rows:
        from sgpo_cli.judging.labelling.jsonl import JsonLines
        from sgpo_cli.judging.labelling.parquet import Parquet

        if self.name == "-":
            raise UserError("rows are not read from a pipe: a killed job could not go on", fix="write them to a file")
        return (Parquet if path.suffix == ".parquet" else JsonLines)(path, self.columns)

    def _refuse(self, *options: str) -> None:
        for option in options:
            if getattr(self, option) is not None:
                raise UserError(f"--{option} means nothing for {self.name}", fix=f"leave --{option} out")


def find_input(source: str | None, screen: Screen) -> tuple[str, HopsTask | None]:
    """The rows to label, and the settings of task hops when they come from a run (by name, directory or file in it)."""
    from sgpo_cli.runs.rundir import RunDir, list_runs, runs_root

    if source is not None:
        path = Path(source)
        for folder in (path, runs_root() / source):
            if (folder / "recipe.yaml").is_file():
                return str(RunDir(folder).stage("train").rollouts), _task_of(RunDir(folder), screen)
        above = next((p for p in path.absolute().parents if (p / "recipe.yaml").is_file()), None)
        return source, None if above is None else _task_of(RunDir(above), screen)
    for run in reversed(list_runs()):
        rollouts = run.stage("train").rollouts
        if rollouts.exists():
            screen.say(f"no IN given: the rollouts of run {run.name} ({rollouts})")
            return str(rollouts), _task_of(run, screen)
    raise UserError(
        "no IN given, and no run under ./runs has rollouts",
        fix="sgpo judge FILE.jsonl --out OUT --judge NAME, or train first: sgpo train tiny_sgpo",
    )


def _task_of(run: RunDir, screen: Screen) -> HopsTask:
    from sgpo_cli.recipe.load import load_recipe

    data = load_recipe(run.recipe, check=False).recipe.data
    if data.source == "hops":
        screen.say(f"settings of task hops: those of run {run.name}")
    return data.hops


@dataclass(frozen=True, slots=True)
class Opener:
    """How the judge is opened; as plain values, so that another process can open it too.

    `store` is what the command says: a file, "none", or None for the one that all runs share.
    """

    card: str
    task: HopsTask
    endpoints: tuple[str, ...]
    store: str | None

    def open(self, processes: int = 1) -> Judge:
        from sgpo_cli.stages.judging import open_judge, store_path

        store = None if self.store == "none" else store_path(self.store or "shared")
        return open_judge(self.card, task=self.task, endpoints=self.endpoints or None, store=store, processes=processes)

    @property
    def keeps(self) -> bool:
        """Whether verdicts are kept beyond this job."""
        return self.store != "none"

    def fingerprint(self) -> str:
        """Names the judge by what its verdicts depend on: its card, those it asks, its model, the built-in task."""
        from dataclasses import asdict

        from sgpo_cli.pipeline.fingerprint import fingerprint, judge_content
        from sgpo_cli.recipe.address import STANDIN

        told = {"cards": judge_content(self.card), "task": asdict(self.task)}
        return fingerprint("judge", told | {"standin": STANDIN in self.endpoints}, {})

    def gpus(self) -> float:
        """How many accelerators a process with this judge can use."""
        from sgpo_cli.recipe.judgecards import ProcessRewardCard

        return float(any(isinstance(c, ProcessRewardCard) and c.device == "same" for c in _cards(self.card)))


def check_use(card: str, *, endpoints: Sequence[str], store: str | None) -> None:
    """`UserError` for options that this judge has no use for."""
    from sgpo_cli.recipe.judgecards import LanguageModelCard

    cards = list(_cards(card))
    keeps = any(isinstance(loaded, LanguageModelCard) for loaded in cards)
    asks = keeps or any(getattr(loaded, "device", None) == "server" for loaded in cards)
    told = ["--endpoint"] if endpoints and not asks else []
    told += ["--store"] if store not in (None, "none") and not keeps else []
    if told:
        raise UserError(f"{told[0]} means nothing for judge {card}, which asks no server", fix=f"leave {told[0]} out")


def _cards(name: str) -> Iterator[JudgeCard]:
    """A judge card and those that it asks in turn."""
    from sgpo_cli.recipe.cards import load_judge_card
    from sgpo_cli.recipe.judgecards import asked_by

    card = load_judge_card(name)
    yield card
    for member in asked_by(card):
        yield from _cards(member)
