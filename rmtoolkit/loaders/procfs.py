"""What the kernel says of a process or a cgroup: `/proc/PID` and the files of the memory controller, as signals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rmtoolkit.schema import ABSURD_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIB: Final = 1024
#: No number of the kernel has more.
_MOST_DIGITS: Final = 20
_FIELD: Final = re.compile(r"^\s*(\w+):[ \t]+(\d{1,20})(?:[ \t]+kB)?[ \t]*$", re.MULTILINE)
_NAME: Final = re.compile(r"^Name:[ \t]+(.*)$", re.MULTILINE)
_PAIR: Final = re.compile(r"^\s*(\w+)[ \t]+(\d{1,20})[ \t]*$", re.MULTILINE)
_STALL: Final = re.compile(r"^\s*(some|full)\s.*\btotal=(\d{1,20})\b", re.MULTILINE)

#: Keys of `memory.stat` by version: hierarchical ones where version 1 has both.
_V1: Final = {
    "anon_bytes": "rss",
    "file_bytes": "cache",
    "inactive_file_bytes": "inactive_file",
    "shmem_bytes": "shmem",
    "swap_bytes": "swap",
    "refaults_total": "workingset_refault_file",
}
_V2: Final = {
    "anon_bytes": "anon",
    "file_bytes": "file",
    "inactive_file_bytes": "inactive_file",
    "shmem_bytes": "shmem",
    "kernel_bytes": "kernel",
    "refaults_total": "workingset_refault_file",
}
#: What `kernel` adds up where the kernel (before Linux 5.18) does not.
_KERNEL_PARTS: Final = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "slab", "vmalloc")

#: Files that hold one number, by the signal they give.
NUMBER_FILES: Final = {
    "memory.current": "usage_bytes",
    "memory.usage_in_bytes": "usage_bytes",
    "memory.peak": "peak_bytes",
    "memory.max_usage_in_bytes": "peak_bytes",
    "memory.swap.current": "swap_bytes",
    "memory.kmem.usage_in_bytes": "kernel_bytes",
    "memory.max": "limit_bytes",
    "memory.limit_in_bytes": "limit_bytes",
}


def parse_smaps_rollup(text: str) -> dict[str, int]:
    r"""Read `/proc/PID/smaps_rollup`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    dict
        `rss_bytes`, `anon_bytes` and `swap_bytes`, and shares of pages that several processes hold:
        `pss_bytes`, `pss_anon_bytes`, `pss_file_bytes`, `pss_shmem_bytes`, `pss_swap_bytes` (each page divided by
        the number of its holders, so that they can be added up over processes). What is not there is not in it.

    Examples
    --------
    >>> parse_smaps_rollup("Rss:      1940 kB\nAnonymous:  116 kB\nPss_Anon:  100 kB\n")
    {'rss_bytes': 1986560, 'anon_bytes': 118784, 'pss_anon_bytes': 102400}
    """
    found = fields(text)
    wanted = {
        "rss_bytes": "Rss",
        "anon_bytes": "Anonymous",
        "swap_bytes": "Swap",
        "pss_bytes": "Pss",
        "pss_anon_bytes": "Pss_Anon",
        "pss_file_bytes": "Pss_File",
        "pss_shmem_bytes": "Pss_Shmem",
        "pss_swap_bytes": "SwapPss",
    }
    return {signal: found[key] * _KIB for signal, key in wanted.items() if key in found}


def parse_status(text: str) -> dict[str, int]:
    r"""Read `/proc/PID/status`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    dict
        `rss_bytes`, `anon_bytes`, `file_bytes`, `shmem_bytes`, `swap_bytes`, `peak_bytes` (of `rss_bytes`) and
        `threads`. A zombie or a thread of
        the kernel has no memory lines: then they are missing.

    Notes
    -----
    From Linux 6.2 on, these are sums of counters per CPU that lag behind by up to some MiB on machines with many
    cores; `smaps_rollup` is exact.

    Examples
    --------
    >>> parse_status("Name:\tapi\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nThreads:\t3\n")
    {'rss_bytes': 2097152, 'anon_bytes': 1048576, 'threads': 3}
    """
    found = fields(text)
    wanted = {
        "rss_bytes": "VmRSS",
        "anon_bytes": "RssAnon",
        "file_bytes": "RssFile",
        "shmem_bytes": "RssShmem",
        "swap_bytes": "VmSwap",
        "peak_bytes": "VmHWM",
    }
    signals = {signal: found[key] * _KIB for signal, key in wanted.items() if key in found}
    return signals | ({"threads": found["Threads"]} if "Threads" in found else {})


def fields(text: str) -> dict[str, int]:
    r"""Read lines such as ``VmRSS:  2048 kB``.

    Parameters
    ----------
    text
        `/proc/PID/status`, `smaps_rollup` or lines of them.

    Returns
    -------
    dict
        Numbers by name, as they stand there.

    Examples
    --------
    >>> fields("Pid:\t7\nVmRSS:\t2048 kB\nName:\tx")
    {'Pid': 7, 'VmRSS': 2048}
    """
    return {name: min(int(number), ABSURD_BYTES >> 10) for name, number in _FIELD.findall(text)}


def process_name(text: str) -> str | None:
    r"""Read the name from `/proc/PID/status`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    str or None
        At most 15 characters, as the kernel keeps it.

    Examples
    --------
    >>> process_name("Name:\tapi\nUmask:\t0022\n")
    'api'
    """
    found = _NAME.search(text)
    return (found[1].strip() or None) if found else None


def parse_memory_stat(text: str) -> dict[str, int]:
    r"""Read `memory.stat` of a cgroup, version 1 or 2.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    dict
        `anon_bytes`, `file_bytes`, `inactive_file_bytes`, `shmem_bytes`, `kernel_bytes` (version 2), `swap_bytes`,
        `refaults_total` (pages of files that were dropped and read again) and `limit_bytes` (version 1, the smallest
        of the cgroup and those above it; missing where there is none). Groups below are included.

    Examples
    --------
    >>> parse_memory_stat("cache 1\nrss 2\ntotal_cache 4096\ntotal_rss 8192\ntotal_inactive_file 0\n")
    {'anon_bytes': 8192, 'file_bytes': 4096, 'inactive_file_bytes': 0}
    >>> parse_memory_stat("anon 8192\nfile 4096\nslab 100\nkernel_stack 10\n")
    {'anon_bytes': 8192, 'file_bytes': 4096, 'kernel_bytes': 110}
    """
    return memory_stat_signals(pairs(text))


def memory_stat_signals(stat: Mapping[str, int]) -> dict[str, int]:
    """Turn the keys of `memory.stat` into signals; Docker's API answers with the same keys.

    Parameters
    ----------
    stat
        Numbers by key.

    Returns
    -------
    dict
        As `parse_memory_stat`.

    Examples
    --------
    >>> memory_stat_signals({"anon": 1, "file": 2})
    {'anon_bytes': 1, 'file_bytes': 2}
    """
    if "anon" in stat:
        signals = {signal: stat[key] for signal, key in _V2.items() if key in stat}
        parts = [stat[part] for part in _KERNEL_PARTS if part in stat]
        return signals if "kernel_bytes" in signals or not parts else signals | {"kernel_bytes": sum(parts)}
    if "rss" not in stat and "total_rss" not in stat:
        return {}
    whole = "total_" if "total_rss" in stat else ""
    signals = {signal: stat[f"{whole}{key}"] for signal, key in _V1.items() if f"{whole}{key}" in stat}
    limit = stat.get("hierarchical_memory_limit", ABSURD_BYTES)
    return signals | ({"limit_bytes": limit} if limit < ABSURD_BYTES else {})


def pairs(text: str) -> dict[str, int]:
    r"""Read lines such as ``anon 8192``.

    Parameters
    ----------
    text
        `memory.stat`, `memory.events` or `memory.oom_control`.

    Returns
    -------
    dict
        Numbers by key.

    Examples
    --------
    >>> pairs("oom 1\noom_kill 2\n")
    {'oom': 1, 'oom_kill': 2}
    """
    return {key: min(int(number), ABSURD_BYTES) for key, number in _PAIR.findall(text)}


def parse_pressure(text: str) -> dict[str, float]:
    r"""Read `memory.pressure`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    dict
        `psi_some_seconds` and `psi_full_seconds`: how long some or all tasks have waited for memory so far.

    Examples
    --------
    >>> parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n")
    {'psi_some_seconds': 1.5}
    """
    return {f"psi_{kind}_seconds": int(total) / 1e6 for kind, total in _STALL.findall(text)}


def parse_amount(text: str) -> int | None:
    r"""Read a file that holds one amount, such as `memory.max`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    int or None
        Bytes; None for ``max`` and for what stands for no limit in version 1, or when there is no number.

    Examples
    --------
    >>> parse_amount("67108864\n"), parse_amount("max\n"), parse_amount("9223372036854771712\n")
    (67108864, None, None)
    """
    word = text.strip()
    if not word.isascii() or not word.isdigit() or len(word) > _MOST_DIGITS:
        return None
    amount = int(word)
    return amount if amount < ABSURD_BYTES else None


def working_set(usage_bytes: int | None, inactive_file_bytes: int | None) -> int | None:
    """Take from the usage what the kernel gives back first, as cAdvisor, the kubelet and Docker do.

    Parameters
    ----------
    usage_bytes, inactive_file_bytes
        Of one cgroup at one instant.

    Returns
    -------
    int or None
        Never below 0; None where one of them is not known.

    Examples
    --------
    >>> working_set(100, 30), working_set(100, None)
    (70, None)
    """
    if usage_bytes is None or inactive_file_bytes is None:
        return None
    return max(0, usage_bytes - inactive_file_bytes)


def process_signals(status: Mapping[str, int], rollup: Mapping[str, int]) -> dict[str, int]:
    """Put together what `status` and `smaps_rollup` say of one process.

    Parameters
    ----------
    status, rollup
        As `parse_status` and `parse_smaps_rollup` read them; either may be empty.

    Returns
    -------
    dict
        `rss_bytes`, `anon_bytes`, `file_bytes` (mapped files), `shmem_bytes`, `swap_bytes`, `peak_bytes`,
        `threads`: from `smaps_rollup`, which is exact, and from `status` what only that has. RSS is the
        sum of the three after it.

    Examples
    --------
    >>> process_signals({"rss_bytes": 90, "shmem_bytes": 10, "threads": 3}, {"rss_bytes": 100, "anon_bytes": 60})
    {'rss_bytes': 100, 'shmem_bytes': 10, 'threads': 3, 'anon_bytes': 60, 'file_bytes': 30}
    """
    exact = {name: rollup[name] for name in ("rss_bytes", "anon_bytes", "swap_bytes") if name in rollup}
    signals = {**status, **exact}
    if "peak_bytes" in signals and "rss_bytes" in signals:
        # The counters behind the peak lag too.
        signals["peak_bytes"] = max(signals["peak_bytes"], signals["rss_bytes"])
    if {"rss_bytes", "anon_bytes"} <= exact.keys() and "shmem_bytes" in status:
        signals["file_bytes"] = max(0, exact["rss_bytes"] - exact["anon_bytes"] - status["shmem_bytes"])
    return signals


def cgroup_signals(files: Mapping[str, str]) -> dict[str, int | float]:
    r"""Turn the files of a cgroup into signals.

    Parameters
    ----------
    files
        Contents by the files' names, such as `memory.stat` and `memory.current`; what is not there is not known.

    Returns
    -------
    dict
        Signals of the samples' schema, `limit_bytes` (0: there is none) and `oom_kills`, how many processes the kernel
        has killed in it so far.

    Examples
    --------
    >>> cgroup_signals({"memory.current": "100\n", "memory.stat": "anon 60\ninactive_file 30\n", "memory.max": "max\n"})
    {'usage_bytes': 100, 'limit_bytes': 0, 'anon_bytes': 60, 'inactive_file_bytes': 30, 'working_set_bytes': 70}
    """
    signals: dict[str, int | float] = {}
    for name, signal in NUMBER_FILES.items():
        text = files.get(name)
        amount = parse_amount(text) if text is not None else None
        if amount is not None:
            signals[signal] = amount
        elif signal == "limit_bytes" and text is not None and text.strip():
            signals[signal] = 0
    stat = parse_memory_stat(files.get("memory.stat", ""))
    # The limit of a group above may be the smaller one.
    above = stat.pop("limit_bytes", None)
    if above is not None:
        signals["limit_bytes"] = min(above, int(signals.get("limit_bytes", 0)) or above)
    signals |= {name: amount for name, amount in stat.items() if name not in signals}
    usage, inactive = signals.get("usage_bytes"), signals.get("inactive_file_bytes")
    if usage is not None and inactive is not None:
        signals["working_set_bytes"] = max(0, usage - inactive)
    signals |= parse_pressure(files.get("memory.pressure", ""))
    for name in ("memory.events", "memory.oom_control"):
        if (kills := pairs(files.get(name, "")).get("oom_kill")) is not None:
            signals["oom_kills"] = kills
    return signals


#: `/kubepods/burstable/pod<uid>/<id>`, `kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope`, `docker/<id>`.
_POD_UID: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_CONTAINER_ID: Final = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?$")


def cgroup_place(path: str) -> dict[str, str | None]:
    """Tell from the path of a cgroup whose it is.

    Parameters
    ----------
    path
        Of the folder.

    Returns
    -------
    dict
        `pod`, `pod_uid` and `container`: of a Kubernetes pod its uid; of a Docker container the first 12 digits of its
        id; else the name of the folder.

    Examples
    --------
    >>> cgroup_place("/sys/fs/cgroup/system.slice/api.service")
    {'pod': None, 'pod_uid': None, 'container': 'api.service'}
    >>> cgroup_place("/sys/fs/cgroup/memory/docker/" + "5" * 64)
    {'pod': '555555555555', 'pod_uid': '555555555555', 'container': None}
    """
    path = path.rstrip("/")
    pod, container = _POD_UID.search(path), _CONTAINER_ID.search(path)
    short = container[1][:12] if container else None
    if pod:
        return {"pod": None, "pod_uid": pod[1].replace("_", "-"), "container": short}
    if short:
        return {"pod": short, "pod_uid": short, "container": None}
    return {"pod": None, "pod_uid": None, "container": path.rpartition("/")[2] or None}
