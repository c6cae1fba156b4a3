"""Does a Rust service leak, why is its memory high, and what limit should it have?

``import rmtoolkit as rm``; names are imported when they are first used. Every function that takes a recording may be
given the Assessment that `rm.assess` made of it instead.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rmtoolkit.analysis.judge import Judgement, judge
    from rmtoolkit.assessment import (
        Assessment,
        assess,
        checklist,
        classify,
        fits,
        limit_risk,
        lives,
        recommend_limits,
    )
    from rmtoolkit.heap._detect import read_heap
    from rmtoolkit.heap.allocator import Allocator, read_allocator
    from rmtoolkit.heap.formats import read_dhat, read_jeprof, read_massif, read_pprof
    from rmtoolkit.heap.heaptrack import read_heaptrack
    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.heap.suspects import diff, suspects
    from rmtoolkit.lake import Lake
    from rmtoolkit.limits.backtest import Backtest, backtest
    from rmtoolkit.limits.recommend import Prices
    from rmtoolkit.limits.risk import Margins, learn_margins
    from rmtoolkit.limits.what_if import WhatIf, replay, what_if
    from rmtoolkit.loaders._detect import read
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


_HOMES: Final = {
    "Allocator": "rmtoolkit.heap.allocator",
    "assess": "rmtoolkit.assessment",
    "Assessment": "rmtoolkit.assessment",
    "Backtest": "rmtoolkit.limits.backtest",
    "backtest": "rmtoolkit.limits.backtest",
    "checklist": "rmtoolkit.assessment",
    "classify": "rmtoolkit.assessment",
    "concat": "rmtoolkit.recording",
    "diff": "rmtoolkit.heap.suspects",
    "explain": "rmtoolkit.views.explanation",
    "Explanation": "rmtoolkit.views.explanation",
    "fits": "rmtoolkit.assessment",
    "Fleet": "rmtoolkit.views.dashboards.fleet",
    "HeapProfile": "rmtoolkit.heap.profile",
    "judge": "rmtoolkit.analysis.judge",
    "Judgement": "rmtoolkit.analysis.judge",
    "Lake": "rmtoolkit.lake",
    "learn_margins": "rmtoolkit.limits.risk",
    "LimitExplorer": "rmtoolkit.views.dashboards.explorer",
    "limit_risk": "rmtoolkit.assessment",
    "lives": "rmtoolkit.assessment",
    "Margins": "rmtoolkit.limits.risk",
    "Prices": "rmtoolkit.limits.recommend",
    "Prometheus": "rmtoolkit.loaders.prometheus.live",
    "pull": "rmtoolkit.loaders.pull",
    "read": "rmtoolkit.loaders._detect",
    "read_allocator": "rmtoolkit.heap.allocator",
    "read_dhat": "rmtoolkit.heap.formats",
    "read_docker_stats": "rmtoolkit.loaders.docker",
    "read_heap": "rmtoolkit.heap._detect",
    "read_heaptrack": "rmtoolkit.heap.heaptrack",
    "read_jemalloc_stats": "rmtoolkit.loaders.allocators",
    "read_jeprof": "rmtoolkit.heap.formats",
    "read_kubectl_top": "rmtoolkit.loaders.kubectl_top",
    "read_malloc_info": "rmtoolkit.loaders.allocators",
    "read_malloc_text": "rmtoolkit.loaders.allocators",
    "read_massif": "rmtoolkit.heap.formats",
    "read_pprof": "rmtoolkit.heap.formats",
    "read_procfs": "rmtoolkit.loaders.linux",
    "read_prometheus": "rmtoolkit.loaders.prometheus.saved",
    "read_recording": "rmtoolkit.recording",
    "recommend_limits": "rmtoolkit.assessment",
    "record": "rmtoolkit.loaders.record",
    "record_kubectl": "rmtoolkit.loaders.record_kubectl",
    "Recording": "rmtoolkit.recording",
    "replay": "rmtoolkit.limits.what_if",
    "report": "rmtoolkit.views.report",
    "suspects": "rmtoolkit.heap.suspects",
    "Triage": "rmtoolkit.views.dashboards.triage",
    "validate": "rmtoolkit.validation",
    "what_if": "rmtoolkit.limits.what_if",
    "WhatIf": "rmtoolkit.limits.what_if",
}

__all__ = [
    "Allocator",
    "Assessment",
    "Backtest",
    "Explanation",
    "Fleet",
    "HeapProfile",
    "Judgement",
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
    "judge",
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
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module 'rmtoolkit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
