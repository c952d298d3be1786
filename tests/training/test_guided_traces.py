"""Traces as ids: the same as behind the prompt, cut at token borders, never into what gives the answer away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import guided_toy
import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer
from sgpo_cli.data.rows import Row, load_rows
from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import prompt_ids, render
from sgpo_cli.generation.standin import standin_tokenizer
from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.guidance.allocate import guided_count, guided_mask
from sgpo_cli.recipe.schema import Columns
from sgpo_cli.training.guiding import Guide, look_at_traces
from sgpo_cli.training.traces import Trace, given_steps, read_trace

BYTES = standin_tokenizer()
CHAT = standin_tokenizer(chat=True)
WORDS = hops_tokenizer(toy.TASK)
SUM = "Ada has 3*4 = <<3*4=12>>12 eggs.\nShe eats 2, so $12-2$ = <<12-2=10>>10 are left.\n#### 10"


def spaced_bpe() -> Any:
    """A tokenizer that joins a space to the word behind it, and adds a space before a text: borders are not free."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    text = ["Ada has eggs and Ben has eggs .", "How many eggs has Ada ? Answer: Ada has 12 eggs ."] * 4
    core.train_from_iterator(text, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"]))
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def test_prompt_and_prefix_are_the_ids_of_prompt_and_trace() -> None:
    words = spaced_bpe()
    prompt, trace = "How many eggs has Ada ? Answer:", " Ada has 12 eggs .\n12"
    found = read_trace("r", prompt, trace, "12", words)
    whole = words(prompt + trace)["input_ids"]
    asked = prompt_ids([prompt], words)[0]
    assert [*asked, *found.ids] == whole
    alone = words(trace, add_special_tokens=False)["input_ids"]
    assert list(found.ids) != alone, "encoded by itself it would begin otherwise: the test shows nothing"
    assert found.ends[-1] == len(trace)


def test_where_the_tokenizer_joins_prompt_and_trace_the_prompts_ids_stand() -> None:
    found = read_trace("r", "e1 r0 r1 r2", "e3\ne4\ne5\n# e5", "e5", WORDS)
    assert WORDS.decode(list(found.ids)) == "e3\ne4\ne5\n# e5"
    assert found.ends == (2, 5, 8, 10, 13)
    assert found.steps == (3, 6, 9, 13)
    assert found.reach == 2


@pytest.mark.parametrize("words", [BYTES, CHAT])
def test_any_text_goes_through(words: Any) -> None:
    trace = "Café: $\\frac{3}{4}$ is <<3/4=.75>>.75 ≈ 𝟛/4.\nSo 75%.\n#### 75"
    found = read_trace("r", render("Wieviel?\n", words), trace, "75", words)
    assert words.decode(list(found.ids)) == trace
    assert len(found.ids) == len(trace.encode())
    assert list(found.ends) == sorted(found.ends)


def steps_of(trace: Trace, length: float, room: int = 1000, **more: Any) -> Any:
    return trace.start(length, guided_toy.fixed(50, loss=False, **more), room)


def test_steps_are_cut_where_they_end_and_the_answers_are_never_given() -> None:
    found = read_trace("r", "How many?\n", SUM, "10", BYTES)
    lines = SUM.splitlines(keepends=True)
    one = steps_of(found, 1)
    assert BYTES.decode(list(one.ids)) == lines[0] and one.cut.reason is None
    more = steps_of(found, 2)  # the second line arrives at 10, the third states it
    assert more.ids == one.ids and more.cut.reason == "answer"
    assert steps_of(found, 7).cut.reason == "short_trace"
    assert steps_of(found, 0).ids == ()


def test_tokens_stop_before_the_answer_too() -> None:
    found = read_trace("r", "How many?\n", SUM, "10", BYTES)
    assert BYTES.decode(list(steps_of(found, 5, unit="tokens").ids)) == SUM[:5]
    most = steps_of(found, 70, unit="tokens")
    assert BYTES.decode(list(most.ids)) == SUM.splitlines(keepends=True)[0] and most.cut.reason == "answer"


def test_a_shared_budget_leaves_a_token_and_an_extra_one_leaves_all() -> None:
    found = read_trace("r", "How many?\n", SUM, "10", BYTES)
    assert len(steps_of(found, 30, 20, unit="tokens").ids) == 19
    assert steps_of(found, 30, 20, unit="tokens").cut.reason == "budget"
    assert len(steps_of(found, 30, 20, unit="tokens", budget="extra").ids) == 30
    first = len(SUM.splitlines(keepends=True)[0])
    assert steps_of(found, 1, first, budget="shared").ids == ()
    assert len(steps_of(found, 1, first + 1, budget="shared").ids) == first


@pytest.mark.parametrize("solution", [None, "", " \n "])
def test_an_empty_trace_gives_nothing(solution: str | None) -> None:
    start = steps_of(read_trace("r", "p", solution, "1", BYTES), 3)
    assert start.ids == () and start.guided and start.cut.reason == "no_trace"


def test_a_trace_that_spells_the_end_is_refused_with_its_row() -> None:
    with pytest.raises(UserError, match=r"row 'r7'.*<\|end\|>"):
        read_trace("r7", "p", "one\ntwo <|end|>\nthree", "3", BYTES)


@settings(max_examples=80, deadline=None)
@given(
    lines=st.lists(st.text("ab 12.$\\{}é<>=\n", min_size=1, max_size=12), min_size=1, max_size=6),
    length=st.floats(0, 60),
    budget=st.integers(1, 40),
    unit=st.sampled_from(["steps", "tokens"]),
    extra=st.booleans(),
)
def test_a_prefix_is_the_traces_beginning_without_its_last_step(
    lines: list[str], length: float, budget: int, unit: Any, extra: bool
) -> None:
    text = "\n".join(lines)
    found = read_trace("r", "p\n", text, "12", BYTES)
    start = steps_of(found, length, budget, unit=unit, budget="extra" if extra else "shared")
    assert found.ids[: len(start.ids)] == start.ids
    assert len(start.ids) < len(text.encode()) or not text
    assert extra or len(start.ids) < budget
    asked = start.cut.asked
    if unit == "tokens":
        assert len(start.ids) <= asked


def test_given_steps_of_a_response() -> None:
    response, ends = "e1\ne2\ne3\n# e3", [3, 6, 9, 13]
    assert [given_steps(end, ends, response) for end in (0, 1, 2, 3, 5, 13)] == [0, 0, 1, 1, 2, 4]


def _guide(length: int, **more: Any) -> Guide:
    config = guided_toy.fixed(length, **more)
    schedule = load_guidance(config, seed=0, steps=4)
    return Guide(config, schedule=schedule, group_size=4, budget=64, tokenizer=BYTES)


def test_what_is_wrong_with_traces_is_said_before_training_with_the_rows_id() -> None:
    rows = [
        Row("good", "p", "9", "a\nb\nc\nd\ne\n9"),
        Row("empty", "p", "9", None),
        Row("short", "p", "9", "a\n9"),
        Row("tells", "p", "9", "a\nb\n9 and\n9 or\n9"),
        Row("long", "p", "9", f"{'a' * 40}\n{'b' * 40}\n{'c' * 40}\nd\n9"),
    ]
    told = look_at_traces(_guide(3), rows, ["p"] * 5)
    nothing, less = told
    assert "1 of 5 rows (20%)" in nothing and "1 has no solution" in nothing and "row 'empty'" in nothing
    assert "3 of 5 rows (60%)" in less and "row 'short'" in less
    for why in ("shorter than that", "no more of it before the answer", "no more that fits"):
        assert f"1 has a {why}" in less or f"1 has {why}" in less or why in less
    with pytest.raises(UserError, match="anything to start from"):
        look_at_traces(_guide(3), rows[1:2], ["p"])


def test_a_fraction_of_no_rollout() -> None:
    with pytest.raises(UserError, match="rounds to no rollout"):
        _guide(3, fraction=0.1)


def test_human_solutions_go_through(shared_data: Path) -> None:
    columns = Columns(problem="problem", answer="answer", solution="solution")
    for row in load_rows(shared_data / "train_gsm8k.jsonl", columns=columns, limit=300):
        found = read_trace(row.id, row.problem + "\n", row.solution, row.answer, BYTES)
        assert BYTES.decode(list(found.ids)) == row.solution
        whole = steps_of(found, 10_000, 100_000, unit="tokens")
        given = BYTES.decode(list(whole.ids))
        assert "####" not in given and row.solution is not None and row.solution.startswith(given)


@pytest.mark.parametrize("size", range(2, 17))
def test_ranks_plan_what_one_process_would(size: int) -> None:
    """Every fraction; two ranks with equal shares of three groups' rows, a border inside a group when it falls so."""
    rows = [
        {"id": f"r{group}", "prompt": "p", "solution": f"{group}a\nb\nc\n9", "answer": "9"}
        for group in range(4)
        for _ in range(size)
    ]
    for tenth in range(1, 11):
        if not guided_count(tenth / 10, size):
            continue
        config = guided_toy.fixed(2, fraction=tenth / 10)
        schedule = load_guidance(config, seed=0, steps=4)
        guide = Guide(config, schedule=schedule, group_size=size, budget=64, tokenizer=BYTES)
        alone = guide.starts(rows, 0)
        for border in (1, size // 2, size + 1, 3 * size - 1):
            assert [*guide.starts(rows[:border], 0), *guide.starts(rows[border:], border)] == alone
        for group in range(4):
            given = [bool(start.ids) for start in alone[group * size : (group + 1) * size]]
            assert given == list(guided_mask(tenth / 10, size)) and any(given)
