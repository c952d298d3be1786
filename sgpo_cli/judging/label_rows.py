"""The former name of the JSON-lines reader; goes when stages/judge.py imports `label_jsonl.JsonLines`."""

from sgpo_cli.judging.label_jsonl import JsonLines as Source

__all__ = ["Source"]
