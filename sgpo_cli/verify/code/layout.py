"""What a sandbox sees of the host: one Python with its standard library and the shared libraries it needs, read-only.

Everything keeps its path, so that Python finds itself, also where that path lies in a home; site-packages is hidden.
Nothing else of the host is there: of /etc only the loader's cache (the names of the host's shared libraries), of a home
only the folders above Python, empty otherwise, no shell, no /proc.
"""

from __future__ import annotations

import functools
import os
import py_compile
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

INSIDE = Path(__file__).resolve().parent / "inside"
ABOVE_INSIDE = "/sandbox"
STDIN = "/dev/stdin"  # a copy of a script's input: the host's is a link into /proc, which is not there
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
ENVIRONMENT = {"HOME": "/tmp", "PATH": "/nowhere", "PYTHONHASHSEED": "0"}
# No site, no user site, no current folder, no byte code written. PYTHON* variables come from us only.
FLAGS = ("-S", "-s", "-P", "-B", "-X", "utf8")
# What Python runs first: argv[1] is the folder above `inside`, the rest are descriptors.
_PATH = "import sys; sys.path.append(sys.argv[1]); "
BOOT = f"{_PATH}from inside.start import main; main(*map(int, sys.argv[2:]))"
BOOT_LAUNCH = f"{_PATH}from inside.launch import main; main(sys.argv[2], *map(int, sys.argv[3:]))"


_NOT_NEEDED = ("_tkinter", "_test", "_curses", "nis")  # windows and terminals: their libraries stay outside


@dataclass(frozen=True, slots=True)
class Layout:
    """(source, target) pairs of files and folders, all read-only, and folders to hide again. `environment`: what the
    first process gets, with LD_LIBRARY_PATH where this Python needs one; the program sees ENVIRONMENT only."""

    python: str
    environment: dict[str, str]
    shown: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]


@functools.cache
def layout() -> Layout:
    """The layout for the Python that runs this."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    python = Path(base).resolve()
    bases = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}  # not the virtual environment's folders
    libraries = {sysconfig.get_path(name, vars=bases) for name in ("stdlib", "platstdlib")}
    shown = [(str(python), str(python)), (str(INSIDE), f"{ABOVE_INSIDE}/{INSIDE.name}")]
    shown += [(str(Path(folder).resolve()), folder) for folder in sorted(libraries)]
    files = _shared_libraries(python, sorted(libraries))
    shown += [(str(Path(file).resolve()), file) for file in files]
    environment = dict(ENVIRONMENT)
    if os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = ":".join(sorted({str(Path(file).parent) for file in files}))
    hidden = [f"{folder}/{name}" for folder in sorted(libraries) for name in ("site-packages", "dist-packages")]
    _compile()
    return Layout(str(python), environment, tuple(shown), tuple(folder for folder in hidden if Path(folder).is_dir()))


def _shared_libraries(python: Path, libraries: list[str]) -> list[str]:
    """What the loader takes for Python and its extension modules, at the paths where it looks."""
    modules = [file for folder in libraries for file in Path(folder).glob("lib-dynload/*.so")]
    binaries = [python, *(file for file in modules if not file.name.startswith(_NOT_NEEDED))]
    try:
        told = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    found = set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, flags=re.MULTILINE))
    found |= {file for file in ("/etc/ld.so.cache",) if Path(file).is_file()}
    return sorted(found)


def _compile() -> None:
    """Byte code of the inside modules, so that each start saves their compilation; no matter where it cannot."""
    for file in INSIDE.glob("*.py"):
        try:
            py_compile.compile(str(file), quiet=2)
        except OSError:
            return
