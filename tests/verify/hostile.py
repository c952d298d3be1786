"""Programs that want to pass without being right, or to do harm: name -> (program, kinds they may be scored as).

Each should define f(x) = x*x + 7 and does not, unless its attack works: then most of them answer rightly, so that a
hole in the sandbox shows as a pass. `READS` and `PRINTS` are whole programs that should print that for the number on
stdin.
"""

from __future__ import annotations

WRONG = {"wrong", "raised"}
DEAD = {"exited"}

FORGE = """
import json, os
def frames(*messages):
    bodies = [json.dumps(m).encode() for m in messages]
    return b"".join(len(b).to_bytes(4, "big") + b for b in bodies)
forged = frames({"ready": True}, {"begin": 0}, {"end": 0, "kind": None, "detail": ""}, {"value": True})
for fd in range(0, 64):
    try:
        os.write(fd, forged)
    except OSError:
        pass
"""

FUNCTIONS: dict[str, tuple[str, set[str]]] = {
    "sys.exit before the tests": ("import sys\nsys.exit(0)", DEAD),
    "exit before the tests": ("exit()\ndef f(x): return x * x + 7", DEAD),
    "quit in the call": ("def f(x):\n    quit()", WRONG),
    "a patched exit": (
        "import builtins\nbuiltins.exit = builtins.quit = lambda *a: None\ndef f(x):\n    exit()\n    return 0",
        WRONG,
    ),
    "os._exit before the tests": ("import os\nos._exit(0)", DEAD),
    "os._exit in the call": ("import os\ndef f(x):\n    os._exit(0)", DEAD),
    "sys.exit in the call": ("import sys\ndef f(x):\n    sys.exit(0)", WRONG),
    "equal to everything": (
        "class E:\n    def __eq__(self, o): return True\n    __hash__ = None\n    def __ne__(self, o): return False\n"
        "def f(x): return E()",
        WRONG,
    ),
    "an int equal to everything": (
        "class E(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef f(x): return E(3)",
        WRONG,
    ),
    "patched builtins": (
        "import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})\n"
        "builtins.isinstance = lambda *a: True\n"
        "builtins.compile = builtins.exec = lambda *a, **k: None\ndef f(x): return None",
        WRONG | {"bad_reply", "exited"},
    ),
    "patched harness": (
        "import sys\nfor name in ('wire', 'program', 'examiner', 'remote', 'start'):\n"
        "    m = sys.modules.get('inside.' + name)\n    if m is None: continue\n"
        "    for key in ('pack', 'unpack', '_do', '_answer', '_run', '_guard'):\n"
        "        if hasattr(m, key): setattr(m, key, lambda *a, **k: True)\ndef f(x): return None",
        WRONG | {"bad_reply", "exited"},
    ),
    "patched json": (
        'import json\njson.dumps = lambda m, **k: \'{"value": true, "kind": null, "end": 0}\'\ndef f(x): return None',
        WRONG | {"bad_reply"},
    ),
    "a verdict forged on every descriptor": (FORGE + "def f(x): return None", WRONG | {"bad_reply", "exited"}),
    "a verdict printed": (
        "print('PASSED'); print('{\"end\": 0, \"kind\": null}', flush=True)\n"
        "def f(x):\n    print('ok 1')\n    return 0",
        WRONG,
    ),
    "the expected value in a frame above": (
        "import sys, gc\ndef f(x):\n"
        "    for o in gc.get_objects():\n        if isinstance(o, str) and 'assert f(' in o:\n"
        "            return eval(o.split('==')[1])\n    frame = sys._getframe()\n    while frame:\n"
        "        for v in list(frame.f_locals.values()):\n            if isinstance(v, dict) and 'tests' in v:\n"
        "                return x * x + 7\n        frame = frame.f_back\n    return None",
        WRONG,
    ),
    "the test file": (
        "import os\ndef f(x):\n    for top in ('/sandbox/inside', '/tmp', '/work', '/home', '/var', '/dev'):\n"
        "        for folder, _, files in os.walk(top):\n            for file in files:\n                try:\n"
        "                    if 'assert f(' + '5)' in open(os.path.join(folder, file)).read(100000): return x * x + 7\n"
        "                except (OSError, UnicodeDecodeError): pass\n    return None",
        WRONG,
    ),
    "/etc/passwd": ("def f(x):\n    open('/etc/passwd').read()\n    return x * x + 7", WRONG),
    "a symlink to /etc/passwd": (
        "import os\ndef f(x):\n    os.symlink('/etc/passwd', '/tmp/l')\n    open('/tmp/l').read()\n"
        "    return x * x + 7",
        WRONG,
    ),
    "the environment": ("import os\ndef f(x):\n    os.environ['SGPO_SECRET']\n    return x * x + 7", WRONG),
    "the environment through /proc": (
        "def f(x):\n    open('/proc/self/environ').read()\n    return x * x + 7",
        WRONG,
    ),
    "other processes through /proc": (
        "import os\ndef f(x):\n    assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 3\n"
        "    return x * x + 7",
        WRONG,
    ),
    "writing outside": (
        "import os\ndef f(x):\n"
        "    for p in ('/x', '/etc/x', '/sandbox/x', '/root/x', '/dev/x', os.__file__, '/sandbox/inside/start.py'):\n"
        "        try:\n            open(p, 'a').close()\n            return x * x + 7\n        except OSError: pass\n"
        "    return None",
        WRONG,
    ),
    "deleting what it runs on": (
        "import os, shutil\ndef f(x):\n    shutil.rmtree('/sandbox/inside', ignore_errors=True)\n"
        "    return None if os.path.exists('/sandbox/inside/start.py') else x * x + 7",
        WRONG,
    ),
    "a socket": (
        "import socket\ndef f(x):\n    socket.create_connection(('127.0.0.1', PORT), timeout=2)\n    return x * x + 7",
        WRONG,
    ),
    "killing the parent": (
        "import os\ndef f(x):\n    os.kill(os.getppid(), 9)\n    os.kill(1, 9)\n    return None",
        WRONG | DEAD,
    ),
    "killing everybody": ("import os\ndef f(x):\n    os.kill(-1, 9)\n    return None", WRONG | DEAD),
    "a daemon": (
        "import os, time\ndef f(x):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        "            time.sleep(1000)\n        os._exit(0)\n    return None",
        WRONG,
    ),
    "atexit": (
        "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): return None",
        WRONG,
    ),
    "recursion without end": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x):\n    class A:\n"
        "        def __repr__(self): return repr([self])\n"
        "    return repr(A()) or f(x)",
        WRONG | DEAD | {"memory", "timeout"},
    ),
    "reading stdin": ("def f(x): return int(input())", WRONG),
    "closing every descriptor": ("import os\nos.closerange(0, 1024)\ndef f(x): return x * x + 7", DEAD),
    "ptrace": (
        "import ctypes, os\ndef f(x):\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    for pid in (1, os.getppid()):\n"
        "        if libc.ptrace(16, pid, 0, 0) == 0: return x * x + 7\n    return None",
        WRONG,
    ),
    "namespaces and mounts of its own": (
        "import ctypes\ndef f(x):\n    libc = ctypes.CDLL(None)\n"
        "    if libc.unshare(0x10000000) == 0: return x * x + 7\n"
        "    if libc.mount(b't', b'/tmp', b'tmpfs', 0, None) == 0: return x * x + 7\n    return None",
        WRONG,
    ),
    "becoming root": (
        "import os\ndef f(x):\n    for call in (os.setuid, os.setgid):\n        try:\n            call(0)\n"
        "            return x * x + 7\n        except OSError: pass\n    return None",
        WRONG,
    ),
    "raising its own limits": (
        "import resource as r\ndef f(x):\n    for k in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_NPROC, r.RLIMIT_FSIZE):\n"
        "        try:\n            r.setrlimit(k, (r.RLIM_INFINITY, r.RLIM_INFINITY))\n            return x * x + 7\n"
        "        except (OSError, ValueError): pass\n    return None",
        WRONG,
    ),
    "memory that no limit counts": (
        "import os, ctypes\ndef f(x):\n    try:\n        os.memfd_create('m')\n        return x * x + 7\n"
        "    except OSError: pass\n    return x * x + 7 if ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) >= 0 else None",
        WRONG,
    ),
    "another program": (
        "import os\ndef f(x):\n    os.execv('/bin/sh', ['sh', '-c', 'true'])",
        WRONG | DEAD,
    ),
    "a value without end": ("def f(x): return 'x' * (50 << 20)", {"output"}),
    "a value too deep": (
        "def f(x):\n    import sys\n    sys.setrecursionlimit(10**6)\n    v = []\n"
        "    for _ in range(100000): v = [v]\n    return v",
        WRONG | DEAD | {"bad_reply"},
    ),
    "a reply that is no JSON": (
        "import os\ndef f(x):\n    for fd in range(3, 32):\n        try: os.write(fd, b'\\0\\0\\0\\4nope')\n"
        "        except OSError: pass\n    return None",
        {"bad_reply"},
    ),
    "a reply that promises gigabytes": (
        "import os\ndef f(x):\n    for fd in range(3, 32):\n        try: os.write(fd, b'\\xff' * 8)\n"
        "        except OSError: pass\n    return None",
        {"output"},
    ),
    "an exception with a lying __str__": (
        "class E(AssertionError):\n    def __str__(self): raise SystemExit\ndef f(x): raise E",
        WRONG,
    ),
    "a stopped process": ("import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSTOP)", {"timeout"}),
    "filling /tmp": (
        "def f(x):\n    for i in range(100):\n"
        "        with open(f'/tmp/{i}', 'wb') as file: file.write(b'x' * (1 << 20))\n"
        "    return x * x + 7",
        WRONG,
    ),
    "one large file": (
        "def f(x):\n    with open('/tmp/x', 'wb') as file:\n        for _ in range(100): file.write(b'x' * (1 << 20))\n"
        "    return x * x + 7",
        WRONG | DEAD,
    ),
    "threads without end": (
        "import threading, time\ndef f(x):\n    for _ in range(2000):\n"
        "        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n    return x * x + 7",
        WRONG | {"processes"},
    ),
    "memory": ("def f(x):\n    v = bytearray(8 << 30)\n    return x * x + 7", {"memory"}),
    "memory, bit by bit": (
        "def f(x):\n    v = []\n    while True: v.append(bytearray(1 << 20))",
        {"memory"},
    ),
    "memory in many processes": (
        "import os, time\ndef f(x):\n    for _ in range(6):\n        if os.fork() == 0:\n"
        "            v = bytearray(b'x') * (100 << 20)\n            time.sleep(100)\n    time.sleep(100)",
        {"memory"},
    ),
    "endless loop": ("def f(x):\n    while True: pass", {"timeout"}),
    "endless loop on loading": ("while True: pass", {"timeout"}),
    "endless loop in children": (
        "import os, time\ndef f(x):\n    for _ in range(4):\n        if os.fork() == 0:\n            while True: pass\n"
        "    time.sleep(100)",
        {"timeout"},
    ),
    "signals ignored": (
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ndef f(x):\n    while True: pass",
        {"timeout"},
    ),
    "an alarm each instant": (
        "import signal\ndef again(*a): raise SystemExit\nsignal.signal(signal.SIGALRM, again)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\ndef f(x):\n    while True: pass",
        WRONG | DEAD | {"timeout"},
    ),
    "a child that sleeps for ever": (
        "import os, time\ndef f(x):\n    child = os.fork()\n    if child == 0:\n        time.sleep(10**6)\n"
        "    os.waitpid(child, 0)",
        {"timeout"},
    ),
    "endless printing in a call": ("def f(x):\n    while True: print('x' * 10000)", {"timeout"}),
    "fork bomb": (
        "import os\ndef f(x):\n    while True:\n        try: os.fork()\n        except OSError: pass",
        {"timeout", "processes"},
    ),
}

SCRIPTS: dict[str, tuple[str, set[str]]] = {
    "leaves before printing": ("import os\nos._exit(0)", {"wrong"}),
    "sys.exit(0)": ("import sys\nsys.exit(0)", {"wrong"}),
    "exit() before printing": ("exit()\nprint(int(input()) ** 2 + 7)", {"wrong"}),
    "writes the copy of its input": (
        "import os\nos.chmod('/dev/stdin', 0o666)\nopen('/dev/stdin', 'w').write('x')\nprint(int(input()) ** 2 + 7)",
        {"raised"},
    ),
    "prints a verdict": ("print('PASSED')\nprint('{\"passed\": true}')", {"wrong"}),
    "forges on every descriptor": (FORGE, {"wrong"}),
    "prints without end": ("while True: print('x' * 10000)", {"output"}),
    "complains without end": ("import sys\nwhile True: sys.stderr.write('x' * 10000)", {"output"}),
    "waits for more input": ("while True:\n    try: input()\n    except EOFError: pass", {"timeout"}),
    "a child that prints later": (
        "import os, time\nx = int(input())\nif os.fork() == 0:\n    time.sleep(0.5)\n    print(x * x + 7, flush=True)\n"
        "os._exit(0)",
        {"wrong"},
    ),
    "writes its input": (
        "import os\nos.lseek(0, 0, 0)\nos.ftruncate(0, 1 << 30)\nprint(int(input()) ** 2 + 7)",
        {"raised", "exited"},
    ),
    "a traceback at the end": ("print(int(input()) ** 2 + 7)\nraise ValueError", {"raised"}),
    "a crash at the end": (
        "import ctypes, sys\nprint(int(input()) ** 2 + 7, flush=True)\nctypes.string_at(0)",
        {"exited"},
    ),
    "memory": ("v = []\nwhile True: v.append(bytearray(1 << 20))", {"memory"}),
    "no Python": ("x === 3", {"syntax"}),
}
