"""`sgpo export`: a folder that loads by itself and measures as its run did, and a card that says what its files say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.pipeline.export.card import _of_hub
from sgpo_cli.pipeline.export.weights import same_weights
from sgpo_cli.pipeline.launch import in_process
from sgpo_cli.pipeline.run import run_plan
from tests.tiny import SHORT_SGPO

LORA = "model.lora={rank: 4, alpha: 8}"
FAST = [*SHORT_SGPO, "trainer.learning_rate=1e-2", "name=adapted"]


def sgpo(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def adapted(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished LoRA run, made in this process from `finished`'s warm-up, and its export."""
    here = tmp_path_factory.mktemp("adapted")
    shutil.copytree(finished / "runs", here / "runs", symlinks=True)
    pytest.importorskip("peft")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert run_plan.__kwdefaults__ is not None
        patch.setitem(run_plan.__kwdefaults__, "launcher", in_process)
        done = sgpo("train", "tiny_sgpo", *FAST, LORA)
        assert done.exit_code == 0, done.output
        told = sgpo("export", "--json")
        assert told.exit_code == 0, told.output
        (here / "told.json").write_text(told.stdout)
    return here


@pytest.fixture
def copied(adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(adapted, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_the_newest_run_is_exported_whole_and_merged(adapted: Path) -> None:
    told = json.loads((adapted / "told.json").read_text())
    assert told["run"] == "adapted" and told["policy"] == "final" and told["step"] == 4 and told["pushed"] is None
    out = adapted / "runs/adapted/export"
    assert sorted(told["files"]) == sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    there = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert there | {"sgpo_recipe.yaml", "eval/hops.json"} <= set(told["files"])
    assert str(adapted) not in "".join(path.read_text() for path in out.rglob("*.[jym]*") if path.is_file())
    assert not any("lora" in path.name or "adapter" in path.name for path in out.iterdir())
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(str(out))
    ids = AutoTokenizer.from_pretrained(str(out))("e1 r0", return_tensors="pt")["input_ids"]
    assert model.generate(ids, max_new_tokens=2, do_sample=False).shape == (1, ids.shape[1] + 2)


def test_adapters_share_the_warm_up_of_all_weights(adapted: Path) -> None:
    shared = [path.name for path in (adapted / "runs/.shared").iterdir() if path.is_dir()]
    assert len(shared) == 1, "made once, for the run that trains all weights and for the one that does not"
    plans = [
        json.loads((adapted / f"runs/{name}/plan.json").read_text())["stages"] for name in ("tiny_sgpo", "adapted")
    ]
    one, two = ({stage["name"]: stage["fingerprint"] for stage in plan} for plan in plans)
    assert one["warmup"] == two["warmup"] and one["judge"] == two["judge"] and one["train"] != two["train"]


def test_the_export_measures_as_the_run_did(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the run gone: what the folder holds is enough, the task's settings included."""
    from sgpo_cli.pipeline.evaluation import run_evaluation

    own = json.loads((copied / "runs/adapted/stages/eval/hops/summary.json").read_text())
    (copied / "runs/adapted/export").rename(copied / "exported")
    shutil.rmtree(copied / "runs")
    assert run_evaluation.__kwdefaults__ is not None
    monkeypatch.setitem(run_evaluation.__kwdefaults__, "launcher", in_process)
    limit = str(own["n_problems"])
    told = sgpo("eval", "--bench", "hops", "--model", "exported", "--limit", limit, "--k", str(own["k"]), "--json")
    assert told.exit_code == 0, told.output
    (summary,) = json.loads(told.stdout)
    different = {"model", "seconds"}
    assert {k: v for k, v in summary.items() if k not in different} == {
        k: v for k, v in own.items() if k not in different
    }
    assert 0 < own["avg_at_k"] < 1, "a figure that could differ"


def test_the_card_says_what_the_files_say(adapted: Path) -> None:
    from huggingface_hub import ModelCard

    out = adapted / "runs/adapted/export"
    card = ModelCard.load(out / "README.md")
    head = card.data.to_dict()
    assert head["library_name"] == "transformers" and {"grpo", "sgpo", "lora"} <= set(head["tags"])
    assert "license" not in head and "base_model" not in head, (
        "random weights have no base, the license is the person's"
    )
    summary = json.loads((adapted / "runs/adapted/stages/eval/hops/summary.json").read_text())
    low, high = summary["ci95"]
    cells = f"| hops | 16 | 2 | {summary['avg_at_k']:.3f} | [{low:.3f}, {high:.3f}] |"
    assert cells in card.text
    last = [json.loads(x) for x in (adapted / "runs/adapted/stages/train/metrics.jsonl").read_text().splitlines()][-1]
    assert f"4: {last['heldout']['accuracy']:.3f}." in card.text
    for needle in ("SGPO (arXiv 2505.11595)", "`hops_oracle`", "rank 4, alpha 8", "seed 0", "trl 1.16", "sgpo train"):
        assert needle in card.text, needle


def test_the_recipe_in_the_folder_plans(copied: Path) -> None:
    told = sgpo("plan", "runs/adapted/export/sgpo_recipe.yaml", "--json")
    assert told.exit_code == 0, told.output
    assert yaml.safe_load((copied / "runs/adapted/export/sgpo_recipe.yaml").read_text())["model"]["lora"]["rank"] == 4


def test_nothing_of_anybody_elses_is_overwritten(copied: Path) -> None:
    again = sgpo("export", "adapted")
    assert again.exit_code != 0 and "--overwrite" in str(again.exception.fix)  # type: ignore[union-attr]
    before = (copied / "runs/adapted/export/model.safetensors").read_bytes()
    assert sgpo("export", "runs/adapted", "--overwrite").exit_code == 0
    assert (copied / "runs/adapted/export/model.safetensors").read_bytes() == before
    (copied / "mine").mkdir()
    (copied / "mine/thesis.txt").write_text("keep me")
    assert sgpo("export", "adapted", "--out", "mine", "--overwrite").exit_code != 0
    assert (copied / "mine/thesis.txt").read_text() == "keep me"


def test_a_disk_that_fills_leaves_what_was_there(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sgpo_cli.pipeline.export.folder.write_text", full)
    before = sorted(copied.rglob("*"))
    done = sgpo("export", "adapted", "--overwrite")
    assert isinstance(done.exception, RunFailed)
    assert sorted(copied.rglob("*")) == before


def test_an_unfinished_run_says_what_there_is(copied: Path) -> None:
    run = copied / "runs/adapted"
    (run / "done.json").unlink()
    refused = sgpo("export", "adapted", "--out", "out")
    assert isinstance(refused.exception, UserError) and "not finished" in refused.exception.what
    assert "--policy final or --policy best or --policy last" in str(refused.exception.fix)
    best = json.loads(sgpo("export", "adapted", "--out", "out", "--policy", "best", "--json").stdout)
    assert best["policy"] == "best" and best["step"] in {0, 2, 4}
    assert (copied / "out/model.safetensors").read_bytes() == (run / "stages/train/best/model.safetensors").read_bytes()
    text = (copied / "out/README.md").read_text()
    assert "not finished when this was exported" in text
    last = sgpo("export", "adapted", "--out", "out2", "--policy", "last")
    assert isinstance(last.exception, UserError) and "--adapter" in str(last.exception.fix)


def test_the_last_checkpoint_of_all_weights_is_a_policy(copied: Path) -> None:
    """Without the optimizer's state and what else a checkpoint holds."""
    run = copied / "runs/tiny_sgpo"
    (run / "done.json").unlink()
    told = json.loads(sgpo("export", "tiny_sgpo", "--out", "out", "--policy", "last", "--json").stdout)
    assert told["step"] == 4 and not [f for f in told["files"] if f.endswith((".pt", ".pth", ".bin"))]
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(str(copied / "out"))
    assert "newest checkpoint of a run that is not finished (step 4)" in (copied / "out/README.md").read_text()
    assert isinstance(sgpo("export", "tiny_sgpo", "--policy", "last", "--adapter").exception, UserError)


def test_figures_are_given_where_the_weights_are_those_that_were_measured(copied: Path) -> None:
    train = copied / "runs/tiny_sgpo/stages/train"
    shutil.copy(train / "checkpoints/checkpoint-8/model.safetensors", train / "best")
    shutil.copy(train / "checkpoints/checkpoint-8/model.safetensors", train / "final")
    cards = {}
    for policy in ("final", "best", "last"):
        assert sgpo("export", "tiny_sgpo", "--out", policy, "--policy", policy).exit_code == 0
        cards[policy] = (copied / policy / "README.md").read_text()
    for text in cards.values():
        assert "| hops | 16 |" in text and "sgpo eval --bench hops" in text and "not finished" not in text
    assert "newest checkpoint (step 4); its weights are those of the run's final policy." in cards["last"]
    shutil.copy(train / "checkpoints/checkpoint-6/model.safetensors", train / "best")
    assert sgpo("export", "tiny_sgpo", "--out", "other", "--policy", "best").exit_code == 0
    text = (copied / "other/README.md").read_text()
    assert "whose weights are others than these" in text and "| hops | 16 |" not in text


def test_weights_are_compared_by_tensor(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    a, b = torch.arange(6.0).reshape(2, 3), torch.zeros(2)
    folders = [tmp_path / name for name in ("whole", "shards", "other", "empty")]
    whole, shards, other, empty = folders
    for folder in folders:
        folder.mkdir()
    save_file({"a": a, "b": b}, whole / "model.safetensors", metadata={"format": "pt"})
    save_file({"b": b}, shards / "model-1.safetensors")
    save_file({"a": a}, shards / "model-2.safetensors")
    save_file({"a": a, "b": b + 1}, other / "model.safetensors")
    assert same_weights(whole, shards) and not same_weights(whole, other)
    assert not same_weights(whole, empty) and not same_weights(empty, empty)


def test_adapters_alone_are_for_those_who_have_what_they_adapt(copied: Path) -> None:
    refused = sgpo("export", "adapted", "--out", "out", "--adapter")
    assert isinstance(refused.exception, UserError) and "nobody else has" in refused.exception.what
    recipe = copied / "runs/adapted/recipe.yaml"
    told = yaml.safe_load(recipe.read_text())
    told["model"].update(path="some/model", revision="abc", scratch=None)
    told["warmup"] = {"kind": "none"}
    recipe.write_text(yaml.safe_dump(told))
    assert sgpo("export", "adapted", "--out", "out", "--adapter").exit_code == 0
    there = {path.name for path in (copied / "out").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= there and "model.safetensors" not in there
    config = json.loads((copied / "out/adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"], config["r"]) == ("some/model", "abc", 4)
    from huggingface_hub import ModelCard

    head = ModelCard.load(copied / "out/README.md").data.to_dict()
    assert (head["base_model"], head["base_model_relation"], head["library_name"]) == ("some/model", "adapter", "peft")


class Hub:
    """Stands for HfApi: keeps what it is asked, and has the repositories that it is told."""

    endpoint = "https://hub.example"
    there: ClassVar[dict[str, bool]] = {}
    token = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = CALLS

    def whoami(self) -> None:
        from huggingface_hub.errors import LocalTokenNotFoundError

        if not self.token:
            raise LocalTokenNotFoundError("no token")

    def repo_info(self, repo: str) -> Any:
        from huggingface_hub.errors import RepositoryNotFoundError

        if repo not in self.there:
            answer: Any = SimpleNamespace(headers={}, request=None, status_code=404)
            raise RepositoryNotFoundError("404", response=answer)
        return SimpleNamespace(private=self.there[repo])

    def create_repo(self, repo: str, **told: Any) -> None:
        self.asked.append(("create", {"repo": repo, **told}))

    def upload_folder(self, **told: Any) -> None:
        self.asked.append(("upload", {**told, "files": sorted(p.name for p in Path(told["folder_path"]).iterdir())}))


CALLS: list[tuple[str, Any]] = []


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    CALLS.clear()
    monkeypatch.setattr(Hub, "there", {"me/public": False})
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    return Hub


def test_a_push_is_one_commit_of_the_folder(copied: Path, hub: type[Hub]) -> None:
    told = json.loads(sgpo("export", "adapted", "--out", "out", "--push", "me/new", "--private", "--json").stdout)
    assert told["pushed"] == "https://hub.example/me/new"
    (_, created), (_, uploaded) = CALLS
    assert created == {"repo": "me/new", "private": True, "exist_ok": True}
    assert uploaded["repo_id"] == "me/new" and {"README.md", "model.safetensors"} <= set(uploaded["files"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--push", "me/public", "--private"], "is public"),
        (["--push", "nobody"], "does not name an owner"),
        (["--push", "a b/c"], "--push a b/c"),
        (["--private"], "goes with --push"),
    ],
)
def test_a_push_that_cannot_be_is_refused_before_anything_is_written(
    copied: Path, hub: type[Hub], arguments: list[str], said: str
) -> None:
    done = sgpo("export", "adapted", "--out", "out", *arguments)
    assert isinstance(done.exception, UserError) and said in done.exception.what
    assert not CALLS and not (copied / "out").exists()


def test_a_push_without_a_token_says_how_to_get_one(
    copied: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "token", False)
    done = sgpo("export", "adapted", "--out", "out", "--push", "me/new")
    assert isinstance(done.exception, UserError) and "HF_TOKEN" in str(done.exception.fix)
    assert not (copied / "out").exists()


def test_hub_ids_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    assert _of_hub("Qwen/Qwen2.5-7B-Instruct") and _of_hub("gpt2")
    assert not any(map(_of_hub, ("own", "./x/y", "data/x.jsonl", str(tmp_path), "a/b/c")))


def test_a_smoke_run_keeps_the_adapters(here: Path) -> None:
    from sgpo_cli.pipeline.smoke import shrink
    from sgpo_cli.recipe.load import load_recipe

    told = ["model={path: some/model, scratch: null}", "model.lora={rank: 32, alpha: 64, targets: [qkv_proj]}"]
    small, changes = shrink(load_recipe("tiny_sgpo", told))
    lora = small.recipe.model.lora
    assert lora is not None and (lora.rank, lora.alpha, lora.quantize, lora.targets) == (4, 8, None, None)
    assert any("model.lora" in change for change in changes)
