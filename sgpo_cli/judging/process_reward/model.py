"""Opens a process reward model and reads the scores of steps from it.

Whatever the style, the opened model gives a few logits a token: two classes, or the good token against the bad one. For
the latter the language-model head is cut down to those two rows, so that no batch ever holds a vocabulary of logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import load_tokenizer
from sgpo_cli.judging.process_reward.batches import OutOfMemory, Scorer
from sgpo_cli.judging.process_reward.encode import WRITERS, Row
from sgpo_cli.judging.process_reward.opened import Opened
from sgpo_cli.judging.process_reward.qwen_head import ARCHITECTURE, QwenProcessReward

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from sgpo_cli.recipe.judgecards import ProcessRewardCard


def open_model(card: ProcessRewardCard) -> Opened:
    """The card's model on its device, in evaluation mode; the random state of the caller is untouched.

    Raises:
        UserError: nothing there, the hub out of reach, not a model of the card's style, not enough memory.
    """
    # The tokenizer first: it is small, and it tells a path or a name where nothing is.
    try:
        tokenizer = load_tokenizer(card.model, revision=card.revision, trust_remote_code=card.trust_remote_code)
    except UserError as problem:
        raise UserError(
            f"the judge's model cannot be opened: {problem.what}",
            where=problem.where,
            fix="check `model:` of the judge card: a hub id (`owner/name`) or a transformers folder",
        ) from problem
    writer = WRITERS[card.style](tokenizer, card)
    with torch.random.fork_rng(devices=[]):  # layers are made on the CPU, and drawn
        model, config = _load(card)
        if card.style == "plus_minus":
            _keep_two_tokens(model, _one_token(tokenizer, card.good, card), _one_token(tokenizer, card.bad, card), card)
    try:
        model.to(_device(card)).eval()
    except torch.OutOfMemoryError as problem:
        raise _no_room(card) from problem
    text_config = config.get_text_config()
    own_limit = getattr(text_config, "max_position_embeddings", None)
    good_label = 0 if card.style == "plus_minus" else card.good_label
    forward = _reader(model, good_label, pad=tokenizer.pad_token_id or 0)
    return Opened(
        writer=writer,
        scorer=Scorer(forward, card.batch_tokens),
        limit=min(card.max_length, own_limit or card.max_length),
        vocabulary=model.get_input_embeddings().num_embeddings,
    )


def _device(card: ProcessRewardCard) -> torch.device:
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return torch.device("cpu") if card.device == "cpu" or accelerator is None else accelerator


def _load(card: ProcessRewardCard) -> tuple[PreTrainedModel, PretrainedConfig]:
    from transformers import AutoConfig

    options: dict[str, Any] = {"revision": card.revision, "trust_remote_code": card.trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(card.model, **options)
        kind, note = _class_for(card, config)
        dtype = ("float32" if _device(card).type == "cpu" else "auto") if card.dtype == "auto" else card.dtype
        # With sizes "ignored" transformers reports them, as it does missing weights; both are refused below.
        options |= {"config": config, "dtype": dtype, "output_loading_info": True, "ignore_mismatched_sizes": True}
        model, info = kind.from_pretrained(card.model, **options)
    except (OSError, ValueError, ImportError) as problem:
        lines = str(problem).strip().splitlines()
        raise UserError(
            f"the judge's model cannot be opened: {lines[0] if lines else type(problem).__name__}",
            where=card.model,
            fix="check `model:` and `style:` of the judge card, the network, and HF_TOKEN for gated models",
        ) from problem
    missing = sorted({*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])})
    if missing:
        # transformers would go on with random weights, and every score would be noise.
        raise UserError(
            f"the checkpoint has no weights that fit {', '.join(missing[:3])}: it is not {note}",
            where=card.model,
            fix="name a process reward model, or its style (`style:` of the judge card)",
        )
    labels = getattr(config, "num_labels", 2)
    if card.style != "plus_minus" and card.good_label >= labels:
        raise UserError(
            f"good_label is {card.good_label}, and the model has {labels} classes, counted from 0", where=card.model
        )
    return model, config


def _class_for(card: ProcessRewardCard, config: PretrainedConfig) -> tuple[Any, str]:
    """The class that opens the checkpoint, and what the checkpoint must then be, in words."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForTokenClassification

    if card.style == "plus_minus":
        return AutoModelForCausalLM, "a causal language model"
    architecture = (config.architectures or [""])[0]
    if architecture == ARCHITECTURE:
        return QwenProcessReward, f"a {ARCHITECTURE}"
    if card.style == "token_classification" or architecture.endswith("ForTokenClassification"):
        return AutoModelForTokenClassification, "a token-classification model"
    if card.trust_remote_code:
        return AutoModel, "what its own code makes of it"
    raise UserError(
        f"style separator cannot open a checkpoint of architecture {architecture or 'unknown'}",
        where=card.model,
        fix=f"it opens {ARCHITECTURE} and ...ForTokenClassification; for others set trust_remote_code: true in the "
        "judge card after reading the code that the checkpoint brings",
    )


def _one_token(tokenizer: PreTrainedTokenizerBase, text: str, card: ProcessRewardCard) -> int:
    ids = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise UserError(f"{text!r} is not one token of this tokenizer", where=card.model, fix="see `good:` and `bad:`")
    return int(ids[0])


def _keep_two_tokens(model: PreTrainedModel, good: int, bad: int, card: ProcessRewardCard) -> None:
    """Cuts the language-model head down to two rows: logit 0 is the good token's, logit 1 the bad one's."""
    if good == bad:
        raise UserError(f"good and bad are the same token ({card.good!r}, {card.bad!r})", where=card.model)
    head = model.get_output_embeddings()
    rows = torch.tensor([good, bad])
    two = torch.nn.Linear(head.in_features, 2, bias=head.bias is not None, dtype=head.weight.dtype)
    with torch.no_grad():
        two.weight.copy_(head.weight[rows])
        if head.bias is not None:
            two.bias.copy_(head.bias[rows])
    model.set_output_embeddings(two)


def _reader(model: PreTrainedModel, good_label: int, *, pad: int) -> Callable[[Sequence[Row]], list[list[float]]]:
    def forward(rows: Sequence[Row]) -> list[list[float]]:
        """Share of the good class at each row's positions. Rows are padded on the right, where no token of theirs
        looks, so that a row's score does not depend on its neighbours but for rounding."""
        try:
            return _forward(model, rows, good_label, pad)
        except (torch.OutOfMemoryError, MemoryError):
            pass
        except RuntimeError as problem:
            if "can't allocate memory" not in str(problem):  # how torch's CPU allocator says it
                raise
        torch.cuda.empty_cache()  # nothing where there is no such device
        raise OutOfMemory

    return forward


@torch.inference_mode()
def _forward(model: PreTrainedModel, rows: Sequence[Row], good_label: int, pad: int) -> list[list[float]]:
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[pad] * (width - len(row.ids))] for row in rows], device=model.device)
    lengths = torch.tensor([len(row.ids) for row in rows], device=model.device)
    mask = (torch.arange(width, device=model.device) < lengths[:, None]).long()
    output = model(input_ids=ids, attention_mask=mask, use_cache=False)
    logits = output.logits if hasattr(output, "logits") else output[0]
    at_row = torch.tensor([at for at, row in enumerate(rows) for _ in row.positions], device=model.device)
    at_token = torch.tensor([position for row in rows for position in row.positions], device=model.device)
    flat = iter(logits[at_row, at_token].float().softmax(dim=-1)[:, good_label].tolist())
    return [[next(flat) for _ in row.positions] for row in rows]


def _no_room(card: ProcessRewardCard) -> UserError:
    return UserError(
        "the judge's model does not fit into the accelerator's memory beside the policy",
        where=card.model,
        fix="set `device: cpu` or `dtype: bfloat16` in the judge card",
    )
