"""Loading and saving: ids survive every architecture, missing things are said, seeds leave the caller's state alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer  # noqa: E402
from sgpo_cli.errors import UserError  # noqa: E402
from sgpo_cli.generation.load import build_scratch, load_policy, load_tokenizer, save_policy  # noqa: E402
from sgpo_cli.recipe.schema import HopsTask, Scratch  # noqa: E402

TASK = HopsTask(entities=20, hops=3)
TEXT = "e1 r0 r1 r1 e4 e5 # e5"


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_a_saved_folder_reloads_the_same(architecture: str, tmp_path: Path) -> None:
    tokenizer = hops_tokenizer(TASK)
    scratch = Scratch(architecture=architecture, hidden_size=32, heads=2, kv_heads=1, intermediate_size=48)  # type: ignore[arg-type]
    model = build_scratch(scratch, tokenizer, 3)
    save_policy(model, tokenizer, tmp_path / "final")
    save_policy(model, tokenizer, tmp_path / "final")  # over an older one
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    again, policy = load_tokenizer(tmp_path / "final"), load_policy(str(tmp_path / "final"))
    ids = tokenizer(TEXT)["input_ids"]
    assert again(TEXT)["input_ids"] == ids and again.decode(ids) == tokenizer.decode(ids)
    assert again.padding_side == "left" and again.pad_token_id == tokenizer.pad_token_id
    assert policy.dtype == torch.float32 and not policy.training
    before, after = model(torch.tensor([ids])).logits, policy(torch.tensor([ids])).logits
    assert torch.equal(before, after)
    assert policy.config.head_dim == 16 and policy.generation_config.eos_token_id == tokenizer.eos_token_id


def test_the_qwen2_trap_is_real(tmp_path: Path) -> None:
    """Why load_tokenizer exists; when transformers mends AutoTokenizer, this fails and the rule can go."""
    from transformers import AutoTokenizer

    tokenizer = hops_tokenizer(TASK)
    save_policy(build_scratch(Scratch(architecture="qwen2"), tokenizer, 0), tokenizer, tmp_path / "q")
    assert AutoTokenizer.from_pretrained(tmp_path / "q")(TEXT)["input_ids"] != tokenizer(TEXT)["input_ids"]


def test_scratch_is_drawn_by_its_seed_alone() -> None:
    tokenizer = hops_tokenizer(TASK)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (build_scratch(Scratch(), tokenizer, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
    assert one.lm_head.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert sum(weight.numel() for weight in one.parameters()) < 120_000


@pytest.mark.parametrize("sizes", [{"hidden_size": 65}, {"hidden_size": 36, "heads": 4}, {"kv_heads": 3}])
def test_sizes_that_do_not_divide(sizes: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"hidden_size|heads"):
        build_scratch(Scratch(**sizes), hops_tokenizer(TASK), 0)  # type: ignore[arg-type]


def test_a_pad_token_may_be_eos_and_no_eos_is_refused(tmp_path: Path) -> None:
    tokenizer = hops_tokenizer(TASK)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "t")
    assert load_tokenizer(tmp_path / "t").pad_token == "</s>"
    settings = json.loads((tmp_path / "t" / "tokenizer_config.json").read_text())
    settings.pop("eos_token")
    (tmp_path / "t" / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="no EOS"):
        load_tokenizer(tmp_path / "t")


def test_a_chat_template_file(tmp_path: Path) -> None:
    hops_tokenizer(TASK).save_pretrained(tmp_path / "t")
    (tmp_path / "c.jinja").write_text("{{ messages[0]['content'] }}")
    assert load_tokenizer(tmp_path / "t", chat_template=tmp_path / "c.jinja").chat_template.startswith("{{")
    with pytest.raises(UserError, match="chat template"):
        load_tokenizer(tmp_path / "t", chat_template=tmp_path / "none.jinja")


def test_missing_folders_and_an_unreachable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for load in (load_tokenizer, load_policy):
        with pytest.raises(UserError, match="no such model folder"):
            load(tmp_path / "none")
        with pytest.raises(UserError, match="no such model folder"):
            load("./none")
    (tmp_path / "empty").mkdir()
    for load in (load_tokenizer, load_policy):
        with pytest.raises(UserError, match="that transformers can open here"):
            load(tmp_path / "empty")

    import transformers

    def refuse(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to the hub\nand more")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", refuse)
    for name in ("owner/none", Path("owner/none")):
        with pytest.raises(UserError, match=r"owner/none: neither a local folder.*couldn't connect to the hub\)"):
            load_policy(name)
