"""`sgpo eval --bench processbench --judge NAME`: how well a judge finds the first wrong step, split by split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.recipe.evalcard import EvalCard


def measure_judge(
    bench: str, judge: str, file: str | None, out: Path | None, restart: bool, plan: bool, screen: Screen
) -> None:
    """Labels every split (or the file that stands in) with the judge and prints ProcessBench's figures of each.

    Labels go to OUT/BENCH/PART.jsonl, figures to OUT/BENCH/summary.json. Killed, the same command goes on.
    """
    from rich.console import Group
    from rich.text import Text

    from sgpo_cli.cli.judge_input import Opener, check_use
    from sgpo_cli.data.hub import HubUnreachable
    from sgpo_cli.display.labelled import labelled_table
    from sgpo_cli.judging.labelling.label import Output
    from sgpo_cli.recipe.cards import load_eval_card
    from sgpo_cli.recipe.schema import HopsTask
    from sgpo_cli.runs.files import write_json

    card = load_eval_card(bench)
    check_use(judge, endpoints=[], store=None)
    parts = _parts(card, file)
    home = (out or Path("runs") / f"eval-{Path(judge).stem}") / card.name
    if plan:
        if file is not None:
            for source in parts.values():
                source.open().check()
        lines = [f"judge: {judge}", f"out: {home}", *(f"{name}: {source.name}" for name, source in parts.items())]
        document = {"judge": judge, "out": str(home), "parts": list(parts)}
        screen.show(Text("\n".join(lines)), document)
        return
    home.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for name, source in parts.items():
        output = Output.named(str(home / f"{name}.jsonl"), schema="rows", overwrite=restart)
        try:
            found[name] = _label(source, output, Opener(judge, HopsTask(), (), None), screen)
        except HubUnreachable as problem:
            fix = "check the network, or measure on a local JSONL file: --file FILE"
            raise UserError(problem.what, where=problem.where, fix=fix) from problem
    rows = sum(int(part["written"]) for part in found.values())
    if file is None and card.rows is not None and rows != card.rows:
        raise UserError(f"bench {card.name} should have {card.rows} rows, found {rows}", where=str(card.hub))
    summary = {"bench": card.name, "judge": judge, "rows": rows, "parts": found}
    write_json(home / "summary.json", summary)
    screen.show(Group(*(labelled_table(part, title=f"{judge} on {name}") for name, part in found.items())), summary)
    screen.say(f"labels and figures: {home}")


def _parts(card: EvalCard, file: str | None) -> dict[str, Any]:
    """What is measured by itself, by name: the card's splits, or one file."""
    from sgpo_cli.cli.judge_input import Source
    from sgpo_cli.data.jsonl import read_file
    from sgpo_cli.judging.labelling.columns import LabelColumns

    columns = card.columns
    told = f"problem={columns.problem},steps={columns.steps},first_error={columns.first_error}"
    if file is None:
        assert card.hub is not None
        return {
            split: Source(card.hub, LabelColumns.parse(told), split, card.config, card.revision)
            for split in card.splits or [card.split]
        }
    first = next(iter(read_file(Path(file), 1)), None)
    own = first is not None and columns.first_error not in first[1]
    return {Path(file).stem: Source(file, LabelColumns.parse(None if own else told))}


def _label(source: Any, output: Any, opener: Any, screen: Screen) -> dict[str, Any]:
    from sgpo_cli.display.live import progress
    from sgpo_cli.judging.labelling.counts import Progress
    from sgpo_cli.judging.labelling.label import label
    from sgpo_cli.runs import stops
    from sgpo_cli.stages.judging import close_judge

    stops.install()
    judge = opener.open()
    try:
        with progress("judging", None, screen.out, unit="rows") as bar:

            def tell(now: Progress) -> None:
                bar.update(now.done, total=now.total, description=None)
                stops.raise_if_asked("stopped; the labels so far are kept")

            made = label(source.open(), output, judge, fingerprint=opener.fingerprint(), shard=(0, 1), on_progress=tell)
    finally:
        close_judge(judge)
    return {**made.to_json(), "written": made.written}
