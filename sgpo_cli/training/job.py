"""The train stage's job: a recipe and a policy in, a trained policy and its ledger out; resumes by itself."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import set_seed

from sgpo_cli.errors import Interrupted
from sgpo_cli.generation.load import load_policy, load_tokenizer, save_policy
from sgpo_cli.generation.prompts import Prompt, fill, render
from sgpo_cli.generation.transformers_engine import TransformersEngine
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.methods.trust import Standing
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.recipe.rules.launch import SHARDED_WEIGHTS
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.adapters import SamplerWatch, is_adapted, lora_config, merged, save_adapter
from sgpo_cli.training.checkpoints import Position, newest, remove_incomplete, saving
from sgpo_cli.training.guiding import Guide, look_at_traces
from sgpo_cli.training.heldout import HeldOut
from sgpo_cli.training.inputs import Graders, as_dataset, steps_right_of
from sgpo_cli.training.judge_refresh import Refresher, open_refresher
from sgpo_cli.training.ledger import Ledger, cut_back
from sgpo_cli.training.long_problems import left_out_words, longest_answer, look_at_lengths, may_exceed, prompt_lengths
from sgpo_cli.training.peak import peak_gib
from sgpo_cli.training.problems import load_problems, reorder
from sgpo_cli.training.quiet import quiet, silence_printing
from sgpo_cli.training.recorder import Measured, Recorder
from sgpo_cli.training.rewards import build_rewards
from sgpo_cli.training.settings import grpo_config, updates_per_step
from sgpo_cli.training.stored import read_groups, rows_of
from sgpo_cli.training.tracking import Tracking
from sgpo_cli.training.trainer import SgpoTrainer
from sgpo_cli.training.trl_compat import gathered

_WATCHED = 64
"""Tokens of the prompt on which the sampler of an adapted policy is watched."""


def run_train(
    *,
    recipe: Recipe,
    policy: Path,
    judge: Judge | None,
    stage: StageDir,
    events: EventWriter,
    standing: Standing | None = None,
    teacher: Judge | None = None,
    stored: Path | None = None,
) -> dict[str, Any]:
    """Trains `policy` as the recipe says; `stage.final` and `stage.path/best` are plain transformers folders.

    Goes on from the newest complete checkpoint, and ends as an uninterrupted run would have. Call it on every rank of a
    launch; rank 0 writes. `standing`: what is known of the judge before the first step. `teacher` labels rollouts for a
    judge that is refreshed (`judge.train.refresh_every`); `stored` holds the fixed rollouts of an offline recipe.

    Returns:
        `final`, `best` (None without held-out problems), `steps`, `heldout` (the last measurement), `best_step`,
        `best_accuracy`, `peak_gib` (of the largest process), `seconds`.

    Raises:
        UserError: data, settings or functions of the user's that cannot work.
        RunFailed: a non-finite reward or loss, or a judge that abstains too often under `then: stop`.
        Interrupted: a stop was asked for; a checkpoint is saved.
    """
    quiet()
    started = time.perf_counter()
    with ExitStack() as stack:
        run = _Run(recipe, policy, judge, stage, events, stack, standing, teacher, stored)
        run.go()
        return {**run.outcome(), "seconds": time.perf_counter() - started}


class _Run:
    """One call of `run_train`: the pieces, built in order, and the training between them."""

    def __init__(
        self,
        recipe: Recipe,
        policy: Path,
        judge: Judge | None,
        stage: StageDir,
        events: EventWriter,
        stack: ExitStack,
        standing: Standing | None = None,
        teacher: Judge | None = None,
        stored: Path | None = None,
    ) -> None:
        self.recipe = recipe
        self.stage = stage
        self.events = events
        model_card = recipe.model
        self.tokenizer = load_tokenizer(
            policy,
            chat_template=model_card.chat_template,
            revision=model_card.revision,
            trust_remote_code=model_card.trust_remote_code,
        )
        self.lengths = prompt_lengths(model_card, recipe.data.prompt, self.tokenizer)
        self.problems = load_problems(recipe, self.lengths)
        self.groups = read_groups(stored, recipe.trainer.group_size) if stored is not None else None
        if self.groups is not None:
            self.problems = reorder(recipe, rows_of(self.groups, self.problems.rows), self.problems.heldout)
        graders = Graders(stack)
        self.rewards = build_rewards(recipe.reward, self.problems.rows, graders)
        self.steps_right = steps_right_of(recipe.data.hops) if recipe.data.source == "hops" else None
        self.model = load_policy(
            policy,
            dtype=model_card.dtype,
            revision=model_card.revision,
            trust_remote_code=model_card.trust_remote_code,
            quantize=model_card.lora.quantize if model_card.lora is not None else None,
        )
        config = grpo_config(recipe, stage.checkpoints, self.rewards.weights, self.model.dtype)
        adapters = self._adapters()
        self.writes = config.process_index == 0
        self.resume = newest(stage.checkpoints)
        if self.writes:
            remove_incomplete(stage.checkpoints)
            cut_back(stage, self.position.step if self.position else 0)
        self.ledger = Ledger(stage, events, recipe.trainer.steps, writes=self.writes)
        stack.callback(self.ledger.close)
        self.tracking = Tracking(recipe.track, stage, recipe.name, writes=self.writes)
        stack.callback(self.tracking.close)
        abstentions = recipe.judge
        prompts = self._prompts()
        self.guide = self._guide(prompts)
        self.trainer = SgpoTrainer(
            model=self.model,
            reward_funcs=list(self.rewards.functions),
            args=config,
            train_dataset=as_dataset(self.problems, prompts),
            processing_class=self.tokenizer,
            rescue=load_rescue(recipe.rescue),
            judge=judge,
            outcome=self.rewards.outcome,
            max_abstained=abstentions.max_abstained if abstentions else 1.0,
            then=abstentions.then if abstentions else "fallback",
            on_batch=self.ledger.on_batch,
            steps_right=self.steps_right,
            guide=self.guide,
            stored=self.groups,
            peft_config=adapters,
        )
        self._restore_trust(standing)
        self.heldout = self._heldout(graders)
        self.refresher = self._refresher(judge, teacher)
        self.recorder = self._recorder()
        self.trainer.add_callback(self.recorder)
        done = self.position.step if self.position else 0
        self.tracking.attach(self.trainer, steps=done, updates=done * updates_per_step(recipe))
        self._watch_sampler()
        silence_printing(self.trainer)

    @property
    def position(self) -> Position | None:
        return self.resume[1] if self.resume else None

    def go(self) -> None:
        self.trainer.train(resume_from_checkpoint=str(self.resume[0]) if self.resume else None)
        if self.recorder.stopped:
            # Raised on every rank, also on one that no signal reached.
            done, steps = self.recorder.saved_step, self.recipe.trainer.steps
            raise Interrupted(f"stopped after step {done} of {steps}; it is saved", code=stops.exit_code())
        self._save(self.stage.final)

    def outcome(self) -> dict[str, Any]:
        best = self.stage.path / "best"
        return {
            "final": str(self.stage.final),
            "best": str(best) if self.recorder.best_step is not None else None,
            "best_step": self.recorder.best_step,
            "best_accuracy": self.recorder.best,
            "steps": self.recipe.trainer.steps,
            "heldout": self.recorder.last,
            "peak_gib": max(gathered([peak_gib()])),
        }

    def _guide(self, prompts: list[Prompt]) -> Guide | None:
        """The guidance, where the checkpoint left it; the traces are looked at before the first step."""
        config, trainer = self.recipe.guidance, self.recipe.trainer
        if not isinstance(config, Guided):
            return None
        guide = Guide(
            config,
            schedule=load_guidance(config, seed=self.recipe.seed, steps=trainer.steps),
            group_size=trainer.group_size,
            budget=trainer.max_completion_length,
            tokenizer=self.tokenizer,
        )
        saved = self.position.guidance if self.position else None
        if saved is not None:
            guide.restore(saved)
        else:
            for what in look_at_traces(guide, self.problems.rows, prompts):
                self.events.emit("warning", what=what)
        return guide

    def _restore_trust(self, standing: Standing | None) -> None:
        """The judge's standing: where the checkpoint left it, else where its stage put it."""
        if self.trainer.trial is None:
            return
        saved = self.position.trust if self.position else None
        if saved is not None:
            self.trainer.trial.restore(saved)
        elif standing is not None:
            self.trainer.trial.standing = standing

    def _refresher(self, judge: Judge | None, teacher: Judge | None) -> Refresher | None:
        """What lets a trained judge follow the policy, standing where the checkpoint left it."""
        rows = {row.problem: row for row in self.problems.rows}
        wait = self.trainer.accelerator.wait_for_everyone
        refresher = open_refresher(self.recipe, judge, teacher, self.stage, self.events, rows, wait, self.writes)
        if refresher is not None:
            refresher.restore(self.position.step if self.position else 0)
        return refresher

    def _adapters(self) -> Any:
        """peft's configuration, and the random state that its first matrices are drawn from, the same on every rank."""
        if self.recipe.model.lora is None:
            return None
        set_seed(self.recipe.seed)
        return lora_config(self.recipe.model.lora, self.model)

    def _watch_sampler(self) -> None:
        """On the first problem's prompt. Under vLLM the sampler is not this model: TRL's own
        `sampling/sampling_logp_difference` tells of a sampler left behind there."""
        if self.recipe.model.lora is None or self.recipe.generation.engine != "transformers":
            return
        ids = self.tokenizer(fill(self.recipe.data.prompt, self.problems.rows[0].problem))["input_ids"][:_WATCHED]
        trainer = self.trainer
        trainer.add_callback(SamplerWatch(lambda: trainer.accelerator.unwrap_model(trainer.model), ids))

    def _prompts(self) -> list[Prompt]:
        """The rows' prompts, looked at before the first step: too long ones are an error, or told."""
        problems, recipe = self.problems, self.recipe
        if recipe.data.max_problem_tokens is not None:
            self._warn(left_out_words(problems.left_out, len(problems.rows), recipe.data.max_problem_tokens))
        context = self.model.config.get_text_config().max_position_embeddings
        suspects = may_exceed(problems.rows, self.lengths, context - longest_answer(recipe))
        self._warn(look_at_lengths(recipe, suspects, self.lengths(suspects), context))
        return [self._prompt(row.problem) for row in problems.rows]

    def _warn(self, what: str | None) -> None:
        if what is not None:
            self.events.emit("warning", what=what)

    def _prompt(self, problem: str) -> Prompt:
        model = self.recipe.model
        text = fill(self.recipe.data.prompt, problem)
        return render(text, self.tokenizer, chat=model.chat, system=model.system_prompt)

    def _heldout(self, graders: Graders) -> HeldOut | None:
        rows = self.problems.heldout
        if not rows or not self.recipe.trainer.eval_every:
            return None
        trainer, generation = self.recipe.trainer, self.recipe.generation
        graded = build_rewards(self.recipe.reward, rows, graders)
        return HeldOut(
            rows=rows,
            prompts=[self._prompt(row.problem) for row in rows],
            samples=trainer.eval_samples,
            max_new_tokens=trainer.max_completion_length,
            temperature=generation.temperature,
            top_p=generation.top_p,
            seed=self.recipe.seed,
            outcomes=graded.functions[graded.outcome].score,
            steps_right=self.steps_right,
        )

    def _recorder(self) -> Recorder:
        trainer = self.recipe.trainer
        return Recorder(
            ledger=self.ledger,
            updates_per_step=updates_per_step(self.recipe),
            steps=trainer.steps,
            eval_every=trainer.eval_every,
            save_every=trainer.save_every,
            keep=trainer.keep,
            measure=self._measure if self.heldout is not None else None,
            keep_best=lambda _step, _measured: self._save(self.stage.path / "best"),
            wait=self.trainer.accelerator.wait_for_everyone,
            position=self.position,
            guidance=self.guide.save if self.guide is not None else None,
            trust=self.trainer.trial.save if self.trainer.trial is not None else None,
            refresh=self.refresher.after if self.refresher is not None else None,
            track=self.tracking.send,
        )

    def _measure(self) -> Measured:
        assert self.heldout is not None
        accelerator = self.trainer.accelerator
        engine = TransformersEngine(
            accelerator.unwrap_model(self.trainer.model), self.tokenizer, top_k=self.recipe.generation.top_k
        )
        return self.heldout.measure(engine, rank=accelerator.process_index, ranks=accelerator.num_processes)

    def _save(self, folder: Path) -> None:
        """Writes the policy as a plain transformers folder, complete or not at all."""
        accelerator = self.trainer.accelerator
        state = None
        if self.recipe.launch.strategy in SHARDED_WEIGHTS:
            state = accelerator.get_state_dict(self.trainer.model_wrapped)  # every rank takes part
        if self.writes:
            model = accelerator.unwrap_model(self.trainer.model)
            with saving(folder):
                save_policy(merged(model) if is_adapted(model) else model, self.tokenizer, folder, state=state)
                if is_adapted(model) and folder == self.stage.final:
                    save_adapter(model, self.stage.adapter)
        self.trainer.accelerator.wait_for_everyone()
