"""Releases: what a new version proves, and when it has not run for long enough to prove anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rmtoolkit.analysis.judge import classify
from tests.analysis.curves import GI, MI, ar1, hours, record, together

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording


def in_place(minutes: int, growth: float) -> Recording:
    """A day of a leak of 192 MiB; then for some minutes a new version that grows by so many MiB a day."""
    rng = np.random.default_rng(5)
    t = hours(24, 60)
    at = 24 - minutes / 60
    curve = np.where(t < at, 200 + 8 * t, 200 + growth * (t - at) / 24)
    return record(
        t,
        {"working_set_bytes": (curve + ar1(rng, len(t), 1.0, 0.7)) * MI},
        version=["1.0" if moment < at else "1.1" for moment in t],
        limit_bytes=GI,
    )


def rolled_out(minutes: int, growth: float, *, canary: bool = False) -> Recording:
    """Two pods that leak for a day; two pods of a new version that replace them, or run beside them at the end."""
    rng = np.random.default_rng(6)
    begin = 24 - minutes / 60 if canary else 24.0
    pods = []
    for number in range(2):
        t = hours(24, 60)
        curve = 200 + 100 * t / 24 + ar1(rng, len(t), 1.0, 0.7)
        more: dict[str, Any] = {} if canary else {"events": [(24.0, "end", None)]}
        signals = {"working_set_bytes": curve * MI}
        pods.append(record(t, signals, pod=f"old-{number}", version="1.0", limit_bytes=GI, **more))
        t = begin + np.arange(1, minutes + 1) / 60
        curve = 200 + growth * (t - begin) / 24 + ar1(rng, len(t), 1.0, 0.7)
        signals = {"working_set_bytes": curve * MI}
        events = [(begin, "start", None)]
        pods.append(record(t, signals, pod=f"new-{number}", version="1.1", limit_bytes=GI, events=events))
    return together(pods)


def judged(recording: Recording) -> dict[str, Any]:
    """The row of the only workload."""
    rows = classify(recording).rows(named=True)
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("minutes", [1, 6, 15, 60, 240])
@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_a_release_that_has_just_begun_fixes_nothing(minutes: int, replaced: bool) -> None:
    """A restart into a new version just before the last sample neither fixes the leak nor carries it on."""
    row = judged(rolled_out(minutes, 0.0) if replaced else in_place(minutes, 0.0))
    assert row["verdict"] == "inconclusive", row["explanation"]
    assert "1.1" in row["explanation"]
    assert row["next_step"].startswith("Wait until")


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_a_release_that_was_seen_for_long_enough_fixes(replaced: bool) -> None:
    """Flat for twelve hours after a leak of a day, or of twelve hours: fixed, and the version is named."""
    row = judged(rolled_out(720, 0.0) if replaced else in_place(720, 0.0))
    assert row["verdict"] == "not_leak"
    assert "version 1.1 fixed it" in row["explanation"]


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_a_leak_that_goes_on_under_a_new_version(replaced: bool) -> None:
    """A young version that grows as the old one did is no news: the leak goes on."""
    row = judged(rolled_out(300, 100.0) if replaced else in_place(300, 192.0))
    assert row["verdict"] == "leak", row["explanation"]


def test_a_canary_clears_no_pods_that_still_leak() -> None:
    """New pods beside old ones that still run and leak: the workload leaks."""
    assert judged(rolled_out(60, 0.0, canary=True))["verdict"] == "leak"


def test_a_restart_of_the_same_version_changes_nothing() -> None:
    """A restart just before the last sample is no release: the leak is still one."""
    t = hours(24, 60)
    curve = np.where(t < 23.9, 200 + 8 * t, 200) + ar1(np.random.default_rng(5), len(t), 1.0, 0.7)
    signals = {"working_set_bytes": curve * MI}
    row = judged(record(t, signals, version="1.0", limit_bytes=GI, events=[(23.9, "start", None)]))
    assert row["verdict"] == "leak"
    assert "fixed" not in row["explanation"]
