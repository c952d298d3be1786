"""How long the shell waits: `sgpo --help` against `trl --help`, and `sgpo plan` of the tiny recipe, in one run.

    python benchmarks/startup.py [--runs 20]

Each command is a whole process; the two helps are taken in turns, so that what else the machine does meets both. Prints
the medians, their spread, and the ratio.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SCRIPTS = Path(sys.executable).parent
COMMANDS = {
    "trl --help": [str(SCRIPTS / "trl"), "--help"],
    "sgpo --help": [str(SCRIPTS / "sgpo"), "--help"],
    "sgpo plan tiny_sgpo": [str(SCRIPTS / "sgpo"), "plan", "tiny_sgpo"],
}


def seconds(command: list[str], cwd: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as empty:
        for number in range(asked.runs + 1):
            for name, command in COMMANDS.items():
                spent = seconds(command, empty)
                if number:  # the first round fills the file cache
                    taken[name].append(spent)
    for name, values in taken.items():
        print(f"{name:22} median {median(values) * 1e3:6.0f} ms   {min(values) * 1e3:.0f} to {max(values) * 1e3:.0f}")
    print(f"sgpo --help / trl --help = {median(taken['sgpo --help']) / median(taken['trl --help']):.2f}")


if __name__ == "__main__":
    main()
