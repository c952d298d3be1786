"""A language model judges a whole run, from a server that fails as servers do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers.behaviours import any_of, dropped, echo_key, error, html, late, malformed, ok, too_many, verdict
from tests.servers.chat_server import ChatServer
from tests.tiny import SHORT, sgpo, sgpo_here

KEY = "sk-test-0123456789abcdef-never-to-be-written"
CARD = """# A language model at a server of the test.
kind: language_model
model: judge
endpoints: [{url}]
key_env: JUDGE_KEY_OF_THE_TEST
reference: never
timeout_s: 0.5
deadline_s: 30
retries: {retries}
concurrency: 16
breaker: {{share: 0.5, window: 10, cooldown_s: 600}}
price: {{input: 1.0, output: 2.0}}
"""
QUICK = ["benchmarks=[]", "trainer.steps=2", "trainer.eval_every=0", "data.heldout=0"]
JUDGED = ["judge.card=served", "judge.floor=null", "judge.measure=32", "judge.max_abstained=0.3"]
TRAIN = [*(key for key in SHORT if not key.startswith("benchmarks")), *QUICK, *JUDGED]


def first_wrong(prompt: str) -> int:
    """A verdict that depends on the response and is always in range; 0 to the question that repairs an answer."""
    last = max((int(number) for number in re.findall(r"\[Step (\d+)\]", prompt)), default=0)
    return sum(map(ord, prompt)) % (last + 1)


def write_card(here: Path, url: str, retries: int = 6) -> None:
    (here / "judges").mkdir(exist_ok=True)
    (here / "judges" / "served.yaml").write_text(CARD.format(url=url, retries=retries))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def abstained(row: dict[str, Any]) -> bool:
    return bool(row["verdict"]["abstained"])


def everything_written(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all runs of this file, so that they share a warm start."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY_OF_THE_TEST", KEY)
    monkeypatch.delenv("NO_PROXY", raising=False)


def test_three_calls_in_ten_fail_and_training_does_not(here: Path) -> None:
    failures = any_of(
        error(500), too_many(0.05), dropped(), malformed(), html(502), late(1.0, ok("{}")), ok("Step 99 is wrong.")
    )
    with ChatServer(verdict(first_wrong), fail_share=0.3, fail_with=failures, seed=1, key=KEY) as server:
        write_card(here, server.url)
        done = sgpo("train", "tiny_sgpo", *TRAIN, "name=some", "judge.compare_with=hops_oracle", cwd=here)
        log = list(server.log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {entry.behaviour for entry in log} >= {"ok", "500", "429"}

    run = here / "runs" / "some" / "stages"
    told = json.loads((run / "judge" / "judge.json").read_text())
    metrics = rows(run / "train" / "metrics.jsonl")
    calls = told["usage"]["calls"] + sum(row["judge"]["calls"] for row in metrics)
    assert calls == len(log), "the ledger counts what the server saw"
    assert told["usage"]["cost"] > 0 and told["agreement"]["n"] > 0

    rollouts = rows(run / "train" / "rollouts.jsonl")
    judged = [row for row in rollouts if row["verdict"] is not None]
    given_up = [row for row in judged if abstained(row)]
    assert len(judged) == sum(row["judge"]["judged"] for row in metrics) > 0
    assert len(given_up) == sum(row["judge"]["abstained"] for row in metrics)
    for row in given_up:
        assert row["advantage"] == 0 and row["verdict"]["first_error"] is None
        assert row["verdict"]["reason"].startswith("judge: ")
    assert "judge measured on" in done.stdout and "hops_oracle on" in done.stdout
    assert sum(row["groups"]["rescued"] for row in metrics) > 0
    assert KEY not in everything_written(here / "runs") + done.stdout + done.stderr

    # The same rollouts again: only what was given up is asked, the rest is in the store.
    silent = {(row["problem"], row["response"]) for row in rows(run / "judge" / "rollouts.jsonl") if abstained(row)}
    with ChatServer(verdict(first_wrong), key=KEY) as server:
        write_card(here, server.url)
        again = sgpo_here("train", "tiny_sgpo", *TRAIN, "name=again", "--until", "judge", cwd=here)
        asked = len(server.log)
    assert again.returncode == 0, again.stdout + again.stderr
    assert asked == len(silent) < len(log)


@pytest.mark.parametrize("then", ["fallback", "stop"])
def test_a_server_that_dies_after_the_judge_stage(here: Path, then: str) -> None:
    """The breaker opens within the first step, and what the recipe says happens."""
    with ChatServer(verdict(first_wrong), key=KEY) as server:
        write_card(here, server.url, retries=0)
        recipe = ["tiny_sgpo", *TRAIN, f"name={then}", "seed=5", f"judge.then={then}"]
        until = sgpo_here("train", *recipe, "--until", "judge", cwd=here)
        assert until.returncode == 0, until.stdout + until.stderr
        server.behaviour = echo_key(500)
        before = len(server.log)
        done = sgpo("train", *recipe, cwd=here)  # a process of its own, for what it logs
        asked = len(server.log) - before
    train = here / "runs" / then / "stages" / "train"
    wrote = everything_written(here / "runs") + done.stdout + done.stderr
    assert KEY not in wrote, "though the server repeats it in every error"
    if then == "stop":
        assert done.returncode == 1
        assert "the judge abstained on" in done.stderr and "Traceback" not in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = rows(train / "metrics.jsonl")
    judged = [row for row in metrics if row["judge"]["judged"]]
    assert judged and all(row["judge"]["fallback"] for row in judged)
    assert sum(row["groups"]["rescued"] for row in metrics) == 0
    assert asked == sum(row["judge"]["calls"] for row in metrics) <= 10 + 16, "then the breaker was open"
    reasons = [row["verdict"]["reason"] for row in rows(train / "rollouts.jsonl") if row["verdict"]]
    assert any("breaker_open" in (reason or "") for reason in reasons)
    assert "fell back" in done.stdout


def test_no_server_at_all_is_said_before_anything_is_generated(here: Path) -> None:
    write_card(here, "http://127.0.0.1:9/v1", retries=0)
    planned = sgpo("plan", "tiny_sgpo", *TRAIN, "name=none", "--online", cwd=here)
    assert planned.returncode == 0 and "127.0.0.1:9" in planned.stdout
    done = sgpo("train", "tiny_sgpo", *TRAIN, "name=none", cwd=here)
    assert done.returncode == 1
    assert "judge served cannot be asked" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_key_is_said_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY_OF_THE_TEST")
    done = sgpo("train", "tiny_sgpo", *TRAIN, "name=keyless", cwd=here)
    assert done.returncode == 2
    assert "JUDGE_KEY_OF_THE_TEST is not set" in done.stderr
    assert not (here / "runs" / "keyless").exists()
