"""A trained judge that follows the policy: new rollouts are labelled, and its training goes on.

`stages/train/judge/step-K/` holds what the refresh after step K left: `labels.jsonl`, and `final/`, written whole.
Nothing else is kept: each refresh is trained from the last one's weights by a seed of its own, so a resumed run has the
judges that a straight one has. Training takes place in a process of its own (this module, run by name), whose memory
is free afterwards, and which knows nothing of the launch's ranks; rank 0 starts it, the others wait.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.learned.closeness import closeness
from sgpo_cli.judging.learned.examples import encode
from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.learned.judge import LearnedJudge
from sgpo_cli.judging.learned.relabel import as_labels
from sgpo_cli.judging.learned.rows import read_rows, write_rows
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Judge, Solution
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.recipe.walker import from_dict
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import JsonLines, keep_jsonl, make_dir, read_json, read_jsonl, remove_tree, write_json
from sgpo_cli.runs.locks import PARENT_VARIABLE, parent_token, watch_parent
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.judge_desk import read

_LOOK_EVERY_S = 0.2
_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


class Refresher:
    """Relabels and trains on at step boundaries; every rank has one, rank 0 (`writes`) does the work."""

    def __init__(
        self,
        judge: LearnedJudge,
        teacher: Judge,
        train: JudgeTrain,
        *,
        stage: StageDir,
        events: EventWriter,
        rows: Mapping[str, Row],
        wait: Callable[[], None],
        writes: bool,
        keep_steps: int,
    ) -> None:
        """`rows`: problems by their text, for references; `wait`: a barrier over the ranks; `keep_steps`: how many
        steps the oldest checkpoint lies back."""
        assert train.refresh_every is not None
        self.judge = judge
        self.teacher = teacher
        self.train = train
        self.every = train.refresh_every
        self.stage = stage
        self.events = events
        self.rows = rows
        self.wait = wait
        self.writes = writes
        self.keep_steps = keep_steps
        self.first = judge.folder
        self.home = stage.path / "judge"

    def restore(self, step: int) -> None:
        """Goes back to the judge of a run that stands after `step`; makes its refresh if a stop came before that."""
        if self.writes:
            keep_jsonl(self.home / "refreshes.jsonl", lambda row: row["step"] <= step)
            for at in self._made():
                if at > step:
                    remove_tree(self._folder(at))
        self.wait()
        if step and step % self.every == 0 and not (self._folder(step) / "final").exists():
            self.after(step)
        self.judge.reopen(self._newest(step))

    def after(self, step: int) -> None:
        """Called at the end of a step, on every rank; does something every `refresh_every` steps."""
        if step % self.every:
            return
        if self.writes:
            self._refresh(step)
        self.wait()
        self.judge.reopen(self._newest(step))

    def _refresh(self, step: int) -> None:
        began = time.monotonic()
        solutions = self._rollouts(step)
        verdicts, figures = read(self.teacher, solutions)
        rows = as_labels(solutions, verdicts).rows
        if not rows:
            self.events.emit(
                "warning", step=step, what=f"step {step}: no rollout got a label, the judge stays as it is"
            )
            return
        known = {(row.problem, row.steps): row.first_error for row in rows}
        asked = [s for s in solutions if (s.problem, s.steps) in known]
        before = closeness(
            self.judge.judge(asked), [known[s.problem, s.steps] for s in asked], [len(s.steps) for s in asked]
        )
        folder = self._folder(step)
        make_dir(folder)
        write_rows(folder / "new.jsonl", rows)
        write_rows(folder / "labels.jsonl", [*rows, *self._older(step, len(rows))])
        train = replace(self.train, seed=self.train.seed + step)
        source = self._newest(step - 1).resolve()
        write_json(folder / "spec.json", {"source": str(source), "train": asdict(train)})
        if not self._train(folder):
            return  # a stop was asked for: made when the run goes on
        told = {
            "step": step,
            "labels": len(rows),
            "wrong": sum(row.first_error >= 0 for row in rows),
            "label_calls": figures.calls,
            "before": before.to_json(),
            "seconds": time.monotonic() - began,
        }
        with JsonLines(self.home / "refreshes.jsonl") as lines:
            lines.append(told)
        self.events.emit("metrics", step=step, refreshed=told)
        self._prune(step)

    def _rollouts(self, step: int) -> list[Solution]:
        """The newest rollouts since the last refresh, each response once."""
        found: dict[Solution, None] = {}
        for row in read_jsonl(self.stage.rollouts):
            if step - self.every < row["step"] <= step:
                origin = self.rows.get(row["problem"])
                reference, answer = (origin.solution, origin.answer) if origin is not None else (None, None)
                solution = Solution(row["problem"], tuple(split_steps(row["response"])), reference, answer)
                found.pop(solution, None)
                found[solution] = None
        return list(found)[-self.train.refresh_rollouts :]

    def _older(self, step: int, count: int) -> list[Labelled]:
        """As many labels from before, so that what was learned is not lost to what is new."""
        files = [self.first.parent / "labels.jsonl", *(self._folder(at) / "new.jsonl" for at in self._made())]
        rows = [row for file in files if file.exists() and file.parent != self._folder(step) for row in read_rows(file)]
        return random.Random(f"older {self.train.seed} {step}").sample(rows, min(count, len(rows)))

    def _train(self, folder: Path) -> bool:
        """Runs the training; False when a stop was asked for meanwhile."""
        environment = {key: value for key, value in os.environ.items() if key not in _RANKS}
        environment[PARENT_VARIABLE] = parent_token()
        with (folder / "log.txt").open("wb") as log:
            command = [sys.executable, "-m", "sgpo_cli.training.judge_refresh", str(folder)]
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        while child.poll() is None:
            if stops.stop_asked():
                child.kill()
                child.wait()
                return False
            time.sleep(_LOOK_EVERY_S)
        if child.returncode != 0 or not (folder / "final").exists():
            text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip()
            last = text.splitlines()[-1] if text else f"exit code {child.returncode}"
            raise RunFailed(f"the judge could not be trained on: {last}", fix=f"see {folder / 'log.txt'}")
        return True

    def _prune(self, step: int) -> None:
        """Drops models that no checkpoint can go back to; their labels stay."""
        oldest = step - self.keep_steps
        before = [at for at in self._made() if at <= oldest]
        for at in before[:-1]:
            remove_tree(self._folder(at) / "final")

    def _made(self) -> list[int]:
        return sorted(int(path.name.rpartition("-")[2]) for path in self.home.glob("step-*"))

    def _folder(self, step: int) -> Path:
        return self.home / f"step-{step}"

    def _newest(self, step: int) -> Path:
        """The judge that was there after `step`."""
        made = [at for at in self._made() if at <= step and (self._folder(at) / "final").exists()]
        return self._folder(made[-1]) / "final" if made else self.first


def open_refresher(
    recipe: Recipe,
    judge: Judge | None,
    teacher: Judge | None,
    stage: StageDir,
    events: EventWriter,
    rows: Mapping[str, Row],
    wait: Callable[[], None],
    writes: bool,
) -> Refresher | None:
    """The refresher of a recipe with `judge.train.refresh_every`, whose judge is a trained one; None of any other."""
    train, trainer = recipe.judge.train if recipe.judge is not None else None, recipe.trainer
    if train is None or train.refresh_every is None:
        return None
    assert isinstance(judge, LearnedJudge) and teacher is not None
    keep = (trainer.keep + 1) * trainer.save_every
    return Refresher(
        judge, teacher, train, stage=stage, events=events, rows=rows, wait=wait, writes=writes, keep_steps=keep
    )


def main(folder: Path) -> int:
    """The child process: trains what `folder/spec.json` names on `folder/labels.jsonl`."""
    watch_parent()
    from sgpo_cli.training.judge_trainer import longest, open_writer, train_judge

    spec = read_json(folder / "spec.json")
    train = from_dict(JudgeTrain, spec["train"])
    most = longest(spec["source"], train)
    examples, _ = encode(read_rows(folder / "labels.jsonl"), open_writer(spec["source"]), max_length=most)
    train_judge(
        examples,
        source=spec["source"],
        train=train,
        steps=train.refresh_steps,
        home=folder,
        events=EventWriter("refresh", None),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
