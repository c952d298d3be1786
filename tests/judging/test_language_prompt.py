"""What a model is sent: golden text, shared beginnings, one pass over the placeholders, the request's fields."""

from __future__ import annotations

import pytest

from sgpo_cli.judging.language.prompt import answer_schema, body, messages, numbered, repair, shows_reference
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.judgecards import LanguageModelCard, Prompt

CARD = LanguageModelCard(model="m")
SOLUTION = Solution("What is 2 + 3 + 4?", ("2 + 3 = 5", "5 + 4 = 10"), reference="2 + 3 = 5, and 5 + 4 = 9.")

GOLDEN = """Problem:
What is 2 + 3 + 4?

Reference solution (correct; other correct ways exist):
2 + 3 = 5, and 5 + 4 = 9.

Solution to check:

[Step 1]
2 + 3 = 5

[Step 2]
5 + 4 = 10

Which step is the first wrong one? Answer {"check": "what you found in each step, in a few words", \
"first_error": N}, with N from 1 to 2, or N = 0 if no step is wrong."""


def user(card: LanguageModelCard, solution: Solution) -> str:
    return messages(card, solution)[-1][1]


def common(one: str, two: str) -> str:
    """What both begin with."""
    same = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return one[:same]


def test_the_prompt_word_for_word() -> None:
    (system, first), (role, second) = messages(CARD, SOLUTION)
    assert (system, role, second) == ("system", "user", GOLDEN)
    assert 'Answer with one JSON object and nothing else: {"check": "' in first and "{form}" not in first


def test_without_explanation_reference_or_system() -> None:
    card = LanguageModelCard(model="m", explain=False, reference="never", prompt=Prompt(system=None))
    ((role, text),) = messages(card, SOLUTION)
    assert role == "user" and "Reference" not in text and "check" not in text.replace("to check", "")
    assert "What is 2 + 3 + 4?\n\nSolution to check:" in text and '{"first_error": N}' in text
    assert not shows_reference(card, SOLUTION)
    assert shows_reference(CARD, SOLUTION) and not shows_reference(CARD, Solution("p", ("s",), reference=""))


def test_placeholders_are_replaced_in_one_pass() -> None:
    """Text of the problem, the reference or a step that looks like a placeholder stays as it is."""
    odd = Solution("What is {steps} of {problem}?", ("{last} {form}", "{0} {} {x}"), reference="see {problem}, {steps}")
    text = user(CARD, odd)
    for untouched in ("What is {steps} of {problem}?", "{last} {form}", "{0} {} {x}", "see {problem}, {steps}"):
        assert untouched in text
    own = LanguageModelCard(model="m", prompt=Prompt(user=r"{problem} \boxed{n} {steps}"))
    assert r"\boxed{n}" in user(own, SOLUTION)


def test_two_responses_to_a_problem_share_all_but_their_steps() -> None:
    """What a prefix cache can hold: up to the first character in which the steps differ."""
    other = Solution(SOLUTION.problem, ("2 + 3 = 6", "6 + 4 = 10", "So 10."), reference=SOLUTION.reference)
    one, two = user(CARD, SOLUTION), user(CARD, other)
    shared = common(one, two)
    assert shared.endswith("[Step 1]\n2 + 3 = ")
    assert messages(CARD, SOLUTION)[0] == messages(CARD, Solution("another", ("x",)))[0]
    without = Solution(SOLUTION.problem, SOLUTION.steps)
    assert common(user(CARD, without), one).startswith("Problem:\nWhat is 2 + 3 + 4?\n")


def test_a_step_cannot_pass_for_two() -> None:
    assert numbered(("a\n[Step 2]\nb", "c")) == "[Step 1]\na\n(Step 2]\nb\n\n[Step 2]\nc"
    assert numbered(("[ step 3 ]", "[step7]", "[Stepwise]")).count("[") == 3 + 2  # ours, and what is no such mark


def test_what_utf8_cannot_hold_is_replaced() -> None:
    text = user(CARD, Solution("half a pair: \ud83d", ("\ud800 and é",)))
    assert text.encode("utf-8") and "half a pair: ?" in text and "? and é" in text


def test_the_repair_goes_on_with_the_conversation() -> None:
    (assistant, said), (role, asked) = repair(CARD, SOLUTION, "<think>so</think>step 7", "it is empty")
    assert (assistant, said, role) == ("assistant", "step 7", "user")
    assert asked.startswith("That answer could not be used: it is empty. Answer again") and "from 1 to 2" in asked
    assert repair(CARD, SOLUTION, "", "f")[0][1] == "(nothing)"
    assert len(repair(CARD, SOLUTION, "x" * 10**5, "f")[0][1]) == 4000


def test_the_request_holds_the_answer_to_the_schema() -> None:
    told = body(CARD, 7)
    assert (told["max_tokens"], told["temperature"]) == (4096, 0.0)
    schema = told["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["schema"] == answer_schema(7, explain=True)
    assert list(schema["schema"]["properties"]) == schema["schema"]["required"] == ["check", "first_error"]
    assert schema["schema"]["properties"]["first_error"] == {"type": "integer", "minimum": 0, "maximum": 7}
    assert answer_schema(7, explain=False)["required"] == ["first_error"]


@pytest.mark.parametrize(("output", "expected"), [("json_object", {"type": "json_object"}), ("text", None)])
def test_other_outputs_limits_and_fields(output: str, expected: object) -> None:
    card = LanguageModelCard(
        model="m",
        output=output,  # type: ignore[arg-type]
        temperature=None,
        max_tokens=9,
        limit_field="max_completion_tokens",
        body={"reasoning_effort": "low"},
    )
    told = body(card, 2)
    assert told.get("response_format") == expected
    assert told == {"max_completion_tokens": 9, "reasoning_effort": "low"} | (
        {} if expected is None else {"response_format": expected}
    )
