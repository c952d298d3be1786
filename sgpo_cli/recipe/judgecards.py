"""Judge cards, judges/*.yaml: one dataclass a kind, told apart by `kind:`. Implementations live in judging/."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sgpo_cli.recipe.judge_prompt import REFERENCE, REPAIR, SYSTEM, USER
from sgpo_cli.recipe.ranges import Count, Positive, Range, Share


@dataclass(kw_only=True)
class HopsOracleCard:
    """Knows every fact of the built-in task `hops`; checks each hop."""

    kind: Literal["hops_oracle"] = "hops_oracle"


@dataclass(kw_only=True)
class ArithmeticCard:
    """Checks every equation that a step states; no model, no key, no network."""

    kind: Literal["arithmetic"] = "arithmetic"
    places: Annotated[float, Range(ge=0, le=100)] = 1.0
    """By how many units of its last printed place a decimal may be off: 1 takes both 0.66 and 0.67 for 2/3."""
    approximate: Annotated[float, Range(ge=0, le=1)] = 0.02
    """Relative error allowed where the text itself says that it rounds ("about", "≈")."""


@dataclass(kw_only=True)
class ReferenceCard:
    """Compares answer and quantities with the reference solution, abstains without one; no model, no network."""

    kind: Literal["reference"] = "reference"


@dataclass(kw_only=True)
class Prompt:
    """What a language model is asked. `{form}` in any of these texts becomes the form of the answer."""

    system: str | None = SYSTEM
    """System message, the same for every problem; null sends none."""
    user: str = USER
    """User message: `{problem}`, `{reference}`, the numbered `{steps}` (last, so that prefix caches hit), `{last}`."""
    reference: str = REFERENCE
    """Put in the place of `{reference}` when there is a reference solution to show; itself holds `{reference}`."""
    repair: str = REPAIR
    """Sent once after an answer outside the schema; `{fault}` says what was wrong, `{last}` is the number of steps."""


@dataclass(kw_only=True)
class Breaker:
    """When a judge's server is given up for a while."""

    share: Annotated[float, Range(gt=0, le=1)] = 0.5
    """Share of the last `window` calls that must have failed."""
    window: Count = 20
    """Calls looked back at."""
    cooldown_s: Positive = 30.0
    """Seconds until one call tries again."""


@dataclass(kw_only=True)
class Price:
    """Money for a million tokens."""

    input: Annotated[float, Range(ge=0)]
    """A million input tokens."""
    output: Annotated[float, Range(ge=0)]
    """A million output tokens, reasoning included."""
    cached_input: Annotated[float, Range(ge=0)] | None = None
    """A million input tokens that the server had in its prefix cache; null: as much as others."""
    currency: str = "USD"
    """What the amounts are in."""


@dataclass(kw_only=True)
class LanguageModelCard:
    """Asks a language model behind an OpenAI-compatible server for the first wrong step."""

    kind: Literal["language_model"] = "language_model"
    model: str
    """The model's name at the server."""
    endpoints: list[str] = field(default_factory=lambda: ["http://localhost:8000/v1"])
    """Base addresses, each ending in /v1; calls are spread over them. `standin` is a server of ours for smoke runs."""
    key_env: str | None = None
    """Environment variable that holds the key; the key is never written anywhere."""
    prompt: Prompt = field(default_factory=Prompt)
    """What it is asked."""
    reference: Literal["auto", "always", "never"] = "auto"
    """Whether it sees the reference solution: where there is one, always (else it abstains), or never."""
    explain: bool = True
    """Whether the answer begins with a check in words: thinking room for a model without reasoning of its own, and the
    verdict's reason."""
    output: Literal["json_schema", "json_object", "text"] = "json_schema"
    """What the server can hold its answer to; the answer is validated all the same."""
    temperature: Annotated[float, Range(ge=0)] | None = 0.0
    """Sampling temperature; null leaves it to the server."""
    max_tokens: Count = 4096
    """Longest answer, reasoning included; an answer cut off there is an abstention."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls that limit."""
    body: dict[str, Any] = field(default_factory=dict)
    """Further fields of the request (reasoning_effort, top_p, chat_template_kwargs)."""
    max_steps: Count = 200
    """Responses of more steps are not sent: an abstention."""
    max_chars: Count = 60000
    """Prompts of more characters are not sent: an abstention."""
    concurrency: Count = 64
    """Requests in flight, over all endpoints."""
    timeout_s: Positive = 300.0
    """Seconds for one request."""
    deadline_s: Positive = 900.0
    """Seconds for one call, all its tries together; the repair try is a call of its own."""
    retries: Annotated[int, Range(ge=0)] = 4
    """Tries after the first one on 429, 5xx, timeouts and broken connections."""
    breaker: Breaker = field(default_factory=Breaker)
    """When the server is given up for a while."""
    price: Price | None = None
    """What it costs; null counts tokens only."""


@dataclass(kw_only=True)
class VoteCard:
    """Asks several judges and puts their verdicts together."""

    kind: Literal["vote"] = "vote"
    judges: list[str]
    """Judge cards, two or more, by name or path."""
    rule: Literal["majority", "earliest"] = "majority"
    """The step that more of them name than any other (a tie is an abstention), or the earliest that any of them
    names."""
    quorum: Share = 0.5
    """Smallest share of the judges that must say something; one that abstains or found nothing to check says nothing.
    At least one must."""


@dataclass(kw_only=True)
class ProcessRewardCard:
    """A process reward model: the first step whose score is below the threshold is the first wrong one."""

    kind: Literal["process_reward"] = "process_reward"
    model: str
    """Hub id or a transformers folder."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    style: Literal["separator", "plus_minus", "token_classification"] = "separator"
    """How steps are written and scores read: two logits at a separator token, in chat form (Qwen2.5-Math-PRM); the good
    token against the bad one (Math-Shepherd); a token-classification head (TRL)."""
    threshold: Share = 0.8
    """A step that scores less is wrong."""
    separator: str | None = None
    """Text behind every step, at whose last token the score is read; null is the style's: `<extra_0>`, `ки`, a line
    break."""
    number_steps: bool = False
    """Puts `Step k:` before steps that do not begin so; Math-Shepherd was trained on such."""
    good: str = "+"
    """Token of a right step, style plus_minus."""
    bad: str = "-"
    """Token of a wrong step, style plus_minus."""
    good_label: Annotated[int, Range(ge=0)] = 1
    """Index of the class of right steps, styles separator and token_classification."""
    system: str | None = "Please reason step by step, and put your final answer within \\boxed{}."
    """System message of the chat template, style separator; null sends none."""
    device: Literal["same", "cpu", "server"] = "same"
    """Beside the policy, on the CPU, or behind vLLM's pooling interface at `endpoints`."""
    endpoints: list[str] | None = None
    """Base addresses of servers, each ending in /v1; calls are spread over them; device server."""
    key_env: str | None = None
    """Environment variable that holds the servers' key; the key is never written anywhere."""
    concurrency: Count = 32
    """Requests in flight, over all endpoints; device server."""
    timeout_s: Positive = 120.0
    """Seconds for one request; device server."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights and computation; auto is the checkpoint's own on an accelerator and float32 on a CPU."""
    batch_tokens: Count = 16384
    """Largest batch, in tokens with padding; halved where memory runs out."""
    max_length: Count = 4096
    """Longest problem plus response in tokens, never more than the model's own; longer ones are an abstention."""
    trust_remote_code: bool = False
    """Whether code from the hub may run; Qwen2.5-Math-PRM needs none. Leave it false unless you read that code."""


@dataclass(kw_only=True)
class LearnedCard:
    """The judge that the recipe trains (`judge.train`), opened where that left it."""

    kind: Literal["learned"] = "learned"
    threshold: Share = 0.5
    """A step whose probability of being right is less is wrong."""
    device: Literal["same", "cpu"] = "same"
    """Beside the policy, or on the CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights and computation; auto is the checkpoint's own on an accelerator and float32 on a CPU."""
    batch_tokens: Count = 16384
    """Largest batch, in tokens with padding; halved where memory runs out."""


OPERATIONAL = frozenset(
    {"endpoints", "key_env", "limit_field", "concurrency", "timeout_s", "deadline_s", "retries", "breaker", "price"}
    | {"device", "batch_tokens"}
)
"""Fields that say where, how fast and at what price a judge is asked: a verdict does not depend on them."""

JudgeCard = (
    HopsOracleCard | ArithmeticCard | ReferenceCard | LanguageModelCard | VoteCard | ProcessRewardCard | LearnedCard
)
