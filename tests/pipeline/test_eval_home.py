"""Where an evaluation's results lie: what makes them stale, and that samples are never dropped unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.pipeline.eval_subject import EvalRequest, subject_of
from sgpo_cli.pipeline.evaluation import check_request, run_evaluation
from sgpo_cli.pipeline.launch import in_process
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Benchmark
from sgpo_cli.runs.files import JsonLines, read_json, write_json
from sgpo_cli.runs.locks import Lock
from sgpo_cli.runs.rundir import StageDir


def problems(name: str, gold: str = "2") -> None:
    Path(f"{name}.jsonl").write_text(json.dumps({"id": "p", "problem": "What is 1 + 1?", "answer": gold}) + "\n")
    Path(f"{name}.yaml").write_text(f"# Sums.\nfile: {name}.jsonl\ncolumns: {{id: id}}\nk: 2\n")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    problems("sums")
    problems("more")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    return tmp_path


def request(*benches: str, **changes: Any) -> EvalRequest:
    uses = [Benchmark(card=f"./{name}.yaml") for name in benches or ("sums",)]
    asked = EvalRequest(uses, 0, "model", None, "response", Path("out"), Path("runs/x"))
    return replace(asked, **changes)


def with_k(k: int, **changes: Any) -> EvalRequest:
    return request(benchmarks=[Benchmark(card="./sums.yaml", k=k)], **changes)


def draws(*, finish: bool = True) -> Callable[..., None]:
    """A launcher that leaves what a stage leaves that drew two samples, and failed or finished then."""

    def launch(stage: StageDir, **_: Any) -> None:
        home = stage.path.parent
        with JsonLines(home / "drawn.jsonl") as lines:
            lines.append({"go": [0, 2], "batch": 0, "responses": ["2", "2"]})
        if not finish:
            raise RunFailed("the server went away")
        write_json(home / "summary.json", {"bench": home.name})
        stage.mark_done(read_json(stage.config)["fingerprint"], {})

    return launch


def run(asked: EvalRequest, launcher: Any = None, **options: Any) -> list[dict[str, Any]]:
    return run_evaluation(asked, on_event=lambda _: None, launcher=launcher or draws(), **options)


def drawn() -> int:
    return len(Path("out/sums/drawn.jsonl").read_text().splitlines())


def test_a_corrected_gold_in_the_cards_own_file_is_no_old_figure(here: Path) -> None:
    (here / "made.jsonl").write_text('{"id": "p", "response": "\\\\boxed{2}"}\n')
    asked = request(model=None, responses=Path("made.jsonl"))
    assert run(asked, in_process)[0]["avg_at_k"] == 1.0
    problems("sums", gold="3")
    with pytest.raises(UserError, match=r"finished evaluation with other settings \(the file of problems\)"):
        run(asked, in_process)
    assert run(asked, in_process, restart=True)[0]["avg_at_k"] == 0.0


def test_a_recipes_bench_is_redone_when_the_cards_own_file_changes(here: Path) -> None:
    def marks() -> dict[str, str]:
        made = compile_recipe(load_recipe("tiny_sgpo", ["benchmarks=[{card: ./sums.yaml}]"]))
        return {stage.name: stage.fingerprint for stage in made.stages}

    before = marks()
    problems("sums", gold="3")
    assert {name for name, mark in marks().items() if mark != before[name]} == {"eval", "report"}


@pytest.mark.parametrize(
    "name",
    [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "merges.txt",
        "chat_template.jinja", "additional_chat_templates/tool.jinja", "pytorch_model.bin", "model.safetensors",
        "pytorch_model.bin.index.json", "modeling_own.py",
    ],
)  # fmt: skip
def test_a_models_files_that_change_samples_tell_it_from_another(here: Path, name: str) -> None:
    file = here / "model" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("one")
    before = subject_of(request()).identity
    assert subject_of(request()).identity == before
    file.write_text("other")
    assert subject_of(request()).identity != before


def test_a_models_description_does_not(here: Path) -> None:
    before = subject_of(request()).identity
    (here / "model/README.md").write_text("A model.")
    (here / "model/training_args.bin").write_text("x")
    assert subject_of(request()).identity == before


def test_a_changed_model_is_refused_and_says_what_changed(here: Path) -> None:
    run(request())
    (here / "model/generation_config.json").write_text('{"eos_token_id": 3}')
    with pytest.raises(UserError, match=r"finished evaluation with other settings.*the model's files"):
        run(request())


def test_unfinished_samples_are_kept_as_finished_ones_are(here: Path) -> None:
    with pytest.raises(RunFailed):
        run(request(), draws(finish=False))
    with pytest.raises(UserError, match=r"unfinished evaluation \(2 samples\) with other settings \(--seed\)") as told:
        run(request(seed=1))
    assert told.value.fix and "--out" in told.value.fix and "--restart" in told.value.fix and drawn() == 1
    run(request(seed=1), restart=True)
    assert drawn() == 1


def test_they_are_kept_while_k_is_raised(here: Path) -> None:
    run(with_k(2))
    with pytest.raises(RunFailed):
        run(with_k(4), draws(finish=False))
    assert drawn() == 2
    with pytest.raises(UserError, match=r"unfinished evaluation.*--seed"):
        run(with_k(4, seed=1))
    assert drawn() == 2
    run(with_k(4, model="./model"))
    assert drawn() == 3, "the same folder, spelt otherwise"
    assert read_json(Path("out/sums/stage/stage.json"))["options"]["model"] == "model", "samples are kept by name"


def test_what_has_no_samples_makes_way(here: Path) -> None:
    def fails(stage: StageDir, **_: Any) -> None:
        raise RunFailed("no such model")

    with pytest.raises(RunFailed):
        run(request("sums", "more", seed=1), fails)
    assert len(run(request("sums", "more"))) == 2


def test_one_directory_is_one_models(here: Path) -> None:
    run(request("sums"))
    (here / "other").mkdir()
    for other in (request("more", model="other"), request("more", model=None, responses=here / "sums.jsonl")):
        with pytest.raises(UserError, match="out/sums was measured on model model, this would be"):
            run(other)
        with pytest.raises(UserError, match="out/sums was measured on model model"):
            check_request(other)
    assert len(run(request("more"))) == 1 and not Path("out/other").exists()


def test_a_bench_is_named_once(here: Path) -> None:
    with pytest.raises(UserError, match="bench sums is named twice"):
        run(request("sums", "sums"))
    (here / "beside").mkdir()
    (here / "beside/sums.yaml").write_text("# Sums.\nfile: sums.jsonl\n")
    with pytest.raises(UserError, match="both called sums"):
        run(request("sums", "beside/sums"))


def test_a_locked_directory_says_what_to_type(here: Path) -> None:
    with Lock(here / "out/.lock", what="x"), pytest.raises(UserError, match="is locked") as told:
        run(request())
    assert told.value.fix and "--out" in told.value.fix and "name=" not in told.value.fix
