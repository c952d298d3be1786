"""The language-model judge against a server: right verdicts, failures as abstentions, nothing asked or paid twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgpo_cli.errors import RecipeError, UserError
from sgpo_cli.judging.language.judge import from_options
from sgpo_cli.judging.language.options import fingerprint
from sgpo_cli.judging.usage import Metered, Remote
from sgpo_cli.judging.verdict import Solution
from tests.judging.language import judge_at, right, solution, truth
from tests.servers.behaviours import Act, Asked, any_of, dropped, echo_key, error, html, late, malformed, ok, verdict
from tests.servers.chat_server import ChatServer


def test_verdicts_are_right_in_order_and_counted() -> None:
    given = [solution(number, steps=1 + number % 5) for number in range(60)]
    with ChatServer(right, latency_s=0.01) as server, judge_at(server, concurrency=8) as judge:
        assert isinstance(judge, Metered) and isinstance(judge, Remote) and judge.probe() == []
        read = judge.judge(given)
        assert [v.first_error for v in read] == [truth(s) for s in given]
        assert all(v.checked == v.num_steps == len(s.steps) for v, s in zip(read, given, strict=True))
        assert {v.judge for v in read} == {"judge"}
        assert list(judge.stream(given)) == read
        usage = judge.take_usage()
        assert usage.calls == len(server.log) == 120 and server.most_at_once == 8
        assert (usage.cached, usage.failed, usage.repaired, usage.cost) == (0, 0, 0, None)
        assert usage.input_tokens > 120 * 100 and usage.output_tokens == 240
        assert judge.take_usage().calls == 0


def test_what_needs_no_question_and_what_cannot_be_asked() -> None:
    short = Solution("p", ("right",), reference="r")
    with ChatServer(right) as server:
        options = {"max_steps": 3, "max_chars": 3000, "reference": "always"}
        with judge_at(server, **options) as judge:
            empty, many, blind, long, good = judge.judge(
                [
                    Solution("p", (), reference="r"),
                    Solution("p", ("right",) * 4, reference="r"),
                    Solution("p", ("s",)),
                    Solution("p" * 3000, ("s",), reference="r"),
                    short,
                ]
            )
            assert (empty.first_error, empty.num_steps, empty.prefix_score) == (-1, 0, 0.0)
            assert many.reason == "judge: too_long: 4 steps, max_steps is 3"
            assert blind.reason == "judge: no_reference: there is no reference solution to show"
            assert long.reason is not None and long.reason.startswith("judge: too_long: the prompt has")
            assert good.first_error == -1
            usage = judge.take_usage()
            assert (usage.calls, usage.failed) == (1, 0) and len(server.log) == 1
            assert judge.judge([Solution("p", ("right",) * 3, reference="r")])[0].first_error == -1, "just short enough"


def test_a_third_of_the_calls_fails_and_none_becomes_a_score() -> None:
    """Every way to fail; the verdicts that there are, are right, and the counts are those of the server's log."""
    bad = any_of(
        error(500), error(429), error(400), dropped(), malformed(), html(), verdict(9), ok(""), ok("step 2, I think"),
        ok('{"first_error": 1} or {"first_error": 2}'), ok('{"first_error"', finish_reason="length"),
    )  # fmt: skip
    given = [solution(number) for number in range(300)]
    with ChatServer(right, fail_share=0.3, fail_with=bad, seed=3) as server:
        with judge_at(server, breaker={"share": 1.0, "window": 50}) as judge:
            read = judge.judge(given)
            usage = judge.take_usage()
        failed = [v for v in read if v.abstained]
        for v, s in zip(read, given, strict=True):
            assert v.abstained or v.first_error == truth(s)
            assert not v.abstained or (v.prefix_score is None and str(v.reason).startswith("judge: "))
        kinds = {str(v.reason).split(": ")[1] for v in failed}
        assert {"server", "rate_limited", "refused", "connection", "bad_reply", "cut_off", "bad_answer"} <= kinds
        assert 30 < len(failed) < 120 and usage.failed == len(failed)
        assert usage.calls == len(server.log) > 300 and usage.repaired > 0


def test_retries_mend_most_of_it() -> None:
    given = [solution(number) for number in range(60)]
    with ChatServer(right, fail_share=0.3, fail_with=error(503, headers={"retry-after-ms": "1"}), seed=1) as server:
        with judge_at(server, retries=6, breaker={"share": 1.0}) as judge:
            read = judge.judge(given)
            usage = judge.take_usage()
        assert [v.first_error for v in read] == [truth(s) for s in given]
        assert usage.calls == len(server.log) > 60 and usage.failed == 0


def test_a_dead_server_opens_the_breaker_and_later_calls_cost_nothing() -> None:
    with ChatServer(error(500)) as server:
        with judge_at(server, concurrency=2, breaker={"share": 0.5, "window": 10, "cooldown_s": 60.0}) as judge:
            first = judge.judge([solution(number) for number in range(40)])
            asked = len(server.log)
            assert asked < 20
            second = judge.judge([solution(number) for number in range(40, 80)])
            usage = judge.take_usage()
        assert all(v.abstained for v in first + second)
        assert all(str(v.reason).startswith("judge: breaker_open: ") for v in second)
        assert len(server.log) == asked == usage.calls and usage.failed == 80


def test_one_repair_try_goes_on_with_the_conversation() -> None:
    asked: list[Asked] = []

    def server_says(request: Asked) -> Act:
        asked.append(request)
        return (verdict(7) if request.number == 0 else verdict(2))(request)

    with ChatServer(server_says) as server, judge_at(server) as judge:
        (read,) = judge.judge([solution(5)])
        usage = judge.take_usage()
    assert read.first_error == 1 and (usage.calls, usage.repaired, usage.failed) == (2, 1, 0)
    assert asked[1].messages[:2] == asked[0].messages and len(asked[1].messages) == 4
    assert asked[1].messages[2] == {"role": "assistant", "content": '{"first_error": 7}'}
    assert "first_error is 7, and the steps are numbered from 1 to 3" in asked[1].prompt


@pytest.mark.parametrize(
    ("behaviours", "reason", "calls"),
    [
        ([verdict(7), verdict(8)], "judge: bad_answer: first_error is 8, and the steps are numbered from 1 to 3", 2),
        ([verdict(7), error(500)], "judge: server: ", 2),
        ([ok("", finish_reason="length", usage={"completion_tokens": 77})], "judge: cut_off: cut off at 77 tokens", 1),
        ([ok("{", finish_reason="length", usage={})], "judge: cut_off: cut off at 4096 tokens", 1),
        ([ok("", finish_reason="content_filter")], "judge: filtered: ", 1),
        ([verdict(7), ok("", finish_reason="length", usage={})], "judge: cut_off: cut off at 4096 tokens", 2),
        ([late(2.0)], "judge: timeout: ", 1),
    ],
)
def test_reasons_are_typed(behaviours: list, reason: str, calls: int) -> None:  # type: ignore[type-arg]
    with ChatServer(behaviours) as server, judge_at(server, timeout_s=0.3) as judge:
        (read,) = judge.judge([solution(5)])
        usage = judge.take_usage()
    assert read.abstained and str(read.reason).startswith(reason)
    assert (usage.calls, usage.failed, usage.repaired) == (calls, 1, 0)


def test_the_key_is_sent_and_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H2_TEST_KEY", "sk-very-secret-4711")
    with ChatServer(right, key="sk-very-secret-4711") as server:
        with judge_at(server, key_env="H2_TEST_KEY") as judge:
            assert judge.judge([solution(5)])[0].first_error == truth(solution(5))
            assert "4711" not in repr(vars(judge))
        server.behaviour = echo_key()
        with judge_at(server, key_env="H2_TEST_KEY") as judge:
            (read,) = judge.judge([solution(5)])
            assert str(read.reason).startswith("judge: refused: ") and "4711" not in str(read.reason)
    monkeypatch.delenv("H2_TEST_KEY")
    with ChatServer(right) as server, pytest.raises(UserError, match="H2_TEST_KEY"):
        judge_at(server, key_env="H2_TEST_KEY")


@pytest.mark.parametrize("key", ["sk-very-secret-4711", "abcd1234/efgh+5678=", 'sk-a"b\\c/d&e<f>'])
@pytest.mark.parametrize("spell", ["first", "slash", "plain"])
def test_an_answer_that_spells_the_key_with_escapes_tells_it_to_nobody(
    key: str, spell: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """JSON has many ways to write a text: what is stored and shown is looked at after it was read."""
    monkeypatch.setenv("H2_TEST_KEY", key)
    said = json.dumps(f"k {key}")
    if spell == "first":
        said = said.replace(key[0], f"\\u{ord(key[0]):04x}")
    if spell == "slash":
        said = said.replace("/", "\\/")
    with ChatServer(ok(f'{{"check": {said}, "first_error": 1}}'), key=key) as server:
        with judge_at(server, key_env="H2_TEST_KEY", store=tmp_path / "store.sqlite") as judge:
            (read,) = judge.judge([solution(5)])
            assert read.first_error == 0 and key not in str(read.reason)
        server.behaviour = ok(f'{{"first_error": {said}}}')
        with judge_at(server, key_env="H2_TEST_KEY") as judge:
            (read,) = judge.judge([solution(6)])
            assert read.abstained and key not in str(read.reason)
    assert key.encode() not in (tmp_path / "store.sqlite").read_bytes()


def test_no_bill_is_known_where_the_server_tells_no_tokens() -> None:
    price = {"input": 2.0, "output": 8.0, "currency": "EUR"}
    with ChatServer(ok('{"first_error": 0}', usage={})) as server, judge_at(server, price=price) as judge:
        judge.judge([solution(1)])
        taken = judge.take_usage()
        assert (taken.cost, taken.uncounted, taken.currency) == (None, 1, "EUR")


def test_money_is_counted_where_the_card_has_a_price() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 800}}
    behave = ok('{"first_error": 0}', usage=usage)
    prices = {"input": 2.0, "cached_input": 0.5, "output": 8.0}
    with ChatServer(behave) as server:
        with judge_at(server, price=prices) as judge:
            judge.judge([solution(1), solution(2)])
            taken = judge.take_usage()
            assert taken.cost == pytest.approx(2 * (200 * 2.0 + 800 * 0.5 + 10 * 8.0) / 1e6)
            assert (taken.input_tokens, taken.cached_tokens, taken.output_tokens) == (2000, 1600, 20)
            assert judge.take_usage().cost == 0.0
        with judge_at(server, price={"input": 2.0, "output": 8.0}) as judge:
            judge.judge([solution(1)])
            assert judge.take_usage().cost == pytest.approx((1000 * 2.0 + 10 * 8.0) / 1e6)


def test_the_models_words_are_the_reason() -> None:
    said = json.dumps({"check": "2 + 2 is 4,\n not 5", "first_error": 2})
    with ChatServer(ok(said)) as server, judge_at(server) as judge:
        assert judge.judge([solution(1)])[0].reason == "2 + 2 is 4, not 5"
        server.behaviour = ok(json.dumps({"check": "all is well", "first_error": 0}))
        assert judge.judge([solution(2)])[0].reason is None


def test_a_server_that_is_not_there_is_found_by_the_probe() -> None:
    with ChatServer(right, model="other") as server, judge_at(server) as judge:
        (line,) = judge.probe()
        assert "judge" in line
    with judge_at(server) as judge:
        assert len(judge.probe()) == 1
        assert judge.judge([solution(1)])[0].abstained


def test_the_fingerprint_names_what_changes_an_answer_and_nothing_else() -> None:
    base = {"model": "m"}
    same = [
        {"endpoints": ["http://elsewhere/v1"]}, {"key_env": "K"}, {"concurrency": 1}, {"retries": 0}, {"timeout_s": 1},
        {"deadline_s": 999}, {"price": {"input": 1, "output": 1}}, {"max_steps": 5}, {"store": None},
        {"breaker": {"window": 3}}, {"temperature": 0}, {"kind": "language_model"},
    ]  # fmt: skip
    other = [
        {"model": "n"}, {"reference": "never"}, {"output": "text"}, {"explain": False}, {"temperature": None},
        {"max_tokens": 1}, {"body": {"top_p": 0.9}}, {"prompt": {"system": None}}, {"prompt": {"repair": "again"}},
        {"prompt": {"user": "{problem} {reference} {steps}"}}, {"prompt": {"reference": "{reference}"}},
        {"endpoints": ["standin"]},
    ]  # fmt: skip
    assert {fingerprint(base | more) for more in same} == {fingerprint(base)}
    assert len({fingerprint(base | more) for more in [{}, *other]}) == len(other) + 1


def test_mistaken_options_are_refused_all_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        fingerprint({"temperature": -1, "endpoints": ["localhost:8000"], "nonsense": 1})
    told = str(caught.value)
    assert all(word in told for word in ("model is missing", "temperature", "localhost:8000", "nonsense"))
    with pytest.raises(UserError, match="store"):
        from_options({"model": "m", "store": "verdicts.sqlite"})
