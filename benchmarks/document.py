"""Where a script's table goes in a document: between its two marks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sgpo_cli.runs.files import write_text


def put(document: Path, lines: Sequence[str], marks: tuple[str, str]) -> None:
    """Replaces what stands between the marks; ends the script when the document lacks them."""
    text = document.read_text()
    begin, end = (text.find(mark) for mark in marks)
    if begin < 0 or end < begin:
        sys.exit(f"{document} has no {marks[0]} ... {marks[1]}")
    write_text(document, "\n".join([text[:begin] + marks[0], *lines, text[end:]]))
