"""The model card of an exported policy: what the run's files say, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import sgpo_cli
from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts
from sgpo_cli.display.judging import measured_lines
from sgpo_cli.display.report.page import what_ran
from sgpo_cli.pipeline.export import EXPORTED_RECIPE
from sgpo_cli.pipeline.export.which import Chosen
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.recipe.schema import Recipe

_FILES = {".json", ".jsonl", ".parquet", ".csv", ".gz"}
_POINTS = 12
"""Held-out measurements that are shown; more are thinned out."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the policy and its problems were before: hub ids, where they are of the hub."""

    base: str | None
    base_of_hub: bool
    data_of_hub: bool
    warmed: bool

    @classmethod
    def of(cls, recipe: Recipe) -> Origin:
        source = recipe.data.source
        return cls(
            recipe.model.path,
            recipe.model.path is not None and _of_hub(recipe.model.path),
            source != "hops" and _of_hub(source),
            recipe.warmup.kind != "none",
        )

    @property
    def adapts_hub(self) -> bool:
        """Whether adapters alone are of use to others: what they adapt is on the hub as it is."""
        return self.base_of_hub and not self.warmed


def _of_hub(place: str) -> bool:
    """`owner/name`, and nothing of that name on this disk."""
    path = Path(place)
    hub = place.count("/") <= 1 and not path.is_absolute() and not place.startswith((".", "~"))
    return hub and path.suffix not in _FILES and not path.exists()


def model_card(facts: RunFacts, recipe: Recipe, chosen: Chosen, origin: Origin, env: Mapping[str, Any]) -> str:
    """Markdown with the hub's YAML head; without a license, which is not ours to choose."""
    head = yaml.safe_dump(_head(recipe, chosen, origin), sort_keys=False, allow_unicode=True)
    title = f"# {recipe.name}" + (" (adapters)" if chosen.adapter else "")
    parts = [
        title,
        f"{what_ran(facts)}. {_which(facts, chosen)}",
        *_warned(facts),
        _section("Method", [_method(recipe)]),
        _section("Figures", _figures(facts, chosen)),
        _section("Data", _data(recipe, origin)),
        _section("Judge", _judge(facts, recipe)),
        _section("Use", [_use(recipe, chosen)]),
        _section("Limits", _limits(facts, recipe, chosen)),
        _section("Made with", _versions(env)),
        _section("To reproduce", _reproduce(facts, recipe, chosen)),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _head(recipe: Recipe, chosen: Chosen, origin: Origin) -> dict[str, Any]:
    head: dict[str, Any] = {"library_name": "peft" if chosen.adapter else "transformers"}
    head["pipeline_tag"] = "text-generation"
    if origin.base_of_hub:
        head["base_model"] = origin.base
        head["base_model_relation"] = "adapter" if chosen.adapter else "finetune"
    if origin.data_of_hub:
        head["datasets"] = [recipe.data.source]
    tags = ["grpo", "trl", "sgpo", "reinforcement-learning"]
    tags += ["lora"] if recipe.model.lora is not None else []
    head["tags"] = tags
    return head


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _which(facts: RunFacts, chosen: Chosen) -> str:
    told = {
        "final": "This is the policy after the last step",
        "best": "This is the policy that did best on held-out problems",
        "last": "This is the policy of the newest checkpoint"
        + ("" if facts.finished else " of a run that is not finished"),
    }[chosen.which]
    told += "" if chosen.step is None else f" (step {chosen.step})"
    same = chosen.measured and chosen.which != "final"
    return f"{told}; its weights are those of the run's final policy." if same else f"{told}."


def _warned(facts: RunFacts) -> list[str]:
    if facts.name.endswith("-smoke"):
        return ["**A smoke run: tiny random weights on synthetic rows. No figure here means anything.**"]
    return []


def _method(recipe: Recipe) -> str:
    """Two sentences, three with guidance or adapters."""
    said = [
        "GRPO samples a group of answers to each problem, grades each right or wrong, and learns from how an answer "
        "differs from its group; a group that is all wrong teaches nothing."
    ]
    if recipe.rescue.kind == "stepwise":
        said.append(
            "SGPO (arXiv 2505.11595) gives such groups a signal: a judge finds the first wrong step of each answer, "
            "and a longer right beginning earns more."
        )
    elif recipe.rescue.kind != "none":
        said.append(f"Here such groups get a signal from rescue `{recipe.rescue.kind}`.")
    if isinstance(recipe.guidance, Guided):
        name = " (G2RPO-A, arXiv 2508.13023)" if recipe.guidance.kind == "adaptive" else ""
        said.append(
            f"A share of each group starts from the beginning of a ground-truth solution{name}, of a length that "
            f"guidance `{recipe.guidance.kind}` sets."
        )
    if recipe.model.lora is not None:
        lora = recipe.model.lora
        packed = f" on weights of {lora.quantize}" if lora.quantize else ""
        said.append(f"Only low-rank adapters were trained (rank {lora.rank}, alpha {lora.alpha}){packed}.")
    return " ".join(said)


def _figures(facts: RunFacts, chosen: Chosen) -> list[str]:
    lines = []
    if chosen.measured and facts.benches:
        lines += ["| benchmark | problems | k | avg@k | 95% interval | pass@k |", "|---|---|---|---|---|---|"]
        lines += [_bench(bench) for bench in facts.benches]
        lines += [
            "",
            "Intervals are clustered by problem. `sgpo eval` graded every sample; the summaries are under `eval/`.",
        ]
    elif facts.benches:
        lines.append(
            "The run's benchmarks were measured on its final policy, whose weights are others than these; they are "
            "under `eval/`."
        )
    else:
        lines.append("No benchmark was measured.")
    if facts.heldout:
        points = ", ".join(f"{step}: {words.share(value)}" for step, value in _thinned(facts.heldout))
        lines += ["", f"Accuracy on held-out problems by step, in training: {points}."]
    return lines


def _bench(bench: Mapping[str, Any]) -> str:
    missing = f" ({bench['missing']} missing)" if bench.get("missing") else ""
    passes = [f"{words.share(value)} @{k}" for k, value in (bench.get("pass_at_k") or {}).items() if value is not None]
    cells = [
        str(bench["bench"]),
        f"{words.number(bench.get('n_problems'))}{missing}",
        words.number(bench.get("k")),
        words.share(bench.get("avg_at_k")),
        words.interval(bench.get("ci95")),
        ", ".join(passes) or words.DASH,
    ]
    return "| " + " | ".join(cells) + " |"


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most _POINTS of them, the first and the last included."""
    if len(points) <= _POINTS:
        return list(points)
    at = {round(i * (len(points) - 1) / (_POINTS - 1)) for i in range(_POINTS)}
    return [points[i] for i in sorted(at)]


def _data(recipe: Recipe, origin: Origin) -> list[str]:
    data = recipe.data
    if data.source == "hops":
        named = "the built-in task `hops`: chains of made-up facts, of no use outside experiments"
    elif origin.data_of_hub:
        named = f"[{data.source}](https://huggingface.co/datasets/{data.source}), split {data.split}"
    else:
        named = f"a local file, `{Path(data.source).name}`"
    more = f", the first {data.limit:,} rows" if data.limit else ""
    held = f"; {data.heldout} problems were held out" if data.heldout else ""
    rewards = ", ".join(f"{reward.kind} (weight {reward.weight:g})" for reward in recipe.reward)
    lines = [f"Problems: {named}{more}{held}. Rewards: {rewards or 'none'}."]
    if recipe.warmup.kind != "none":
        lines.append("Before, the whole policy was warmed up by supervised fine-tuning on the problems' solutions.")
    return lines


def _judge(facts: RunFacts, recipe: Recipe) -> list[str]:
    if recipe.judge is None:
        return []
    lines = [f"`{Path(recipe.judge.card).stem}` read the wrong answers."]
    measured = measured_lines(facts.judge) if facts.judge else []
    lines += [f"- {line}" for line in measured]
    if not (facts.judge and facts.judge.get("measures")):
        lines.append("- it was not measured on labelled steps")
    return lines


def _use(recipe: Recipe, chosen: Chosen) -> str:
    chat = (
        ""
        if recipe.model.system_prompt is None
        else f"\n\nIn training every problem had the system prompt: {recipe.model.system_prompt!r}"
    )
    asked = "" if recipe.data.prompt == "{problem}" else f"\n\nProblems were asked as: {recipe.data.prompt!r}"
    if chosen.adapter:
        code = (
            "from peft import AutoPeftModelForCausalLM\n\n"
            'model = AutoPeftModelForCausalLM.from_pretrained("THIS_FOLDER_OR_REPOSITORY")'
        )
    else:
        code = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER_OR_REPOSITORY")\n'
            'model = AutoModelForCausalLM.from_pretrained("THIS_FOLDER_OR_REPOSITORY")'
        )
    return f"```python\n{code}\n```{chat}{asked}"


def _limits(facts: RunFacts, recipe: Recipe, chosen: Chosen) -> list[str]:
    lines = [
        f"- One run with seed {recipe.seed}: the intervals cover the choice of problems, not that of the seed.",
        "- Trained to be graded right by a program; nothing was done or measured for safety, tone or truth elsewhere.",
    ]
    if facts.ungraded_share:
        lines.append(f"- {words.percent(facts.ungraded_share)} of the groups in training could not be graded.")
    cut = [b for b in facts.benches if b.get("truncated")]
    if chosen.measured and cut:
        told = ", ".join(f"{b['truncated']} of {b['samples']} on {b['bench']}" for b in cut)
        lines.append(f"- Answers cut at the token limit, counted as they were graded: {told}.")
    if not facts.finished:
        lines.append("- The run was not finished when this was exported.")
    return lines


def _versions(env: Mapping[str, Any]) -> list[str]:
    told = {"sgpo": env.get("sgpo"), "python": env.get("python"), **(env.get("packages") or {})}
    return [", ".join(f"{name} {version}" for name, version in told.items() if version)] if env else []


def _reproduce(facts: RunFacts, recipe: Recipe, chosen: Chosen) -> list[str]:
    lines = [
        f"`{EXPORTED_RECIPE}` is the whole recipe, every default written out.",
        "",
        "```",
        f"pip install sgpo-cli=={sgpo_cli.__version__}",
        f"sgpo train ./{EXPORTED_RECIPE}",
    ]
    if chosen.measured and not chosen.adapter:
        for use in recipe.benchmarks:
            options: dict[str, Any] = {"k": use.k, "limit": use.limit, "file": use.file and Path(use.file).name}
            options |= {"temperature": use.temperature, "max-new-tokens": use.max_new_tokens, "seed": recipe.seed}
            told = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
            lines.append(f"sgpo eval --bench {use.card} --model THIS_FOLDER {told}")
    return [*lines, "```"]
