"""The stand-in: a server of our own for smoke runs."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.language.judge import from_options
from sgpo_cli.judging.language.standin import StandIn, answer
from sgpo_cli.judging.store import VerdictStore
from tests.judging.language import solution

OPTIONS = {"model": "m", "endpoints": ["standin"], "key_env": "H2_UNSET_VARIABLE", "concurrency": 4}
GIVEN = [solution(number, steps=1 + number % 4) for number in range(60)]


def test_a_judge_starts_its_own_server_and_ends_it() -> None:
    with from_options(OPTIONS) as judge:
        assert judge.name == "stand-in for m" and judge.probe() == []
        read = judge.judge(GIVEN)
        assert not any(v.abstained for v in read)
        assert 10 < sum(v.first_error == -1 for v in read) < 50, "both kinds of verdict occur"
        assert list(judge.stream(GIVEN)) == read
        usage = judge.take_usage()
        assert usage.calls == 120 and usage.input_tokens > 0 and usage.output_tokens > 0
    judge.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "stand-in"]
    with from_options(OPTIONS | {"endpoints": ["standin", "standin"]}) as again:
        assert again.judge(GIVEN) == read, "the same prompt gives the same verdict"


@pytest.mark.parametrize("output", ["json_object", "text"])
def test_every_output_gets_a_valid_answer(output: str) -> None:
    with from_options(OPTIONS | {"output": output, "explain": False, "prompt": {"system": None}}) as judge:
        assert not any(v.abstained for v in judge.judge(GIVEN[:10]))


def test_its_verdicts_are_never_taken_for_the_models(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with from_options(OPTIONS | {"store": VerdictStore(path)}) as judge:
        judge.judge(GIVEN)
        mine = judge.fingerprint
    real = from_options({"model": "m", "store": VerdictStore(path)})
    with real, VerdictStore(path) as store:
        assert (store.count(mine), store.count(real.fingerprint)) == (60, 0)


def test_it_does_not_mix_with_real_servers() -> None:
    with pytest.raises(UserError, match="mixes standin with real servers"):
        from_options(OPTIONS | {"endpoints": ["standin", "http://localhost:8000/v1"]})


def test_what_is_no_chat_request_is_refused() -> None:
    with StandIn() as server:
        for path, data in (("/chat/completions", b"{}"), ("/chat/completions", b"x"), ("/elsewhere", None)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{server.url}{path}", data, timeout=5)
            caught.value.close()
            assert caught.value.code in (400, 404)
        assert urllib.request.urlopen(f"{server.url}/models", timeout=5).read().startswith(b'{"object": "list"')


def test_an_answer_without_steps_names_none() -> None:
    assert all(answer([{"content": f"hello {i}"}])["first_error"] == 0 for i in range(20))
