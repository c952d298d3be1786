"""What a language model is sent: the messages of a solution, and the request's further fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.judge_prompt import EXPLAINED_FORM, FORM, PLACEHOLDERS
from sgpo_cli.recipe.judgecards import LanguageModelCard

Messages = tuple[tuple[str, str], ...]
"""(role, content), in order."""

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_MARK = re.compile(r"\[(?=step\s*\d+\s*\])", re.IGNORECASE)
_LONGEST_QUOTE = 4000  # characters of an unusable answer that is shown to the model again


def shows_reference(card: LanguageModelCard, solution: Solution) -> bool:
    """Whether the model sees a reference for this solution."""
    return card.reference != "never" and bool(solution.reference)


def messages(card: LanguageModelCard, solution: Solution) -> Messages:
    """The conversation's beginning: instructions, problem, reference where it is shown, numbered steps."""
    form = EXPLAINED_FORM if card.explain else FORM
    reference = ""
    if shows_reference(card, solution):
        reference = _fill(card.prompt.reference, {"reference": solution.reference or ""})
    values = {
        "problem": solution.problem,
        "reference": reference,
        "steps": numbered(solution.steps),
        "last": str(len(solution.steps)),
        "form": form,
    }
    user = ("user", _sendable(_fill(card.prompt.user, values)))
    if card.prompt.system is None:
        return (user,)
    return ("system", _sendable(_fill(card.prompt.system, {"form": form}))), user


def repair(card: LanguageModelCard, solution: Solution, answer: str, fault: str) -> Messages:
    """What the conversation goes on with after an answer outside the schema."""
    form = EXPLAINED_FORM if card.explain else FORM
    values = {"fault": fault, "last": str(len(solution.steps)), "form": form}
    said = answer.rpartition("</think>")[2].strip()[:_LONGEST_QUOTE] or "(nothing)"  # some servers refuse empty texts
    return ("assistant", _sendable(said)), ("user", _sendable(_fill(card.prompt.repair, values)))


def numbered(steps: tuple[str, ...]) -> str:
    """The steps below lines [Step 1] to [Step n]; such a mark within a step is written (Step k] and tells nobody."""
    return "\n\n".join(f"[Step {i}]\n{_MARK.sub('(', step)}" for i, step in enumerate(steps, 1))


def body(card: LanguageModelCard, num_steps: int) -> dict[str, Any]:
    """The request's fields besides model and messages; the answer is constrained as far as the server can."""
    told: dict[str, Any] = {card.limit_field: card.max_tokens}
    if card.temperature is not None:
        told["temperature"] = card.temperature
    if card.output == "json_schema":
        schema = {"name": "verdict", "strict": True, "schema": answer_schema(num_steps, explain=card.explain)}
        told["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif card.output == "json_object":
        told["response_format"] = {"type": "json_object"}
    return told | card.body


def answer_schema(num_steps: int, *, explain: bool) -> dict[str, Any]:
    """JSON schema of an answer. The words come first: a model that writes the number first has not thought yet."""
    fields: dict[str, Any] = {"check": {"type": "string"}} if explain else {}
    fields["first_error"] = {"type": "integer", "minimum": 0, "maximum": num_steps}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces the placeholders in one pass, so that a problem which speaks of {steps} stays as it is."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def _sendable(text: str) -> str:
    """Text that is UTF-8: JSON can hold halves of a surrogate pair, a request cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
