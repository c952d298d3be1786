"""Seeds of samples' own: an answer does not depend on what else is drawn, and streams are uniform."""

from __future__ import annotations

import torch

from sgpo_cli.generation.load import build_scratch
from sgpo_cli.generation.noise import RowNoise, pick
from sgpo_cli.generation.standin import standin_tokenizer
from sgpo_cli.generation.transformers_engine import TransformersEngine
from sgpo_cli.recipe.schema import Scratch

SETTINGS = {"max_new_tokens": 12, "temperature": 1.0, "top_p": 0.95}


def engine(**options) -> TransformersEngine:
    tokenizer = standin_tokenizer()
    return TransformersEngine(build_scratch(Scratch(), tokenizer, 0), tokenizer, **options)


def test_a_sample_is_the_same_alone_in_company_and_in_other_batches() -> None:
    prompts, seeds = ["one", "a longer one", "one", "three"], [5, 6, 7, 8]
    together = [one.ids for one in engine().generate(prompts, seed=seeds, **SETTINGS)]
    alone = [
        engine().generate([prompt], seed=[own], **SETTINGS)[0].ids for prompt, own in zip(prompts, seeds, strict=True)
    ]
    turned = [one.ids for one in engine(batch_size=3).generate(prompts[::-1], seed=seeds[::-1], **SETTINGS)][::-1]
    assert together == alone == turned
    assert together[0] != together[2], "another seed is another sample"


def test_top_k_of_the_call_wins_over_the_engines() -> None:
    greedy = engine().generate(["abc"], seed=[1], **{**SETTINGS, "temperature": 0.0})[0].ids
    assert engine().generate(["abc"], seed=[9], top_k=1, **SETTINGS)[0].ids == greedy
    assert engine(top_k=1).generate(["abc"], seed=[9], **SETTINGS)[0].ids == greedy


def test_noise_is_uniform_and_each_rows_own() -> None:
    noise = RowNoise(list(range(400)), torch.device("cpu"))
    values = torch.stack([noise.next(list(range(400))) for _ in range(100)])
    assert abs(values.mean().item() - 0.5) < 0.01 and values.min() >= 0 and values.max() < 1
    other = RowNoise([7], torch.device("cpu"))
    assert torch.equal(torch.cat([other.next([0]) for _ in range(100)]), values[:, 7])


def test_pick_follows_the_shares_and_never_takes_a_token_of_none() -> None:
    shares = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).repeat(4, 1)
    uniform = torch.tensor([0.0, 0.2499, 0.25, 0.99999999], dtype=torch.float64)
    assert pick(shares, uniform).tolist() == [1, 1, 3, 3]
