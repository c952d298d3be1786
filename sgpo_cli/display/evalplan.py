"""What an evaluation would do, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.special import special_tokens


def eval_plan_text(document: Mapping[str, Any]) -> Text:
    """The plan of `sgpo eval --plan`: model, engine, and each bench with its prompt, BOS and stop tokens."""
    lines = [f"model: {document['model']}", f"out: {document['out']}"]
    if document["engine"]:
        lines.append(f"engine: {document['engine']}")
    for bench in document["benchmarks"]:
        if "responses" in bench:  # made elsewhere: no k, no sampling, no prompt
            lines.append(_responses(bench))
            continue
        top_k = f", top_k {bench['top_k']}" if bench["top_k"] else ""
        lines.append(
            f"{bench['card']}: {bench['problems'] or 'all'} problems x k={bench['k']} from {bench['source']}; "
            f"temperature {bench['temperature']}, top_p {bench['top_p']}{top_k}, at most {bench['max_new_tokens']} "
            f"tokens; graded as {bench['graded']}"
        )
        if bench["gated"]:
            lines.append(f"  gated: {bench['gated']}")
        lines += _rendered(bench["rendered"]) if "rendered" in bench else []
    return Text("\n".join(lines))


def _responses(bench: Mapping[str, Any]) -> str:
    told, problems = bench["responses"], bench["problems"]
    to = f"problems of {bench['source']}, not read"
    if told["answered"] is not None:
        to = f"{told['answered']:,} of {words.plural(problems, 'problem')} from {bench['source']}"
    return f"{bench['card']}: {words.plural(told['rows'], 'response')} to {to}; graded as {bench['graded']}"


def _rendered(prompt: Mapping[str, Any]) -> list[str]:
    counted = "" if prompt["tokens"] is None else f", {words.plural(prompt['tokens'], 'token')}"
    lines = [f"  prompt ({prompt['from']}{counted}):"]
    lines += [f"    {line}" for line in words.visible(prompt["text"]).splitlines()]
    lines += [f"  {line}" for line in special_tokens(prompt)]
    if prompt["note"]:
        lines.append(f"  {prompt['note']}")
    return lines
