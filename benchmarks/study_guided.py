"""The study behind the guidance part of docs/results.md: guided recipes, alone and with SGPO, on the built-in task.

    python benchmarks/study_guided.py [--seeds 0 1 2] [--jobs 2] [--root study] [--write docs/results.md]
    python benchmarks/study_guided.py --only NAME ...     prints the rows of these methods, writes nothing

Same warm start, same measurements and same rules as benchmarks/study_tiny.py, whose finished runs under --root are
used. Every guided recipe is run as shipped (injected tokens masked) and with them in the loss.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev

from document import put
from study_tiny import Arm, Figures, figures, spread, table, train, warm_start

MARKS = ("<!-- study_guided: begin -->", "<!-- study_guided: end -->")
IN_LOSS = ("guidance.loss_on_prefix=true",)
STEADY = ("guidance.kind=steady", "guidance.length=6", "guidance.max_length=9", "guidance.loss_on_prefix=false")

GRPO = Arm("GRPO", "tiny_grpo")
SGPO = Arm("SGPO, oracle judge", "tiny_sgpo")
MASKED = Arm("G2RPO-A", "tiny_g2rpoa")
LOSS = Arm("G2RPO-A, prefix in the loss", "tiny_g2rpoa", IN_LOSS)
BOTH = Arm("SGPO + G2RPO-A", "tiny_sgpo_g2rpoa")
BOTH_LOSS = Arm("SGPO + G2RPO-A, prefix in the loss", "tiny_sgpo_g2rpoa", IN_LOSS)
ARMS = (
    SGPO,
    GRPO,
    MASKED,
    LOSS,
    BOTH,
    BOTH_LOSS,
    Arm("fixed 6", "tiny_guided_fixed"),
    Arm("fixed 6, prefix in the loss", "tiny_guided_fixed", IN_LOSS),
    Arm("linear 6 to 0", "tiny_guided_linear"),
    Arm("judged", "tiny_judged_guidance"),
    Arm("steady", "tiny_guided_fixed", STEADY),
    Arm("linear 6 to 0, prefix in the loss", "tiny_guided_linear", IN_LOSS),
    Arm("judged, prefix in the loss", "tiny_judged_guidance", IN_LOSS),
    # A badly chosen start: what a controller is for.
    Arm("G2RPO-A from length 1", "tiny_g2rpoa", ("guidance.length=1",)),
    Arm("steady from length 1", "tiny_guided_fixed", (*STEADY, "guidance.length=1")),
)


def verdicts(results: dict[Arm, list[Figures]]) -> list[str]:
    """What the study was to show, with what it did show."""

    def final(arm: Arm) -> float:
        return mean(run.final for run in results[arm])

    def half(arm: Arm) -> float | None:
        steps = [run.steps_to(0.5) for run in results[arm]]
        known = [step for step in steps if step is not None]
        return mean(known) if len(known) == len(steps) else None

    lines = [
        f"- G2RPO-A, masked: {final(MASKED):.3f} (wanted .70); in the loss: {final(LOSS):.3f} (wanted .85).",
    ]
    for both, alone in ((BOTH, (SGPO, MASKED)), (BOTH_LOSS, (SGPO, LOSS))):
        best = max(final(arm) for arm in alone)
        fastest = min((step for arm in alone if (step := half(arm)) is not None), default=None)
        took = half(both)
        slower = "unknown" if fastest is None or took is None else f"{took / fastest - 1:+.0%}"
        lines.append(
            f"- {both.name}: {final(both) - best:+.3f} from the better of the two alone (allowed -.02), steps to 50% "
            f"{slower} of the faster one's (allowed +10%)."
        )
    noise = stdev([run.final for run in results[GRPO]]) if len(results[GRPO]) > 1 else 0.0
    guided = [arm for arm in results if arm.recipe not in ("tiny_grpo", "tiny_sgpo")]
    worst = min(guided, key=final)
    lines.append(
        f"- The lowest guided mean is {final(worst):.3f} ({worst.name}); GRPO's is {final(GRPO):.3f} ± {noise:.3f}."
    )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--root", type=Path, default=Path("study"))
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--only", nargs="+", choices=[arm.name for arm in ARMS], metavar="NAME")
    asked = parser.parse_args()
    asked.root.mkdir(parents=True, exist_ok=True)
    first = train(SGPO, asked.seeds[0], asked.root)  # makes the warm start that all others share
    with ThreadPoolExecutor(asked.jobs) as pool:
        arms = [arm for arm in ARMS if asked.only is None or arm.name in asked.only]
        made = {arm: [pool.submit(train, arm, seed, asked.root) for seed in asked.seeds] for arm in arms}
        results = {arm: [figures(run.result()) for run in runs] for arm, runs in made.items()}
    if asked.only is not None:
        print("\n".join(table(results, asked.seeds)))
        return
    lines = [
        *warm_start(first),
        "",
        *table(results, asked.seeds),
        "",
        *verdicts(results),
        "",
        f"Seeds {', '.join(map(str, asked.seeds))}; ± is the sample standard deviation over seeds; spread of the "
        f"finals of SGPO {spread([run.final for run in results[SGPO]])}. 25,600 rollouts a run; seconds are of the RL "
        "steps alone, two runs side by side on two cores.",
    ]
    print("\n".join(lines))
    if asked.write.exists():
        put(asked.write, lines, MARKS)


if __name__ == "__main__":
    main()
