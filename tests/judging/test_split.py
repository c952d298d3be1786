"""The step splitter: the spans tile the text, nothing is cut inside mathematics, hostile text costs linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.judging.latex import regions
from sgpo_cli.judging.split import split_spans, split_steps

PIECES = st.sampled_from(
    [
        "1. ",
        "2. ",
        "3) ",
        "Step 1: ",
        "Step 2: ",
        "\n",
        "\n\n",
        " ",
        ";",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "x",
        "5",
    ]
    + ["\\begin{align}", "\\end{align}", "\\boxed{", "}", "{", "```\n", "**", ".", "a b", "=", "\\$", "# ", "é", "\r\n"]
)
MIXED = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))


@given(MIXED)
def test_spans_tile_the_text(text: str) -> None:
    spans = split_spans(text)
    if not text.strip():
        assert spans == []
        return
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(text[start:end].strip() for start, end in spans)
    assert len(split_steps(text)) == len(spans)


@given(MIXED)
def test_nothing_is_cut_inside_a_region(text: str) -> None:
    cuts = [start for start, _ in split_spans(text)][1:]
    for region in regions(text):
        assert not any(region.start < cut < region.end for cut in cuts)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("1. a\n2. b\n3. c", ["1. a", "2. b", "3. c"]),
        ("1) a\n2) b", ["1) a", "2) b"]),
        ("**1.** a\n**2.** b", ["**1.** a", "**2.** b"]),
        ("Now:\n\n1. a\n   1. in\n   2. ner\n2. b", ["Now:\n\n1. a\n   1. in\n   2. ner", "2. b"]),
        ("### Step 1: a\n1. x\n2. y\n### Step 2: b\n\nend", ["### Step 1: a\n1. x\n2. y", "### Step 2: b\n\nend"]),
        ("**Step 1**\nfoo\n**Step 2**\nbar", ["**Step 1**\nfoo", "**Step 2**\nbar"]),
        ("Step 1: foo. Step 2: bar.", ["Step 1: foo.", "Step 2: bar."]),
        ("1. a\n1. b\n1. c", ["1. a", "1. b", "1. c"]),
        ("It is\n1.5 times\n2.5 more", ["It is", "1.5 times", "2.5 more"]),
        ("a\nb\n\nc", ["a\nb", "c"]),
        ("# T\n\nbody\n\n## U\n\nmore", ["# T\n\nbody", "## U\n\nmore"]),
        ("e4\ne61\n# e9", ["e4", "e61", "# e9"]),
        ("a; b; c", ["a;", "b;", "c"]),
        ("a $x;y$; b", ["a $x;y$;", "b"]),
        ("a\n\n\\[x\n\n=y\\]\n\nb", ["a", "\\[x\n\n=y\\]", "b"]),
        ("\\boxed{a;b}; c", ["\\boxed{a;b};", "c"]),
        ("```\na\n\nb\n```\n\nnext", ["```\na\n\nb\n```", "next"]),
        ("It costs $5.\n\nAnd $6.", ["It costs $5.", "And $6."]),
        ("$5;$6; x", ["$5;", "$6;", "x"]),
        ("We use step 1 and step 2.", ["We use step 1 and step 2."]),
        ("  \n ", []),
    ],
)
def test_examples(text: str, steps: list[str]) -> None:
    assert split_steps(text) == steps


@pytest.mark.parametrize(
    "piece", ["$", "$a\n\n{", "\\[", "{", "}", "\n \n", "1. ", "\n1. ", "Step 1: ", "**1.", "```\n", "\\begin{a}", ";"]
)
def test_a_million_hostile_characters(piece: str) -> None:
    text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    began = time.process_time()
    split_spans(text)
    assert time.process_time() - began < 10
