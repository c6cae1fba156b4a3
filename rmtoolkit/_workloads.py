"""From a pod's name to the workload that owns it, for sources without owner data."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote

# Kubernetes draws random suffixes from this alphabet: no vowels and no 0, 1, 3, so no words appear.
_SAFE: Final = "[bcdfghjklmnpqrstvwxz2456789]"

# Order matters: the longest form first. Sources: apimachinery rand.SafeEncodeString, controller naming.
_FORMS: Final = (
    ("CronJob", rf"^(?P<workload>.+)-[0-9]{{8,11}}-{_SAFE}{{5}}$"),
    ("Deployment", rf"^(?P<workload>.+)-{_SAFE}{{6,10}}-{_SAFE}{{5}}$"),
    ("StatefulSet", r"^(?P<workload>.+)-[0-9]{1,4}$"),
    # One suffix is a DaemonSet or a Job: the name alone cannot tell them apart.
    (None, rf"^(?P<workload>.+)-{_SAFE}{{5}}$"),
)


def infer(pod: pl.Expr, pattern: str | None = None) -> pl.Expr:
    """Infer workload and kind from pod names."""
    workload = pl.lit(None, dtype=pl.String)
    kind = pl.lit(None, dtype=pl.String)
    if pattern is not None:
        workload = pod.str.extract(pattern, _owner_group(pattern))
    own = workload
    for name, form in _FORMS:
        found = pod.str.extract(form, 1)
        kind = pl.coalesce(
            kind,
            pl.when(own.is_null() & workload.is_null() & found.is_not_null()).then(pl.lit(name, dtype=pl.String)),
        )
        workload = pl.coalesce(workload, found)
    return pl.struct(workload=pl.coalesce(workload, pod), workload_kind=kind)


def _owner_group(pattern: str) -> int:
    """Find the group named ``workload`` in a user's pattern, or say what is wrong with it."""
    try:
        groups = re.compile(pattern).groupindex
        # Polars has an engine of its own, without look-around and back references.
        pl.Series([""]).str.extract(pattern)
    except (re.error, pl.exceptions.ComputeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line.startswith("error: ")), lines[0]).removeprefix("error: ")
        msg = f"The workload pattern {quote(pattern)} is no regular expression for pod names: {reason}."
        raise RmtoolkitError(msg) from error
    if "workload" not in groups:
        msg = f"The workload pattern {quote(pattern)} needs a group (?P<workload>…)."
        raise RmtoolkitError(msg)
    return groups["workload"]
