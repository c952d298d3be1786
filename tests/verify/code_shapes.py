"""Shapes in which models answer, right and wrong: benchmark's form -> name -> (response, whether it is right)."""

from __future__ import annotations

import json
import textwrap

Shapes = dict[str, tuple[str, bool]]

PROMPT = '''from typing import List


def near(xs: List[float], d: float) -> bool:
    """Whether two of them are closer than d; it's simple.
    >>> near([1.0, 2.0], 0.5)
    False
    """
'''
NEAR = {"problem": PROMPT, "entry_point": "near"}
NEAR["test"] = "def check(f):\n    assert f([1.0, 2.0, 2.2], 0.3) == True\n    assert f([1.0, 2.0], 0.5) == False\n"
TWICE = {"problem": "Double it.", "test_list": ["assert twice(1) == 2", "assert twice(4) == 8"]}
SUMS = {"public_test_cases": [{"input": "2\n3 4\n5 6\n", "output": "7\n11\n", "testtype": "stdin"}]}
TIMES = {
    "public_test_cases": json.dumps([{"input": "[1, 2]\n3", "output": "[3, 6]", "testtype": "functional"}]),
    "metadata": '{"func_name": "times"}',
    "starter_code": "class Solution:\n    def times(self, a: List[int], k: int) -> List[int]:\n        ",
}


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code.rstrip()}\n```\n"


def inside(head: str, code: str) -> str:
    return f"{head}\n{textwrap.indent(code, '    ')}"


def typed_in(code: str) -> str:
    return "".join(
        f"{'>>>' if line[:1].strip() else '...'} {line}" for line in code.splitlines(keepends=True) if line.strip()
    )


BODY = "    for i, x in enumerate(xs):\n        if any(abs(x - y) < d for y in xs[i + 1:]):\n            return True\n"
BODY += "    return False\n"
WHOLE = PROMPT + BODY
BARE = WHOLE.partition("\n\n\n")[2]
ANY = "any(abs(x - y) < d for i, x in enumerate(xs) for y in xs[i + 1:])"

FUNCTION: Shapes = {
    "from __future__": (fenced(f"from __future__ import annotations\n{WHOLE}"), True),
    "from __future__ of several lines": (
        fenced(f'"""Mine."""\nfrom __future__ import (\n    annotations,\n)\n{BARE}'),
        True,
    ),
    "the prompt's imports are there": (fenced(BARE), True),
    "another type is not imported": (fenced(f"def near(xs: Sequence[float], d) -> bool:\n    return {ANY}"), False),
    "a lambda": (fenced(f"near = lambda xs, d: {ANY}"), True),
    "a lambda without a fence": (f"near = lambda xs, d: {ANY}", True),
    "a lambda with its type": (
        fenced(f"from typing import Callable\nnear: Callable[..., bool] = lambda xs, d: {ANY}"),
        True,
    ),
    "a wrong lambda": (fenced("near = lambda xs, d: True"), False),
    "a solution renamed": (fenced(f"def solution(xs, d):\n    return {ANY}\n\nnear = solution"), True),
    "a solution of another name": (fenced(f"def solution(xs, d):\n    return {ANY}"), False),
    "an import renamed": (fenced("from operator import contains as near"), False),
    "a class that is called": (fenced(f"class near:\n    def __new__(cls, xs, d):\n        return {ANY}"), True),
    "one of two definitions": (
        fenced(
            f"try:\n    import nothing\n    def near(xs, d): 1\nexcept ImportError:\n    def near(xs, d): return {ANY}"
        ),
        True,
    ),
    "a main": (
        fenced(f"{WHOLE}\nif __name__ == '__main__':\n    import doctest\n    doctest.testmod()\n    exit()"),
        True,
    ),
    "exit() on loading": (fenced(f"{WHOLE}\nexit()"), False),
    "exit() in the call": (fenced("def near(xs, d):\n    exit(0)"), False),
    "windows line ends": (fenced(WHOLE).replace("\n", "\r\n"), True),
    "windows line ends in a list": (
        textwrap.indent(fenced(WHOLE.replace("\n\n", "\nimport math\n\n")), "   ").replace("\n", "\r\n"),
        True,
    ),
    "a body with windows line ends": (BODY.replace("\n", "\r\n"), True),
    "a body without its first indentation": (BODY.lstrip(), True),
    "a body that lost a space": (BODY[1:], True),
    "a body with tabs": (BODY.replace("    ", "\t"), True),
    "a body, then prose": (f"{BODY}\n\nThis compares all pairs.\n", True),
    "a body, then an example": (f"{BODY}\n\nFor example:\n```python\nnear([1.0], 2)\n```\n", True),
    "a body, then the function again": (f"{BODY}\n\ndef near(xs, d):\n    return None\n", True),
    "a body that closes the prompt's fence": (f"{BODY}```\nThis works.", True),
    "a body with a function in it": (inside("", f"def close(x, y): return abs(x - y) < d\nreturn {ANY}"), True),
    "a body that assigns to its own name": (fenced(f"near = {ANY}\nreturn near"), True),
    "a body that is wrong": (BODY.replace("<", ">"), False),
    "prose around it": (f"Here is the function:\n\n{WHOLE}\n\nThis works because it's simple.\n", True),
    "a heading behind it": (f"{WHOLE}\n\nExplanation\n\nThe loop compares.\n", True),
    "cut off behind it": (f"{WHOLE}\n\ndef main(", True),
    "cut off in it": (fenced(WHOLE.rstrip()[:-12])[:-4], False),
    "a space in front": (f" {WHOLE}", True),
    "tildes": (f"~~~~ py\n{WHOLE}\n~~~~\nDone.", True),
    "a fence in a line of prose": (f"Sure: ```python\n{WHOLE}```", True),
    "a fence behind the last line": (f"```python\n{WHOLE.rstrip()}```", True),
    "a fence in the docstring": (
        fenced(WHOLE.replace("    >>>", "    ```python\n    near([1.0], 2)\n    ```\n    >>>")),
        True,
    ),
    "a fence never closed, then another": (f"```python\n{WHOLE.replace('<', '>')}\n\nNo:\n{fenced(WHOLE)}", True),
    "a fence in a fence of markdown": (f"```markdown\n# Solution\n{fenced(WHOLE)}```", True),
    "the language inside of the fence": (fenced(f"python\n{WHOLE}", ""), True),
    "the language and a file's name": (fenced(WHOLE, "Python:near.py"), True),
    "a leading doctest": (fenced(f">>> near([1.0, 2.0, 3.0], 0.5)\nFalse\n>>> near([], 1)\nFalse\n\n{WHOLE}"), True),
    "a doctest at the end": (fenced(f"{WHOLE}\n>>> near([1.0, 2.0, 3.0], 0.5)\nFalse"), True),
    "an interactive session": (fenced(f"{typed_in(BARE)}\n>>> near([], 1)\nFalse", "pycon"), True),
    "a wrong session": (fenced(typed_in(BARE.replace("<", ">"))), False),
    "no language, then its use in Python": (fenced(WHOLE, "") + fenced("print(near([1.0], 2))"), True),
    "answer tags": (f"<answer>\n{WHOLE}\n</answer>", True),
    "an empty block": (fenced(""), False),
    "prose": ("I would compare all pairs.", False),
}

DOUBLE = "def twice(x):\n    return x + x\n"
ASSERTS: Shapes = {
    "done": (f"{DOUBLE}[DONE]\n\nYou are an expert Python programmer", True),
    "begin and done": (f"[BEGIN]\n{DOUBLE}[DONE]", True),
    "Python marks": (f"[PYTHON]\n{DOUBLE}[/PYTHON]", True),
    "its output in a block": (fenced(DOUBLE, "") + fenced("2", ""), True),
    "a typing import is missing": (fenced("def twice(x: Union[int, float]):\n    return x + x"), False),
    "a decorator": (fenced(f"import functools\n@functools.lru_cache(maxsize=None)\n{DOUBLE}"), True),
    "a data class": (
        fenced(
            "from dataclasses import dataclass\n@dataclass(order=True)\nclass P:\n    x: int\n"
            "def twice(x):\n    return 2 * P(x).x"
        ),
        True,
    ),
    "a method": (
        fenced("class S:\n    @staticmethod\n    def go(x):\n        return x + x\n\ntwice = S().go"),
        True,
    ),
    "a main that reads": (
        fenced(f"{DOUBLE}\nif __name__ == '__main__':\n    print(twice(int(input())))\n    quit()"),
        True,
    ),
    "reading on loading": (fenced(f"{DOUBLE}\nprint(twice(int(input())))"), False),
    "printing instead": (fenced("def twice(x):\n    print(x + x)"), False),
}

READ = "for _ in range(int(input())):\n    x, y = map(int, input().split())\n    print(x + y)\n"
MAIN = inside("def main():", READ)
SCRIPT: Shapes = {
    "no fence": (READ, True),
    "prose around it": (f"Read and add:\n\n{READ}\nThat is all.\n", True),
    "its output in a block of no language": (f"{fenced(READ)}This prints:\n{fenced('YES', '')}", True),
    "both of no language": (f"{fenced(READ, '')}This prints:\n{fenced('YES', '')}", True),
    "its output as Python": (fenced(READ) + fenced("7"), True),
    "its input first": (fenced("2\n3 4\n5 6", "") + fenced(READ), True),
    "a line of it explained": (f"{fenced(READ)}Here\n{fenced('x, y = map(int, input().split())')}adds.", True),
    "a better one last": (fenced(READ.replace("+", "*")) + fenced(READ), True),
    "a worse one last": (fenced(READ) + fenced(READ.replace("+", "*")), False),
    "on one line": ("```print(7); print(11)```", True),
    "a byte order mark": (fenced(f"\ufeff{READ}"), True),
    "exit()": (fenced(f"{READ}exit()"), True),
    "exit(0)": (fenced(READ.replace("    print", "    if x > 99: exit(0)\n    print") + "exit(0)\nprint(1)"), True),
    "quit()": (fenced(f"{READ}quit()\nraise ValueError"), True),
    "exit() first": (fenced(f"exit()\n{READ}"), False),
    "exit() halfway": (fenced(f"{READ}    exit()"), False),
    "a main": (fenced(f"import sys\n{MAIN}    return 0\n\nif __name__ == '__main__':\n    sys.exit(main())"), True),
    "a solution and its call": (fenced(MAIN.replace("main", "solution") + "\nsolution()"), True),
    "a solution without a call": (fenced(MAIN), False),
    "until EOFError": (
        fenced(
            "input()\nwhile True:\n    try:\n        print(sum(map(int, input().split())))\n    except EOFError: break"
        ),
        True,
    ),
    "sys.stdin": (
        fenced("import sys\nnext(sys.stdin)\nfor line in sys.stdin: print(sum(map(int, line.split())))"),
        True,
    ),
    "sys.stdin.buffer": (
        fenced(
            "import sys\nit = iter(sys.stdin.buffer.read().split())\nfor _ in range(int(next(it))):\n"
            "    sys.stdout.buffer.write(b'%d\\n' % (int(next(it)) + int(next(it))))"
        ),
        True,
    ),
    "os.read": (
        fenced(f"import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n{READ}"),
        True,
    ),
    "open(0)": (fenced("f = open(0)\nnext(f)\nfor line in f: print(sum(map(int, line.split())))"), True),
    "/dev/stdin": (
        fenced("with open('/dev/stdin') as f:\n    next(f)\n    for line in f: print(sum(map(int, line.split())))"),
        True,
    ),
    "recursion": (
        fenced(f"import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\nf(60000)\n{READ}"),
        True,
    ),
    "recursion without a limit of its own": (fenced(f"def f(n): return n and 1 + f(n - 1)\nf(5000)\n{READ}"), True),
    "a thread for its stack": (
        fenced(
            f"import sys, threading\nsys.setrecursionlimit(1 << 25)\nthreading.stack_size(1 << 28)\n{MAIN}"
            "t = threading.Thread(target=main)\nt.start()\nt.join()"
        ),
        True,
    ),
    "no line end": (
        fenced("print(*[sum(map(int, input().split())) for _ in range(int(input()))], sep='\\n', end='')"),
        True,
    ),
    "windows line ends": (fenced(READ.replace("x + y", "x + y, end='\\r\\n'")).replace("\n", "\r\n"), True),
    "a prompt for the input": (fenced(READ.replace("int(input())", "int(input('n? '))")), False),
    "imports are missing": (
        fenced("d = deque()\nfor _ in range(int(input())):\n    print(sum(map(int, sys.stdin.readline().split())))"),
        True,
    ),
    "types are missing": (
        fenced("def f(xs: List[int]) -> int: return sum(xs)\n" + READ.replace("x + y", "f([x, y])")),
        True,
    ),
    "output at the very end": (
        fenced(
            "import atexit, io, sys\nout = sys.stdout = io.StringIO()\n"
            f"atexit.register(lambda: sys.__stdout__.write(out.getvalue()))\n{READ}"
        ),
        True,
    ),
    "wrong": (fenced(READ.replace("+", "-")), False),
    "prose": ("I would print the sums.", False),
}

SOLUTION = f"{TIMES['starter_code']}return [x * k for x in a]\n"
HELPED = SOLUTION.replace("[x * k", "[Node(x * k).v")
METHOD: Shapes = {
    "a helper class": (fenced(f"class Node:\n    def __init__(self, v): self.v = v\n\n{HELPED}"), True),
    "a data class behind it": (
        fenced(f"{HELPED}\nfrom dataclasses import *\n@dataclass\nclass Node:\n    v: int"),
        True,
    ),
    "its use": (fenced(SOLUTION) + fenced("print(Solution().times([1], 2))"), True),
    "a main that leaves": (fenced(f"{SOLUTION}\nif __name__ == '__main__':\n    exit(0)"), True),
    "from __future__": (fenced(f"from __future__ import annotations\n{SOLUTION}"), True),
    "what LeetCode imports": (
        fenced(
            SOLUTION.replace(
                "return", "bisect.bisect_left(a, inf); pow(2, 3, 5); Counter(a); gcd(4, 6)\n        return"
            )
        ),
        True,
    ),
    "deep recursion": (
        fenced(SOLUTION.replace("return", "f = lambda n: n and 1 + f(n - 1)\n        f(5000)\n        return")),
        True,
    ),
    "prose around it": (f"Here's my solution:\n\n{SOLUTION}\nDone.\n", True),
    "a tuple": (fenced(SOLUTION.replace("[x * k for x in a]", "tuple(x * k for x in a)")), True),
    "a text": (fenced(SOLUTION.replace("[x * k for x in a]", "str([x * k for x in a])")), False),
    "no class": (fenced("def times(a, k):\n    return [x * k for x in a]"), False),
}
