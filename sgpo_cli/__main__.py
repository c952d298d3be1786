"""`python -m sgpo_cli` is `sgpo`."""

from sgpo_cli.cli.main import run

run()
