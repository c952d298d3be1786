"""The plan's prompt and guidance: what a group gets, with real problems, and nothing heavy imported for it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sgpo_cli.display.console import THEME
from sgpo_cli.display.plan import plan_table
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.guided import guided_group
from sgpo_cli.pipeline.preview import begins_twice, first_row, preview
from sgpo_cli.pipeline.tokens import tokenize
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Model, Recipe
from tests.tiny import sgpo

FIXED = "guidance={kind: fixed, length: 6, loss_on_prefix: false}"
# Seven words, then the trace: 4 steps of 31, 25, 26 and 7 characters (line breaks included), the last two tell 12.
TRACE = "Anna has 4+4 = <<4+4=8>>8 hens\nBen gives her two a month.\nSo 8+4 = <<8+4=12>>12 hens\n#### 12"


def recipe(*overrides: str, name: str = "tiny_grpo") -> Recipe:
    return load_recipe(name, list(overrides)).recipe


def guided(*overrides: str, **options: Any) -> dict[str, Any]:
    made = recipe(*overrides, **options)
    row = first_row(made)
    found = guided_group(made, row, preview(made, row)["text"])
    assert found is not None
    return found


def words_file(folder: Path, solution: str | None, **more: Any) -> list[str]:
    """A source of one row, as overrides of a recipe whose model is built over bytes."""
    path = folder / "rows.jsonl"
    path.write_text(json.dumps({"q": "How many hens?", "a": "12", "s": solution, **more}) + "\n")
    columns = "data.columns={problem: q, answer: a, solution: s}"
    return [f"data.source={path}", columns, "data.heldout=0", "warmup={kind: none}", "reward=[{kind: math}]"] + [
        "benchmarks=[]",
        "model.scratch.context=2048",
        "trainer.max_completion_length=200",
    ]


def shown(made: Recipe, width: int = 80) -> str:
    row = first_row(made)
    console = Console(file=io.StringIO(), width=width, theme=THEME)
    prompt = preview(made, row)
    plan = {"stages": [], "warnings": [], "prompt": prompt, "guidance": guided_group(made, row, prompt["text"])}
    console.print(plan_table(plan))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_group_of_hops_by_hand(here: Path) -> None:
    found = guided(FIXED)
    assert found["mask"] == [True] * 2 + [False] * 6 and found["guided"] == 2
    assert found["course"]["points"][0] == {"step": 1, "length": 6.0, "units": 6}
    assert found["course"]["zero_from"] is None and found["course"]["drawn"] is None
    row = first_row(recipe(FIXED))
    assert row is not None and row.solution is not None
    example = found["example"]
    assert example["prefix"] == "".join(line + "\n" for line in row.solution.split("\n")[:6])
    assert (example["units"], example["asked"], example["reason"], example["trace_units"]) == (6, 6, None, 11)
    # 13 tokens in all are the budget; the hop that arrives at the answer and the answer's line are withheld.
    assert (example["prefix_tokens"], example["sampled"], example["withheld"]) == (6, 7, 2)


def test_the_answer_is_withheld_and_the_budget_kept(here: Path) -> None:
    most = guided(FIXED, "guidance.length=12")["example"]
    assert (most["units"], most["reason"]) == (9, "short_trace")
    assert guided(FIXED, "guidance.length=10")["example"]["reason"] == "answer"
    tight = guided(FIXED, "trainer.max_completion_length=7", "guidance.length=6", "guidance.budget=shared")["example"]
    assert (tight["units"], tight["sampled"]) == (6, 1)
    extra = guided(FIXED, "guidance.budget=extra")["example"]
    assert extra["sampled"] == 13


def test_tokens_of_hops(here: Path) -> None:
    example = guided(FIXED, "guidance.unit=tokens", "guidance.length=11", "guidance.budget=extra")["example"]
    # e1 ... e10 # e10 are 12 tokens; the last hop, the mark and the answer are three of them.
    assert (example["trace_units"], example["withheld"], example["units"], example["reason"]) == (12, 3, 9, "answer")


def test_a_human_solution_in_steps_and_in_bytes(here: Path, tmp_path: Path) -> None:
    file = words_file(tmp_path, TRACE)
    steps = guided(FIXED, *file, "guidance.length=3")["example"]
    assert steps["trace_units"] == 4 and steps["withheld"] == 2 and steps["reason"] == "answer"
    assert steps["prefix"] == "".join(TRACE.splitlines(keepends=True)[:2])
    assert steps["prefix_tokens"] == len(steps["prefix"]) and steps["sampled"] == 200 - len(steps["prefix"])
    assert steps["id"] == "0" and steps["from"].endswith("rows.jsonl:1")
    tokens = guided(FIXED, *file, "guidance.unit=tokens", "guidance.length=20")["example"]
    assert tokens["prefix"] == TRACE[:20] and tokens["prefix_tokens"] == 20
    assert tokens["withheld"] == len(TRACE) - len(steps["prefix"])


def test_a_tight_budget_shortens_by_whole_steps(here: Path, tmp_path: Path) -> None:
    file = words_file(tmp_path, TRACE)
    example = guided(FIXED, *file, "guidance.length=2", "trainer.max_completion_length=40")["example"]
    assert (example["units"], example["asked"], example["reason"]) == (1, 2, "budget")


@pytest.mark.parametrize("solution", [None, "", " \n"])
def test_an_empty_trace_is_said(here: Path, tmp_path: Path, solution: str | None) -> None:
    file = words_file(tmp_path, solution)
    example = guided(FIXED, *file)["example"]
    assert (example["units"], example["reason"], example["prefix"]) == (0, "no_trace", "")
    assert "this row has no trace" in shown(recipe(FIXED, *file))


def test_a_missing_solution_column_is_found_at_its_line(here: Path, tmp_path: Path) -> None:
    file = words_file(tmp_path, TRACE)
    with pytest.raises(UserError, match="no column 'proof'") as wrong:
        first_row(recipe(FIXED, *file, "data.columns.solution=proof"))
    assert str(wrong.value.where).endswith("rows.jsonl:1")


def test_bytes_are_counted_as_bytes(here: Path, tmp_path: Path) -> None:
    made = recipe(FIXED, *words_file(tmp_path, "é €\n12"))
    tokens = tokenize(made, "é €")
    assert tokens is not None and len(tokens) == 2 + 1 + 3
    assert [tokens.within(end) for end in (0, 1, 2, 3)] == [0, 2, 3, 6]


def test_words_and_bytes_are_those_of_the_real_tokenizers(here: Path, tmp_path: Path) -> None:
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.standin import standin_tokenizer

    made = recipe(FIXED)
    row = first_row(made)
    assert row is not None
    for text, special in ((row.problem, True), (row.solution or "", False)):
        tokens = tokenize(made, text, special=special)
        real = tokenizer(made.data.hops)
        assert tokens is not None
        assert tokens.texts == real.convert_ids_to_tokens(real(text, add_special_tokens=special)["input_ids"])
    told = preview(made, row)
    assert (told["tokens"], told["begins"][0]) == (12, "<s>")
    bytewise = tokenize(recipe(FIXED, *words_file(tmp_path, TRACE)), TRACE + " é€")
    assert bytewise is not None
    assert len(bytewise) == len(standin_tokenizer()(TRACE + " é€")["input_ids"])


def test_courses(here: Path) -> None:
    linear = guided("guidance={kind: linear, length: 6, loss_on_prefix: true}")["course"]
    assert [point["units"] for point in linear["points"]] == [6, 4, 2, 0, 0]
    # 6 * (1 - t/80) is below a half from t = 74 steps made: step 75.
    assert linear["zero_from"] == 75
    random = guided("guidance={kind: random, length: 6, low: 2, loss_on_prefix: true}")["course"]
    assert random["drawn"] == [2, 6] and random["points"][0]["length"] == 4.0
    adapts = "guidance={kind: adaptive, length: 6, max_length: 9, loss_on_prefix: false}"
    assert guided(adapts)["course"] is None
    assert "6 steps at step 1, then it adapts, up to 9 steps" in shown(recipe(adapts))
    assert "0 from 75" in shown(recipe("guidance={kind: linear, length: 6, loss_on_prefix: true}"))


def test_guidance_none_is_null(here: Path) -> None:
    made = recipe()
    assert guided_group(made, first_row(made), "") is None and "rollout 0" not in shown(made)


def test_data_that_is_not_here_is_not_read(here: Path) -> None:
    made = recipe(FIXED, name="qwen7b_sgpo")
    assert first_row(made) is None
    found = guided_group(made, None, "")
    assert found is not None and found["example"] is None and found["guided"] == 2
    said = shown(made)
    assert "the data is not read here" in said and "> guided" in said and "· unguided" in said


def test_a_tokenizer_that_is_not_here(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    file = words_file(tmp_path, TRACE)
    away = [FIXED, *file, "model.path=Qwen/Qwen2.5-0.5B", "model.scratch=null", "guidance.length=1"]
    steps = guided(*away)["example"]
    assert steps["prefix"] == TRACE.splitlines(keepends=True)[0] and steps["prefix_tokens"] is None
    assert "nor is the budget looked at" in " ".join(shown(recipe(*away)).split())
    tokens = guided(*away, "guidance.unit=tokens")["example"]
    assert tokens["prefix"] is None and "not cut here" in tokens["note"]
    assert "policy goes on here" not in shown(recipe(*away, "guidance.unit=tokens"))


def test_a_template_spells_the_tokenizers_bos(here: Path) -> None:
    """As transformers renders it: special tokens are there by name."""
    folder = here / "model"
    folder.mkdir()
    (folder / "chat_template.jinja").write_text("{{ bos_token }}[{{ messages[0].content }}]{{ eos_token }}")
    told = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    made = Recipe(name="x", model=Model(path=str(folder)))
    assert preview(made, None)["text"] == "<s>[<a problem of hops>]</s>"


@pytest.mark.parametrize("size", [2, 8, 16, 64])
@pytest.mark.parametrize("unit", ["steps", "tokens"])
def test_the_drawing_fits_eighty_columns(here: Path, tmp_path: Path, size: int, unit: str) -> None:
    for source in ([], words_file(tmp_path, TRACE + "\n" + "and so on, word by word, " * 40)):
        made = recipe(FIXED, *source, f"guidance.unit={unit}", f"trainer.group_size={size}", "guidance.fraction=0.5")
        lines = shown(made).splitlines()
        assert max(map(len, lines)) <= 80
        drawn = [line for line in lines if "rollout " in line and "░" in line]
        assert len(drawn) == (size if size <= 16 else 2)
        assert sum(">" in line for line in drawn) == (size // 2 if size <= 16 else 1)
        assert any("policy goes on here" in line for line in lines)


def test_a_model_s_text_never_reaches_the_terminal_raw(here: Path, tmp_path: Path) -> None:
    assert "\x1b" not in shown(recipe(FIXED, *words_file(tmp_path, "\x1b[31mred\nblue\n12")))


def test_the_cut_is_the_trainers(here: Path, tmp_path: Path) -> None:
    """Same units, same tokens, same text as the trace that training cuts, for every length that it may ask for."""
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.standin import standin_tokenizer
    from sgpo_cli.recipe.guidance import Guided
    from sgpo_cli.training.traces import read_trace

    for source in ([], words_file(tmp_path, TRACE)):
        for unit, lengths in (("steps", range(1, 13)), ("tokens", (1, 5, 8, 9, 11, 12))):
            for length in lengths:
                made = recipe(FIXED, *source, f"guidance.unit={unit}", f"guidance.length={length}")
                row = first_row(made)
                assert row is not None and isinstance(made.guidance, Guided)
                asked = preview(made, row)["text"]
                found = guided_group(made, row, asked)
                real = standin_tokenizer() if source else tokenizer(made.data.hops)
                trace = read_trace(row.id, asked, row.solution, row.answer, real)
                start = trace.start(length, made.guidance, made.trainer.max_completion_length)
                assert found is not None and start.cut is not None
                told = found["example"]
                assert (told["units"], told["asked"], told["reason"]) == (
                    start.cut.units,
                    start.cut.asked,
                    start.cut.reason,
                )
                assert told["prefix_tokens"] == len(start.ids)
                assert "".join(real.decode(list(start.ids)).split()) == "".join(told["prefix"].split())


def test_the_command_prints_it_and_stays_light(here: Path) -> None:
    told = sgpo("plan", "tiny_grpo", FIXED, "--json", cwd=here)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["guidance"]["mask"].count(True) == 2
    audit = (
        "import sys; from sgpo_cli.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'numpy', 'pandas'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    repository = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", audit, "plan", "tiny_grpo", FIXED],
        cwd=here,
        env={"PYTHONPATH": repository, "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "rollout 0" in done.stdout and "policy goes on here" in done.stdout


def test_special_tokens_are_told(here: Path, tmp_path: Path) -> None:
    made = recipe()
    told = preview(made, first_row(made))
    assert told["bos"] == {"token": "<s>", "at_start": True} and told["stop"] == [{"id": 2, "token": "</s>"}]
    assert "BOS: <s>, at the start; stops at: 2 </s>" in " ".join(shown(made).split())
    bytewise = preview(recipe(*words_file(tmp_path, TRACE)), None)
    assert bytewise["bos"] == {"token": None, "at_start": False}
    assert bytewise["stop"] == [{"id": 1, "token": "<|end|>"}]


def chat_folder(folder: Path, template: str) -> str:
    """A model's folder with a tokenizer that adds BOS, a chat template, and two tokens that end an answer."""
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.recipe.schema import HopsTask

    made = tokenizer(HopsTask())
    made.chat_template = template
    made.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    return str(folder)


@pytest.mark.parametrize("written", ["<s> ", ""])
def test_two_bos_are_warned_about(here: Path, tmp_path: Path, written: str) -> None:
    path = chat_folder(tmp_path / "model", "{{ bos_token }}{{ messages[-1].content }}")
    file = words_file(tmp_path, TRACE)
    plain = [*file, f"model.path={path}", "model.scratch=null", f"data.prompt='{written}{{problem}}'"]
    made = recipe(*plain, "model.chat=false")
    told, warning = preview(made, first_row(made)), begins_twice(made, first_row(made))
    assert [one["token"] for one in told["stop"]] == ["<pad>", "</s>"]
    assert (warning is not None) == bool(written)
    asked = preview(recipe(*plain, "model.chat=true"), first_row(made))
    # The template spells BOS, as published ones do, and the tokenizer then adds none.
    assert asked["text"].startswith("<s>") and asked["bos"] == {"token": "<s>", "at_start": True}
    if warning is not None:
        assert "two BOS tokens (<s>)" in warning.what and "take it out of data.prompt" in str(warning.fix)


def test_a_folder_without_a_template_is_not_called_uncached(here: Path) -> None:
    """As doctor says it: there is none, and problems are asked as text; a chat model's name needs one."""
    (here / "base").mkdir()
    base = Recipe(name="x", model=Model(path="base"))
    assert preview(base, None)["note"].startswith("this tokenizer has no chat template: problems are asked as plain")
    (here / "m-Instruct").mkdir()
    chat = Recipe(name="x", model=Model(path="m-Instruct"))
    assert preview(chat, None)["note"].startswith("m-Instruct is a chat model by its name")
    away = Recipe(name="x", model=Model(path="somebody/away"))
    assert preview(away, None)["note"].startswith("chat template not cached")
