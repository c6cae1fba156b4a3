from rmtoolkit.assessment import Assessment as Assessment
from rmtoolkit.assessment import assess as assess
from rmtoolkit.assessment import checklist as checklist
from rmtoolkit.assessment import classify as classify
from rmtoolkit.assessment import fits as fits
from rmtoolkit.assessment import limit_risk as limit_risk
from rmtoolkit.assessment import lives as lives
from rmtoolkit.assessment import recommend_limits as recommend_limits
from rmtoolkit.assessment.comparison import Comparison as Comparison
from rmtoolkit.assessment.comparison import compare as compare
from rmtoolkit.exceptions import ColumnError as ColumnError
from rmtoolkit.exceptions import ReadError as ReadError
from rmtoolkit.exceptions import RmtoolkitError as RmtoolkitError
from rmtoolkit.exceptions import RmtoolkitWarning as RmtoolkitWarning
from rmtoolkit.exceptions import UnknownWorkloadError as UnknownWorkloadError
from rmtoolkit.heap import read_heap as read_heap
from rmtoolkit.heap.allocator import Allocator as Allocator
from rmtoolkit.heap.allocator import read_allocator as read_allocator
from rmtoolkit.heap.formats import read_dhat as read_dhat
from rmtoolkit.heap.formats import read_jeprof as read_jeprof
from rmtoolkit.heap.formats import read_massif as read_massif
from rmtoolkit.heap.formats import read_pprof as read_pprof
from rmtoolkit.heap.heaptrack import read_heaptrack as read_heaptrack
from rmtoolkit.heap.profile import HeapProfile as HeapProfile
from rmtoolkit.heap.served import read_pyroscope as read_pyroscope
from rmtoolkit.heap.suspects import diff as diff
from rmtoolkit.heap.suspects import suspects as suspects
from rmtoolkit.lake import Lake as Lake
from rmtoolkit.limits.backtest import Backtest as Backtest
from rmtoolkit.limits.backtest import backtest as backtest
from rmtoolkit.limits.risk import Margins as Margins
from rmtoolkit.limits.risk import Prices as Prices
from rmtoolkit.limits.risk import learn_margins as learn_margins
from rmtoolkit.limits.what_if import WhatIf as WhatIf
from rmtoolkit.limits.what_if import replay as replay
from rmtoolkit.limits.what_if import what_if as what_if
from rmtoolkit.loaders import read as read
from rmtoolkit.loaders.allocators import read_jemalloc_stats as read_jemalloc_stats
from rmtoolkit.loaders.allocators import read_malloc_info as read_malloc_info
from rmtoolkit.loaders.docker import read_docker_stats as read_docker_stats
from rmtoolkit.loaders.kubectl_top import read_kubectl_top as read_kubectl_top
from rmtoolkit.loaders.linux import read_procfs as read_procfs
from rmtoolkit.loaders.prometheus.live import Prometheus as Prometheus
from rmtoolkit.loaders.prometheus.saved import read_prometheus as read_prometheus
from rmtoolkit.loaders.pull import pull as pull
from rmtoolkit.loaders.record import record as record
from rmtoolkit.loaders.record_kubectl import record_kubectl as record_kubectl
from rmtoolkit.loaders.server import ServerError as ServerError
from rmtoolkit.recording import Recording as Recording
from rmtoolkit.recording import concat as concat
from rmtoolkit.recording import read_recording as read_recording
from rmtoolkit.validation import validate as validate
from rmtoolkit.views.dashboards.explorer import LimitExplorer as LimitExplorer
from rmtoolkit.views.dashboards.fleet import Fleet as Fleet
from rmtoolkit.views.dashboards.triage import Triage as Triage
from rmtoolkit.views.explanation import Explanation as Explanation
from rmtoolkit.views.explanation import explain as explain
from rmtoolkit.views.exports import patches as patches
from rmtoolkit.views.heap import report_heap as report_heap
from rmtoolkit.views.plots import plot_fleet as plot_fleet
from rmtoolkit.views.plots import plot_heap as plot_heap
from rmtoolkit.views.plots import plot_lives as plot_lives
from rmtoolkit.views.plots import plot_memory as plot_memory
from rmtoolkit.views.plots import plot_risk as plot_risk
from rmtoolkit.views.report import report as report

__version__: str

__all__ = [
    "Allocator",
    "Assessment",
    "Backtest",
    "ColumnError",
    "Comparison",
    "Explanation",
    "Fleet",
    "HeapProfile",
    "Lake",
    "LimitExplorer",
    "Margins",
    "Prices",
    "Prometheus",
    "ReadError",
    "Recording",
    "RmtoolkitError",
    "RmtoolkitWarning",
    "ServerError",
    "Triage",
    "UnknownWorkloadError",
    "WhatIf",
    "assess",
    "backtest",
    "checklist",
    "classify",
    "compare",
    "concat",
    "diff",
    "explain",
    "fits",
    "learn_margins",
    "limit_risk",
    "lives",
    "patches",
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
    "report_heap",
    "suspects",
    "validate",
    "what_if",
]

def __dir__() -> list[str]: ...
