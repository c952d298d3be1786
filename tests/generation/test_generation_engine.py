"""The decoding loop against transformers' own generate, and the engine's promises on order, seeds and random state."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sgpo_cli.data.hops import problems  # noqa: E402
from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer  # noqa: E402
from sgpo_cli.generation.decode import Sampling, decode, draw  # noqa: E402
from sgpo_cli.generation.load import build_scratch  # noqa: E402
from sgpo_cli.generation.transformers_engine import TransformersEngine, stop_ids  # noqa: E402
from sgpo_cli.recipe.schema import HopsTask, Scratch  # noqa: E402

TASK = HopsTask(entities=20, hops=3)
TOKENIZER = hops_tokenizer(TASK)
RAGGED = ["e1 r0 r1", "e4", "e5 r0 r0 r1 r1 r0 r0", "e1 r0 r1", "e9 r1"]


def scratch(architecture: str = "llama", seed: int = 1):  # type: ignore[no-untyped-def]
    # Large initial weights make a random model's choices sharp, and its answers end at different places.
    return build_scratch(Scratch(architecture=architecture, initializer_range=0.4), TOKENIZER, seed)  # type: ignore[arg-type]


def sample(
    engine: TransformersEngine, prompts: list[str], seed: int = 0, temperature: float = 1.0
) -> list[tuple[int, ...]]:
    made = engine.generate(prompts, max_new_tokens=12, temperature=temperature, top_p=1.0, seed=seed)
    return [one.ids for one in made]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_equals_generate(architecture: str, seed: int) -> None:
    model = scratch(architecture, seed)
    together = sample(TransformersEngine(model, TOKENIZER), RAGGED, temperature=0.0)
    for text, ids in zip(RAGGED, together, strict=True):
        asked = torch.tensor([TOKENIZER(text)["input_ids"]])
        whole = model.generate(asked, attention_mask=torch.ones_like(asked), max_new_tokens=12, do_sample=False)
        assert list(ids) == whole[0, asked.shape[1] :].tolist()


def test_rows_that_end_are_dropped_without_mixing_up_the_others() -> None:
    model = scratch()
    engine = TransformersEngine(model, TOKENIZER)
    engine.stop_ids = frozenset(range(0, 27, 3))  # ends come early and at different places
    together = sample(engine, RAGGED, temperature=0.0)
    assert len({len(ids) for ids in together}) > 1
    assert together == [sample(engine, [text], temperature=0.0)[0] for text in RAGGED]


def test_equal_seeds_give_equal_samples_and_touch_nothing() -> None:
    model = scratch()
    model.train()
    engine = TransformersEngine(model, TOKENIZER)
    torch.manual_seed(7)
    expected = torch.rand(4)
    torch.manual_seed(7)
    one, same, other = sample(engine, RAGGED * 3, 1), sample(engine, RAGGED * 3, 1), sample(engine, RAGGED * 3, 2)
    assert torch.equal(torch.rand(4), expected)
    assert model.training
    assert one == same != other
    assert one[0] != one[3] or one[5] != one[8]  # copies of one problem are different samples


def test_a_live_model_still_trains_after_sampling() -> None:
    model = scratch()
    sample(TransformersEngine(model, TOKENIZER), RAGGED)
    ids = torch.tensor([TOKENIZER("e1 r0 e4 e5")["input_ids"]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert model.lm_head.weight.grad is not None


def test_sampled_tokens_follow_the_models_distribution() -> None:
    """Copies that share one prefilled prompt are independent draws: the second token's shares come out right."""
    model, copies = scratch(), 20_000
    asked = TOKENIZER("e1 r0")["input_ids"]
    generator = torch.Generator().manual_seed(0)
    made = decode(model, [asked] * copies, Sampling(2), stop_ids=frozenset(), pad_id=0, generator=generator)
    first = torch.bincount(torch.tensor([ids[0] for ids in made]), minlength=27) / copies
    with torch.no_grad():
        wanted = model(torch.tensor([asked])).logits[0, -1].softmax(0)
        top = int(wanted.argmax())
        after = model(torch.tensor([[*asked, top]])).logits[0, -1].softmax(0)
    assert (first - wanted).abs().max() < 0.015
    seconds = torch.tensor([ids[1] for ids in made if ids[0] == top])
    assert (torch.bincount(seconds, minlength=27) / len(seconds) - after).abs().max() < 0.03


def test_top_p_and_top_k_cut_the_tail() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(4000, 4)
    generator = torch.Generator().manual_seed(0)

    def drawn(sampling: Sampling) -> list[float]:
        return (torch.bincount(draw(logits, sampling, generator), minlength=4) / 4000).tolist()

    assert drawn(Sampling(1, top_p=0.7)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert drawn(Sampling(1, top_p=0.1)) == [1, 0, 0, 0]
    assert drawn(Sampling(1, top_k=3)) == pytest.approx([0.526, 0.316, 0.158, 0], abs=0.03)
    assert drawn(Sampling(1, temperature=0.5)) == pytest.approx([0.685, 0.247, 0.062, 0.007], abs=0.03)
    assert drawn(Sampling(1, temperature=0)) == [1, 0, 0, 0]


def test_texts_ends_and_truncation() -> None:
    model = scratch()
    engine = TransformersEngine(model, TOKENIZER, batch_size=3)
    rows = problems(TASK, 8, 0, "train")
    made = engine.generate([row.problem for row in rows], max_new_tokens=5, temperature=1.0, top_p=1.0, seed=0)
    for one in made:
        assert one.truncated == (one.ids[-1] != TOKENIZER.eos_token_id) and len(one.ids) <= 5
        assert "</s>" not in one.text and one.text == TOKENIZER.decode(list(one.ids), skip_special_tokens=True)
    assert engine.generate([], max_new_tokens=5, temperature=1.0, top_p=1.0, seed=0) == []


def test_every_eos_of_the_generation_config_stops() -> None:
    model = scratch()
    model.generation_config.eos_token_id = [2, 9]
    assert stop_ids(model, TOKENIZER) == {2, 9}
    model.generation_config.eos_token_id = None
    assert stop_ids(model, TOKENIZER) == {2}
