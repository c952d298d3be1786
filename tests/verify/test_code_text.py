"""Programs out of responses, printed text against expected text, the interface of assert lists, values on the wire."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.verify.code import AssertTests, complete, extract_code, with_prelude
from sgpo_cli.verify.code.benchmarks import mbpp_tests, with_needed_prelude
from sgpo_cli.verify.code.compare import same_output
from sgpo_cli.verify.code.inside import wire
from sgpo_cli.verify.code.interface import defined_by, interface_of, modules_of
from sgpo_cli.verify.code.seccomp import filter_bytes
from sgpo_cli.verify.code.syntax import unbound


@pytest.mark.parametrize(
    ("response", "entry_point", "expected"),
    [
        ("```python\ndef f(): pass\n```", "f", "def f(): pass\n"),
        ("```py\na = 1\n```\nthen\n```python\nb = 2\n```", None, "b = 2\n"),
        ("```python\ndef f(): pass\n```\nUse it:\n```python\nprint(f())\n```", "f", "def f(): pass\n"),
        ("```python\ndef f(): 1\n```\nBetter:\n```python\ndef f(): 2\n```", "f", "def f(): 2\n"),
        ("```\ndef f(): pass\n```\n```text\n42\n```", None, "def f(): pass\n"),
        ("```bash\npip install x\n```\n```python\nx = 1\n```\n```output\n1\n```", None, "x = 1\n"),
        ("```c\nint x;\n```", None, "int x;\n"),
        ("~~~python\nx = 1\n~~~", None, "x = 1\n"),
        ("Cut off:\n```python\ndef f():\n    return 1", "f", "def f():\n    return 1"),
        ("1. First\n   ```python\n   def f():\n       return 1\n   ```", "f", "def f():\n    return 1\n"),
        ("<think>```python\nwrong\n```</think>```python\nright = 1\n```", None, "right = 1\n"),
        ("````python\ns = '''\n```\n'''\n````", None, "s = '''\n```\n'''\n"),
        ("```python\nclass Solution:\n    def g(self): 1\n```\n```python\nx\n```", "Solution.g", None),
        ("def f():\n    return 1\n", "f", "def f():\n    return 1"),
        ("I cannot do that.", "f", None),
        ("42", None, None),
        ("", None, None),
        ("```python\n```", None, None),
        ("```python {.numberLines}\r\nx = 1\r\n```", None, "x = 1\n"),
        ("```python\nprint(1)\n```\nThis prints:\n```\nYES\n```", None, "print(1)\n"),
        ("```\nprint(1)\n```\nThis prints:\n```\nprint(2)\n```\n```text\nprint(3)\n```", None, "print(2)\n"),
        ("```python\nprint(1)\n```\nIt ends\n```python\nwhile tr", None, "while tr"),
        ("```\ndef f(): 1\n```\n```python\nf()\n```", "f", "def f(): 1\n"),
        ("```\ndef f(): 1\n```\n```python\nf = int\n```", "f", "f = int\n"),
        ("```python\nif f == 3: f()\nx.f = 1\n```\n```\nf: int = 1\n```", "f", "f: int = 1\n"),
    ],
)
def test_the_program_of_a_response(response: str, entry_point: str | None, expected: str | None) -> None:
    if entry_point == "Solution.g":
        expected = "class Solution:\n    def g(self): 1\n"
    assert extract_code(response, entry_point) == expected


def test_a_completion_and_a_whole_function_make_the_same_program() -> None:
    prompt = "import math\ndef helper(x):\n    return x\n\ndef f(x: int) -> int:\n    ''' doc '''\n"
    body = complete(prompt, "    return helper(x)\n", "f")
    whole = complete(prompt, "def f(x):\n    return helper(x)\n", "f")
    for program in (body, whole):
        names: dict[str, Any] = {}
        exec(program, names)
        assert names["f"](3) == 3 and "math" in names


def test_names_that_nothing_defines() -> None:
    text = "import a.b as c, d.e\nfrom f import g\ndef h(i, *j, k=1, **l):\n    m: int = n\n"
    text += "try: 1\nexcept E as o: print(o)\nfor p in q: (r := c + d + g + h(i, j, k, l, m, p))\nclass S(T): u = exit"
    assert unbound(text) == {"n", "E", "q", "T"}
    assert with_needed_prelude("print(exit)").count("import") == 1  # the recursion limit alone
    assert "from typing import *" in with_needed_prelude("x: List[int] = []")


def test_the_prelude_stays_behind_future_imports() -> None:
    program = with_prelude("from __future__ import annotations\nclass Solution: pass\n")
    exec(compile(program, "p", "exec"), names := {})
    assert names["pow"](2, 3, 5) == 3 and names["deque"]


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ("YES\nNO\n", "YES\nNO", True),
        ("  YES \n NO\n\n", "YES\nNO", True),
        ("YES\n\nNO", "YES\nNO", False),
        ("yes", "YES", False),
        ("1.0 2", "1 2.00", True),
        ("1.0000001", "1", False),
        ("1 2 3", "1 2", False),
        ("1e3", "1000", True),
        ("nan", "nan", True),
        ("NaN", "nan", False),
        ("", "0", False),
        ("", "", True),
        ("a  b", "a b", False),
    ],
)
def test_printed_text(found: str, expected: str, same: bool) -> None:
    assert same_output(found, expected) is same


def test_the_interface_of_assert_lists() -> None:
    def names(*tests: str, setup: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
        told = AssertTests(tests, setup)
        return interface_of(told), modules_of(told)

    assert names("assert f(1) == g(2)") == (("f", "g"), ())
    assert names("assert math.isclose(f(1), sum([2]))") == (("f",), ("math",))
    assert names("assert f(x) == [y for y in x]", setup="x = [1]") == (("f",), ())
    assert names("assert sum(10, 15) == 6") == (("sum",), ())
    assert names("assert f(P(1))", setup="import collections as c\nclass P: pass") == (("f",), ())
    assert names("assert f(1 ==") == ((), ())
    assert defined_by("import os\nA, B = 1, 2\ndef f(): pass\nclass C: pass") == {"A", "B", "f", "C"}
    told = mbpp_tests({"test_list": ["assert sum(len([1]), 2) == 3"], "code": "def sum(a, b): return a + b"})
    assert told.interface == ("sum",)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.just(10**40),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text())
        | st.sets(st.binary())
    ),
    max_leaves=20,
)


def _refuse(value: object) -> Any:
    raise AssertionError(f"not plain: {value!r}")


@settings(max_examples=150, deadline=None)
@given(plain)
def test_plain_values_survive_the_wire(value: object) -> None:
    there = wire.unpack(json.loads(json.dumps(wire.pack(value, _refuse))), _refuse)
    assert there == value and type(there) is type(value)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["int", "bytes", "tuple", "set", "dict", "Counter", "range", "Fraction", "date", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(json_like)
def test_whatever_a_program_says_is_a_value_or_refused(data: object) -> None:
    with contextlib.suppress(wire.BadValue):
        wire.unpack(data, _refuse)


def test_the_filter_is_whole() -> None:
    for machine in ("x86_64", "aarch64"):
        code = filter_bytes(machine)
        assert code is not None and len(code) % 8 == 0 and 40 * 8 < len(code) < 4096 * 8
    assert filter_bytes("riscv64") is None
