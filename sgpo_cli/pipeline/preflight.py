"""What is looked at before the first stage is paid for: a broken row 900 is told now, not after the warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import Mistake, UserError
from sgpo_cli.judging.split import split_spans
from sgpo_cli.methods.guidance.cut import Cut
from sgpo_cli.pipeline.architecture import linear_names, on_accelerator, positions_of, shape_of
from sgpo_cli.pipeline.labelled_files import check_labelled_files
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.recipe.rules.generation import SERVE, VLLM_FIX, missing_engine
from sgpo_cli.recipe.rules.launch import deepspeed_fix, missing_deepspeed
from sgpo_cli.recipe.rules.model import missing_for_adapters
from sgpo_cli.recipe.rules.outside import missing_trackers
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.training.long_problems import left_out_words, longest_answer, look_at_lengths
from sgpo_cli.training.problems import Problems, load_problems
from sgpo_cli.training.trace_warnings import cut_warnings
from sgpo_cli.training.traces import Start
from sgpo_cli.verify.giveaway import withheld

PLAN_BYTES = 20_000_000
"""`sgpo plan` answers at once: it reads whole files up to this size, and only the first row of larger ones."""

TRACES = 500
"""Rows whose solutions are read for guidance; a stage reads all of them."""

_SERVER_S = 5.0
"""Seconds that a server for rollouts may take to say that it is well."""

_NAMED = 3
"""Rows that a message names; the others are counted."""


def check_engine(recipe: Recipe) -> None:
    """`UserError` when what is to generate, to shard, to adapt or to be told of the run is not installed."""
    for _, what, fix in missing_trackers(recipe.track):
        raise UserError(what, where="track", fix=fix)
    lora = recipe.model.lora
    for at, what, fix in missing_for_adapters(lora) if lora is not None else []:
        raise UserError(what, where=at, fix=fix)
    for one in needs_accelerator(recipe):
        raise UserError(one.what, where=one.where, fix=one.fix)
    if (sharding := missing_deepspeed(recipe.launch.strategy)) is not None:
        raise UserError(sharding, where="launch.strategy", fix=deepspeed_fix(recipe))
    if (missing := missing_engine(recipe.generation)) is not None:
        raise UserError(missing, where="generation.engine", fix=VLLM_FIX)
    if recipe.generation.server is not None and (silent := _silent(recipe.generation.server)) is not None:
        raise UserError(silent, where="generation.server", fix=SERVE)


def needs_accelerator(recipe: Recipe) -> list[Mistake]:
    """What the recipe asks for that this machine cannot run, for want of an accelerator."""
    if on_accelerator():
        return []
    lora, strategy = recipe.model.lora, recipe.launch.strategy
    found = []
    if lora is not None and lora.quantize is not None:
        what = f"model.lora.quantize: {lora.quantize} needs an accelerator, and there is none here"
        fix = "run it on a GPU, or write model.lora.quantize=null"
        found.append(Mistake(what, where="model.lora.quantize", fix=fix))
    if strategy != "ddp":
        what = f"launch.strategy: {strategy} shards over accelerators, and there is none here"
        fix = "run it where there are GPUs, or write launch.strategy=ddp: accelerate would do that in silence"
        found.append(Mistake(what, where="launch.strategy", fix=fix))
    return found


def not_here(recipe: Recipe) -> list[Mistake]:
    """Warnings of a plan that is for this machine: that `sgpo train` refuses here what asks for an accelerator."""
    return [] if recipe.launch.device is not None else needs_accelerator(recipe)


def check_targets(recipe: Recipe) -> None:
    """`UserError` when adapters are to go on layers that the model does not have, as far as its layers are known here:
    those of a model from scratch, of a config on this machine, and of the models that recipes ship for."""
    lora = recipe.model.lora
    shape = shape_of(recipe.model) if lora is not None and lora.targets else None
    names = linear_names(shape) if shape is not None else None
    if lora is None or lora.targets is None or names is None:
        return
    missing = [name for name in lora.targets if name not in names]
    if missing:
        what = f"the model has no linear layer named {', '.join(missing)}"
        raise UserError(what, where="model.lora.targets", fix=f"its linear layers: {', '.join(sorted(names))}")


def _silent(server: str) -> str | None:
    """Why a server for rollouts cannot be used; None when it answers. Found before the warm-up is paid for."""
    try:
        with urlopen(f"{server.rstrip('/')}/health", timeout=_SERVER_S) as answer:
            return None if answer.status < 400 else f"{server} answers with status {answer.status}"
    except (OSError, ValueError) as problem:
        return f"nothing answers at {server}: {problem}"


def check_local_data(recipe: Recipe, *, at_most: int | None = None) -> list[Mistake]:
    """Reads every row of the local files (of at most `at_most` bytes) as the stages will; what looks odd.

    Built-in tasks, folders of `datasets` and hub ids are left to the stages, and so are lengths where the tokenizer is
    not on this machine.

    Raises:
        UserError: rows that cannot be used, with file and line of the first ones and the count of all.
    """
    odd = check_labelled_files(recipe, at_most=at_most)
    source = Path(recipe.data.source)
    if not source.is_file() or (at_most is not None and source.stat().st_size > at_most):
        return odd
    from sgpo_cli.pipeline.long_prompts import prompt_lengths

    context, most = positions_of(recipe.model), recipe.data.max_problem_tokens
    tight = context - longest_answer(recipe) if context is not None else None
    exact_from = min((bound for bound in (tight, most) if bound is not None), default=0) + 1
    lengths = prompt_lengths(recipe, exact_from)
    problems = load_problems(recipe, lengths)
    rows = _in_order(problems)
    _check_answers(recipe, rows)
    told = [left_out_words(problems.left_out, len(rows), most)] if most is not None else []
    if lengths is not None and context is not None:
        told.append(look_at_lengths(recipe, rows, lengths(rows), context))
    told += _check_traces(recipe, rows)
    return odd + [Mistake(what, where="data.source") for what in told if what is not None]


def _in_order(problems: Problems) -> list[Row]:
    """All rows as they stand in their file."""
    return sorted([*problems.rows, *problems.heldout], key=_line)


def _check_answers(recipe: Recipe, rows: Sequence[Row]) -> None:
    """`UserError` when rows lack what reward or warm-up compare with."""
    columns = recipe.data.columns
    if any(reward.kind in {"math", "exact"} for reward in recipe.reward):
        empty = [row for row in rows if not (row.answer or "").strip()]
        _refuse(empty, rows, "an answer to compare with", "data.columns.answer", columns.answer, "")
    if recipe.warmup.kind == "sft":
        empty = [row for row in rows if not (row.solution or "").strip()]
        other = "; or set warmup={kind: none}"
        _refuse(empty, rows, "a solution to learn in the warm-up", "data.columns.solution", columns.solution, other)


def _check_traces(recipe: Recipe, rows: Sequence[Row]) -> list[str]:
    """What guidance will find in the rows' solutions, as far as that needs no tokenizer.

    Raises:
        UserError: every row was looked at, and none gives anything.
    """
    guidance = recipe.guidance
    if not isinstance(guidance, Guided) or not guidance.length:
        return []
    looked = rows[:TRACES]
    starts = [_start(guidance, row) for row in looked]
    if len(looked) < len(rows) and not any(start.ids for start in starts):
        return [f"none of the first {TRACES} rows has a solution that gives guidance anything to start from"]
    return cut_warnings(guidance, looked, starts)


def _start(guidance: Guided, row: Row) -> Start:
    """Whether a row's trace gives anything: a token stands for it."""
    text, asked = row.solution or "", guidance.length
    if not text.strip():
        return Start(True, (), Cut(0, asked, "no_trace"))
    spans = split_spans(text)
    never = withheld(text, spans, row.answer)
    gives = len(spans) > never.steps if guidance.unit == "steps" else bool(text[: never.start].strip())
    return Start(True, (0,), Cut(asked, asked, None)) if gives else Start(True, (), Cut(0, asked, "answer"))


def _refuse(empty: Sequence[Row], rows: Sequence[Row], what: str, key: str, column: str | None, other: str) -> None:
    """Says how many rows are empty, which are the first, and what to do: if all are, the wrong column is named."""
    if not empty:
        return
    first, *more = empty
    if len(empty) == len(rows):
        told = f"no row of {len(rows):,} has {what}"
        raise UserError(told, where=first.where, fix=f"column {column!r} is empty: name another, {key}=...{other}")
    told = f"this row does not have {what}"
    if more:
        named = ", ".join(f"line {_line(row)} (id {row.id})" for row in more[: _NAMED - 1])
        left = f" and {len(more) - _NAMED + 1:,} more" if len(more) >= _NAMED else ""
        told = f"{len(empty):,} of {len(rows):,} rows do not have {what}: this one, {named}{left}"
    it = "them" if more else "it"
    raise UserError(told, where=first.where, fix=f"drop {it} from the file, or fill in column {column!r}{other}")


def _line(row: Row) -> int:
    """The line of its file that a row stands on."""
    return int(row.place.rpartition(":")[2])
