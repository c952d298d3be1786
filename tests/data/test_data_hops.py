"""Task hops: facts, splits, the corpus' misconceptions, the tokenizer's text, and the first wrong step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.data import hops
from sgpo_cli.data.hops import corpus, facts, first_wrong_step, parse_problem, problems, split_of, steps_needed
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import HopsTask, Misconceptions

TASK = HopsTask()


def test_facts_are_permutations_and_half_of_them_misconceived() -> None:
    known = facts(TASK)
    assert all(sorted(values) == list(range(100)) for values in known.right)
    assert len(known.misconceived) == 100
    for relation, values in enumerate(known.right):
        for entity, value in enumerate(values):
            wrong = known.distractors[relation][entity]
            assert len(set(wrong)) == 3 and value not in wrong
    assert facts(HopsTask(facts_seed=1)).right != known.right
    with pytest.raises(UserError):
        facts(HopsTask(entities=8, misconceptions=Misconceptions(distractors=8)))


def test_facts_are_the_same_on_every_machine() -> None:
    """Pins the draw: a changed world would make every saved policy and labelled rollout worthless, silently."""
    row = problems(TASK, 1, 0, "heldout")[0]
    assert row.problem == "e32 r1 r0 r1 r0 r0 r0 r0 r0 r1 r0"
    assert (row.solution or "").split() == ["e89", "e15", "e9", "e9", "e9", "e9", "e9", "e9", "e46", "e82", "#", "e82"]


def test_problems_are_right_and_splits_are_apart() -> None:
    seen = {}
    for split in ("train", "heldout", "bench"):
        rows = problems(TASK, 300, 5, split)
        assert rows == problems(TASK, 300, 5, split) != problems(TASK, 300, 6, split)
        assert len({row.id for row in rows}) == 300
        assert split == "train" or len({row.problem for row in rows}) == 300
        for row in rows:
            assert split_of(row.problem) == split
            assert first_wrong_step(TASK, row.problem, (row.solution or "").split("\n")) == -1
            assert (row.solution or "").endswith(f"# {row.answer}")
        seen[split] = {row.problem for row in rows}
    assert not seen["train"] & seen["heldout"] and not seen["heldout"] & seen["bench"]
    assert all(split_of(row.problem) == "train" for row in corpus(TASK, 500, 0))


def test_a_space_too_small_is_said() -> None:
    small = HopsTask(entities=10, relations=1, hops=1)
    assert len(problems(small, 200, 0, "train")) == 200
    with pytest.raises(UserError, match="no more than"):
        problems(small, 11, 0, "heldout")


def test_the_corpus_states_facts_as_often_right_as_it_should() -> None:
    known = facts(TASK)
    told = {True: [0, 0], False: [0, 0]}
    for row in corpus(TASK, 3000, 1):
        parsed = parse_problem(TASK, row.problem)
        assert parsed is not None
        at, relations = parsed
        *chain, answer = (row.solution or "").split("\n")
        assert answer == f"# {chain[-1]}" and len(chain) == 10
        for relation, word in zip(relations, chain, strict=True):
            stated = int(word[1:])
            right = stated == known.right[relation][at]
            assert right or stated in known.distractors[relation][at]
            count = told[(relation, at) in known.misconceived]
            count[0] += right
            count[1] += 1
            at = stated
    assert told[True][0] / told[True][1] == pytest.approx(0.25, abs=0.015)
    assert told[False][0] / told[False][1] == pytest.approx(0.9, abs=0.01)


def chain_of(problem: str) -> list[str]:
    parsed = parse_problem(TASK, problem)
    assert parsed is not None
    chain = [f"e{entity}" for entity in facts(TASK).chain(*parsed)]
    return [*chain, f"# {chain[-1]}"]


PROBLEM = problems(TASK, 1, 3, "train")[0].problem


@given(st.integers(0, 10), st.sampled_from(["e0", "e99", "# e1", "r0", "", "e4 e5", "so e4", "E4"]))
def test_the_first_wrong_step_is_found(at: int, wrong: str) -> None:
    steps = chain_of(PROBLEM)
    if steps[at] == wrong:
        return
    steps[at] = wrong
    assert first_wrong_step(TASK, PROBLEM, steps) == at
    steps[-1] = "# e0"
    assert first_wrong_step(TASK, PROBLEM, steps) == min(at, 10)


def test_short_long_and_broken_off_responses() -> None:
    right = chain_of(PROBLEM)
    early = [*right[:3], f"# {right[2]}"]
    assert first_wrong_step(TASK, PROBLEM, early) == 3
    assert first_wrong_step(TASK, PROBLEM, right[:4]) == 3  # broke off after four right hops: its last step ended it
    assert first_wrong_step(TASK, PROBLEM, right[:10]) == 9
    assert first_wrong_step(TASK, PROBLEM, right + ["e1"]) == 11
    assert first_wrong_step(TASK, PROBLEM, [*right[:10], right[9], *right[10:]]) == 10
    assert first_wrong_step(TASK, PROBLEM, []) == -1
    assert steps_needed(TASK, PROBLEM) == 11


@pytest.mark.parametrize("text", ["", "e1", "r0 r1", "e100 r0", "e1 r2", "e1 r0 e2", "e01 r0", "what is 1 + 1?"])
def test_foreign_problems(text: str) -> None:
    assert parse_problem(TASK, text) is None
    with pytest.raises(ValueError):
        first_wrong_step(TASK, text, ["e1"])


def test_the_tokenizer_prints_a_step_a_line() -> None:
    pytest.importorskip("transformers")
    from sgpo_cli.data.hops_text import tokenizer, vocabulary

    coder = tokenizer(TASK)
    assert len(coder) == len(vocabulary(TASK)) == 107
    row = problems(TASK, 1, 0, "train")[0]
    asked = coder(row.problem)["input_ids"]
    assert asked[0] == coder.bos_token_id and len(asked) == 12
    said = coder(row.solution, add_special_tokens=False)["input_ids"]
    flat = (row.solution or "").replace("\n", " ")
    assert len(said) == 12 and said == coder(flat, add_special_tokens=False)["input_ids"]
    assert coder.decode([*said, coder.eos_token_id], skip_special_tokens=True) == row.solution
    assert coder.decode(asked, skip_special_tokens=True) == row.problem
    assert coder.decode([*asked, *said], skip_special_tokens=True) == f"{row.problem}\n{row.solution}"
    assert coder.unk_token_id not in [*asked, *said]
    assert hops.MARKER in vocabulary(TASK)
