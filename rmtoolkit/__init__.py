"""Does a Rust service leak, why is its memory high, and what limit should it have?

``import rmtoolkit as rm``; names are imported when they are first used. Every function that takes a recording may be
given the Assessment that `rm.assess` made of it instead.
"""

from __future__ import annotations

import gc
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any, Final

from rmtoolkit.exceptions import door

#: The public names of each module.
_NAMES: Final = {
    "assessment": "Assessment assess checklist classify fits limit_risk lives recommend_limits",
    "assessment.comparison": "Comparison compare",
    "exceptions": "ColumnError ReadError RmtoolkitError RmtoolkitWarning UnknownWorkloadError",
    "loaders.server": "ServerError",
    "heap": "read_heap",
    "heap.allocator": "Allocator read_allocator",
    "heap.formats": "read_dhat read_jeprof read_massif read_pprof",
    "heap.heaptrack": "read_heaptrack",
    "heap.profile": "HeapProfile",
    "heap.served": "read_pyroscope",
    "heap.suspects": "diff suspects",
    "lake": "Lake",
    "limits.backtest": "Backtest backtest",
    "limits.risk": "Margins Prices learn_margins",
    "limits.what_if": "WhatIf replay what_if",
    "loaders": "read",
    "loaders.allocators": "read_jemalloc_stats read_malloc_info",
    "loaders.docker": "read_docker_stats",
    "loaders.kubectl_top": "read_kubectl_top",
    "loaders.linux": "read_procfs",
    "loaders.prometheus.live": "Prometheus",
    "loaders.prometheus.saved": "read_prometheus",
    "loaders.pull": "pull",
    "loaders.record": "record",
    "loaders.record_kubectl": "record_kubectl",
    "recording": "Recording concat read_recording",
    "validation": "validate",
    "views.dashboards.explorer": "LimitExplorer",
    "views.dashboards.fleet": "Fleet",
    "views.dashboards.triage": "Triage",
    "views.explanation": "Explanation explain",
    "views.exports": "patches",
    "views.heap": "report_heap",
    "views.plots": "plot_fleet plot_heap plot_lives plot_memory plot_risk",
    "views.report": "report",
}
_HOMES: Final = {name: home for home, names in _NAMES.items() for name in names.split()}


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
