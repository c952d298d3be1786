"""The recipe: one dataclass a section, one sentence a field. No torch here; `sgpo plan` answers at once.

Sections that come in kinds (warmup, reward, rescue, guidance, judge cards) are in kinds.py, eval cards in evalcard.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.kinds import (
    Count,
    Guidance,
    GuidanceNone,
    Positive,
    Rescue,
    RescueNone,
    Reward,
    Share,
    Warmup,
    WarmupNone,
)
from sgpo_cli.recipe.offline import Offline as Offline
from sgpo_cli.recipe.ranges import Range
from sgpo_cli.recipe.scratch import Scratch as Scratch

Seed = Annotated[int, Range(ge=0)]


@dataclass(kw_only=True)
class Lora:
    """Low-rank adapters (peft) that are trained in the policy's place; `final/` holds the merged model."""

    rank: Count = 16
    """Rank of the adapters."""
    alpha: Count = 32
    """Scale: an adapter's product counts alpha / rank."""
    dropout: Annotated[float, Range(ge=0, lt=1)] = 0.0
    """Dropout in front of the adapters while training."""
    targets: list[str] | None = None
    """Names of the linear layers that get one; null is all but the output head."""
    quantize: Literal["4bit", "8bit"] | None = None
    """Keeps the frozen weights in so many bits (bitsandbytes, an accelerator): QLoRA."""


@dataclass(kw_only=True)
class Model:
    """The policy before any training."""

    path: str | None = None
    """Hub id or a transformers folder; null builds `scratch`."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    scratch: Scratch | None = None
    """Random-weight model to build when `path` is null."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights and computation; auto is the checkpoint's own on an accelerator and float32 on a CPU."""
    chat_template: str | None = None
    """File with a Jinja template that replaces the tokenizer's own."""
    system_prompt: str | None = None
    """System message put before every problem; needs a chat template."""
    chat: bool | None = None
    """Whether prompts are chat messages; null is yes when the tokenizer has a chat template."""
    trust_remote_code: bool = False
    """Whether code from the hub may run; leave it false unless you read that code."""
    lora: Lora | None = None
    """Trains adapters only; null trains all weights."""


@dataclass(kw_only=True)
class Columns:
    """Which column of the source holds what."""

    problem: str = "problem"
    """The question."""
    answer: str | None = "answer"
    """The gold answer; a whole solution is fine, its final answer is taken out."""
    solution: str | None = None
    """A ground-truth trace, for warmup, guidance and judges that compare."""
    difficulty: str | None = None
    """A number to order by under `order: curriculum`."""
    id: str | None = None
    """A unique name of the row; null numbers the rows."""


@dataclass(kw_only=True)
class Misconceptions:
    """The wrong facts in the warm-up corpus of task `hops`."""

    share: Share = 0.5
    """Share of the facts that are mostly stated wrong."""
    right: Share = 0.25
    """How often such a fact is stated right."""
    otherwise: Share = 0.9
    """How often the other facts are stated right."""
    distractors: Count = 3
    """Fixed wrong values that each fact is confused with."""


@dataclass(kw_only=True)
class HopsTask:
    """The built-in task: chains of facts over entities, which a model can half learn in a minute."""

    entities: Annotated[int, Range(ge=8, le=1000)] = 100
    """Entities e0, e1, ..."""
    relations: Annotated[int, Range(ge=1, le=10)] = 2
    """Relations r0, r1, ...; each is a permutation of the entities."""
    hops: Annotated[int, Range(ge=1, le=64)] = 10
    """Facts to chain in one problem."""
    facts_seed: Seed = 0
    """Seed of the permutations and of the distractors."""
    misconceptions: Misconceptions = field(default_factory=Misconceptions)
    """Wrong facts in the warm-up corpus."""


@dataclass(kw_only=True)
class Data:
    """The problems to train on."""

    source: str = "hops"
    """`hops`, a JSONL file, a folder saved by `datasets`, or a hub id."""
    config: str | None = None
    """Configuration name of a hub data set."""
    split: str = "train"
    """Split of a hub data set or saved folder."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    columns: Columns = field(default_factory=Columns)
    """Which column holds what."""
    prompt: str = "{problem}"
    """What the policy is asked; `{problem}` stands for the problem."""
    order: Literal["shuffled", "curriculum", "longest"] = "shuffled"
    """Order of the problems; curriculum goes by the difficulty column, easiest first; longest, which --rehearse uses,
    puts the longest texts first."""
    limit: Count | None = None
    """Use only the first so many rows."""
    max_problem_tokens: Count | None = None
    """Rows asked with more tokens (`prompt` and chat messages included) are left out and counted; null keeps all."""
    heldout: Annotated[int, Range(ge=0)] = 0
    """Problems set aside (never trained on) and measured every `trainer.eval_every` steps."""
    hops: HopsTask = field(default_factory=HopsTask)
    """Settings of the built-in task; used when `source` is `hops`."""


@dataclass(kw_only=True)
class Floor:
    """How good a judge must be before it is trusted."""

    f1: Share | None = 0.8
    """Smallest ProcessBench F1 on labelled responses; null asks for none."""
    exact: Share | None = None
    """Smallest share of labelled responses whose first wrong step (or none) is named exactly; null asks for none."""
    correlation: Annotated[float, Range(ge=-1, le=1)] | None = None
    """Smallest correlation of the judge's prefix scores with the labels'; null asks for none."""
    data: str | None = None
    """JSONL of labelled steps (`problem, steps, first_error`); null measures on rollouts of a task that labels them, or
    on the labels that `judge.train` sets aside."""


@dataclass(kw_only=True)
class JudgeUse:
    """Which judge reads wrong answers, and when it is trusted."""

    card: str
    """A judge card, by name or path; `learned` is the judge that `judge.train` trains."""
    train: JudgeTrain | None = None
    """Trains a judge from labelled steps before it is measured; card `learned` opens it."""
    floor: Floor | None = None
    """Below it the run stops in its judge stage; null measures and goes on."""
    measure: Count = 256
    """Warm-start rollouts that the judge stage generates and judges."""
    max_abstained: Share = 0.3
    """Largest share of a step's judged rollouts that may be abstentions."""
    then: Literal["fallback", "stop"] = "fallback"
    """When more abstain: that step is plain GRPO, or the run stops; counted either way."""
    compare_with: str | None = None
    """A second judge card; the judge stage reports how often the two name the same step."""
    endpoints: list[str] | None = None
    """Servers in the place of a language model's own; where a verdict comes from is never part of a fingerprint."""
    store: str | None = "shared"
    """File of the verdicts of language models; `shared` is runs/.shared/verdicts.sqlite, null keeps none."""


@dataclass(kw_only=True)
class Trainer:
    """The RL loop; a step is one batch of rollouts."""

    steps: Count = 100
    """Rollout batches."""
    prompts_per_step: Count = 32
    """Problems a step."""
    group_size: Annotated[int, Range(ge=2)] = 8
    """Rollouts of each problem."""
    updates_per_step: Count = 2
    """Optimizer updates made of one batch of rollouts, each on its own share of the rows."""
    micro_batch: Count | None = None
    """Rows a device takes at once; null takes an update's rows in one go, fewer accumulates gradients."""
    learning_rate: Positive = 1e-6
    """Learning rate, constant unless `trl.lr_scheduler_type` says otherwise."""
    max_completion_length: Count = 1024
    """Longest rollout, in tokens."""
    eval_every: Annotated[int, Range(ge=0)] = 10
    """Steps between measurements on held-out problems; 0 never measures."""
    eval_samples: Count = 2
    """Rollouts of each held-out problem."""
    save_every: Count = 20
    """Steps between checkpoints."""
    keep: Count = 2
    """Checkpoints kept: the newest ones."""
    trl: dict[str, Any] = field(default_factory=dict)
    """Any field of TRL's GRPOConfig that is not named here and not owned by us."""


@dataclass(kw_only=True)
class Generation:
    """How rollouts are sampled."""

    engine: Literal["transformers", "vllm", "vllm_server"] = "transformers"
    """What generates the rollouts that are trained on; vllm runs in the training processes and shares their devices,
    vllm_server is a `vllm serve` elsewhere that TRL sends new weights to."""
    server: str | None = None
    """Address of the server, for vllm_server: http://host:port."""
    server_timeout: Positive = 240.0
    """Seconds to wait for the server to answer before the run stops."""
    temperature: Positive = 1.0
    """Sampling temperature of the rollouts."""
    top_p: Annotated[float, Range(gt=0, le=1)] = 1.0
    """Nucleus of the rollouts."""
    top_k: Annotated[int, Range(ge=0)] = 0
    """Most likely tokens to sample from; 0 is all."""


@dataclass(kw_only=True)
class Benchmark:
    """One measurement of the trained policy."""

    card: str
    """An eval card, by name or path."""
    k: Count | None = None
    """Samples a problem; null is the card's."""
    limit: Count | None = None
    """Only the first so many problems."""
    file: str | None = None
    """A local JSONL file in the hub data set's place."""
    temperature: Annotated[float, Range(ge=0)] | None = None
    """Sampling temperature; null is the card's."""
    top_p: Annotated[float, Range(gt=0, le=1)] | None = None
    """Nucleus; null is the card's."""
    top_k: Annotated[int, Range(ge=0)] | None = None
    """Most likely tokens to sample from, 0 for all; null is the card's."""
    max_new_tokens: Count | None = None
    """Longest answer in tokens; null is the card's."""


@dataclass(kw_only=True)
class Launch:
    """How stages are started; never part of a fingerprint."""

    engine: Literal["local", "accelerate", "torchrun"] = "local"
    """One process here, or `accelerate launch`, or torchrun."""
    processes: Count = 1
    """Processes on each machine, one an accelerator."""
    nodes: Count = 1
    """Machines; with more than one the same command runs on each of them (`sgpo plan --slurm` writes the script)."""
    strategy: Literal["ddp", "fsdp2", "zero1", "zero2", "zero3"] = "ddp"
    """How weights, gradients and optimizer state are spread over the processes; all but ddp need engine accelerate."""
    config_file: str | None = None
    """An accelerate configuration in the place of the one that we write from these keys."""
    device: str | None = None
    """Accelerator to plan for, by name (h100-80gb, a100-80gb, rtx4090-24gb, ...); null is this machine's."""
    threads: Count | None = None
    """CPU threads a process; null is 1 without an accelerator, else torch's own choice."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables of the stages."""


@dataclass(kw_only=True)
class Recipe:
    """A whole run, from data to report."""

    name: str
    """Name of the run: its directory is runs/NAME; defaults to the file's stem."""
    seed: Seed = 0
    """Seed of data order, sampling and training."""
    model: Model = field(default_factory=Model)
    """The policy before any training."""
    data: Data = field(default_factory=Data)
    """The problems."""
    warmup: Warmup = field(default_factory=WarmupNone)
    """What the policy learns before RL."""
    reward: list[Reward] = field(default_factory=list)
    """What the verifier says; exactly one of them is the outcome."""
    judge: JudgeUse | None = None
    """Who finds the first wrong step."""
    rescue: Rescue = field(default_factory=RescueNone)
    """What gives an all-negative group a signal."""
    guidance: Guidance = field(default_factory=GuidanceNone)
    """What is injected at the start of rollouts."""
    offline: Offline | None = None
    """Fixed responses to learn from; null rolls out the policy as it learns."""
    trainer: Trainer = field(default_factory=Trainer)
    """The RL loop."""
    generation: Generation = field(default_factory=Generation)
    """How rollouts are sampled."""
    benchmarks: list[Benchmark] = field(default_factory=list)
    """What the trained policy is measured on."""
    launch: Launch = field(default_factory=Launch)
    """How stages are started."""
    track: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = field(default_factory=list)
    """Experiment trackers that TRL reports to."""
