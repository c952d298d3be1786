"""Judge cards: what their fields cannot say one by one, found when a card is loaded.

The rules look at the tree of the card, before the walker: a value of the wrong type is the walker's to report.
"""

from __future__ import annotations

import re
from pathlib import Path

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.address import ADDRESS_FIX, SECRET_FIX, wrong_address
from sgpo_cli.recipe.find import find_card, is_path
from sgpo_cli.recipe.hints import default_of, fields_of
from sgpo_cli.recipe.judgecards import JudgeCard, LanguageModelCard
from sgpo_cli.recipe.nodes import Findings, Node, shown
from sgpo_cli.recipe.walker import read
from sgpo_cli.recipe.yamlio import read_file

OWNED = {
    "model": "model",
    "messages": "prompt",
    "response_format": "output",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens, with limit_field: max_completion_tokens",
}
"""Fields of a request that the card sets by keys of its own; and those that would break the reading of answers:"""
REFUSED = ("stream", "n", "best_of")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_judge_card(tree: Node, findings: Findings, path: Path | None = None) -> None:
    """Adds the mistakes of a judge card to `findings`; `path` is its file.

    The members of a vote are looked into as well, and those named by path are made absolute in the tree.
    """
    kind = tree.child("kind")
    if kind is not None and kind.value == "language_model":
        _check_language_model(tree, findings)
    if kind is not None and kind.value == "process_reward":
        _check_process_reward(tree, findings)
    if kind is not None and kind.value == "vote":
        _check_vote(tree, findings, [] if path is None else [path])


# --- language models ------------------------------------------------------------------------------------------------


def _check_language_model(tree: Node, findings: Findings) -> None:
    _check_endpoints(tree.child("endpoints"), findings)
    _check_key(tree.child("key_env"), findings)
    _check_prompt(tree, findings)
    _check_body(tree.child("body"), findings)
    model = tree.child("model")
    if model is not None and isinstance(model.value, str) and not model.value.strip():
        findings.add("model", "model is empty", model.place, "write the name that the server lists under /v1/models")
    one, whole = _number(tree, "timeout_s"), _number(tree, "deadline_s")
    if whole < one:
        node = tree.child("deadline_s") or tree.child("timeout_s") or tree
        what = f"deadline_s ({whole:g}) is shorter than timeout_s ({one:g}): no request could take its time"
        findings.add("deadline_s", what, node.place, f"write deadline_s: {one:g} or more")


def _check_process_reward(tree: Node, findings: Findings) -> None:
    device, endpoints = tree.child("device"), tree.child("endpoints")
    served = device is not None and device.value == "server"
    if served and (endpoints is None or endpoints.value is None):
        assert device is not None
        what = "device server needs the address of at least one server"
        findings.add("device", what, device.place, "write endpoints: [http://localhost:8000/v1]")
    if not served and endpoints is not None and endpoints.value is not None:
        findings.add("endpoints", "endpoints does nothing here", endpoints.place, "write device: server")
    _check_endpoints(endpoints, findings)
    _check_key(tree.child("key_env"), findings)


def _check_endpoints(node: Node | None, findings: Findings) -> None:
    if node is None or not isinstance(node.value, list):
        return
    if not node.value:
        findings.add("endpoints", "endpoints is empty: there is no server to ask", node.place, ADDRESS_FIX)
    for index, item in enumerate(node.value):
        if not isinstance(item.value, str):
            continue
        at, url, fix = f"endpoints.{index}", item.value, ADDRESS_FIX
        try:
            what = wrong_address(url)
        except ValueError:  # what urllib cannot take apart, such as http://[1/v1
            what = f"{url!r} is no address of a server"
        if what is not None and "password" in what:
            fix = SECRET_FIX
        if what is None and url.rstrip("/").endswith("/chat/completions"):
            what, fix = f"{url!r} is the address of the calls, not of the server", "leave /chat/completions away"
        if what is not None:
            findings.add(at, f"{at}: {what}", item.place, fix)


def _check_key(node: Node | None, findings: Findings) -> None:
    """Never shows the value: it may be a key."""
    if node is not None and isinstance(node.value, str) and not _VARIABLE.fullmatch(node.value):
        what = "key_env is the name of an environment variable, and this is none (is it the key itself?)"
        findings.add("key_env", what, node.place, "write key_env: MY_API_KEY, and export MY_API_KEY=... in the shell")


def _check_prompt(tree: Node, findings: Findings) -> None:
    prompt, mode = tree.child("prompt"), tree.child("reference")
    if prompt is not None and not isinstance(prompt.value, dict):
        return
    user, reference = (None if prompt is None else prompt.child(key) for key in ("user", "reference"))
    for name in ("problem", "steps"):
        if user is not None and isinstance(user.value, str) and f"{{{name}}}" not in user.value:
            fix = f"write {{{name}}} where the {name} belong{'s' if name == 'problem' else ''}"
            findings.add("prompt.user", f"prompt.user does not hold {{{name}}}", user.place, fix)
    if reference is not None and isinstance(reference.value, str) and "{reference}" not in reference.value:
        what = "prompt.reference does not hold {reference}: the solution would not be shown"
        findings.add("prompt.reference", what, reference.place, "write {reference} where the solution belongs")
    _check_system(None if prompt is None else prompt.child("system"), findings)
    never = mode is not None and mode.value == "never"
    if not never and user is not None and isinstance(user.value, str) and "{reference}" not in user.value:
        what = "prompt.user does not hold {reference}, and the reference solution is to be shown"
        findings.add("prompt.user", what, user.place, "write {reference} before the steps, or reference: never")


def _check_system(node: Node | None, findings: Findings) -> None:
    if node is None or not isinstance(node.value, str):
        return
    found = [name for name in ("problem", "reference", "steps") if f"{{{name}}}" in node.value]
    if found:
        what = f"prompt.system holds {{{found[0]}}}, and it is the same for every problem"
        findings.add("prompt.system", what, node.place, f"put {{{found[0]}}} into prompt.user")


def _check_body(node: Node | None, findings: Findings) -> None:
    if node is None or not isinstance(node.value, dict):
        return
    for key, item in node.value.items():
        if key in OWNED:
            what = f"body.{key} is set by the card's own key"
            findings.add(f"body.{key}", what, item.place, f"write {OWNED[key]} at the top level of the card")
        elif key in REFUSED:
            findings.add(
                f"body.{key}", f"body.{key}: one whole answer is read for each call", item.place, "take it out"
            )


def _number(tree: Node, key: str) -> float:
    """A language model's time limit: the card's where it is a number, else the default."""
    node = tree.child(key)
    value = None if node is None else node.value
    default = float(default_of(fields_of(LanguageModelCard)[key]))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


# --- votes ----------------------------------------------------------------------------------------------------------


def _check_vote(tree: Node, findings: Findings, chain: list[Path]) -> None:
    """`chain`: the files from the card that is loaded down to this vote's own."""
    judges = tree.child("judges")
    if judges is None or not isinstance(judges.value, list):
        return
    fix = "name two or more judge cards: sgpo list judges"
    if len(judges.value) < 2:
        what = "a vote of nothing" if not judges.value else "a vote of one judge is that judge's own verdict"
        findings.add("judges", f"judges: {what}", judges.place, fix)
    seen: dict[Path, str] = {}
    for index, item in enumerate(judges.value):
        if not isinstance(item.value, str):
            continue
        path = _member(f"judges.{index}", item, findings, chain)
        if path is None:
            continue
        if path in seen:
            findings.add(f"judges.{index}", f"judges: {shown(path)} is named twice", item.place, "each has one vote")
        seen[path] = item.value
        judges.value[index] = Node(_name(item.value, path), item.place)


def _member(at: str, item: Node, findings: Findings, chain: list[Path]) -> Path | None:
    """The file of a member, with its own mistakes noted; None when it cannot be one."""
    try:
        path = find_card("judges", str(item.value), beside=[chain[-1].parent] if chain else [])
    except UserError as problem:
        findings.add(at, f"judges: {problem.what}", item.place, problem.fix)
        return None
    if path in chain:
        circle = " -> ".join(shown(one) for one in [*chain[chain.index(path) :], path])
        findings.add(at, f"a vote asks itself: {circle}", item.place, "take it out")
        return None
    try:
        tree = read_file(path, findings)
    except UserError as problem:
        findings.add(at, f"judges: {problem}", item.place)
        return None
    _check_member(tree, path, findings, [*chain, path])
    return path


def _check_member(tree: Node, path: Path, findings: Findings, chain: list[Path]) -> None:
    kind = tree.child("kind")
    if kind is not None and kind.value == "vote":
        _check_vote(tree, findings, chain)
    else:
        check_judge_card(tree, findings, path)
    read(JudgeCard, tree, findings)


def _name(written: str, path: Path) -> str:
    """A member as it can be opened later, from any directory: its name where that leads to it, else its path."""
    try:
        return written if not is_path(written) and find_card("judges", written) == path else str(path)
    except UserError:
        return str(path)
