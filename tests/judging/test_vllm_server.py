"""A real vLLM server judges: what it is held to, what it counts, what it refuses; on vLLM's CPU build.

The model has random weights. That its answers are valid is the server's merit, where it holds them to the schema;
where it does not, the model is told to answer (vllm_tiny.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.judging.language.judge import from_options
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Solution
from tests.judging.vllm_server import BLOCK, MODEL, VllmServer, python_with_vllm
from tests.judging.vllm_tiny import LONGEST, tiny_chat
from tests.tiny import REPOSITORY, SHORT, rows, sgpo

_PYTHON, _WHY_NOT = python_with_vllm()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("vllm"),  # one server for all of them
    pytest.mark.skipif(_PYTHON is None, reason=_WHY_NOT),
]
STEPS = REPOSITORY / "docs" / "examples" / "steps.jsonl"
MANY = 48
ANSWERED = {"chat_template_kwargs": {"enable_thinking": False}}
THOUGHT = {"chat_template_kwargs": {"enable_thinking": True}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[VllmServer]:
    assert _PYTHON is not None
    with VllmServer(_PYTHON, model, model.parent / "vllm.log") as server:
        yield server


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `MANY` responses of three steps, four to a problem."""
    path = tmp_path_factory.mktemp("rows") / "many.jsonl"
    told = [solution(number // 4, number % 4) for number in range(MANY)]
    path.write_text("".join(json.dumps({"problem": one.problem, "steps": one.steps}) + "\n" for one in told))
    return path


def solution(problem: int, response: int, *, words: str = "") -> Solution:
    total = 10 * problem + response
    steps = (
        f"There are {total} pens.",
        f"Then {total} - 3 = {total - 3} pens are left.",
        f"The answer is {total - 3}.",
    )
    return Solution(f"Shop {problem} has some pens and sells three. {words}How many are left?", steps)


def settings(server: VllmServer, **more: Any) -> dict[str, Any]:
    """A judge at that server. Sampling: a random model that is greedy may write blanks until it is cut off."""
    told: dict[str, Any] = {"model": MODEL, "endpoints": [server.url], "explain": False, "temperature": 1.0}
    return told | {"max_tokens": 64, "concurrency": 16, "timeout_s": 120, "deadline_s": 300} | more


def write_card(here: Path, server: VllmServer, name: str = "served", **more: Any) -> None:
    (here / "judges").mkdir(exist_ok=True)
    card = {"kind": "language_model", **settings(server, **more)}
    (here / "judges" / f"{name}.yaml").write_text(json.dumps(card))  # JSON is YAML


def counted(server: VllmServer) -> Usage:
    """What the server itself has counted so far."""
    names = ("request_success", "prompt_tokens", "prefix_cache_hits", "generation_tokens")
    calls, read, cached, written = (int(server.counter(name)) for name in names)
    return Usage(calls=calls, input_tokens=read, cached_tokens=cached, output_tokens=written)


def agrees(server: VllmServer, before: Usage, ours: Mapping[str, Any]) -> None:
    """Asserts that the server has counted since `before` what we did; it may be a moment behind its answers."""
    names = ("calls", "input_tokens", "cached_tokens", "output_tokens")
    until = time.monotonic() + 10
    while True:
        now = counted(server)
        theirs = {name: getattr(now, name) - getattr(before, name) for name in names}
        if theirs == {name: ours[name] for name in names}:
            return
        assert time.monotonic() < until, (theirs, ours)
        time.sleep(0.2)


def label(here: Path, source: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`sgpo judge` with the card `served`: its figures, and the verdicts."""
    out = here / "labelled.jsonl"
    options = ("--judge", "served", "--out", str(out), "--store", "none", "--overwrite", "--json")
    done = sgpo("judge", str(source), *options, cwd=here)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [row["verdict"] for row in rows(out)]


def test_random_weights_answer_in_the_schema_and_both_sides_count_alike(
    here: Path, server: VllmServer, many: Path
) -> None:
    write_card(here, server, output="json_schema")
    before = counted(server)
    told, verdicts = label(here, many)
    assert len(verdicts) == MANY and all(v["judge"] == MODEL for v in verdicts)
    for verdict in verdicts:
        if verdict["abstained"]:
            assert verdict["reason"].startswith("judge: cut_off: cut off at 64 tokens")
        else:
            assert -1 <= verdict["first_error"] < 3 and verdict["num_steps"] == 3
    valid = [v["first_error"] for v in verdicts if not v["abstained"]]
    assert len(valid) >= 0.9 * MANY and len(set(valid)) > 1
    usage = told["usage"]
    assert usage["calls"] == MANY and usage["repaired"] == 0, "an answer in the schema needs no second question"
    assert usage["output_tokens"] >= 5 * MANY, "the model spelt its answers: none was a token of vllm_tiny"
    agrees(server, before, usage)
    told, _ = label(here, STEPS)
    assert told["rows"]["total"] == 6 and told["rows"]["abstained"] <= 2


@pytest.mark.parametrize("output", ["json_schema", "json_object", "text"])
def test_what_a_model_answers_is_read_in_every_mode(here: Path, server: VllmServer, many: Path, output: str) -> None:
    """And `body.chat_template_kwargs` reaches the template, or the model would not answer."""
    write_card(here, server, output=output, body=ANSWERED)
    told, verdicts = label(here, many)
    assert not any(v["abstained"] for v in verdicts) and {v["first_error"] for v in verdicts} == {-1, 0, 1}
    assert (told["usage"]["calls"], told["usage"]["output_tokens"]) == (MANY, 2 * MANY), "the answer, and its end"


@pytest.mark.parametrize("output", ["json_object", "text"])
def test_random_answers_are_abstentions_with_a_reason(here: Path, server: VllmServer, many: Path, output: str) -> None:
    """No schema holds them: hardly one names a step, and those that do not are asked for once more, counted."""
    write_card(here, server, output=output)
    before = counted(server)
    told, verdicts = label(here, many)
    given_up = [v for v in verdicts if v["abstained"]]
    assert len(given_up) >= 0.9 * MANY and told["usage"]["failed"] == len(given_up)
    assert all(v["reason"].startswith(("judge: cut_off: ", "judge: bad_answer: ")) for v in given_up)
    assert MANY <= told["usage"]["calls"] <= 2 * MANY
    agrees(server, before, told["usage"])


def test_responses_of_one_problem_share_what_the_server_has_read(server: VllmServer) -> None:
    words = "The owner counts them twice a day, in the morning and again in the evening before he goes home. "
    before, total = counted(server), Usage()
    with from_options(settings(server, concurrency=1, body=ANSWERED)) as judge:

        def asked(problem: int, response: int) -> Usage:
            judge.judge([solution(problem, response, words=f"Its number is {problem}. " + 8 * words)])
            usage = judge.take_usage()
            total.add(usage)
            return usage

        for problem in (90, 91, 92):
            first, *others = (asked(problem, response) for response in range(4))
            assert first.input_tokens > 6 * BLOCK
            for other in others:
                # What differs, the steps and the question behind them, fits into two blocks.
                assert other.cached_tokens >= other.input_tokens - 2 * BLOCK - BLOCK
                assert other.cached_tokens >= first.cached_tokens + 2 * BLOCK, "the problem is not read again"
    agrees(server, before, total.to_json())


def test_plan_asks_the_server(here: Path, server: VllmServer) -> None:
    def warnings(**card: Any) -> list[str]:
        write_card(here, server, **card)
        told = ("judge.card=served", "judge.floor=null", "--online", "--json")
        done = sgpo("plan", "tiny_sgpo", *told, cwd=here)
        assert done.returncode == 0, done.stderr
        return [line["what"] for line in json.loads(done.stdout)["warnings"]]

    fine = warnings()
    assert not any(server.url in line for line in fine)
    assert f"{server.url} does not serve 'another'; it serves '{MODEL}'" in warnings(model="another")
    root = server.url.removesuffix("/v1")
    assert f"{root}/models answered 404, does the address end in /v1?" in warnings(endpoints=[root])
    (line,) = (line for line in warnings(max_tokens=LONGEST) if server.url in line)
    assert line.endswith(
        f"holds {LONGEST} tokens of prompt and answer together, and max_tokens asks for {LONGEST}: no room for a prompt"
    )


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ({"model": "another"}, "answered 404: The model `another` does not exist."),
        ({"max_tokens": LONGEST}, f"answered 400: This model's maximum context length is {LONGEST} tokens."),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(
    here: Path, server: VllmServer, card: dict[str, Any], says: str
) -> None:
    write_card(here, server, **card)
    done = sgpo("judge", str(STEPS), "--judge", "served", "--out", "out.jsonl", "--store", "none", cwd=here)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1 and says in said and "Traceback" not in said, said


def test_training_with_it(here: Path, server: VllmServer) -> None:
    """A short run ends, and what it counts is what the server has counted."""
    write_card(here, server)
    before = counted(server)
    judged = ("judge.card=served", "judge.floor=null", "judge.measure=32")
    done = sgpo("train", "tiny_sgpo", *SHORT, *judged, "name=run", cwd=here, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = here / "runs" / "run" / "stages"
    told = json.loads((stages / "judge" / "judge.json").read_text())
    metrics = rows(stages / "train" / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    assert told["abstained"] <= 0.1 and sum(row["groups"]["rescued"] for row in metrics) > 0
    counts: Callable[[str], int] = lambda key: told["usage"][key] + sum(row["judge"][key] for row in metrics)  # noqa: E731
    ours = {name: counts(name) for name in ("calls", "input_tokens", "cached_tokens", "output_tokens")}
    assert ours["cached_tokens"] > 0
    agrees(server, before, ours)


def test_with_a_reasoning_parser_only_the_answer_is_held_to_the_schema(here: Path, model: Path, many: Path) -> None:
    """As the card qwq_32b has it. Thoughts would not pass the schema; here they are one token, their end."""
    assert _PYTHON is not None
    log = model.parent / "vllm-reasoning.log"
    with VllmServer(_PYTHON, model, log, "--reasoning-parser=deepseek_r1") as server:
        write_card(here, server, output="json_schema", body=THOUGHT)
        told, verdicts = label(here, many)
        assert not any(v["abstained"] for v in verdicts)
        assert told["usage"]["output_tokens"] == 3 * MANY, "the end of the thoughts, the answer, and its end"
        # Thoughts without an end: an abstention that says so.
        write_card(here, server, output="json_schema", body={"chat_template_kwargs": {}})
        _, verdicts = label(here, many)
        assert all(v["abstained"] and v["reason"].startswith("judge: cut_off: ") for v in verdicts)
