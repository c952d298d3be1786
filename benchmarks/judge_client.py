"""How fast the client asks a language model, and what that costs the processor: against a local server, in one run.

    python benchmarks/judge_client.py [--requests 1280] [--latency 1.0] [--slots 64] [--json]

A server in a process of its own answers each request after `--latency` seconds and works on `--slots` at once, so it
can give slots/latency answers a second. It is asked by a loop, one request after the other, and by all places at once;
then a server without latency shows what the client alone can do. Processor time is that of this process only, all
threads, as a share of one core; starting the client, its imports and its connections are part of every figure. Ends
with 1 when a target of the issue is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ChatRequest, Reply, ServerSettings

ROOT = Path(__file__).resolve().parents[1]
STEP = "We add the numbers of the first row and find that their sum is 12, which is even. "
SHARE_OF_CEILING, SHARE_OF_CORE, TIMES_SEQUENTIAL = 0.90, 0.30, 20.0
"""What the issue asks for."""


@dataclass(frozen=True)
class Measured:
    """`per_second`: answers; `core`: processor time as a share of one core; `cpu_ms`: of it, for one request."""

    how: str
    requests: int
    seconds: float
    per_second: float
    core: float
    cpu_ms: float


@contextmanager
def server(latency_s: float, slots: int) -> Iterator[str]:
    """The url of a server that runs in a process of its own."""
    command = [sys.executable, "-m", "tests.servers.chat_server", "--answer", '{"first_error": -1}']
    command += ["--latency", str(latency_s), "--slots", str(slots)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def question(number: int) -> ChatRequest:
    """A prompt of the size a judge's has: ten steps, about 900 characters."""
    steps = "\n".join(f"Step {step + 1}: {STEP}" for step in range(10))
    messages = (("system", "You find the first wrong step."), ("user", f"Problem {number}\n\n{steps}"))
    return ChatRequest(messages, {"temperature": 0, "max_tokens": 64})


def measure(how: str, url: str, requests: int, places: int, sequential: bool = False) -> Measured:
    """All of it, from a new client to the last answer."""
    began, cpu = time.perf_counter(), time.process_time()
    with ChatClient(ServerSettings((url,), "judge", concurrency=places)) as client:
        if sequential:
            outcomes = [client.spawn(client.ask(question(number))).result() for number in range(requests)]
        else:
            futures = [client.spawn(client.ask(question(number))) for number in range(requests)]
            outcomes = [future.result() for future in futures]
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        bad = [outcome for outcome in outcomes if not isinstance(outcome, Reply)]
        if bad or client.requests_sent != requests:
            raise SystemExit(f"{how}: {len(bad)} calls failed, {client.requests_sent} requests sent: {bad[:1]}")
    return Measured(how, requests, seconds, requests / seconds, spent / seconds, spent / requests * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1280)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    with server(told.latency, told.slots) as url:
        alone = measure("one after the other", url, max(3, round(8 / max(told.latency, 0.1))), 1, sequential=True)
        together = measure(f"{told.slots} at once", url, told.requests, told.slots)
    with server(0.0, told.slots) as url:
        most = measure(f"{told.slots} at once, no latency", url, 4 * told.requests, told.slots)
    ceiling = told.slots / told.latency if told.latency else most.per_second
    targets = {
        f"at least {SHARE_OF_CEILING:.0%} of {ceiling:.0f} requests/s": together.per_second / ceiling,
        f"under {SHARE_OF_CORE:.0%} of one core": together.core,
        f"at least {TIMES_SEQUENTIAL:.0f} times the loop": together.per_second / alone.per_second,
    }
    share, core, times = targets.values()
    met = [share >= SHARE_OF_CEILING, core < SHARE_OF_CORE, times >= TIMES_SEQUENTIAL]
    if told.json:
        rows = [asdict(row) for row in (alone, together, most)]
        print(json.dumps({"rows": rows, "targets": targets, "met": met}, indent=2))
    else:
        for row in (alone, together, most):
            rate = f"{row.requests:6} requests in {row.seconds:5.1f} s   {row.per_second:7.1f} /s"
            print(f"{row.how:26} {rate}   {row.core:6.1%} of a core   {row.cpu_ms:.2f} ms each")
        shown = (f"{share:.1%}", f"{core:.1%}", f"{times:.1f} times")
        for (name, _), value, good in zip(targets.items(), shown, met, strict=True):
            print(f"{'met   ' if good else 'MISSED'} {name}: {value}")
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
