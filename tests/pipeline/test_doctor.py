"""`sgpo doctor`: every subject found well and found wrong, each with its fix; one run of the whole command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.doctor import as_json, examine, machine, network, packages, torch_child
from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.pipeline.doctor.model import model
from sgpo_cli.recipe.lineups import LINEUPS
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Generation, Launch, Lora, Model, Recipe

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<s>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def folder(
    where: Path,
    *,
    template: str | None = CHATML,
    eos: str = "<|im_end|>",
    bos: str | None = None,
    adds_bos: bool = False,
    stops: list[int] | None = None,
) -> Recipe:
    """A model folder with what doctor reads of one, and a recipe that names it."""
    made = Tokenizer(
        models.BPE(vocab={t: i for i, t in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(SPECIALS)
    if adds_bos:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
        )
    where.mkdir(exist_ok=True)
    made.save(str(where / "tokenizer.json"))
    config: dict[str, Any] = {"eos_token": eos, "bos_token": bos and {"content": bos}}
    (where / "tokenizer_config.json").write_text(json.dumps(config))
    if template is not None:
        (where / "chat_template.jinja").write_text(template)
    if stops is not None:
        (where / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
    return Recipe(name="x", model=Model(path=str(where)))


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.level for finding in findings}


def only(findings: list[Finding], subject: str) -> Finding:
    [found] = [finding for finding in findings if finding.subject == subject]
    assert found.level == "ok" or found.fix
    return found


def test_a_model_that_is_well(here: Path) -> None:
    assert levels(model(folder(here / "m"))) == {"chat template": "ok", "stop tokens": "ok"}
    with_bos = folder(here / "b", template="{{ bos_token }}" + CHATML, bos="<s>", adds_bos=True)
    assert levels(model(with_bos)) == {"chat template": "ok", "BOS": "ok", "stop tokens": "ok"}
    assert "again would add another" in only(model(with_bos), "BOS").what


def test_bos_twice_and_not_at_all(here: Path) -> None:
    twice = model(folder(here / "twice", template="{{ bos_token }}<s>" + CHATML, bos="<s>"))
    assert only(twice, "BOS").level == "error" and "twice" in only(twice, "BOS").what
    never = model(folder(here / "never", bos="<s>", adds_bos=True))
    assert only(never, "BOS").level == "warning"
    plain = folder(here / "plain", template=None, bos="<s>", adds_bos=True)
    assert "BOS" not in levels(model(plain))
    plain.data.prompt = "<s>{problem}"
    assert only(model(plain), "BOS").level == "error" and "data.prompt" in str(only(model(plain), "BOS").fix)


def test_a_turn_that_generation_does_not_end(here: Path) -> None:
    runs_on = only(model(folder(here / "base", eos="<|endoftext|>")), "stop tokens")
    assert runs_on.level == "warning" and "<|im_end|>" in runs_on.what and "eos_token_id" in str(runs_on.fix)
    told = [256 + SPECIALS.index("<|endoftext|>"), 256 + SPECIALS.index("<|im_end|>")]
    assert only(model(folder(here / "both", eos="<|endoftext|>", stops=told)), "stop tokens").level == "ok"
    other = only(model(folder(here / "other", stops=told[:1])), "stop tokens")
    assert other.level == "warning" and "none of generation_config.json's" in other.what


def test_templates_that_are_missing_or_refuse(here: Path) -> None:
    missing = only(model(folder(here / "m-Instruct", template=None)), "chat template")
    assert missing.level == "error" and "--chat-template" in str(missing.fix)
    assert only(model(folder(here / "m-base", template=None)), "chat template").level == "ok"
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
    recipe = folder(here / "refusing", template=refusing)
    assert only(model(recipe), "chat template").level == "ok"
    recipe.model.system_prompt = "Be brief."
    assert only(model(recipe), "chat template").level == "error"
    away = only(model(Recipe(name="x", model=Model(path="org/away"))), "model")
    assert away.level == "warning" and "hf download org/away" in str(away.fix)
    assert model(Recipe(name="x")) == []


@pytest.mark.parametrize("path", ["/tmp/nope/none", "./nope", "~/nope/none", "a/b/c"])
def test_a_folder_that_is_not_there_is_an_error(here: Path, path: str) -> None:
    found = only(model(Recipe(name="x", model=Model(path=path))), "model")
    assert found.level == "error" and "no such file or directory" in found.what and "hf download" not in str(found.fix)
    (here / "bare").mkdir()
    bare = only(model(Recipe(name="x", model=Model(path="bare"))), "model")
    assert bare.level == "warning" and "holds no tokenizer.json" in bare.what


def test_line_ups() -> None:
    tested = {"trl": "1.16.0", "torch": "2.13.0+cpu", "transformers": "5.23.4"}
    assert only(packages.lineup(tested), "line-up").level == "ok"
    with_vllm = {**tested, "transformers": "5.17.0", "vllm": "0.31.0"}
    assert only(packages.lineup(with_vllm), "line-up").level == "ok"
    unfit = only(packages.lineup({**tested, "vllm": "0.31.0"}), "line-up")
    assert unfit.level == "warning" and "'transformers==5.17.*'" in str(unfit.fix)
    newer = only(packages.lineup({**tested, "trl": "1.17.0"}), "line-up")
    assert newer.level == "error" and "'trl==1.16.*'" in str(newer.fix)
    assert only(packages.lineup({**tested, "torch": "2.12.0"}), "line-up").level == "warning"
    assert only(packages.lineup({"trl": "1.16.0"}), "line-up").level == "error"
    assert {tested.trl for tested in LINEUPS} == {"1.16"}


def test_packages_that_a_recipe_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    recipe = Recipe(
        name="x",
        model=Model(lora=Lora(quantize="4bit")),
        generation=Generation(engine="vllm"),
        launch=Launch(engine="accelerate", strategy="zero3"),
    )
    found = packages.wanted_by(recipe)
    assert set(levels(found)) == {"vllm", "model.lora", "model.lora.quantize", "deepspeed"}
    assert all(finding.fix and "pip install" in finding.fix for finding in found)
    assert packages.wanted_by(Recipe(name="x")) == []


def test_memory_disk_and_sandbox(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 2**30
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=gib, total=8 * gib))
    assert machine.memory().level == "warning"
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * gib))
    assert {finding.level for finding in machine.disk()} == {"warning"}

    def none(unsafe: bool = False) -> None:
        raise UserError("no sandbox works here", fix="install bubblewrap")

    monkeypatch.setattr("sgpo_cli.verify.code.choice.choose_sandbox", none)
    assert machine.sandbox(None).level == "warning"
    assert machine.sandbox(load_recipe("qwen3_1p7b_g2rpoa_code").recipe).level == "error"


def test_torch_and_accelerators() -> None:
    cpu: dict[str, Any] = {"version": "2.13.0", "cuda": None, "kind": "cpu", "devices": [], "wrong": None}
    assert levels(torch_child.judge(cpu, None)) == {"torch": "ok", "accelerators": "ok"}
    eight = load_recipe("qwen7b_sgpo").recipe
    assert only(torch_child.judge(cpu, eight), "accelerators").level == "error"
    cards = [{"name": "H100", "memory_gib": 79.2}] * 8
    there = only(torch_child.judge({**cpu, "kind": "cuda", "cuda": "13.0", "devices": cards}, eight), "accelerators")
    assert (there.level, there.what) == ("ok", "8 x H100 (79.2 GiB)")
    assert only(torch_child.judge({**cpu, "wrong": "2 + 2"}, None), "torch").level == "error"


@pytest.mark.parametrize(
    ("code", "said"),
    [("raise OSError('libcuda is old')", "libcuda is old"), ("import time; time.sleep(60)", "no answer")],
)
def test_a_torch_that_breaks_or_hangs(code: str, said: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started = time.monotonic()
    found = only(torch_child.findings(child, None, timeout_s=1.0), "torch")
    assert found.level == "error" and said in found.what and time.monotonic() - started < 10


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that knows every model, and of the data sets only MATH-500."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = not self.path.startswith("/api/datasets/") or self.path.endswith("MATH-500")
            self.send_response(200 if known else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield asked
    server.shutdown()
    server.server_close()


def test_the_hub_is_asked_for_what_the_recipe_names(hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("qwen3_1p7b_g2rpoa_math").recipe
    found = network.hub(recipe)
    wrong = [finding for finding in found if finding.level == "error"]
    assert found[0].level == "ok" and len(wrong) == 5 and all(finding.fix for finding in wrong)
    assert any("G2RPO-A/Math-Curriculum-1K" in finding.what for finding in wrong)
    assert "/api/models/Qwen/Qwen3-1.7B" in hub and "/api/datasets/HuggingFaceH4/MATH-500" in hub
    assert levels(network.hub(load_recipe("tiny_sgpo").recipe)) == {"hub": "ok"}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert only(network.hub(None), "hub").level == "warning" and only(network.hub(recipe), "hub").level == "error"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in only(network.hub(recipe), "hub").what


def test_the_server_that_generates_is_asked(hub: list[str]) -> None:
    served = load_recipe("qwen32b_sgpo", [f"generation.server={os.environ['HF_ENDPOINT']}"]).recipe
    assert only(network.sampler(served), "vLLM server").level == "ok" and hub == ["/health"]
    away = load_recipe("qwen32b_sgpo", ["generation.server=http://127.0.0.1:9"]).recipe
    assert only(network.sampler(away), "vLLM server").level == "error"
    assert network.sampler(load_recipe("qwen7b_sgpo").recipe) == []


def test_a_judge_without_its_key_or_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert only(network.judges(load_recipe("qwen3_1p7b_sgpo_g2rpoa").recipe, online=False), "judge").level == "error"
    served = load_recipe("qwen7b_sgpo", ["judge.endpoints=[http://127.0.0.1:9/v1]"]).recipe
    assert only(network.judges(served, online=False), "judge").level == "warning"
    assert only(network.judges(served, online=True), "judge").level == "error"
    assert only(network.judges(load_recipe("tiny_sgpo").recipe, online=True), "judge").level == "ok"
    assert network.judges(load_recipe("tiny_grpo").recipe, online=True) == []


def test_the_command(here: Path) -> None:
    """An error is exit 1; the document has every finding; the table fits 80 columns."""
    folder(here / "m-Instruct", template=None)
    done = CliRunner().invoke(app, ["doctor", "--model", "m-Instruct", "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == 1 and document["ok"] is False
    told = {finding["subject"]: finding for finding in document["findings"]}
    assert (
        told["chat template"]["level"] == "error" and told["torch"]["level"] == "ok" and told["Python"]["fix"] is None
    )
    with pytest.raises(UserError):
        app(["doctor", "tiny_sgpo", "--model", "m-Instruct"], standalone_mode=False)


def test_the_table_fits_and_counts(here: Path) -> None:
    from io import StringIO

    from sgpo_cli.display.console import make_console
    from sgpo_cli.display.doctor import doctor_table

    found = [
        Finding("Python", "ok", "3"),
        Finding("hub", "warning", "w" * 100, "do " * 60),
        Finding("x", "error", "e", "f"),
    ]
    out = StringIO()
    make_console(out, width=80).print(doctor_table(as_json(found)))
    assert "1 error, 1 warning" in out.getvalue() and max(map(len, out.getvalue().splitlines())) <= 80


def test_the_child_ends_with_whoever_stops_looking() -> None:
    looking = examine(None)
    next(looking)
    looking.close()
