"""Log-probabilities of given responses, as a trainer would compute them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def log_probs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    temperature: float,
    pad_id: int,
) -> list[list[float]]:
    """The log-probability of each response token, given all before it; logits are divided by `temperature`.

    Args:
        prompts: token ids, each at least one; as many as `responses`.
    """
    import torch

    rows = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows], device=model.device)
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    mask = (torch.arange(width, device=model.device) < lengths[:, None]).long()
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float() / temperature
        chosen = logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return [
        chosen[at, len(prompt) - 1 : len(prompt) + len(response) - 1].tolist()
        for at, (prompt, response) in enumerate(zip(prompts, responses, strict=True))
    ]
