"""`sgpo judge` as users run it, on many rows, with a language model's server, and killed."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.judging.store import VerdictStore, solution_key
from sgpo_cli.judging.verdict import Solution
from tests.servers.behaviours import error, verdict
from tests.servers.chat_server import ChatServer
from tests.tiny import rows as read
from tests.tiny import sgpo, start

STEPS = ["First, look.", "Then, count.", "So it is so."]


def problem(number: int) -> str:
    return f"Problem number {number} of many."


def asked_for(prompt: str) -> int:
    found = re.search(r"Problem number (\d+) of many", prompt)
    assert found, prompt
    return int(found[1])


def right(prompt: str) -> int:
    """What the server answers: 1-based, 0 for none."""
    return asked_for(prompt) % (len(STEPS) + 1)


def write_input(here: Path, count: int) -> None:
    lines = [{"id": i, "problem": problem(i), "steps": STEPS, "first_error": i % 4 - 1} for i in range(count)]
    (here / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_card(here: Path, server: ChatServer, **more: Any) -> None:
    card = {"kind": "language_model", "model": "judge", "endpoints": [server.url], "concurrency": 32, "retries": 1}
    (here / "judges").mkdir(exist_ok=True)
    (here / "judges/mine.yaml").write_text(json.dumps({**card, **more}))


COMMAND = ["judge", "in.jsonl", "--out", "out.jsonl", "--judge", "mine", "--json"]


def stored(here: Path, count: int) -> set[int]:
    """The rows whose verdict the store holds."""
    path = here / "runs/.shared/verdicts.sqlite"
    if not path.exists():
        return set()
    keys = {solution_key(Solution(problem(i), tuple(STEPS)), reference=False): i for i in range(count)}
    with VerdictStore(path) as store:
        judges = set(fingerprints(here))
        return {keys[key] for name in judges for key in store.get_many(name, list(keys))}


def fingerprints(here: Path) -> list[str]:
    import sqlite3

    with sqlite3.connect(here / "runs/.shared/verdicts.sqlite") as file:
        return [name for (name,) in file.execute("SELECT fingerprint FROM judges")]


@pytest.mark.slow
def test_killed_ten_times_no_verdict_is_lost_doubled_or_paid_for_twice(here: Path) -> None:
    count, kills, rng = 5000, 10, random.Random(4)
    write_input(here, count)
    known: list[tuple[int, set[int]]] = []  # requests so far, rows stored by then
    with ChatServer(verdict(right), latency_s=0.05) as server:
        write_card(here, server)
        for _ in range(kills):
            before = len(server.log)
            child = start(*COMMAND, cwd=here)
            try:
                while len(server.log) < before + rng.randrange(1, 400) and child.poll() is None:
                    time.sleep(rng.uniform(0.001, 0.05))
            finally:
                assert child.poll() is None, "it ended before it was killed"
                child.send_signal(signal.SIGKILL)
                child.communicate()
            known.append((len(server.log), stored(here, count)))
        told = sgpo(*COMMAND, cwd=here)
        assert told.returncode == 0, told.stderr
        log = [asked_for(entry.prompt) for entry in server.log]
    labelled = read(here / "out.jsonl")
    assert [row["id"] for row in labelled] == list(range(count))
    assert all(row["verdict"]["first_error"] == row["id"] % 4 - 1 for row in labelled)
    assert stored(here, count) == set(range(count)) == set(log)
    assert max(len(had) for _, had in known) > 0 and len(known[-1][1]) < count
    for requests, had in known:
        assert not had & set(log[requests:]), "asked again for a verdict that was stored"
    document = json.loads(told.stdout)
    assert document["rows"]["total"] == count and document["f1"] == 1.0
    assert document["usage"]["calls"] == len(log) - known[-1][0], "the bill equals the server's log"
    # Only what was in the air when a process died is asked for again.
    assert len(log) - count <= kills * 32


def test_a_dead_server_ends_the_job_and_its_failures_are_not_kept(here: Path) -> None:
    write_input(here, 400)
    with ChatServer(verdict(right)) as server:
        alive = server.behaviour
        server.behaviour = lambda asked: (alive if asked_for(asked.prompt) < 150 else error(500, "out of memory"))(
            asked
        )
        write_card(here, server, retries=0)
        told = sgpo(*COMMAND, cwd=here)
        assert told.returncode == 1 and "out of memory" in told.stderr + told.stdout, told.stderr
        assert "the same command goes on" in told.stderr and not (here / "out.jsonl").exists()
        kept = read(here / "out.jsonl.partial")
        assert len(kept) == 150 and not any(row["verdict"]["abstained"] for row in kept)
        server.behaviour, before = alive, len(server.log)
        told = sgpo(*COMMAND, cwd=here)
        assert told.returncode == 0, told.stderr
        assert Counter(asked_for(entry.prompt) for entry in server.log[before:]) == Counter(range(150, 400))
    assert json.loads(told.stdout)["rows"]["resumed"] == 150
    assert all(row["verdict"]["first_error"] == row["id"] % 4 - 1 for row in read(here / "out.jsonl"))


def test_failed_calls_are_counted_and_asked_for_again_with_overwrite(here: Path) -> None:
    write_input(here, 200)
    with ChatServer(verdict(right), fail_share=0.3, seed=3) as server:
        write_card(here, server, retries=0, breaker={"share": 1.0, "window": 50})
        told = sgpo(*COMMAND, cwd=here)
        assert told.returncode == 0, told.stderr
        failed = {row["id"] for row in read(here / "out.jsonl") if row["verdict"]["abstained"]}
        document = json.loads(told.stdout)
        assert document["rows"]["failed"] == document["rows"]["abstained"] == len(failed) > 30
        assert document["usage"]["calls"] == len(server.log) == 200
        assert f"{len(failed)} verdicts failed" in told.stderr and "--overwrite" in told.stderr
        server.fail_share = 0.0
        told = sgpo(*COMMAND, "--overwrite", cwd=here)
        assert {asked_for(entry.prompt) for entry in server.log[200:]} == failed
    assert json.loads(told.stdout)["usage"]["cached"] == 200 - len(failed)
    assert not any(row["verdict"]["abstained"] for row in read(here / "out.jsonl"))


def test_ctrl_c_while_a_slow_server_is_awaited(here: Path) -> None:
    write_input(here, 100)
    with ChatServer(verdict(right), latency_s=60) as server:
        write_card(here, server)
        child = start(*COMMAND, cwd=here)
        while not server.log and child.poll() is None:
            time.sleep(0.02)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=30)
    assert child.returncode == 130 and "the same command goes on" in said
    assert time.monotonic() - began < 15


# --- options --------------------------------------------------------------------------------------------------------


def test_formats_schemas_shards_and_merge(here: Path) -> None:
    write_input(here, 40)
    import pyarrow.parquet as pq

    for index in range(3):
        told = sgpo(
            "judge", "in.jsonl", "--out", f"{index}.jsonl", "--judge", "arithmetic", "--shard", f"{index}/3", cwd=here
        )
        assert told.returncode == 0, told.stderr
    told = sgpo("judge", "--merge", "2.jsonl", "0.jsonl", "1.jsonl", "--out", "all.jsonl", "--show", "1", cwd=here)
    assert told.returncode == 0 and "Problem number" in told.stdout, told.stderr
    assert [row["id"] for row in read(here / "all.jsonl")] == list(range(40))
    told = sgpo("judge", "in.jsonl", "--out", "all.jsonl", "--judge", "arithmetic", cwd=here)
    assert "complete already" in told.stdout
    told = sgpo("judge", "in.jsonl", "--out", "all.parquet", "--judge", "arithmetic", "--json", cwd=here)
    document = json.loads(told.stdout)
    assert (document["format"], document["schema"], document["usage"]) == ("parquet", "rows", None)
    assert pq.read_table(here / "all.parquet").to_pylist() == read(here / "all.jsonl")
    told = sgpo("judge", "all.parquet", "--out", "steps/", "--judge", "arithmetic", "--schema", "stepwise", cwd=here)
    # These steps state no equation: nothing was checked, so nothing is taught.
    assert told.returncode == 0 and "left out: 40 with nothing to check" in told.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["in.jsonl", "--judge", "arithmetic", "--endpoint", "http://localhost:1/v1"], "asks no server"),
        (["in.jsonl", "--judge", "arithmetic", "--store", "kept.sqlite"], "asks no server"),
        (["in.jsonl", "--judge", "arithmetic", "--split", "test"], "--split means nothing for in.jsonl"),
        (["in.jsonl", "--judge", "arithmetic", "--workers", "2"], "--workers means nothing"),
        (["in.jsonl", "--judge", "arithmetic", "--engine", "ray", "--shard", "0/2"], "--shard means nothing"),
        (["in.jsonl", "--judge", "arithmetic", "--columns", "porblem=x"], "did you mean problem?"),
        (["in.jsonl", "in.jsonl", "--judge", "arithmetic"], "one IN, not 2"),
        (["in.jsonl"], "no judge is named"),
        (["-", "--judge", "arithmetic"], "not read from a pipe"),
        (["some-org/some-rows", "--judge", "arithmetic"], "neither a local file"),
        (["--merge", "--out", "o.jsonl"], "no shards to merge"),
        (["--merge", "in.jsonl", "--judge", "arithmetic"], "--judge means nothing with --merge"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    here: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from sgpo_cli.cli.main import main

    write_input(here, 2)
    assert main(["judge", "--out", "out.jsonl", *options]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in here.iterdir()) == ["in.jsonl"]
