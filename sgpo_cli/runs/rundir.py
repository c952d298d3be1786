"""Where things lie in a run directory: `runs/NAME/` and `runs/NAME/stages/STAGE/`.

The one place that knows these names; nothing here opens a model or a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.runs.files import read_json, read_jsonl, write_json


@dataclass(frozen=True, slots=True)
class StageDir:
    """The files of one stage. A stage is complete when `done.json` exists: it is written last, atomically."""

    path: Path

    @property
    def config(self) -> Path:
        """stage.json: what the parent asks of the child (name, kind, fingerprint, config, inputs)."""
        return self.path / "stage.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def done(self) -> Path:
        return self.path / "done.json"

    @property
    def failure(self) -> Path:
        """failure.json: how the child failed (`what, where, fix, exit_code`), when it could say."""
        return self.path / "failure.json"

    @property
    def final(self) -> Path:
        """A plain transformers folder: the policy this stage leaves."""
        return self.path / "final"

    @property
    def adapter(self) -> Path:
        """The adapters alone, in peft's format, of a policy trained with `model.lora`."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def rollouts(self) -> Path:
        return self.path / "rollouts.jsonl"

    @property
    def measures(self) -> Path:
        """judge.json: the judge's figures, left by the judge stage."""
        return self.path / "judge.json"

    @property
    def labelled(self) -> Path:
        """labelled.jsonl: the judge's verdicts beside the labels it was measured by, left by the judge stage."""
        return self.path / "labelled.jsonl"

    @property
    def labels(self) -> Path:
        """labels.jsonl: the labelled responses of an offline recipe, left by the judge stage."""
        return self.path / "labels.jsonl"

    def fingerprint(self) -> str | None:
        """The fingerprint this stage directory was made for; None when nothing began here."""
        return read_json(self.config)["fingerprint"] if self.config.exists() else None

    def is_done(self, fingerprint: str) -> bool:
        return self.done.exists() and read_json(self.done)["fingerprint"] == fingerprint

    def mark_done(self, fingerprint: str, outputs: dict[str, Any]) -> None:
        write_json(self.done, {"fingerprint": fingerprint, "outputs": outputs})


@dataclass(frozen=True, slots=True)
class RunDir:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def env(self) -> Path:
        return self.path / "env.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    @property
    def machines(self) -> Path:
        """What the machines of a run tell each other, a file each."""
        return self.path / "machines"

    @property
    def done(self) -> Path:
        """done.json: the whole run is complete."""
        return self.path / "done.json"

    def stage(self, name: str) -> StageDir:
        return StageDir(self.path / "stages" / name)

    def metrics(self) -> list[dict[str, Any]]:
        """The train stage's rows, one a step; empty when it has not begun."""
        return list(read_jsonl(self.stage("train").metrics))

    def rollouts(self, step: int | None = None) -> Iterator[dict[str, Any]]:
        """The train stage's rollouts, all or of one step."""
        rows = read_jsonl(self.stage("train").rollouts)
        return (row for row in rows if step is None or row["step"] == step)

    def summaries(self) -> list[dict[str, Any]]:
        """The eval stage's summaries, one a bench, by name."""
        found = sorted((self.stage("eval").path).glob("*/summary.json"))
        return [read_json(path) for path in found]


SMOKE = "-smoke"
"""How the names of smoke runs end."""

EXPECTED = "SGPO_PROCESSES"
"""Environment variable with the number of processes that a stage must find itself to be one of."""


def runs_root() -> Path:
    """Where runs live: ./runs."""
    return Path("runs")


def find_run(name: str | Path) -> RunDir:
    """The run of that name under ./runs, or at that path; `UserError` lists what there is."""
    for path in (Path(name), runs_root() / str(name)):
        if (path / "recipe.yaml").exists():
            return RunDir(path)
    there = ", ".join(run.name for run in list_runs()) or "none yet"
    raise UserError(f"no run {str(name)!r}", fix=f"runs here: {there}")


def list_runs() -> list[RunDir]:
    """The runs under ./runs, newest last."""
    root = runs_root()
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if (path / "recipe.yaml").exists() and not path.name.startswith(".")]
    return [RunDir(path) for path in sorted(found, key=lambda p: (p / "recipe.yaml").stat().st_mtime)]


def newest_finished() -> RunDir | None:
    """The finished run whose completion marker is the newest, among those that trained a policy; smoke runs do not
    count, their policy is random."""
    runs = [run for run in list_runs() if run.stage("train").path.exists()]
    finished = [run for run in runs if run.done.exists() and not run.name.endswith(SMOKE)]
    return max(finished, key=lambda run: run.done.stat().st_mtime, default=None)
