"""The style sheets and scripts of the views, each a file of its own beside this one."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from rmtoolkit._html import Markup


@cache
def asset(name: str) -> Markup:
    """Read one file, once; a style sheet loses its comments and what white space it has for people."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return Markup(_compact(text) if name.endswith(".css") else text)


def _compact(sheet: str) -> str:
    code, *commented = sheet.split("/*")
    plain = code + "".join(part.partition("*/")[2] for part in commented)
    short = re.sub(r" ?([{};,]) ?|(?<=:) ", r"\1", re.sub(r"\s+", " ", plain))
    return short.replace(";}", "}").strip()
