"""Calculator marks, `<<48/2=24>>`: whole equations in angle brackets, as in GSM8K's solutions."""

from __future__ import annotations

import re

_MARK = re.compile(r"<<([^<>\n]{1,300})>>")


def take_marks(text: str) -> tuple[list[str], str]:
    """The equations inside the marks, and the text without them."""
    if "<<" not in text:
        return [], text
    return _MARK.findall(text), _MARK.sub("", text)
