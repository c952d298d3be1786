"""The plan: a recipe compiled to stages, before anything runs.

warmup -> judge -> train -> eval -> report; a stage that the recipe does not need is left out. The compile is pure: it
reads the recipe, the cards and local data, and looks at the run directory to say what would be run, resumed or skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.fingerprint import content_hash, fingerprint, judge_content, local_content
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.load import LoadedRecipe
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.rundir import RunDir, StageDir, runs_root

Status = Literal["run", "skip", "resume"]


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a plan; `home` is where its files really lie (a shared place, for warm-ups)."""

    name: str
    kind: str
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    home: Path
    shared: bool = False

    @property
    def dir(self) -> StageDir:
        return StageDir(self.home)

    def status(self) -> Status:
        """Complete with this fingerprint and its outputs there: skip; begun with it: resume; else run."""
        if self.dir.is_done(self.fingerprint) and all(Path(path).exists() for path in self.outputs.values()):
            return "skip"
        return "resume" if self.dir.fingerprint() == self.fingerprint else "run"


@dataclass(frozen=True)
class Plan:
    """A recipe's stages in order, in its run directory."""

    loaded: LoadedRecipe
    run: RunDir
    stages: list[PlannedStage]
    warnings: list[Mistake] = field(default_factory=list)

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    def stage(self, name: str) -> PlannedStage | None:
        return next((stage for stage in self.stages if stage.name == name), None)


def compile_recipe(loaded: LoadedRecipe, *, root: Path | None = None) -> Plan:
    """The stages of `loaded`; `root` is the directory of all runs (default ./runs)."""
    root = root if root is not None else runs_root()
    run = RunDir(root / loaded.recipe.name)
    stages = _Compiler(loaded, run, root).stages()
    return Plan(loaded, run, stages, list(loaded.warnings))


_SERVED = ("endpoints", "store")
"""Keys of the judge that say where verdicts come from, not what they are."""


class _Compiler:
    def __init__(self, loaded: LoadedRecipe, run: RunDir, root: Path) -> None:
        self.recipe = loaded.recipe
        self.resolved = loaded.resolved
        self.run = run
        self.root = root
        self.data = {**self.resolved["data"], "content": local_content(self.recipe.data.source)}
        self.model = {**self.resolved["model"], "content": _small_identity(self.recipe.model.path)}

    def stages(self) -> list[PlannedStage]:
        planned: list[PlannedStage] = []
        policy, made_by = self.recipe.model.path or "", ""
        if self.recipe.warmup.kind != "none" or self.recipe.model.path is None:
            stage = self._warmup()
            planned.append(stage)
            policy, made_by = str(self.run.stage("warmup").final), stage.fingerprint
        if self.recipe.judge is not None:
            planned.append(self._judge(policy, made_by))
        train = self._train(policy, made_by)
        planned.append(train)
        if self.recipe.benchmarks:
            planned.append(self._eval(train))
        planned.append(self._report(planned))
        return planned

    def _stage(
        self,
        kind: str,
        config: dict[str, Any],
        *,
        inputs: dict[str, str],
        made_by: Mapping[str, str],
        outputs: dict[str, str],
    ) -> PlannedStage:
        mark = fingerprint(kind, config, made_by)
        return PlannedStage(kind, kind, mark, config, inputs, outputs, self.run.stage(kind).path)

    def _warmup(self) -> PlannedStage:
        # Only what the warm-up reads, so that recipes share one that differ in anything else.
        used = (
            {"source", "prompt", "hops"} if self.recipe.data.source == "hops" else self.data.keys() - {"order", "hops"}
        )
        data = {key: value for key, value in self.data.items() if key in used}
        config = {"model": self.model, "data": data, "warmup": self.resolved["warmup"]}
        mark = fingerprint("warmup", config, {})
        home = self.root / ".shared" / mark
        outputs = {"policy": str(self.run.stage("warmup").final)}
        return PlannedStage("warmup", "warmup", mark, config, {}, outputs, home, shared=True)

    def _judge(self, policy: str, made_by: str) -> PlannedStage:
        judge = self.recipe.judge
        assert judge is not None
        config = {
            "judge": {k: v for k, v in self.resolved["judge"].items() if k not in {"max_abstained", "then", *_SERVED}},
            "card": judge_content(judge.card),
            "second": judge_content(judge.compare_with) if judge.compare_with else None,
            "labels": local_content(judge.floor.data) if judge.floor else None,
            **self._rollout_config(),
        }
        outputs = {"measures": str(self.run.stage("judge").measures)}
        return self._stage("judge", config, inputs={"policy": policy}, made_by={"policy": made_by}, outputs=outputs)

    def _rollout_config(self) -> dict[str, Any]:
        keys = ("seed", "reward", "generation")
        trainer = self.resolved["trainer"]
        lengths = {k: trainer[k] for k in ("group_size", "max_completion_length")}
        return {"model": self.model, "data": self.data, **lengths, **{k: self.resolved[k] for k in keys}}

    def _train(self, policy: str, made_by: str) -> PlannedStage:
        keys = ("seed", "reward", "judge", "rescue", "guidance", "trainer", "generation")
        config = {"model": self.model, "data": self.data, **{k: self.resolved[k] for k in keys}}
        if self.recipe.judge is not None:
            # The floor decides whether training begins, not what it does.
            config["judge"] = {k: v for k, v in self.resolved["judge"].items() if k in {"max_abstained", "then"}}
            config["card"] = judge_content(self.recipe.judge.card)
        config["trainer"] = {k: v for k, v in config["trainer"].items() if k != "keep"}
        inputs = {"policy": policy}
        if self.recipe.judge is not None and getattr(self.recipe.rescue, "trust", None) is not None:
            # What the judge stage saw decides how far the judge is trusted at first.
            floor = self.recipe.judge.floor
            config["judged"] = [self.recipe.judge.measure, local_content(floor.data) if floor else None]
            inputs["judged"] = str(self.run.stage("judge").path)
        train = self.run.stage("train")
        outputs = {"policy": str(train.final), "metrics": str(train.metrics), "rollouts": str(train.rollouts)}
        return self._stage("train", config, inputs=inputs, made_by={"policy": made_by}, outputs=outputs)

    def _eval(self, train: PlannedStage) -> PlannedStage:
        benches = [
            {**bench, "card": content_hash(find_card("evals", use.card)), "content": local_content(use.file)}
            for bench, use in zip(self.resolved["benchmarks"], self.recipe.benchmarks, strict=True)
        ]
        config = {"benchmarks": benches, "seed": self.recipe.seed, "model": self.model, "hops": self.data["hops"]}
        policy = train.outputs["policy"]
        names = [load_eval_card(use.card).name for use in self.recipe.benchmarks]
        outputs = {name: str(self.run.stage("eval").path / name / "summary.json") for name in names}
        return self._stage(
            "eval", config, inputs={"policy": policy}, made_by={"policy": train.fingerprint}, outputs=outputs
        )

    def _report(self, before: list[PlannedStage]) -> PlannedStage:
        made_by = {stage.name: stage.fingerprint for stage in before}
        outputs = {"report": str(self.run.report)}
        return self._stage("report", {}, inputs={"run": str(self.run.path)}, made_by=made_by, outputs=outputs)


def _small_identity(path: str | None) -> dict[str, Any] | None:
    """What tells a local model folder from another without reading gigabytes: names, sizes and times of its files."""
    folder = Path(path).expanduser() if path else None
    if folder is None or not folder.is_dir():
        return None
    files = sorted(p for p in folder.iterdir() if p.is_file())
    return {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}


def as_json(plan: Plan) -> dict[str, Any]:
    """plan.json; the contract is in docs (files)."""
    from sgpo_cli.pipeline.estimate import estimate

    stages = [
        {
            "name": stage.name,
            "kind": stage.kind,
            "fingerprint": stage.fingerprint,
            "status": stage.status(),
            "shared": stage.shared,
            "inputs": stage.inputs,
            "outputs": stage.outputs,
            "estimate": estimate(plan.recipe, stage.kind),
        }
        for stage in plan.stages
    ]
    return {
        "recipe": plan.recipe.name,
        "sources": [str(path) for path in plan.loaded.sources],
        "run": str(plan.run.path),
        "stages": stages,
        "warnings": [asdict(warning) for warning in plan.warnings],
    }
