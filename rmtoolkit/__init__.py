"""Does a Rust service leak, why is its memory high, and what limit should it have?

``import rmtoolkit as rm``; names are imported when they are first used. Every function that takes a recording may be
given the Assessment that `rm.assess` made of it instead.
"""

from __future__ import annotations

import gc
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from rmtoolkit.exceptions import door

#: The module of each public name, as the stub beside this file has it.
_HOMES: Final = {
    name: home
    for home, name in re.findall(
        r"(?m)^from rmtoolkit\.(\S+) import (\w+) as", Path(__file__).with_suffix(".pyi").read_text("utf-8")
    )
}


@cache
def _door(public: FunctionType) -> Any:  # noqa: ANN401 - any public function
    """Let a function be found here, also where it is sent to another process."""
    made = door(public)
    made.__module__ = __name__
    return made


__all__ = sorted(_HOMES)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll] - the stub beside this file lists them


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - slow, seldom asked for

        return version("rmtoolkit")
    if name in _HOMES:
        # What is imported stays: looking for garbage in it took a tenth of the time.
        looks = gc.isenabled()
        gc.disable()
        try:
            public = getattr(import_module(f"rmtoolkit.{_HOMES[name]}"), name)
            return _door(public) if isinstance(public, FunctionType) else public
        finally:
            if looks:
                gc.enable()
    msg = f"module 'rmtoolkit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
