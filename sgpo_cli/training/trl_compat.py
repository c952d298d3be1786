"""Every private touch of TRL, in one place, guarded by a signature test (tests/training/test_trl_compat.py).

`ScoredBatchTrainer` is TRL's GRPOTrainer with one more public hook, `after_scoring`: it runs once a batch of rollouts,
after TRL has generated and scored it and before the rows are shuffled into updates. Checked against TRL 1.16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, set_seed
from trl import GRPOTrainer

from sgpo_cli.errors import RunFailed
from sgpo_cli.training.checkpoints import saving
from sgpo_cli.training.rewards import Completion
from sgpo_cli.training.rollouts import Drift
from sgpo_cli.training.stored import StoredRollout
from sgpo_cli.training.two_widths import Scored, score_in_two, share_spared

PRIVATE: dict[str, list[str]] = {
    "_generate_and_score_completions": ["self", "inputs"],
    "_generate": ["self", "prompts"],
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "_get_per_token_logps_and_entropies": [
        "self",
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
        "compute_entropy",
        "compute_aux_loss",
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "spatial_shapes",
        "num_tiles",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    ],
    "_save_checkpoint": ["self", "model", "trial"],
}
"""What we override, and the parameters it must have."""
CALLED: dict[str, list[str]] = {
    "_tokenize_prompts": ["self", "prompts"],
    "_generate_single_turn": [
        "self",
        "prompt_ids",
        "images",
        "multimodal_fields",
        "num_generations",
        "has_tool_images",
    ],
}
"""What we call from a guided rollout: the ways of every engine (transformers, vLLM) from a prompt to sampled ids."""

WASTED = 0.05
"""Share of a guided batch's cells that must be padding before its long and short rows go to the model apart."""


@dataclass(frozen=True)
class ScoredBatch:
    """This rank's rows of a batch of rollouts, with all ranks' rewards: B local rows, N over all ranks, F rewards."""

    inputs: list[dict[str, Any]]
    """B data set rows; the G copies of a problem follow each other, over rank borders too."""
    completions: Sequence[Completion]
    """B responses."""
    completion_ids: Sequence[Sequence[int]]
    """B lists of token ids, EOS included, no padding."""
    rewards: torch.Tensor
    """(N, F), NaN where a reward function returned None."""
    advantages: torch.Tensor
    """(N,), as TRL computed them."""


@dataclass(frozen=True)
class Injection:
    """What this rank's rows of a batch start from."""

    prefixes: Sequence[Sequence[int]]
    """B lists of token ids, ragged, some of them empty."""
    in_loss: bool
    """Whether the injected tokens are trained on like sampled ones."""
    room: int | None
    """Tokens of a whole response, prefix included; None when what is sampled has a budget of its own."""


class ScoredBatchTrainer(GRPOTrainer):
    """GRPOTrainer with two hooks on each training batch; without an override of them it is GRPOTrainer, seeded."""

    rollout_func: Any
    use_vllm: bool
    _seen: tuple[Sequence[Completion], Sequence[Sequence[int]], torch.Tensor] | None = None
    _inputs: list[dict[str, Any]]
    drift: Drift | None = None
    """Of the batch that is being scored, where its rollouts are fixed ones."""
    _two_widths: bool = False
    """Whether the batch that is being learned from goes to the model in two parts; the same on every rank."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.use_vllm:
            # An engine in this process seeds it with the rank alone (TRL asks for no other): every seed of a recipe
            # would sample alike.
            set_seed(self.args.seed, device_specific=True)

    def after_scoring(self, batch: ScoredBatch) -> torch.Tensor:
        """The advantages to train on, (N,), the same on every rank."""
        return batch.advantages

    def after_generation(self, inputs: list[dict[str, Any]], completions: Sequence[Completion], ids: Any) -> None:
        """Called with this rank's B rows, responses and their token ids as soon as a training batch is generated,
        before TRL computes log-probabilities and rewards: the time to ask somebody who takes long to answer."""

    def before_rollouts(self, inputs: list[dict[str, Any]]) -> Injection | None:
        """What this rank's B rows start from; None, on every rank, leaves generation to TRL alone."""
        return None

    def fixed_rollouts(self, inputs: list[dict[str, Any]]) -> list[StoredRollout] | None:
        """Rollouts for this rank's B rows in the place of generated ones, with the log-probabilities that importance
        ratios are taken against; None, on every rank, generates."""
        return None

    def _generate(self, prompts: list[Any]) -> Any:
        made = super()._generate(prompts)
        if self.model.training:
            _, ids, _, completions, *_ = made
            self.after_generation(self._inputs, completions, ids)
        return made

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._seen = (completions, completion_ids_list, rewards)
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._inputs = inputs
        injection, fixed = None, None
        if self.model.training:
            self._two_widths = False
            fixed = self.fixed_rollouts(inputs)
            injection = self.before_rollouts(inputs) if fixed is None else None
        with _diverging(self.state.global_step), self._injecting(injection), self._taking(fixed):
            output = super()._generate_and_score_completions(inputs)
        if not self.model.training or self._seen is None:
            return output
        if fixed is not None:
            self._use_stored(output, fixed)
        completions, ids, rewards = self._seen
        self._seen = None
        local = output["advantages"]
        everyone = self.accelerator.gather(local)
        wanted = self.after_scoring(ScoredBatch(inputs, completions, ids, rewards, everyone))
        if wanted is not everyone:
            start = self.accelerator.process_index * len(inputs)
            output["advantages"] = wanted[start : start + len(inputs)].to(local)
            self._show_advantages(wanted)
        return output

    @contextmanager
    def _injecting(self, injection: Injection | None) -> Iterator[None]:
        """Makes TRL take this batch's rollouts from us, through its public `rollout_func`."""
        if injection is None:
            yield
            return
        theirs = self.rollout_func
        self.rollout_func = lambda prompts, _trainer: self._roll_out(prompts, injection)
        try:
            yield
        finally:
            self.rollout_func = theirs

    @contextmanager
    def _taking(self, fixed: Sequence[StoredRollout] | None) -> Iterator[None]:
        """Makes TRL take these rollouts, through its public `rollout_func`."""
        if fixed is None:
            yield
            return
        theirs = self.rollout_func
        self.rollout_func = lambda prompts, _trainer: {
            "prompt_ids": self._tokenize_prompts(prompts)[0],
            "completion_ids": [list(rollout.ids) for rollout in fixed],
            "logprobs": None,
        }
        try:
            yield
        finally:
            self.rollout_func = theirs

    def _use_stored(self, output: dict[str, Any], fixed: Sequence[StoredRollout]) -> None:
        """Puts the stored log-probabilities in the place of the present policy's, and measures how far it has gone."""
        mask = output["completion_mask"]
        now = output.get("old_per_token_logps")
        if now is None:
            ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
            attended = torch.cat([output["prompt_mask"], mask], dim=1)
            rows = self.args.per_device_train_batch_size
            with torch.no_grad():
                now, _, _ = super()._get_per_token_logps_and_entropies(
                    self.model, ids, attended, mask.size(1), batch_size=rows
                )
        then = torch.zeros_like(now)
        for at, rollout in enumerate(fixed):
            then[at, : len(rollout.logprobs)] = torch.tensor(rollout.logprobs, device=now.device, dtype=now.dtype)
        output["old_per_token_logps"] = then
        log_ratio = ((now - then) * mask).float()
        ratio = log_ratio.exp()
        outside = (ratio < 1 - self.epsilon_low) | (ratio > 1 + self.epsilon_high)
        sums = torch.stack([(ratio * mask).sum(), log_ratio.abs().sum(), (outside * mask).sum(), mask.sum()])
        total = self.accelerator.gather(sums[None]).sum(0).tolist()
        tokens = max(1.0, total[3])
        self.drift = Drift(total[0] / tokens, total[1] / tokens, total[2] / tokens)

    def _roll_out(self, prompts: list[Any], injection: Injection) -> dict[str, Any]:
        """Rollouts behind injected ids; `env_mask` takes these out of loss, KL and every count of sampled tokens.

        Log-probabilities of injected tokens, where an engine gives any, are NaN: TRL then corrects nothing there, while
        a number would weigh the whole row by how unlikely its prefix was.
        """
        ids, images, fields = self._tokenize_prompts(prompts)
        if images is not None:
            raise RunFailed("guided rollouts are for text: this batch has images", fix="set guidance.kind=none")
        prefixes = [list(prefix) for prefix in injection.prefixes]
        longer = [prompt + prefix for prompt, prefix in zip(ids, prefixes, strict=True)]
        sampled, logprobs = self._generate_single_turn(longer, None, _stretched(fields, prefixes), 1)
        rooms = [None if injection.room is None else injection.room - len(prefix) for prefix in prefixes]
        own = [new[:room] for new, room in zip(sampled, rooms, strict=True)]
        made: dict[str, Any] = {
            "prompt_ids": ids,
            "completion_ids": [prefix + new for prefix, new in zip(prefixes, own, strict=True)],
            "logprobs": None,
        }
        if logprobs is not None:
            known = [values[:room] for values, room in zip(logprobs, rooms, strict=True)]
            made["logprobs"] = [
                [math.nan] * len(prefix) + values for prefix, values in zip(prefixes, known, strict=True)
            ]
        if not injection.in_loss:
            made["env_mask"] = [[0] * len(p) + [1] * len(new) for p, new in zip(prefixes, own, strict=True)]
        if injection.room is None:
            widest = max(map(len, ids))
            self._two_widths = share_spared(gathered([widest + len(row) for row in made["completion_ids"]])) > WASTED
        return made

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **other: Any,
    ) -> Any:
        """TRL's, or, after prefixes that made some rows longer, TRL's called on short and on long rows.

        The parts are made within TRL's chunks of `batch_size` rows, so that all ranks call the model equally often.
        """
        theirs = super()._get_per_token_logps_and_entropies
        whole = not (self._two_widths and self.model.training)
        if whole or compute_aux_loss or any(value is not None for value in other.values()):
            return theirs(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size=batch_size,
                compute_entropy=compute_entropy,
                compute_aux_loss=compute_aux_loss,
                **other,
            )

        def score(ids: torch.Tensor, mask: torch.Tensor, kept: int) -> Scored:
            logps, entropies, _ = theirs(model, ids, mask, kept, compute_entropy=compute_entropy)
            return logps, entropies

        size = batch_size or len(input_ids)
        chunks = zip(input_ids.split(size), attention_mask.split(size), strict=True)
        scored = [score_in_two(score, ids, mask, logits_to_keep) for ids, mask in chunks]
        entropies = [values for _, values in scored if values is not None]
        return torch.cat([logps for logps, _ in scored]), torch.cat(entropies) if entropies else None, None

    def _show_advantages(self, advantages: torch.Tensor) -> None:
        """Puts the advantages really used into TRL's table of completions (`log_completions`)."""
        shown = self._logs["advantages"]
        for _ in range(min(len(shown), len(advantages))):
            shown.pop()
        shown.extend(advantages.tolist())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with saving(Path(str(self.args.output_dir))):
            super()._save_checkpoint(model, trial)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL writes a card beside every checkpoint; the run's report is ours to write."""


def _stretched(fields: dict[str, Any], prefixes: list[list[int]]) -> dict[str, Any]:
    """A tokenizer's other columns (token types), as long as prompt and prefix are together."""
    return {
        name: [[*row, *[0] * len(prefix)] for row, prefix in zip(rows, prefixes, strict=True)]
        for name, rows in fields.items()
    }


@contextmanager
def _diverging(update: int) -> Iterator[None]:
    """Sampling from a policy whose weights blew up is torch's RuntimeError; the person needs to know why."""
    try:
        yield
    except RuntimeError as problem:
        if "probability tensor contains" not in str(problem):
            raise
        raise RunFailed(
            f"after update {update} the policy's probabilities are not finite: it has diverged",
            fix="lower trainer.learning_rate",
        ) from problem


def gathered(rows: list[Any]) -> list[Any]:
    """The rows of all ranks, in rank order, on every rank."""
    return gather_object(rows)
