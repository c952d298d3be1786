"""Steps coloured as judged: the states, the marks that stand in for colour, and escaping."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sgpo_cli.display.console import THEME
from sgpo_cli.display.steps import legend_text, render_steps, steps_html, steps_of, verdict_words

HOPS = {"response": "e4\ne61\ne7\n# e7", "step_ends": [3, 7, 10, 14]}


def verdict(first: int | None, **more: Any) -> dict[str, Any]:
    told = {"first_error": first, "num_steps": 4, "checked": 4, "abstained": first is None, "judge": "hops_oracle"}
    return {**told, "prefix_score": None, "reason": None, **more}


def states(row: dict[str, Any]) -> list[str]:
    return [step.state for step in steps_of(row)]


def plain(row: dict[str, Any], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, theme=THEME, no_color=True)
    console.print(render_steps(row))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_right_then_first_wrong_then_after() -> None:
    assert states({**HOPS, "verdict": verdict(1)}) == ["right", "wrong", "after", "after"]
    assert states({**HOPS, "verdict": verdict(0)}) == ["wrong", "after", "after", "after"]
    assert states({**HOPS, "verdict": verdict(-1)}) == ["right"] * 4


def test_without_a_verdict_no_step_is_called_right() -> None:
    assert states({**HOPS, "verdict": None}) == ["unjudged"] * 4
    assert states({**HOPS, "verdict": verdict(None, reason="timeout")}) == ["unjudged"] * 4


def test_where_nothing_was_checked_no_step_is_called_right() -> None:
    row = {**HOPS, "verdict": verdict(-1, checked=0)}
    assert states(row) == ["unjudged"] * 4 and plain(row).rstrip() == "e4 e61 e7 # e7"


def test_only_a_judge_that_checked_every_step_calls_them_right() -> None:
    row = {**HOPS, "verdict": verdict(-1, checked=2)}
    assert states(row) == ["passed"] * 4 and states({**HOPS, "verdict": verdict(2, checked=2)})[:2] == ["passed"] * 2
    assert plain(row).rstrip() == "+e4 +e61 +e7 +# e7"
    assert "no error found" in steps_html(row) and 'class="right"' not in steps_html(row)


def test_the_legend_promises_no_more_than_was_checked() -> None:
    oracle, rule = {**HOPS, "verdict": verdict(-1)}, {**HOPS, "verdict": verdict(-1, checked=2)}
    assert "+ right" in legend_text([oracle]).plain
    for rows in (None, [], [rule], [oracle, rule]):
        assert "+ no error found" in legend_text(rows).plain and "right" not in legend_text(rows).plain


def test_the_colours_are_the_contracts() -> None:
    styles = THEME.styles
    assert [str(styles[f"step.{s}"]) for s in ("right", "passed", "after")] == ["green", "green", "dim"]
    assert "red" in str(styles["step.wrong"])


def test_marks_carry_the_meaning_without_colour() -> None:
    assert plain({**HOPS, "verdict": verdict(1)}).rstrip() == "+e4 xe61 .e7 .# e7"


def test_long_steps_have_their_mark_on_every_line() -> None:
    first, second = "Step 1: we add the two numbers\nand keep the result.\n\n", "Step 2: so it is 12."
    row = {"response": first + second, "step_ends": [len(first), len(first + second)], "verdict": verdict(1)}
    lines = plain(row).splitlines()
    assert [line[:1] for line in lines] == ["+", "+", "x"]
    assert "Step 2: so it is 12." in lines[2] and " 1 " in lines[2]


def test_an_injected_prefix_is_marked() -> None:
    # Decoded ids end before the line break of their last step.
    assert states({**HOPS, "verdict": verdict(2), "prefix_end": 2}) == ["injected", "right", "wrong", "after"]
    assert states({**HOPS, "verdict": verdict(2), "prefix_end": 3}) == ["injected", "right", "wrong", "after"]
    assert plain({**HOPS, "verdict": verdict(2), "prefix_end": 2}).rstrip() == ">e4 +e61 xe7 .# e7"
    assert states({**HOPS, "verdict": verdict(2), "prefix_end": 0}) == ["right", "right", "wrong", "after"]


def test_a_step_in_which_the_prefix_ends_is_two_pieces() -> None:
    row = {"response": "We add 2 and 3. That is 5.\nDone.", "step_ends": [27, 32], "verdict": verdict(1)}
    pieces = steps_of({**row, "prefix_end": 15})
    assert [(p.index, p.text, p.state) for p in pieces] == [
        (0, "We add 2 and 3.", "injected"),
        (0, " That is 5.", "right"),
        (1, "Done.", "wrong"),
    ]


def test_a_prefix_is_marked_where_nobody_split_the_response() -> None:
    short = {"response": "e4\ne7\ne9\n# e9", "step_ends": None, "prefix_end": 5}
    assert plain(short).rstrip() == ">e4 >e7 e9 # e9"
    long = {"response": "a long line of reasoning\nand another long one", "step_ends": None, "prefix_end": 24}
    assert states(long) == ["injected", "unjudged"]


def test_an_unsplit_response_is_one_step_or_short_lines() -> None:
    assert [step.text for step in steps_of({"response": "a long line of reasoning\nb", "step_ends": None})] == [
        "a long line of reasoning\nb"
    ]
    assert [step.text for step in steps_of({"response": "e4\ne7\n# e7", "step_ends": None})] == ["e4", "e7", "# e7"]
    assert steps_of({"response": None, "step_ends": None}) == []


def test_text_after_the_last_recorded_end_is_not_lost() -> None:
    assert [s.text for s in steps_of({"response": "abc def", "step_ends": [4], "verdict": None})] == ["abc", "def"]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(min_size=1), st.data())
def test_html_shows_the_response_and_nothing_else(response: str, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.sets(st.integers(0, len(response)))))
    reader = _Reader()
    reader.feed(steps_html({"response": response, "step_ends": ends, "verdict": None}))
    reader.close()
    assert reader.tags <= {"ol", "li", "span", "b"}
    shown = "".join(step.text for step in steps_of({"response": response, "step_ends": ends, "verdict": None}))
    # An HTML reader takes any line end for \n.
    assert reader.text == shown


def test_html_of_a_hostile_response() -> None:
    html = steps_html({"response": "</li><script>alert(1)</script>\x1b[31m", "step_ends": None, "verdict": None})
    assert "<script" not in html and "\x1b" not in html and "&lt;script&gt;" in html


def test_a_terminal_never_sees_an_escape_of_the_model() -> None:
    assert "\x1b" not in plain({"response": "\x1b]0;title\x07 hello \x9b31m", "step_ends": None, "verdict": None})


def test_a_long_response_is_cut_and_says_so() -> None:
    html = steps_html({"response": "x" * 500, "step_ends": None, "verdict": None}, max_chars=100)
    assert "400 more characters" in html and "x" * 101 not in html


def test_verdicts_in_words() -> None:
    assert verdict_words(None) == "not judged"
    assert verdict_words(verdict(1, reason="e4 r0 is e5")) == "first wrong step: 1 (steps 0 to 3): e4 r0 is e5"
    assert verdict_words(verdict(0, num_steps=1, checked=1)) == "first wrong step: 0 (the only one)"
    assert verdict_words(verdict(-1, checked=0)) == "nothing to check: not judged"
    assert verdict_words(verdict(-1, checked=2)) == "no wrong step found (2 of 4 checked)"
    assert verdict_words(verdict(None, reason="timeout")) == "hops_oracle abstained: timeout"
