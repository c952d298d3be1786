"""What a judge was worth and what it cost, in lines of words: in the run's log, its result and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from sgpo_cli.display import words


def measured_lines(told: Mapping[str, Any]) -> list[str]:
    """A judge stage's figures: ProcessBench's with 95% intervals, throughput, agreement with a second judge, cost.

    `told`: `measures`, `closeness`, `agreement`, `per_second`, `usage`, as in judge.json; what is missing or null gives
    no line.
    """
    lines = []
    measures = told.get("measures")
    if measures:
        named = (("f1", "F1"), ("acc_error", "acc_error"), ("acc_correct", "acc_correct"))
        figures = [f"{name} {_with_interval(measures, key)}" for key, name in named if measures.get(key) is not None]
        rows = (measures.get("n_error") or 0) + (measures.get("n_correct") or 0)
        lines.append(f"judge measured on {words.plural(rows, 'labelled row')}: {', '.join(figures)}")
    close = told.get("closeness")
    if close and close.get("exact") is not None:
        lines.append(f"judge: first error exact {_with_interval(close, 'exact')}")
        if close.get("correlation") is not None:
            lines.append(f"judge: prefix scores correlate {_with_interval(close, 'correlation')}")
    said = []
    if told.get("abstained") is not None:
        said.append(f"{words.percent(told['abstained'])} of the warm start's rollouts without a verdict")
    if told.get("per_second"):
        said.append(words.rate(told["per_second"]))
    if said:
        lines.append(f"judge: {', '.join(said)}")
    lines += agreement_lines(told.get("agreement"))
    cost = usage_text(told.get("usage"))
    return [*lines, f"judge: {cost}"] if cost else lines


def agreement_lines(agreement: Mapping[str, Any] | None) -> list[str]:
    """How often a second judge names the same step."""
    if not agreement:
        return []
    if agreement.get("same") is None:
        return [f"no rollout had a verdict of both this judge and {agreement['other']}"]
    tail = agreement.get("correlation")
    correlation = "" if tail is None else f", prefix scores correlate {tail:.2f}"
    return [
        f"names the same step as {agreement['other']} on {words.share(agreement['same'])} "
        f"{words.interval(agreement.get('same_ci95'))} of {words.plural(agreement['n'], 'rollout')}{correlation}"
    ]


def usage_text(usage: Mapping[str, Any] | None) -> str | None:
    """`256 calls, 12 cached, 0 failed, 310K tokens in, 8K out, cost 0.12`; None when nothing was asked of a server."""
    if not usage or not (usage.get("calls") or usage.get("cached") or usage.get("failed")):
        return None
    parts = [f"{words.number(usage['calls'])} calls"]
    parts += [f"{words.number(usage[key])} {key}" for key in ("cached", "failed", "repaired") if usage.get(key)]
    if usage.get("input_tokens") or usage.get("output_tokens"):
        had = f" ({words.compact(usage['cached_tokens'])} cached)" if usage.get("cached_tokens") else ""
        read, written = (words.compact(usage.get(key) or 0) for key in ("input_tokens", "output_tokens"))
        parts.append(f"{read} tokens in{had}, {written} out")
    if usage.get("cost") is not None:
        parts.append(f"cost {usage['cost']:.4g} {usage.get('currency') or ''}".rstrip())
    if usage.get("uncounted"):
        parts.append(f"tokens of {words.plural(usage['uncounted'], 'answer')} unknown")
    return ", ".join(parts)


def judging_notes(estimates: Sequence[Mapping[str, Any]]) -> list[Text]:
    """What judges behind servers can cost, over a plan's stages; no line where there are none."""
    asked = [estimate for estimate in estimates if estimate.get("judge_tokens")]
    if not asked:
        return []
    total = {name: sum(estimate["judge_tokens"][name] for estimate in asked) for name in ("input", "output")}
    calls = words.number(sum(estimate["judge_calls"] for estimate in asked))
    read, written = words.compact(total["input"]), words.compact(total["output"])
    line = f"judging: up to {calls} questions, {read} tokens in, {written} out"
    costs = [estimate["judge_cost"] for estimate in asked]
    if all(costs):
        line += f", {sum(cost['amount'] for cost in costs):.2f} {costs[0]['currency']}"
    said = "every group all-negative, every answer at its longest; retries and repair questions come on top"
    lines = [Text(line, style="title"), Text(said, style="quiet")]
    if unpriced := dict.fromkeys(name for one in asked for name in one.get("judge_unpriced") or ()):
        its = "its card" if len(unpriced) == 1 else "their cards"
        lines.append(Text(f"{', '.join(unpriced)} may be billed: with price: in {its} this would be a cost"))
    return lines


def total_usage(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What judging cost over the rows of metrics.jsonl; None in a run whose judge asks no server."""
    told = [row["judge"] for row in rows if row.get("judge")]
    keys = ("calls", "cached", "failed", "repaired", "input_tokens", "cached_tokens", "output_tokens", "uncounted")
    total: dict[str, Any] = {key: sum(one.get(key) or 0 for one in told) for key in (*keys, "seconds", "waited")}
    costs = [one["cost"] for one in told if one.get("cost") is not None]
    total["cost"] = sum(costs) if costs else None
    total["currency"] = next((one["currency"] for one in told if one.get("currency")), None)
    total["fallback"] = sum(bool(one.get("fallback")) for one in told)
    return total if total["calls"] or total["cached"] or total["failed"] else None


def _with_interval(measures: Mapping[str, Any], key: str) -> str:
    return f"{words.share(measures[key])} {words.interval(measures.get(f'{key}_ci95'))}".rstrip()
