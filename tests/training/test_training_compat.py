"""Every private touch of TRL: still there, still with the parameters we rely on."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from trl import GRPOTrainer

import sgpo_cli.training
from sgpo_cli.training.trl_compat import CALLED, PRIVATE, ScoredBatchTrainer


@pytest.mark.parametrize("name", sorted({**PRIVATE, **CALLED}))
def test_signature(name: str) -> None:
    theirs = inspect.signature(inspect.unwrap(getattr(GRPOTrainer, name)))
    assert list(theirs.parameters) == {**PRIVATE, **CALLED}[name]


def test_what_we_call_of_theirs_is_listed() -> None:
    tree = ast.parse(inspect.getsource(ScoredBatchTrainer))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("_")
    }
    theirs = {name for kind in GRPOTrainer.__mro__ for name in vars(kind) if not name.startswith("__")}
    assert (called & theirs) - set(PRIVATE) == set(CALLED)


def test_we_override_no_other_private_method_of_theirs() -> None:
    theirs = {name for kind in GRPOTrainer.__mro__ for name in vars(kind)}
    ours = {name for name in vars(ScoredBatchTrainer) if name.startswith("_") and not name.startswith("__")}
    assert ours & theirs == set(PRIVATE)


def test_what_we_read_of_it_is_still_there() -> None:
    source = inspect.getsource(GRPOTrainer)
    for used in (
        'self._logs["advantages"].extend',
        "self.eos_token_ids = ",
        '"advantages": advantages',
        "self.reward_weights = ",
        "if self.rollout_func is not None:",
        "output = self.rollout_func(prompts, self)",
        'extra_fields.pop("env_mask", None)',
        "torch.nan_to_num(per_token_logps_diff, nan=0.0)",
    ):
        assert used in source, used


def test_no_other_file_touches_trls_private_parts() -> None:
    """Attributes with an underscore, on anything but `self` and on names that our own classes do not define."""
    room = Path(sgpo_cli.training.__file__).parent
    for path in sorted(room.glob("*.py")):
        if path.name == "trl_compat.py" or path.name.startswith("warmup"):
            continue
        tree = ast.parse(path.read_text())
        defined = {
            node.attr if isinstance(node, ast.Attribute) else node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                assert node.attr in defined, f"{path.name}:{node.lineno} reads {node.attr}"
