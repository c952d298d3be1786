"""The plan: a recipe compiled to stages, before anything runs.

warmup -> rollout -> judge_train -> judge -> train -> eval -> report; a stage that the recipe does not need is left out.
The compile is pure: it reads the recipe, the cards and local data, and looks at the run directory to say what would be
run, resumed or skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.fingerprint import bench_content, fingerprint, judge_content, local_content, model_identity
from sgpo_cli.recipe.cards import load_eval_card, load_judge_card
from sgpo_cli.recipe.load import LoadedRecipe
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.rundir import RunDir, StageDir, runs_root
from sgpo_cli.stages.engines import eval_engine

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
        if self.dir.is_done(self.fingerprint) and all(self._is_made(Path(path)) for path in self.outputs.values()):
            return "skip"
        return "resume" if self.dir.fingerprint() == self.fingerprint else "run"

    def _is_made(self, output: Path) -> bool:
        """A run that never had a shared stage has no link to it yet."""
        return (self.home / output.name if self.shared else output).exists()


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


_LATER = ("refresh_",)
"""How keys of judge.train begin that matter during RL only."""


_MADE = {"judge_train": "judge", "rollout": "rollouts"}
"""What stages before judge and train leave for them."""


def _with_made(
    before: list[PlannedStage], inputs: dict[str, str], marks: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Inputs and their fingerprints, with what earlier stages made: a trained judge, fixed rollouts, their labels."""
    inputs, marks = dict(inputs), dict(marks)
    for stage in before:
        role = _MADE.get(stage.kind)
        if role is not None:
            inputs[role], marks[role] = stage.outputs[role], stage.fingerprint
        if "labels" in stage.outputs:
            inputs["labels"], marks["labels"] = stage.outputs["labels"], stage.fingerprint
    return inputs, marks


class _Compiler:
    def __init__(self, loaded: LoadedRecipe, run: RunDir, root: Path) -> None:
        self.recipe = loaded.recipe
        self.resolved = loaded.resolved
        self.run = run
        self.root = root
        self.data = {**self.resolved["data"], "content": local_content(self.recipe.data.source)}
        told = {**self.resolved["model"], "content": model_identity(self.recipe.model.path)}
        lora = told.pop("lora")
        # Adapters are trained by RL alone: recipes with and without them share their warm-up and its judge's measure.
        self.model = told
        self.trained = told if lora is None else {**told, "lora": lora}

    def stages(self) -> list[PlannedStage]:
        planned: list[PlannedStage] = []
        if only_judge(self.recipe):
            if self.recipe.judge is not None and self.recipe.judge.train is not None:
                planned.append(self._judge_train("", ""))
            planned.append(self._judge("", "", planned))
            planned.append(self._report(planned))
            return planned
        policy, made_by = self.recipe.model.path or "", ""
        if self.recipe.warmup.kind != "none" or self.recipe.model.path is None:
            stage = self._warmup()
            planned.append(stage)
            policy, made_by = str(self.run.stage("warmup").final), stage.fingerprint
        if self.recipe.offline is not None:
            planned.append(self._rollout(policy, made_by))
        if self.recipe.judge is not None and self.recipe.judge.train is not None:
            planned.append(self._judge_train(policy, made_by))
        if self.recipe.judge is not None:
            planned.append(self._judge(policy, made_by, planned))
        train = self._train(policy, made_by, planned)
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

    def _judge_train(self, policy: str, made_by: str) -> PlannedStage:
        """Only what the training reads, so that recipes share a judge that differ in anything else."""
        judge = self.recipe.judge
        assert judge is not None and judge.train is not None
        train = judge.train
        told = {k: v for k, v in self.resolved["judge"]["train"].items() if not k.startswith(_LATER)}
        config: dict[str, Any] = {
            "train": {**told, "content": model_identity(train.model)},
            "labels": local_content(train.labels),
            "threshold": getattr(load_judge_card(judge.card), "threshold", None),
        }
        needs_policy = train.labels is None or (train.model is None and train.scratch is None)
        if train.labels is None:
            config |= {"teacher": judge_content(str(train.label_with)), **self._sampling_config()}
        mark = fingerprint("judge_train", config, {"policy": made_by if needs_policy else ""})
        home = self.root / ".shared" / mark
        outputs = {"judge": str(self.run.stage("judge_train").final)}
        inputs = {"policy": policy} if needs_policy else {}
        return PlannedStage("judge_train", "judge_train", mark, config, inputs, outputs, home, shared=True)

    def _sampling_config(self) -> dict[str, Any]:
        """What decides the rollouts that are labelled for a judge to learn from."""
        trainer = self.resolved["trainer"]
        return {
            "model": self.model,
            "data": self.data,
            "max_completion_length": trainer["max_completion_length"],
            "generation": self.resolved["generation"],
        }

    def _rollout(self, policy: str, made_by: str) -> PlannedStage:
        offline = self.recipe.offline
        assert offline is not None
        config = {
            **self._rollout_config(),
            "offline": self.resolved["offline"],
            "responses": local_content(offline.responses),
            "problems": self._problem_count(),
        }
        mark = fingerprint("rollout", config, {"policy": made_by})
        outputs = {"rollouts": str(self.run.stage("rollout").rollouts)}
        # Shared, so that recipes that differ in how they learn do so from the very same responses.
        home = self.root / ".shared" / mark
        return PlannedStage("rollout", "rollout", mark, config, {"policy": policy}, outputs, home, shared=True)

    def _problem_count(self) -> int:
        """Task hops draws as many problems as the steps ask for."""
        return self.recipe.trainer.steps * self.recipe.trainer.prompts_per_step

    def _judge(self, policy: str, made_by: str, before: list[PlannedStage]) -> PlannedStage:
        judge = self.recipe.judge
        assert judge is not None
        left = {"max_abstained", "then", "train", *_SERVED}
        config = {
            "judge": {k: v for k, v in self.resolved["judge"].items() if k not in left},
            "card": judge_content(judge.card),
            "second": judge_content(judge.compare_with) if judge.compare_with else None,
            "labels": local_content(judge.floor.data) if judge.floor else None,
            **({} if only_judge(self.recipe) else self._rollout_config()),
        }
        inputs, marks = _with_made(before, {"policy": policy} if policy else {}, {"policy": made_by})
        outputs = {"measures": str(self.run.stage("judge").measures)}
        if self.recipe.offline is not None:
            outputs["labels"] = str(self.run.stage("judge").labels)
        return self._stage("judge", config, inputs=inputs, made_by=marks, outputs=outputs)

    def _rollout_config(self) -> dict[str, Any]:
        keys = ("seed", "reward", "generation")
        trainer = self.resolved["trainer"]
        lengths = {k: trainer[k] for k in ("group_size", "max_completion_length")}
        return {"model": self.model, "data": self.data, **lengths, **{k: self.resolved[k] for k in keys}}

    def _train(self, policy: str, made_by: str, before: list[PlannedStage]) -> PlannedStage:
        keys = ("seed", "reward", "judge", "rescue", "guidance", "trainer", "generation")
        config = {"model": self.trained, "data": self.data, **{k: self.resolved[k] for k in keys}}
        if self.recipe.judge is not None:
            # The floor decides whether training begins, not what it does.
            config["judge"] = {k: v for k, v in self.resolved["judge"].items() if k in {"max_abstained", "then"}}
            config["card"] = judge_content(self.recipe.judge.card)
            refresh = self._refresh_config()
            if refresh is not None:
                config["refresh"] = refresh
        if self.recipe.offline is not None:
            config["offline"] = True
        config["trainer"] = {k: v for k, v in config["trainer"].items() if k != "keep"}
        inputs = {"policy": policy}
        trusting = getattr(self.recipe.rescue, "trust", None) is not None and self.recipe.offline is None
        if self.recipe.judge is not None and trusting:
            # What the judge stage saw decides how far the judge is trusted at first.
            floor = self.recipe.judge.floor
            config["judged"] = [self.recipe.judge.measure, local_content(floor.data) if floor else None]
            inputs["judged"] = str(self.run.stage("judge").path)
        train = self.run.stage("train")
        outputs = {"policy": str(train.final), "metrics": str(train.metrics), "rollouts": str(train.rollouts)}
        inputs, marks = _with_made(before, inputs, {"policy": made_by})
        return self._stage("train", config, inputs=inputs, made_by=marks, outputs=outputs)

    def _refresh_config(self) -> dict[str, Any] | None:
        train = self.recipe.judge.train if self.recipe.judge is not None else None
        if train is None or train.refresh_every is None:
            return None
        told = {k: v for k, v in self.resolved["judge"]["train"].items() if k.startswith(_LATER)}
        return {**told, "teacher": judge_content(str(train.label_with))}

    def _eval(self, train: PlannedStage) -> PlannedStage:
        benches = [
            {**bench, **bench_content(use)}
            for bench, use in zip(self.resolved["benchmarks"], self.recipe.benchmarks, strict=True)
        ]
        config = {"benchmarks": benches, "seed": self.recipe.seed, "model": self.model, "hops": self.data["hops"]}
        if (engine := eval_engine(self.recipe.generation.engine)) != "transformers":
            config["engine"] = engine
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


def as_json(plan: Plan) -> dict[str, Any]:
    """plan.json; the contract is in docs (files)."""
    from sgpo_cli.pipeline.progress import estimate_left

    stages = [
        {
            "name": stage.name,
            "kind": stage.kind,
            "fingerprint": stage.fingerprint,
            "status": stage.status(),
            "shared": stage.shared,
            "inputs": stage.inputs,
            "outputs": stage.outputs,
            "estimate": estimate_left(plan.recipe, stage),
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
