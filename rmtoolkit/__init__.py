"""Does a Rust service leak, why is its memory high, and what limit should it have?

``import rmtoolkit as rm``; names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording, concat, read_recording

_HOMES: Final = {
    "Recording": "rmtoolkit.recording",
    "concat": "rmtoolkit.recording",
    "read_recording": "rmtoolkit.recording",
}

__all__ = ["Recording", "concat", "read_recording"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - slow, seldom asked for

        return version("rmtoolkit")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module 'rmtoolkit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
