"""Reading a model's answer: tolerant of what surrounds it, never guessing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.judging.language.reply import Found, Unusable, read_answer

STEPS = 4


@pytest.mark.parametrize(
    ("text", "first_error"),
    [
        ('{"first_error": 0}', -1),
        ('{"first_error": 1}', 0),
        ('{"first_error": 4}', 3),
        (' \n{ "first_error" :\n 2 } \n', 1),
        ('```json\n{"first_error": 2}\n```', 1),
        ('Step 2 says 3 + 4 = 8. So the answer is {"first_error": 2}. I am sure.', 1),
        ('<think>maybe {"first_error": 1}, no {"first_error": 3}</think>\n{"first_error": 2}', 1),
        ('it began to think before we saw it, {"first_error": 3}\n</think>\n\n{"first_error": 0}', -1),
        ('{"check": "3 + 4 = 8 is {false}", "first_error": 2}', 1),
        ('{"first_error": 2, "why": "a key that we did not ask for", "sure": true}', 1),
        ('{"first_error": 2}\nTo repeat: {"first_error": 2}', 1),
        (r'In \(\frac{1}{2} + \left\{ x \right.\) the sum is wrong: {"first_error": 2}', 1),
        ('The form is {"first_error": N}... {"first_error": 2}', 1),
        ('The set {} is empty. {"first_error": 2}', 1),
    ],
)
def test_answers_that_can_be_read(text: str, first_error: int) -> None:
    read = read_answer(text, STEPS)
    assert isinstance(read, Found) and read.first_error == first_error


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ("<think>so long that", "it ends within <think>"),
        ("<think>done</think>", "it is empty"),
        ("Step 2 is wrong.", "no JSON object"),
        ("2", "no JSON object"),
        ('{"first_error": 5}', "first_error is 5, and the steps are numbered from 1 to 4"),
        ('{"first_error": -1}', "first_error is -1"),
        ('{"first_error": 2.0}', "first_error is 2.0, not a whole number"),
        ('{"first_error": 1e0}', "not a whole number"),
        ('{"first_error": "2"}', 'first_error is "2", not a whole number'),
        ('{"first_error": true}', "first_error is true, not a whole number"),
        ('{"first_error": null}', "first_error is null, not a whole number"),
        ('{"first_error": NaN}', "not a whole number"),
        ('{"first_error": [2]}', "first_error is a list, not a whole number"),
        ('{"first_error": {"step": 2}}', "first_error is an object, not a whole number"),
        ('{"first_error": ' + "9" * 30 + "}", "first_error is a huge number"),
        ('{"first_error": ' + "9" * 5000 + "}", "no JSON object"),
        ('{"first_error": 1} or rather {"first_error": 2}', "it names different steps: 1, 2"),
        ('{"first_error": 1, "first_error": 2}', "it names different steps: 1, 2"),
        ('{"first_error": 1} {"first_error": true}', "first_error is true"),
        ('{"verdict": {"first_error": 2}}', "no JSON object"),
        ('{"example": {"first_error": 3}, "first_error": 0', "its JSON is broken"),
        ("{'example': {\"first_error\": 3}, 'first_error': 0}", "its JSON is broken"),
        ('"first_error": 0, "example": {"first_error": 3}}', "its JSON is broken"),
        ('{"first_error": 2', "no JSON object"),
        ("{'first_error': 2}", "no JSON object"),
        ('{"First_Error": 2}', "no JSON object"),
        ('[{"first_error": 1}, {"first_error": 3}]', "it names different steps"),
        ('{"a' * 60, "its JSON is broken"),
        ('{"a":' * 20000, "its JSON is broken"),
        ("{" * 100000, "no JSON object"),
    ],
)
def test_answers_outside_the_schema(text: str, fault: str) -> None:
    read = read_answer(text, STEPS)
    assert isinstance(read, Unusable), read
    assert fault in read.fault


def test_what_the_model_said_becomes_one_short_line() -> None:
    read = read_answer(json.dumps({"check": "step 2:\n  3 + 4 is 7, not 8 " + "x" * 500, "first_error": 2}), STEPS)
    assert isinstance(read, Found) and read.check is not None
    assert read.check.startswith("step 2: 3 + 4 is 7, not 8 xxx") and len(read.check) == 300
    assert read_answer('{"check": 7, "first_error": 2}', STEPS) == Found(1)


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("first_error") | st.text(max_size=4), inner),
    max_leaves=5,
)
_PIECE = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["{", "}", '{"first_error":', "<think>", "</think>", "```json\n", '"', "\\", "\ud800"]),
    st.builds(lambda value: json.dumps({"first_error": value}), _VALUE),
    st.builds(json.dumps, _VALUE),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECE, max_size=6).map("".join), st.integers(1, 6))
def test_nothing_crashes_and_no_verdict_is_out_of_range(text: str, steps: int) -> None:
    read = read_answer(text, steps)
    if isinstance(read, Found):
        assert type(read.first_error) is int and -1 <= read.first_error < steps
        assert json.dumps(read.first_error + 1) in text
    else:
        assert read.fault


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 6),
    st.text(st.characters(blacklist_characters="{}\\<"), max_size=40),
    st.text(st.characters(blacklist_characters="{}\\<"), max_size=40),
    st.text(max_size=40),
)
def test_one_valid_object_is_read_whatever_words_surround_it(step: int, before: str, after: str, check: str) -> None:
    answer = json.dumps({"check": check.replace("</think>", ""), "first_error": step})
    read = read_answer(f"{before}{answer}{after}", 6)
    assert isinstance(read, Found) and read.first_error == step - 1
