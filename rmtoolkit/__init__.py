"""Does a Rust service leak, why is its memory high, and what limit should it have?

``import rmtoolkit as rm``; names are imported when they are first used. Every function that takes a recording may be
given the Assessment that `rm.assess` made of it instead.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rmtoolkit.assessment import Assessment, assess, checklist, classify, fits, limit_risk, lives, recommend_limits
    from rmtoolkit.heap._detect import read_heap
    from rmtoolkit.heap.allocator import Allocator, read_allocator
    from rmtoolkit.heap.formats import read_dhat, read_jeprof, read_massif, read_pprof
    from rmtoolkit.heap.heaptrack import read_heaptrack
    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.heap.suspects import diff, suspects
    from rmtoolkit.lake import Lake
    from rmtoolkit.limits.backtest import Backtest, backtest
    from rmtoolkit.limits.cost import Prices
    from rmtoolkit.limits.risk import Margins, learn_margins
    from rmtoolkit.limits.what_if import WhatIf, replay, what_if
    from rmtoolkit.loaders import read
    from rmtoolkit.loaders.allocators import read_jemalloc_stats, read_malloc_info, read_malloc_text
    from rmtoolkit.loaders.docker import read_docker_stats
    from rmtoolkit.loaders.kubectl_top import read_kubectl_top
    from rmtoolkit.loaders.linux import read_procfs
    from rmtoolkit.loaders.prometheus.live import Prometheus
    from rmtoolkit.loaders.prometheus.saved import read_prometheus
    from rmtoolkit.loaders.pull import pull
    from rmtoolkit.loaders.record import record
    from rmtoolkit.loaders.record_kubectl import record_kubectl
    from rmtoolkit.recording import Recording, concat, read_recording
    from rmtoolkit.validation import validate
    from rmtoolkit.views.dashboards.explorer import LimitExplorer
    from rmtoolkit.views.dashboards.fleet import Fleet
    from rmtoolkit.views.dashboards.triage import Triage
    from rmtoolkit.views.explanation import Explanation, explain
    from rmtoolkit.views.report import report


#: The public names of each module.
_NAMES: Final = {
    "assessment": "Assessment assess checklist classify fits limit_risk lives recommend_limits",
    "heap._detect": "read_heap",
    "heap.allocator": "Allocator read_allocator",
    "heap.formats": "read_dhat read_jeprof read_massif read_pprof",
    "heap.heaptrack": "read_heaptrack",
    "heap.profile": "HeapProfile",
    "heap.suspects": "diff suspects",
    "lake": "Lake",
    "limits.backtest": "Backtest backtest",
    "limits.cost": "Prices",
    "limits.risk": "Margins learn_margins",
    "limits.what_if": "WhatIf replay what_if",
    "loaders": "read",
    "loaders.allocators": "read_jemalloc_stats read_malloc_info read_malloc_text",
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
    "views.report": "report",
}
_HOMES: Final = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Allocator",
    "Assessment",
    "Backtest",
    "Explanation",
    "Fleet",
    "HeapProfile",
    "Lake",
    "LimitExplorer",
    "Margins",
    "Prices",
    "Prometheus",
    "Recording",
    "Triage",
    "WhatIf",
    "assess",
    "backtest",
    "checklist",
    "classify",
    "concat",
    "diff",
    "explain",
    "fits",
    "learn_margins",
    "limit_risk",
    "lives",
    "pull",
    "read",
    "read_allocator",
    "read_dhat",
    "read_docker_stats",
    "read_heap",
    "read_heaptrack",
    "read_jemalloc_stats",
    "read_jeprof",
    "read_kubectl_top",
    "read_malloc_info",
    "read_malloc_text",
    "read_massif",
    "read_pprof",
    "read_procfs",
    "read_prometheus",
    "read_recording",
    "recommend_limits",
    "record",
    "record_kubectl",
    "replay",
    "report",
    "suspects",
    "validate",
    "what_if",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - slow, seldom asked for

        return version("rmtoolkit")
    if name in _HOMES:
        return getattr(import_module(f"rmtoolkit.{_HOMES[name]}"), name)
    msg = f"module 'rmtoolkit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
