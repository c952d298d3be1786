"""Tables of a result, judges' figures and cards; each fits 80 columns and has plain data behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts, gather
from sgpo_cli.display.guidance import shortened
from sgpo_cli.display.judging import usage_text
from sgpo_cli.runs.rundir import RunDir


def new_table(*headers: str, title: str | None = None, right: Sequence[int] = ()) -> Table:
    """A table in the house style; `right` are the columns aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for i, header in enumerate(headers):
        table.add_column(header, justify="right" if i in right else "left", overflow="fold")
    return table


def result_json(run: RunDir) -> dict[str, Any]:
    """The document behind `result_table`: what `sgpo train --json` prints."""
    facts = gather(run)
    return {
        "run": facts.path,
        "report": str(run.report) if run.report.exists() else None,
        "steps": facts.steps,
        "seconds": facts.seconds,
        "heldout": {
            "first": facts.heldout[0] if facts.heldout else None,
            "last": facts.heldout[-1] if facts.heldout else None,
            "best": facts.best_heldout,
        },
        "all_negative": {
            "first": facts.all_negative[0] if facts.all_negative else None,
            "last": facts.all_negative[-1] if facts.all_negative else None,
        },
        "ungraded": facts.ungraded_share,
        "guidance": guidance_json(facts),
        "benchmarks": facts.benches,
        "judge": facts.judge,
        "judging": facts.judge_usage,
        "stages": [{"name": s.name, "status": s.status, "seconds": s.seconds} for s in facts.stages],
        "warnings": facts.warnings,
    }


def guidance_json(facts: RunFacts) -> dict[str, Any] | None:
    """Length and guided accuracy, first and last, and the shortened prefixes by reason; None without guidance."""
    if not facts.guidance_length:
        return None
    return {
        "length": {"first": facts.guidance_length[0], "last": facts.guidance_length[-1]},
        "accuracy": {
            "first": facts.guided_accuracy[0] if facts.guided_accuracy else None,
            "last": facts.guided_accuracy[-1] if facts.guided_accuracy else None,
        },
        "shortened": facts.shortened,
    }


def result_table(run: RunDir) -> RenderableType:
    """How a run ended: held-out accuracy and all-negative groups from first to last step, then the benchmarks."""
    facts = gather(run)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="quiet", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in result_lines(facts):
        grid.add_row(name, text)
    came = f"after {words.plural(facts.steps, 'step')}" if facts.trains_policy else "a judge, and no policy"
    title = Text(f"{facts.name}: {came}", style="title")
    return Group(title, grid, *([bench_table(facts.benches)] if facts.benches else []))


def result_lines(facts: RunFacts) -> list[tuple[str, str]]:
    """The headline figures, in words; only those that are known."""
    lines = []
    best = facts.best_heldout
    if facts.heldout and best:
        tail = "" if best[1] == facts.heldout[-1][1] else f", best {words.share(best[1])} at step {best[0]}"
        lines.append(("held-out accuracy", f"{_from_to(facts.heldout, words.share)}{tail}"))
    if facts.all_negative:
        lines.append(("all-negative groups", _from_to(facts.all_negative, words.percent)))
    if facts.ungraded_share:
        lines.append(("ungraded groups", f"{words.percent(facts.ungraded_share)} over all steps: they teach nothing"))
    if facts.rescued_share:
        lines.append(("rescued", f"{words.percent(facts.rescued_share)} of them, over all steps"))
    if facts.trust:
        lines.append(("trust in the judge", facts.trust))
    if facts.guidance_length:
        unit = (facts.recipe.get("guidance") or {}).get("unit", "steps")
        lines.append((f"guidance, {unit}", _from_to(facts.guidance_length, words.number)))
    if facts.guided_accuracy:
        lines.append(("guided accuracy", _from_to(facts.guided_accuracy, words.share)))
    if facts.shortened:
        lines.append(("prefixes", shortened(facts.shortened)))
    if facts.drift:
        lines.append(("off-policy", drift_line(*facts.drift[-1])))
    if facts.judge and facts.judge.get("measures"):
        lines.append(("judge", judge_line(facts.judge)))
    asked = usage_text(facts.judge_usage)
    # A judge in the process has neither tokens nor failures, and needs no line.
    if asked and facts.judge_usage and (facts.judge_usage["input_tokens"] or facts.judge_usage["failed"]):
        lines.append(("judging", f"{asked}, waited {words.duration(facts.judge_usage['waited'])}"))
    if facts.judge_usage and facts.judge_usage["fallback"]:
        lines.append(
            ("plain GRPO", f"{words.plural(facts.judge_usage['fallback'], 'step')}: the judge gave too little")
        )
    if facts.seconds is not None:
        lines.append(("time", words.duration(facts.seconds)))
    return lines


def _from_to(curve: Sequence[tuple[int, float]], write: Any) -> str:
    (first, then), (last, now) = curve[0], curve[-1]
    start = "" if first == last else f"{write(then)} (step {first}) → "
    return f"{start}{write(now)} (step {last})"


def drift_line(step: int, drift: Mapping[str, float]) -> str:
    """How far a policy that learns from fixed responses is from the one that made them."""
    outside = words.percent(drift["outside"])
    return f"mean ratio {drift['ratio']:.2f}, {outside} of tokens outside the clip range (step {step})"


def judge_line(judge: Mapping[str, Any]) -> str:
    measures = judge["measures"]
    name = judge.get("card") or judge.get("judge")
    rows = words.plural(labelled_rows(measures), "row")
    return f"{name}: F1 {words.share(measures.get('f1'))} on {rows} ({judge.get('measured_on')})"


def bench_table(summaries: Sequence[Mapping[str, Any]]) -> Table:
    """Eval summaries, one a row; `cut` and `ungraded` are samples. The documents are the summaries themselves.

    Problems without a sample are named below: beside the others they would break every line at 80 columns.
    """
    headers = ("bench", "n", "k", "avg@k", "95% interval", "pass@k", "cut", "ungraded")
    table = new_table(*headers, right=range(1, len(headers)))
    table.padding = (0, 1, 0, 0)
    for column in table.columns[1:]:
        column.no_wrap = True  # a name that is too long is folded, never a figure
    for summary in summaries:
        table.add_row(
            str(summary["bench"]),
            words.number(summary.get("n_problems")),
            words.number(summary.get("k")),
            words.share(summary.get("avg_at_k")),
            words.interval(summary.get("ci95")),
            pass_at(summary),
            words.number(summary.get("truncated")),
            words.number(summary.get("ungraded")),
        )
    gaps = [(bench["bench"], bench["missing"], bench.get("n_problems")) for bench in summaries if bench.get("missing")]
    if gaps:
        told = ", ".join(f"{name} {words.number(missing)} of {words.number(n)}" for name, missing, n in gaps)
        table.caption, table.caption_justify, table.caption_style = f"missing, in no figure: {told}", "left", "note"
    return table


def pass_at(summary: Mapping[str, Any]) -> str:
    """pass@k at the largest k that is known: `0.912 @4`."""
    known = {int(k): value for k, value in (summary.get("pass_at_k") or {}).items() if value is not None}
    if not known:
        return words.DASH
    k = max(known)
    return f"{words.share(known[k])} @{k}"


def judge_table(measures: Mapping[str, Any] | None, *, title: str | None = None) -> RenderableType:
    """ProcessBench's figures of a judge with their 95% intervals; `measures` is its own document.

    Of a document without labels only the shares without a verdict and with nothing to check are shown.
    """
    unmeasured = Text("no labelled rows: the judge was not measured", style="note")
    if not measures:
        return unmeasured
    labelled = "acc_error" in measures
    table = new_table("figure", "value", "95% interval", "what it is", title=title, right=(1, 2))
    for key, name, meaning in JUDGE_FIGURES if labelled else UNJUDGED_FIGURES:
        of = {"acc_error": "n_error", "acc_correct": "n_correct"}.get(key)
        rows = f", of {words.plural(measures[of], 'row')}" if of and measures.get(of) is not None else ""
        table.add_row(
            name, words.share(measures.get(key)), words.interval(measure_interval(measures, key)), f"{meaning}{rows}"
        )
    return table if labelled else Group(table, unmeasured)


def measure_interval(measures: Mapping[str, Any], key: str) -> Sequence[float] | None:
    """The 95% interval of one of a judge's measures (`acc_error_ci95`, ...)."""
    return measures.get(f"{key}_ci95")


def labelled_rows(measures: Mapping[str, Any]) -> int:
    """How many labelled rows a judge was measured on."""
    return (measures.get("n_error") or 0) + (measures.get("n_correct") or 0)


JUDGE_FIGURES = (
    ("acc_error", "acc_error", "first wrong step found exactly"),
    ("acc_correct", "acc_correct", "right solutions left alone"),
    ("f1", "F1", "harmonic mean of the two"),
    ("abstained", "abstained", "no verdict; counted as a miss"),
    ("unchecked", "unchecked", 'nothing to check; here "no error found", in training abstained'),
)
UNJUDGED_FIGURES = (
    ("abstained", "abstained", "no verdict"),
    ("unchecked", "unchecked", "nothing to check; counts as abstained in training"),
)


def cards_table(cards: Sequence[Mapping[str, Any]], *, kind: str) -> RenderableType:
    """Recipes, judges or evals: plain dicts with `name, description, path`."""
    if not cards:
        return Text(f"no {kind} found", style="note")
    table = new_table("name", "what it is", title=kind)
    for card in cards:
        table.add_row(Text(str(card["name"]), style="key"), str(card.get("description") or ""))
    return table
