"""`--smoke`: the same recipe at a size that runs every stage in a minute, anywhere.

The same architecture shrunk to tiny random weights, a stand-in tokenizer, synthetic rows in the same columns, a few
steps. Every change is listed, so that nobody takes a smoke run's numbers for anything. The run directory is
<name>-smoke.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sgpo_cli.pipeline.architecture import shape_of
from sgpo_cli.pipeline.judge_cost import language_models, members
from sgpo_cli.pipeline.smoke_rows import bench_rows, train_briefly, train_rows, write_rows
from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.judgecards import ProcessRewardCard
from sgpo_cli.recipe.kinds import RewardFormat
from sgpo_cli.recipe.load import LoadedRecipe, from_dict, to_dict
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.trl import TUNED
from sgpo_cli.recipe.schema import Generation, Launch, Recipe, Scratch
from sgpo_cli.runs.rundir import SMOKE, runs_root

_LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
"""Linear layers of the models that stand in."""
_ROWS = 24
_BENCH_ROWS = 4
_BENCH_TOKENS = 8
_STEPS = 2
_EVEN = "(?s)(..)*"
_ASKED = "qwq_32b"
"""A card whose servers a stand-in can be."""
_RATE = 1e-3
"""Learning rate at the least."""


def shrink(loaded: LoadedRecipe) -> tuple[LoadedRecipe, list[str]]:
    """The smoke form of a recipe, and what was changed, one sentence each. Writes the synthetic rows it names."""
    recipe = loaded.recipe
    told = copy.deepcopy(loaded.resolved)
    told["name"] = recipe.name + SMOKE
    home = runs_root().absolute() / ".shared" / "smoke"
    changes: list[str] = _shrink_adapters(told)
    if recipe.model.path is not None:
        changes += _shrink_model(recipe, told)
    if recipe.data.source != "hops" and not only_judge(recipe):
        changes += _shrink_data(recipe, told, home)
    changes += _shrink_work(recipe, told, home)
    changes += _shrink_benchmarks(recipe, told, home)
    recipe = from_dict(Recipe, told)
    return replace(loaded, recipe=recipe, resolved=to_dict(recipe)), changes


def _shrink_model(recipe: Recipe, told: dict[str, Any]) -> list[str]:
    shape = shape_of(recipe.model)
    family = shape.family if shape and shape.family in {"llama", "qwen2", "qwen3"} else "llama"
    scratch = Scratch(
        architecture=family,  # type: ignore[arg-type]
        layers=2,
        hidden_size=64,
        heads=4,
        kv_heads=2,
        intermediate_size=128,
        tie_embeddings=bool(shape and shape.tied),
        context=2048,
    )
    # The stand-in has a chat template of its own, so that the way of chat models is walked too.
    chat = recipe.model.chat is not False
    told["model"].update(path=None, revision=None, scratch=asdict(scratch), dtype="float32")
    told["model"].update(chat=chat, chat_template=None)
    return [
        f"model {recipe.model.path}: a {family} of 2 layers, width 64, random weights",
        "tokenizer: a stand-in, one token a byte" + (", with a small chat template" if chat else ""),
    ]


def _shrink_adapters(told: dict[str, Any]) -> list[str]:
    """Of rank 4, on whole weights; on every linear layer where the model's own names are not those of a llama."""
    lora = told["model"]["lora"]
    if lora is None:
        return []
    rank = min(4, lora["rank"])
    targets = lora["targets"] if set(lora["targets"] or ()) <= _LINEAR else None
    lora.update(rank=rank, alpha=max(1, lora["alpha"] * rank // lora["rank"]), quantize=None, targets=targets)
    return [f"model.lora: rank {rank}, on weights that are not quantized"]


def _shrink_data(recipe: Recipe, told: dict[str, Any], home: Path) -> list[str]:
    path = home / f"{recipe.name}-train.jsonl"
    write_rows(path, train_rows(recipe, _ROWS))
    told["data"].update(source=str(path), config=None, revision=None, limit=None, heldout=min(4, recipe.data.heldout))
    return [f"data {recipe.data.source}: {_ROWS} synthetic sums in the same columns ({path})"]


def _shrink_work(recipe: Recipe, told: dict[str, Any], home: Path) -> list[str]:
    trainer = told["trainer"]
    updates = min(2, recipe.trainer.updates_per_step)
    trainer.update(
        steps=_STEPS,
        prompts_per_step=4,
        group_size=4,
        updates_per_step=updates,
        micro_batch=None,
        max_completion_length=min(16, recipe.trainer.max_completion_length),
        eval_every=min(1, recipe.trainer.eval_every),
        eval_samples=1,
        save_every=1,
    )
    told["launch"]["device"] = None
    told["data"]["heldout"] = min(4, recipe.data.heldout)
    changes = [
        f"trainer: {_STEPS} steps of 4 problems x 4 rollouts of at most {trainer['max_completion_length']} tokens"
    ]
    changes += _shrink_method(recipe, told)
    if told["warmup"]["kind"] == "sft":
        told["warmup"].update(steps=4, batch_size=8, warmup_steps=1, save_every=2)
        changes.append("warmup: 4 steps of 8 rows")
    if told["judge"] is not None:
        told["judge"].update(measure=16, floor=None, max_abstained=0.99, then="fallback")
        changes.append("judge: measured on 16 rollouts, no floor; a step on which it abstains on all is plain GRPO")
        changes += _shrink_judge(recipe, told["judge"])
        changes += _shrink_training(recipe, told["judge"]["train"], home)
    if told["offline"] is not None:
        told["offline"].update(problems=8, responses=None)
        changes.append("offline: 8 groups, rolled out here")
    here = asdict(replace(Launch(), threads=recipe.launch.threads, env=recipe.launch.env))
    if told["launch"] != here:
        told["launch"] = here
        changes.append("launch: one local process")
    if recipe.generation.engine != "transformers":
        told["generation"].update(engine="transformers", server=None, server_timeout=Generation().server_timeout)
        # What only vLLM reads has no place without it.
        trainer["trl"] = {name: value for name, value in recipe.trainer.trl.items() if name not in TUNED}
        changes.append(f"generation: transformers, not {recipe.generation.engine}")
    if told["track"]:
        told["track"] = []
        changes.append("track: nothing is reported")
    return changes


def _shrink_method(recipe: Recipe, told: dict[str, Any]) -> list[str]:
    """Random weights never answer right: without these no update would move anything, and what rescued groups, adapters
    and their watch do would not be run."""
    if only_judge(recipe):
        return []
    told["reward"].append(asdict(RewardFormat(weight=0.5, pattern=_EVEN)))
    told["trainer"]["learning_rate"] = max(recipe.trainer.learning_rate, _RATE)
    changes = [
        "reward: one more, for an even number of characters, so that wrong answers differ and something is learned",
        f"trainer.learning_rate: {told['trainer']['learning_rate']:g}, so that two steps show",
    ]
    if recipe.rescue.kind == "stepwise":
        told["rescue"].update(trust=None, truncated="keep")
        changes.append("rescue: full trust, answers cut at the limit are graded, so that groups are rescued")
    return changes


def _shrink_judge(recipe: Recipe, told: dict[str, Any]) -> list[str]:
    """No server is asked, and no verdict is kept."""
    told.update(store=None, compare_with=None)
    assert recipe.judge is not None
    changes = []
    models = any(isinstance(card, ProcessRewardCard) for card in members(recipe.judge.card))
    if models:
        # A stand-in's verdicts differ from answer to answer, which no rule's on random text do.
        told["card"] = _ASKED
        changes.append(f"judge {recipe.judge.card}: {_ASKED} in its place, so that no model of its size is opened")
    if models or language_models(recipe):
        told["endpoints"] = [STANDIN]
        changes.append("judge's servers: a stand-in on this machine; its verdicts mean nothing")
    return changes


def _shrink_training(recipe: Recipe, train: dict[str, Any] | None, home: Path) -> list[str]:
    """Four steps of training on labels of both kinds: rollouts of a random policy would give one kind only."""
    if train is None:
        return []
    changes = train_briefly(train, home / f"{recipe.name}-labels.jsonl")
    if train["model"] is not None:
        train.update(model=None, scratch=asdict(Scratch(context=2048)))
        changes.append("judge.train.model: 2 layers of random weights, one token a byte")
    if train["refresh_every"] is not None:
        train.update(refresh_every=1, refresh_rollouts=8, refresh_steps=2)
        changes.append("judge.train: refreshed after the first step, with 8 rollouts")
    return changes


def _shrink_benchmarks(recipe: Recipe, told: dict[str, Any], home: Path) -> list[str]:
    changes = []
    for bench, use in zip(told["benchmarks"], recipe.benchmarks, strict=True):
        card = load_eval_card(use.card)
        bench.update(k=min(2, use.k or card.k), limit=_BENCH_ROWS, max_new_tokens=_BENCH_TOKENS)
        if card.task is not None:
            changes.append(f"bench {card.name}: {_BENCH_ROWS} problems, k={bench['k']}")
            continue
        path = home / f"{recipe.name}-{card.name}.jsonl"
        write_rows(path, bench_rows(card, card.rows or _BENCH_ROWS))  # as many as the card checks for
        bench["file"] = str(path)
        changes.append(
            f"bench {card.name}: {_BENCH_ROWS} synthetic sums, k={bench['k']}, at most {_BENCH_TOKENS} tokens an answer"
        )
    return changes
