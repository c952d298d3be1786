"""sgpo: a signal for the groups that GRPO throws away, from a YAML recipe."""

__version__ = "0.1.0"
