"""OUT/BENCH of an evaluation: what it holds, and what must not be done to it. No samples are dropped unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.fingerprint import fingerprint
from sgpo_cli.runs.files import make_dir, read_json, read_jsonl, remove_tree, write_json
from sgpo_cli.runs.rundir import StageDir

_OTHER_OUT = "choose another directory with --out"


@dataclass(frozen=True)
class Job:
    """One bench: where its results go, the stage that makes them, and what stage.json is to say."""

    home: Path
    stage: StageDir
    fingerprint: str
    told: dict[str, Any]

    def is_done(self) -> bool:
        return self.stage.is_done(self.fingerprint) and (self.home / "summary.json").exists()

    def continues(self) -> bool:
        """Whether what is there was made with all of these settings but for the samples a problem; an earlier version
        of the code that made it does not matter: what it drew is graded anew."""
        before = self.before()
        return (
            before is not None
            and before["kind"] == self.told["kind"]
            and _mark_without_k(before) == _mark_without_k(self.told)
        )

    def before(self) -> dict[str, Any] | None:
        """stage.json of what is there."""
        return read_json(self.stage.config) if self.stage.config.exists() else None

    def write(self) -> None:
        """stage.json, with the model called as before: samples are kept under its name."""
        told, before = self.told, self.before()
        if before is not None and self.continues() and "model" in before["options"]:
            told = {**told, "options": {**told["options"], "model": before["options"]["model"]}}
        make_dir(self.stage.path)
        write_json(self.stage.config, told)


def refuse_other(directory: Path, jobs: Sequence[Job], restart: bool) -> None:
    """Refuses what would drop results, or put a model's beside another's; changes nothing.

    Raises:
        UserError: a bench's place holds something else, or, without `restart`, results of other settings; another
            bench of OUT was measured on another model.
    """
    for job in jobs:
        before = job.before()
        if before is None:
            if job.home.is_dir() and any(path != job.stage.path for path in job.home.iterdir()):
                raise UserError(f"{job.home} holds something that is not an evaluation", fix=_OTHER_OUT)
        elif not restart and not job.continues() and (held := _held(job.home)) is not None:
            raise UserError(
                f"{job.home} holds {held} with other settings ({', '.join(_differing(before, job.told))})",
                fix=f"{_OTHER_OUT}, or drop that one with --restart",
            )
    _refuse_other_model(directory, jobs)


def _refuse_other_model(directory: Path, jobs: Sequence[Job]) -> None:
    """One OUT is one model's: `sgpo compare` takes it for that."""
    mine = {job.home.name for job in jobs}
    for config in sorted(directory.glob("*/stage/stage.json")):
        home = config.parents[1]
        if home.name in mine or _held(home) is None:
            continue
        there = read_json(config)
        for job in jobs:
            if there["kind"] != job.told["kind"] or there["config"].get("model") != job.told["config"].get("model"):
                raise UserError(
                    f"{home} was measured on {_subject(there)}, this would be {_subject(job.told)}: "
                    "one directory is one model's",
                    fix=_OTHER_OUT,
                )


def _subject(told: Mapping[str, Any]) -> str:
    if told["kind"] == "responses":
        return "responses made elsewhere"
    name = f"model {told['options']['model']}"
    return f"{name} behind a server" if "servers" in told["options"] else name


def clear(job: Job, restart: bool) -> None:
    """Drops what `restart` drops, and what holds no result. Where the samples a problem differ, the samples stay."""
    if not restart and job.continues():
        if job.stage.fingerprint() != job.fingerprint:
            job.stage.done.unlink(missing_ok=True)
            (job.home / "summary.json").unlink(missing_ok=True)
        return
    for path in list(job.home.iterdir()) if job.home.is_dir() else []:
        remove_tree(path)


def _held(home: Path) -> str | None:
    """The results at `home` in words; None where there are none."""
    if (home / "stage/done.json").exists():
        return "a finished evaluation"
    drawn = sum(len(row.get("responses", ())) for row in read_jsonl(home / "drawn.jsonl"))
    if drawn or (home / "samples.jsonl").exists():
        return f"an unfinished evaluation ({drawn:,} samples)"
    return None


def _mark_without_k(told: Mapping[str, Any]) -> str:
    config = told["config"]
    benches = [{**bench, "k": None} for bench in config["benchmarks"]]
    return fingerprint(told["kind"], {**config, "benchmarks": benches}, {})


_NAMES = {
    "card": "the card's text",
    "content": "the file of problems",
    "responses": "the responses",
    "field": "--response-field",
}


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that differ, as they are typed or in words."""
    if before["kind"] != now["kind"]:
        return ["responses made elsewhere" if before["kind"] == "responses" else "drawn from a model"]
    one, two = _settings(before["config"]), _settings(now["config"])
    differ = [name for name in {**one, **two} if one.get(name) != two.get(name)]
    named = [_NAMES.get(name, f"--{name.replace('_', '-')}") for name in differ if name not in ("model", "file")]
    if "model" in differ:
        paths = [side["model"].get("path") for side in (one, two) if isinstance(side.get("model"), dict)]
        named.append("the model's files" if len(set(paths)) == 1 and paths[0] is not None else "--model")
    if "file" in differ and "content" not in differ:
        named.append("--file")
    return named


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    (bench,) = config["benchmarks"]
    return {**bench, **{name: value for name, value in config.items() if name != "benchmarks"}}
