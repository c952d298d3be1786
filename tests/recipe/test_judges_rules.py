"""What a recipe asks of its judge, found before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipe.files import base, only, warnings, write

MODEL = """kind: language_model
model: m
endpoints: [http://127.0.0.1:9/v1]
{more}
"""


@pytest.fixture
def sgpo(here: Path) -> Path:
    return base(here, "judge: {card: hops_oracle}\nrescue: {kind: stepwise}\n")


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("judge.compare_with=nobody", "no judge card 'nobody'"),
        ("judge.endpoints=[]", "judge.endpoints is empty"),
        ("judge.endpoints=['localhost:8000']", "is no address of a server"),
        ("judge.endpoints=['http://me:secret@host/v1']", "written to the run's files"),
        ("judge.endpoints=['http://host/v1?key=1']", "written to the run's files"),
        ("launch.env={OPENAI_API_KEY: abc}", "launch.env.OPENAI_API_KEY looks like a secret"),
        ("launch.env={my_token: abc}", "looks like a secret"),
    ],
)
def test_mistakes(sgpo: Path, override: str, what: str) -> None:
    found = only(sgpo, [override])
    assert what in found.what
    assert found.fix


def test_a_secret_is_not_repeated(sgpo: Path) -> None:
    found = only(sgpo, ["launch.env={OPENAI_API_KEY: sk-very-secret}"])
    assert "very-secret" not in f"{found.what} {found.fix} {found.where}"
    found = only(sgpo, ["judge.endpoints=['http://me:very-secret@host/v1']"])
    assert "very-secret" not in f"{found.what} {found.fix} {found.where}"


def test_endpoints_of_a_judge_that_asks_nobody(sgpo: Path) -> None:
    assert "judge.endpoints does nothing" in warnings(sgpo, ["judge.endpoints=['http://h/v1']"])[0]


def test_compared_with_itself(sgpo: Path) -> None:
    assert "is the judge itself" in warnings(sgpo, ["judge.compare_with=hops_oracle"])[0]


def test_a_reference_that_no_column_holds(here: Path) -> None:
    write(here / "train.jsonl", "{}\n")
    write(here / "judges" / "needs.yaml", MODEL.format(more="reference: always"))
    recipe = write(
        here / "recipes" / "r.yaml",
        "model: {path: a/b}\ndata: {source: train.jsonl}\nreward:\n  - {kind: math}\n"
        "judge: {card: needs}\nrescue: {kind: stepwise}\n",
    )
    assert "compares with the reference solution" in only(recipe, []).what
    assert not [m for m in warnings(recipe, ["data.columns.solution=solution"]) if "reference" in m]
    assert "compares with the reference" in only(recipe, ["judge.card=reference"]).what
