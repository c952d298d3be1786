"""`python -m sgpo_cli.stages STAGE_DIR`: the child process in which a stage runs."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from sgpo_cli.errors import Interrupted, SgpoError
from sgpo_cli.runs import stops
from sgpo_cli.runs.leaving import leave
from sgpo_cli.runs.locks import watch_parent
from sgpo_cli.stages.context import ranks
from sgpo_cli.stages.run import run_stage


def main(path: str) -> int:
    watch_parent()
    stops.install()
    try:
        run_stage(Path(path))
    except Interrupted as stop:
        print(stop, flush=True)
        return stop.exit_code
    except SgpoError as problem:
        traceback.print_exc()
        return problem.exit_code
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    stops.ignore()
    if ranks() > 1:
        leave(code)
    sys.exit(code)
