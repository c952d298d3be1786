"""The built-in task `hops`: chains of facts that a tiny model can half learn in a minute, with every step checkable.

Each relation is a fixed permutation of the entities. A problem names a start entity and K relations (`e17 r0 r1
...`); its solution names the K entities visited, one step a line, then `# ` and the last of them. The outcome looks
only at the final answer; `first_wrong_step` knows every step. A permutation maps errors to errors, so a right answer
after a wrong step happens.

The warm-up corpus holds *misconceptions*: a share of the facts is mostly stated wrong, always by the same few
distractors, so a policy that has learned the format still fails nearly every long chain, each time after a correct
prefix of another length.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import HopsTask

Split = Literal["train", "heldout", "bench"]

MARKER = "#"
_PARTS = 16
"""A problem's own hash puts it in one of so many parts: 0 is held out, 1 is the bench, the others train."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The task's world. `right[relation][entity]` is an entity; `distractors` has the same shape, with tuples."""

    right: tuple[tuple[int, ...], ...]
    distractors: tuple[tuple[tuple[int, ...], ...], ...]
    misconceived: frozenset[tuple[int, int]]
    """The (relation, entity) pairs that the corpus mostly states wrong."""

    def chain(self, start: int, relations: Sequence[int]) -> list[int]:
        """The entities visited, start not included."""
        visited = []
        for relation in relations:
            start = self.right[relation][start]
            visited.append(start)
        return visited


def facts(task: HopsTask) -> Facts:
    """The facts, distractors and misconceptions of `task`; equal settings give equal facts on every machine."""
    wrong = task.misconceptions
    if wrong.distractors >= task.entities:
        raise UserError(
            f"{wrong.distractors} distractors need more than {task.entities} entities",
            fix="lower data.hops.misconceptions.distractors",
        )
    return _facts(task.entities, task.relations, task.facts_seed, wrong.share, wrong.distractors)


@lru_cache(maxsize=16)
def _facts(entities: int, relations: int, seed: int, share: float, distractors: int) -> Facts:
    rng = random.Random(f"hops facts {seed}")
    right = tuple(tuple(rng.sample(range(entities), entities)) for _ in range(relations))
    confused = tuple(
        tuple(tuple(rng.sample([e for e in range(entities) if e != value], distractors)) for value in values)
        for values in right
    )
    every = [(relation, entity) for relation in range(relations) for entity in range(entities)]
    return Facts(right, confused, frozenset(rng.sample(every, round(share * len(every)))))


def problems(task: HopsTask, n: int, seed: int, split: Split) -> list[Row]:
    """`n` problems with their right solutions, drawn by `seed`; the splits are disjoint whatever the seeds.

    Held-out and bench problems are all different. Training problems are drawn independently, so that a small space (few
    hops) may repeat them. `difficulty` is the number of misconceived facts in the chain.

    Raises:
        UserError: the task has fewer than `n` different problems in that split.
    """
    known = facts(task)
    rows = []
    for number, (start, relations) in enumerate(_draw(task, n, seed, split)):
        chain = known.chain(start, relations)
        before = [start, *chain[:-1]]
        hard = sum(pair in known.misconceived for pair in zip(relations, before, strict=True))
        problem = problem_text(start, relations)
        rows.append(
            Row(
                id=f"hops-{split}-{seed}-{number}",
                problem=problem,
                answer=f"e{chain[-1]}",
                solution=solution_text(chain),
                difficulty=float(hard),
            )
        )
    return rows


def corpus(task: HopsTask, n: int, seed: int) -> list[Row]:
    """`n` training problems with solutions as the warm-up corpus states them, misconceptions and all.

    Whether a fact is stated right is drawn for each occurrence (lab: 25% for misconceived facts, 90% for the others),
    and the chain goes on from what was stated: the corpus is wrong about facts, never about the format.
    """
    known, noise = facts(task), task.misconceptions
    rng = random.Random(f"hops misconceptions {seed}")
    rows = []
    for number, (start, relations) in enumerate(_draw(task, n, seed, "train")):
        at, stated = start, []
        for relation in relations:
            chance = noise.right if (relation, at) in known.misconceived else noise.otherwise
            right = rng.random() < chance
            at = known.right[relation][at] if right else rng.choice(known.distractors[relation][at])
            stated.append(at)
        rows.append(
            Row(
                id=f"hops-corpus-{seed}-{number}",
                problem=problem_text(start, relations),
                answer=f"e{stated[-1]}",
                solution=solution_text(stated),
            )
        )
    return rows


def _draw(task: HopsTask, n: int, seed: int, split: Split) -> Iterator[tuple[int, list[int]]]:
    rng = random.Random(f"hops problems {split} {seed}")
    seen: set[str] = set()
    tries = 0
    while n > 0:
        start = rng.randrange(task.entities)
        relations = [rng.randrange(task.relations) for _ in range(task.hops)]
        text = problem_text(start, relations)
        tries += 1
        if tries > 1000 + 200 * (len(seen) + 1):
            raise UserError(
                f"task hops with {task.entities} entities, {task.relations} relations and {task.hops} hops has no more "
                f"than {len(seen)} different {split} problems, and {n} more are asked for",
                fix="ask for fewer problems, or raise data.hops.hops",
            )
        if split_of(text) != split or (split != "train" and text in seen):
            continue
        seen.add(text)
        n -= 1
        yield start, relations


def split_of(problem: str) -> Split:
    """The split a problem belongs to, by a hash of its text: 14/16 train, 1/16 held out, 1/16 bench."""
    part = hashlib.blake2b(problem.encode(), digest_size=2).digest()[0] % _PARTS
    return "heldout" if part == 0 else "bench" if part == 1 else "train"


def problem_text(start: int, relations: Sequence[int]) -> str:
    return " ".join([f"e{start}", *(f"r{relation}" for relation in relations)])


def solution_text(chain: Sequence[int]) -> str:
    """One step a line, the answer on the last: `e4\\ne61\\n# e61`."""
    return "\n".join([*(f"e{entity}" for entity in chain), f"{MARKER} e{chain[-1]}"])


def parse_problem(task: HopsTask, text: str) -> tuple[int, list[int]] | None:
    """(start, relations) of a problem's text, or None when it is not a problem of this task."""
    start, *relations = [_number(word) for word in text.split()] or [None]
    if start is None or start[0] != "e" or start[1] >= task.entities or not relations:
        return None
    if any(word is None or word[0] != "r" or word[1] >= task.relations for word in relations):
        return None
    return start[1], [word[1] for word in relations if word is not None]


def _number(word: str) -> tuple[str, int] | None:
    """('e', 17) for `e17`; None for anything that the task does not print, `e017` included."""
    kind, digits = word[:1], word[1:]
    if kind not in ("e", "r") or not digits.isascii() or not digits.isdigit() or str(int(digits)) != digits:
        return None
    return kind, int(digits)


def steps_needed(task: HopsTask, problem: str) -> int:
    """How many steps a full solution has: one a hop, and the answer's."""
    parsed = parse_problem(task, problem)
    if parsed is None:
        raise ValueError(f"not a problem of this task: {problem!r}")
    return len(parsed[1]) + 1


def first_wrong_step(task: HopsTask, problem: str, steps: Sequence[str]) -> int:
    """Index of the first wrong step (0-based), -1 when every step is right and the answer is given.

    A step is right when it names the next entity of the chain, or, once all hops are made, `# ` and the last entity.
    So an answer given early, a hop too many, and anything after the answer are wrong where they stand. A response
    that breaks off before its answer is wrong in its last step, the one that ended it: were it "no wrong step",
    stopping after one easy hop would be a perfect prefix. `steps` empty: -1, there is no step to be wrong.

    Raises:
        ValueError: `problem` is not a problem of this task.
    """
    parsed = parse_problem(task, problem)
    if parsed is None:
        raise ValueError(f"not a problem of this task: {problem!r}")
    chain = facts(task).chain(*parsed)
    wanted = [[f"e{entity}"] for entity in chain] + [[MARKER, f"e{chain[-1]}"]]
    for index, step in enumerate(steps):
        if index >= len(wanted) or step.split() != wanted[index]:
            return index
    return len(steps) - 1 if len(steps) < len(wanted) else -1
