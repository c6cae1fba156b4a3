"""Restarts, reasons, limits, releases: each thing that happened is one event."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit._identity import Image, releases, version_of
from rmtoolkit.loaders.prometheus._events import Run, Seen, events_of

if TYPE_CHECKING:
    from tests.loaders.conftest import Prom

WORKING_SET = "container_memory_working_set_bytes"
RESTARTS = "kube_pod_container_status_restarts_total"
REASON = "kube_pod_container_status_last_terminated_reason"
LIMITS = "kube_pod_container_resource_limits"
STARTED = "container_start_time_seconds"


def memory(prom: Prom, count: int = 40, **more: Any) -> dict[str, Any]:
    return prom.series(WORKING_SET, [100] * count, labels=prom.pod(), **more)


def limit(prom: Prom, value: int = 512 << 20) -> dict[str, Any]:
    return prom.series(LIMITS, [value] * 40, labels=prom.pod(resource="memory", unit="byte"))


def test_a_counted_restart_with_its_reason(prom: Prom) -> None:
    """The counter says that, the start time says when, the reason says why, the limit says how much."""
    recording = prom.read(
        memory(prom),
        limit(prom),
        prom.series(RESTARTS, [3] * 20 + [4] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason="OOMKilled")),
        prom.series("kube_pod_container_status_last_terminated_exitcode", [137] * 20, at=600, labels=prom.pod()),
        prom.series(
            "kube_pod_container_status_last_terminated_timestamp", [prom.t0 + 591] * 20, at=600, labels=prom.pod()
        ),
        prom.series("kube_pod_container_state_started", [prom.t0 - 50] * 20 + [prom.t0 + 594] * 20, labels=prom.pod()),
    )
    assert prom.events(recording) == [
        (-50, "start", None, None),
        (591, "oom_kill", 512 << 20, "OOMKilled, exit code 137"),
        (594, "start", None, None),
    ]
    assert recording.report.found == ("limits", "restarts", "reasons", "start times")


@pytest.mark.parametrize(
    ("reason", "kind", "value"),
    [
        ("OOMKilled", "oom_kill", 512 << 20),
        ("Error", "error", None),
        ("Completed", "end", None),
        ("StartError", "error", None),
    ],
)
def test_reasons(prom: Prom, reason: str, kind: str, value: int | None) -> None:
    """Only the cgroup's own kill says anything about the limit."""
    recording = prom.read(
        memory(prom),
        limit(prom),
        prom.series(RESTARTS, [0] * 20 + [1] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason=reason)),
    )
    assert prom.events(recording) == [(600, kind, value, reason), (600, "start", None, "restart counted")]


def test_a_sticky_reason_is_never_counted(prom: Prom) -> None:
    """The reason stays for as long as the container lives: without a restart it says nothing new."""
    recording = prom.read(
        memory(prom),
        prom.series(RESTARTS, [7] * 40, labels=prom.pod()),
        prom.series(REASON, [1] * 40, labels=prom.pod(reason="OOMKilled")),
    )
    assert recording.events.height == 0


def test_a_sticky_reason_with_a_known_start_is_never_counted(prom: Prom) -> None:
    """Nor does it when the start of the life that goes on is told: that start follows nothing in the window."""
    recording = prom.read(
        memory(prom),
        limit(prom),
        prom.series(RESTARTS, [7] * 40, labels=prom.pod()),
        prom.series(REASON, [1] * 40, labels=prom.pod(reason="OOMKilled")),
        prom.series("kube_pod_container_state_started", [prom.t0 - 50] * 40, labels=prom.pod()),
    )
    assert prom.events(recording) == [(-50, "start", None, None)]


def test_two_restarts_in_consecutive_scrapes(prom: Prom) -> None:
    """Each rise of the counter is a start of its own, however near the next is."""
    recording = prom.read(memory(prom), prom.series(RESTARTS, [3] * 20 + [4] + [5] * 19, labels=prom.pod()))
    assert [event[:2] for event in prom.events(recording)] == [(600, "start"), (630, "start")]


def test_a_reason_that_changes(prom: Prom) -> None:
    """Each restart gets the reason told after it, though the old one lingers for a while."""
    recording = prom.read(
        memory(prom, 60),
        prom.series(RESTARTS, [0] * 10 + [1] * 20 + [2] * 30, labels=prom.pod()),
        prom.series(REASON, [1] * 28, at=300, labels=prom.pod(reason="OOMKilled")),
        prom.series(REASON, [1] * 30, at=900, labels=prom.pod(reason="Error")),
    )
    assert [event[:2] for event in prom.events(recording)] == [
        (300, "oom_kill"),
        (300, "start"),
        (900, "error"),
        (900, "start"),
    ]


def test_several_restarts_between_two_scrapes(prom: Prom) -> None:
    """A counter that jumps by three is one event that says so; only the last reason is known."""
    recording = prom.read(
        memory(prom),
        prom.series(RESTARTS, [0] * 20 + [3] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason="Error")),
    )
    assert prom.events(recording) == [(600, "error", None, "Error"), (600, "start", None, "3 restarts counted at once")]


def test_a_restart_of_unknown_reason(prom: Prom) -> None:
    """Without a reason there is a start and no invented end."""
    recording = prom.read(memory(prom), prom.series(RESTARTS, [0] * 20 + [1] * 20, labels=prom.pod()))
    assert prom.events(recording) == [(600, "start", None, "restart counted")]


def test_only_the_start_time_changes(prom: Prom) -> None:
    """Start times alone are enough for starts; they need not rise at the scrape."""
    recording = prom.read(
        memory(prom),
        prom.series(STARTED, [prom.t0 - 900] * 20 + [prom.t0 + 590] * 20, labels=prom.pod()),
    )
    assert prom.events(recording) == [(-900, "start", None, None), (590, "start", None, None)]


def test_a_reason_told_once_at_the_end(prom: Prom) -> None:
    """People save reasons as an instant query: it is about the last restart before it."""
    recording = prom.read(
        memory(prom, 200),
        prom.series(STARTED, [prom.t0 - 900] * 20 + [prom.t0 + 590] * 180, labels=prom.pod()),
        prom.series(REASON, [1], at=5970, labels=prom.pod(reason="OOMKilled")),
    )
    assert [event[:2] for event in prom.events(recording)] == [(-900, "start"), (590, "oom_kill"), (590, "start")]


def test_a_process_starts_after_its_container(prom: Prom) -> None:
    """A process's own start time counts only where nobody tells the container's."""
    process = prom.series("process_start_time_seconds", [prom.t0 + 5] * 20 + [prom.t0 + 640] * 20, labels=prom.pod())
    alone = prom.read(memory(prom), process)
    assert [event[:2] for event in prom.events(alone)] == [(0, "start"), (640, "start")]
    both = prom.read(memory(prom), process, prom.series(STARTED, [prom.t0 - 70] * 40, labels=prom.pod()))
    assert prom.events(both) == [(-70, "start", None, None)]


def test_start_times_that_jitter(prom: Prom) -> None:
    """A start time that wobbles by a second is one start."""
    values = [prom.t0 - 70.4 + 0.9 * (number % 2) for number in range(40)]
    recording = prom.read(memory(prom), prom.series("process_start_time_seconds", values, labels=prom.pod()))
    assert recording.events["kind"].to_list() == ["start"]


def test_who_counts_restarts_was_away(prom: Prom) -> None:
    """A restart while kube-state-metrics was away is one start, when the new container is seen, with its reason."""
    first, second = (
        prom.series(WORKING_SET, [100] * count, at=at, labels=prom.pod(id=f"/{name}"))
        for name, at, count in (("a", 0, 40), ("b", 1200, 80))
    )
    recording = prom.read(
        first,
        second,
        prom.series(LIMITS, [512 << 20] * 120, labels=prom.pod(resource="memory")),
        prom.series(RESTARTS, [0] * 20, labels=prom.pod()),
        prom.series(RESTARTS, [1] * 20 + [2] * 20, at=2400, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=2400, labels=prom.pod(reason="OOMKilled")),
        prom.series(REASON, [1] * 20, at=3000, labels=prom.pod(reason="Error")),
    )
    assert prom.events(recording) == [
        (1170, "oom_kill", 512 << 20, "OOMKilled"),
        (1200, "start", None, "restart counted"),
        (3000, "error", None, "Error"),
        (3000, "start", None, "restart counted"),
    ]


@pytest.mark.parametrize("ahead", [30, 600], ids=["a little", "by minutes"])
def test_a_start_that_is_told_before_it_happens_is_of_a_wrong_clock(prom: Prom, ahead: int) -> None:
    """A clock that is wrong by less than a minute is that of any two machines."""
    told = prom.series(STARTED, [prom.t0 + ahead] * 40, labels=prom.pod())
    assert [event[1] for event in prom.events(prom.read(memory(prom), told))] == ["start"] * (ahead == 30)


@pytest.mark.parametrize("step", [600, 3600])
def test_a_start_within_the_first_interval_is_kept(prom: Prom, step: int) -> None:
    """An answer that stands at the begin of what it is about tells of a start after it."""
    told = prom.series(STARTED, [prom.t0 + 480] * 40, labels=prom.pod(), step=step)
    held = prom.series(WORKING_SET, [1] * 40, labels=prom.pod(), step=step)
    assert prom.events(prom.read(held, told)) == [(480, "start", None, None)]


def test_the_pods_start_stands_for_its_containers(prom: Prom) -> None:
    """Shortly before the first sample, the pod's start is the container's; long before, it says nothing."""
    pod = {"namespace": "shop", "pod": prom.pod()["pod"]}
    near = prom.read(memory(prom), prom.series("kube_pod_start_time", [prom.t0 - 40] * 40, labels=pod))
    assert prom.events(near) == [(-40, "start", None, "the pod's start")]
    far = prom.read(memory(prom), prom.series("kube_pod_start_time", [prom.t0 - 4000] * 40, labels=pod))
    assert far.events.height == 0


def test_cadvisors_kills_are_not_counted_twice(prom: Prom) -> None:
    """A kill that the reason tells and cAdvisor counts is one; a kill of another process is one of its own."""
    series = [
        memory(prom),
        limit(prom),
        prom.series("container_oom_events_total", [0] * 19 + [1] * 12 + [3] * 9, labels=prom.pod()),
    ]
    alone = prom.read(*series)
    assert prom.events(alone) == [
        (570, "oom_kill", 512 << 20, "1 counted by cAdvisor"),
        (930, "oom_kill", 512 << 20, "2 counted by cAdvisor"),
    ]
    both = prom.read(
        *series,
        prom.series(RESTARTS, [0] * 20 + [1] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason="OOMKilled")),
    )
    assert [event[:2] for event in prom.events(both)] == [(600, "oom_kill"), (600, "start")]


def test_cadvisors_kills_long_after_are_others(prom: Prom) -> None:
    """More than a lookback after the kill that is told, another count is another kill."""
    recording = prom.read(
        memory(prom, 80),
        prom.series("container_oom_events_total", [0] * 40 + [1] * 40, labels=prom.pod()),
        prom.series(RESTARTS, [0] * 20 + [1] * 60, labels=prom.pod()),
        prom.series(REASON, [1] * 60, at=600, labels=prom.pod(reason="OOMKilled")),
    )
    assert [event[:2] for event in prom.events(recording)] == [(600, "oom_kill"), (600, "start"), (1200, "oom_kill")]


def test_a_kill_without_a_limit_is_the_nodes(prom: Prom) -> None:
    """A container known to have no limit can only be killed because the node ran out of memory."""
    recording = prom.read(
        memory(prom),
        prom.series("container_spec_memory_limit_bytes", [0] * 40, labels=prom.pod()),
        prom.series(RESTARTS, [0] * 20 + [1] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason="OOMKilled")),
    )
    assert [event[:3] for event in prom.events(recording)] == [(600, "node_oom", None), (600, "start", None)]
    assert recording.containers.select("limit_bytes", "limit_known").row(0) == (None, True)


def test_evictions_are_their_own_kind(prom: Prom) -> None:
    """An evicted pod was not killed by its cgroup; what its containers' exit looks like does not matter."""
    pod = {"namespace": "shop", "pod": prom.pod()["pod"]}
    recording = prom.read(
        memory(prom, 20),
        prom.series("kube_pod_status_reason", [0] * 22 + [1] * 18, labels=pod | {"reason": "Evicted"}),
        prom.series("kube_pod_status_reason", [0] * 40, labels=pod | {"reason": "NodeLost"}),
        prom.series("kube_pod_container_status_terminated_reason", [1] * 18, at=630, labels=prom.pod(reason="Error")),
    )
    assert prom.events(recording) == [(630, "evicted", None, "Evicted")]


def test_a_container_that_ended_for_good(prom: Prom) -> None:
    """A job's end is told by its terminated state; seen for the first time later, it is dated by the last sample."""
    state = "kube_pod_container_status_terminated_reason"
    seen = prom.read(memory(prom, 20), prom.series(state, [0] * 20 + [1] * 9, labels=prom.pod(reason="Completed")))
    assert prom.events(seen) == [(600, "end", None, "Completed")]
    later = prom.read(memory(prom, 20), prom.series(state, [1], at=9000, labels=prom.pod(reason="Completed")))
    assert prom.events(later) == [(570, "end", None, "Completed")]
    alive = prom.read(memory(prom, 400), prom.series(state, [1], at=600, labels=prom.pod(reason="Completed")))
    assert alive.events.height == 0


def test_a_kill_that_no_restart_has_followed_yet(prom: Prom) -> None:
    """In a CrashLoopBackOff only the reason of the last termination tells of it, and it counts once."""
    seen = [memory(prom, 20), limit(prom)]
    appears = prom.series(REASON, [1] * 18, at=630, labels=prom.pod(reason="OOMKilled"))
    assert prom.events(prom.read(*seen, appears)) == [(630, "oom_kill", 512 << 20, "OOMKilled")]
    restarted = prom.series(RESTARTS, [0] * 21 + [1] * 19, labels=prom.pod())
    told = [event[:2] for event in prom.events(prom.read(*seen, appears, restarted))]
    assert told == [(630, "oom_kill"), (630, "start")]
    always = prom.series(REASON, [1] * 40, labels=prom.pod(reason="OOMKilled"))
    assert prom.events(prom.read(*seen, always)) == []


def test_a_second_kill_is_told_by_its_time(prom: Prom) -> None:
    """The reason stays the same from kill to kill; when it was is said apart."""
    stamps = [prom.t0 + 300] * 12 + [prom.t0 + 650] * 18
    recording = prom.read(
        memory(prom, 22),
        limit(prom),
        prom.series(RESTARTS, [1] * 10 + [2] * 30, labels=prom.pod()),
        prom.series(REASON, [1] * 40, labels=prom.pod(reason="OOMKilled")),
        prom.series("kube_pod_container_status_last_terminated_timestamp", stamps, at=300, labels=prom.pod()),
    )
    kinds = [event[:2] for event in prom.events(recording)]
    assert kinds == [(300, "oom_kill"), (300, "start"), (650, "oom_kill")]


def test_restart_told_while_waiting(prom: Prom) -> None:
    """A crash shows first as terminated, then as a restart: one end, at the earlier time."""
    recording = prom.read(
        memory(prom, 60),
        prom.series("kube_pod_container_status_terminated_reason", [1] * 3, at=540, labels=prom.pod(reason="Error")),
        prom.series(REASON, [1] * 30, at=630, labels=prom.pod(reason="Error")),
        prom.series(RESTARTS, [0] * 25 + [1] * 35, labels=prom.pod()),
    )
    assert [event[:2] for event in prom.events(recording)] == [(540, "error"), (750, "start")]


def test_two_copies_of_kube_state_metrics(prom: Prom) -> None:
    """The same fact told by two exporters, a little later by one of them, happened once."""
    series = [memory(prom), limit(prom)]
    for instance, shift in (("10.0.0.1:8080", 0), ("10.0.0.2:8080", 11)):
        labels = prom.pod(instance=instance)
        series.append(prom.series(RESTARTS, [0] * 20 + [1] * 20, at=shift, labels=labels))
        series.append(prom.series(REASON, [1] * 20, at=600 + shift, labels=labels | {"reason": "OOMKilled"}))
    recording = prom.read(*series)
    assert [event[:2] for event in prom.events(recording)] == [(600, "oom_kill"), (600, "start")]


@pytest.mark.parametrize(
    ("first", "second", "begins", "doubted"),
    [
        ([256] * 40, [512] * 40, 0, True),
        ([256] * 22, [512] * 20, 600, False),
        ([256] * 38, [512] * 8, 1110, False),
        ([256] * 20 + [512] * 20, [256] * 21 + [512] * 19, 0, False),
        ([256] * 40, [256] * 39 + [512], 0, False),
    ],
    ids=[
        "two truths",
        "one relieves the other",
        "one relieves the other at the end",
        "a scrape apart",
        "a change at the very end",
    ],
)
def test_two_that_tell_other_limits_are_told(
    prom: Prom, first: list[int], second: list[int], begins: int, *, doubted: bool
) -> None:
    """Of two exporters that disagree to the end the longer one is used, and it is said whose limit is in doubt."""
    told = [
        prom.series(LIMITS, [mib << 20 for mib in values], at=at, labels=prom.pod(resource="memory", instance=name))
        for name, values, at in (("10.0.0.1:8080", first, 0), ("10.0.0.2:8080", second, begins))
    ]
    said = "'api' told with another limit or request by a second exporter"
    with pytest.warns(rm.RmtoolkitWarning, match=said) if doubted else nullcontext():
        recording = prom.read(memory(prom), *told)
    assert recording.report.unusable == ((said,) if doubted else ())


def test_a_container_made_anew_has_a_limit_of_its_own(prom: Prom) -> None:
    """What cAdvisor says of the one before it, up to the end of the data, is no other opinion."""
    spec = "container_spec_memory_limit_bytes"
    told = [
        prom.series(spec, [mib << 20] * count, at=at, labels=prom.pod(id=f"/{name}"))
        for name, mib, at, count in (("a", 256, 0, 40), ("b", 512, 1110, 3))
    ]
    assert prom.read(memory(prom), *told).report.unusable == ()


def test_limits_that_change(prom: Prom) -> None:
    """A resize is an event, with the value before it at its first sight; the row has the last value."""
    recording = prom.read(
        memory(prom),
        prom.series(LIMITS, [512 << 20] * 20 + [1024 << 20] * 20, labels=prom.pod(resource="memory")),
        prom.series(LIMITS, [2] * 40, labels=prom.pod(resource="cpu")),
        prom.series("kube_pod_container_resource_requests", [256] * 40, labels=prom.pod(resource="memory")),
        prom.series("container_spec_memory_limit_bytes", [0] * 40, labels=prom.pod()),
    )
    assert prom.events(recording) == [(0, "limit", 512 << 20, None), (600, "limit", 1024 << 20, None)]
    row = recording.containers.select("limit_bytes", "limit_known", "request_bytes").row(0)
    assert row == (1024 << 20, True, 256)


def test_the_limit_at_the_time_of_the_kill(prom: Prom) -> None:
    """A kill carries the limit that was in force, not the one that came after."""
    recording = prom.read(
        memory(prom),
        prom.series(LIMITS, [512 << 20] * 30 + [1024 << 20] * 10, labels=prom.pod(resource="memory")),
        prom.series(RESTARTS, [0] * 20 + [1] * 20, labels=prom.pod()),
        prom.series(REASON, [1] * 20, at=600, labels=prom.pod(reason="OOMKilled")),
    )
    assert [event[2] for event in prom.events(recording) if event[1] == "oom_kill"] == [512 << 20]


def test_no_limit_is_not_an_unknown_limit(prom: Prom) -> None:
    """Nothing said is unknown; zero, and the kernel's largest number, is none."""
    unknown = prom.read(memory(prom))
    assert unknown.containers.select("limit_bytes", "limit_known").row(0) == (None, False)
    for value in (0, 9223372036854771712, 18446744073709551615):
        spec = prom.series("container_spec_memory_limit_bytes", [value] * 40, labels=prom.pod())
        assert prom.read(memory(prom), spec).containers.select("limit_bytes", "limit_known").row(0) == (None, True)


def test_releases_across_pods(prom: Prom) -> None:
    """The first pod of a new version is the release; pods that follow are not; rolling back is another."""
    info = "kube_pod_container_info"
    names = [f"api-7d4b9c8f6{letter}-m8rtz" for letter in "bcdf"]
    plan = [(names[0], "1", 0, 40), (names[1], "2", 900, 60), (names[2], "2", 960, 60), (names[3], "1", 2700, 40)]
    series = []
    for pod, version, at, count in plan:
        labels = prom.pod(pod=pod)
        image = {"image": f"registry:5000/shop/api:{version}"}
        series.append(prom.series(WORKING_SET, [9] * count, at=at, labels=labels))
        # Told a minute later than the first sample of memory.
        series.append(prom.series(info, [1] * count, at=at + 60, labels=labels | image))
    recording = prom.read(*series)
    found = recording.events.join(recording.containers, on="container_id", maintain_order="left")
    assert [
        (row[0], row[1].timestamp() - prom.t0, row[2]) for row in found.select("pod", "time", "detail").iter_rows()
    ] == [
        (names[1], 900, "2"),
        (names[3], 2700, "1"),
    ]
    assert recording.containers["version"].to_list() == ["1", "2", "2", "1"]


@pytest.mark.parametrize(
    ("image", "image_id", "version"),
    [
        ("api:1.2", None, "1.2"),
        ("registry:5000/shop/api:1.2@sha256:" + "a" * 64, None, "1.2"),
        ("registry:5000/shop/api", None, None),
        ("registry:5000/shop/api", "api@sha256:" + "b" * 64, "b" * 12),
        ("sha256:" + "c" * 64, None, "c" * 12),
        ("api:latest", None, "latest"),
        (None, None, None),
    ],
)
def test_versions(image: str | None, image_id: str | None, version: str | None) -> None:
    """The tag, else the beginning of the digest."""
    assert version_of(image, image_id) == version


def test_a_version_that_pauses_is_no_release() -> None:
    """A version whose only pod is moved is the same version after the gap."""
    images = [Image(0, "api", "1", 0, 1000), Image(1, "api", "1", 9000, 10_000)]
    assert releases(images, slack=10) == []


RUNS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 400_000), st.integers(0, 400_000)),
    max_size=6,
).map(
    lambda parts: [
        Run(float(value), begin, begin + length, None if index == 0 else begin - 1, "OOMKilled")
        for index, (value, begin, length) in enumerate(
            (value, sum(a + b for _, a, b in parts[:number]) + gap, length)
            for number, (value, gap, length) in enumerate(parts)
        )
    ],
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "restarts_total",
                "start_time_seconds",
                "last_terminated_reason",
                "last_terminated_timestamp",
                "terminated_reason",
                "pod_reason",
                "oom_events_total",
                "limit_bytes",
            ),
            RUNS,
        ),
    ),
    st.one_of(st.just((None, None)), st.tuples(st.integers(0, 10**6), st.integers(10**6, 10**7))),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(10**6, 10**7)), max_size=3),
)
def test_any_facts_give_orderly_events(
    runs: dict[str, list[Run]],
    span: tuple[int | None, int | None],
    replaced: list[tuple[int, int]],
) -> None:
    """Whatever is told, events come in order, and no two kills are told of one life by the reason."""
    events = events_of(Seen(runs, *span, replaced))
    assert [event.time for event in events] == sorted(event.time for event in events)
    starts = sum(event.kind == "start" for event in events)
    told = [event for event in events if event.detail == "OOMKilled"]
    assert len(told) <= starts + 1


Told = dict[int, int | None]


def ends_in_export(prom: Prom, *series: tuple[str, str, str, Told]) -> list[tuple[str, float]]:
    """What ends, and when, in lines of an export: metric, pod, job and values by second, null where a series ended."""
    lines: list[dict[str, Any]] = [
        {
            "metric": {"__name__": name, "job": job, **prom.pod(pod)},
            "values": list(told.values()),
            "timestamps": [1000 * (prom.t0 + second) for second in told],
        }
        for name, pod, job, told in series
    ]
    recording = rm.read_prometheus(prom.save(b"\n".join(map(msgspec.json.encode, lines))))
    ends = recording.events.filter(kind="end", detail="no longer there")
    named = ends.join(recording.containers.select("container_id", "pod"), on="container_id")
    return [(pod, time.timestamp() - prom.t0) for pod, time in named.select("pod", "time").iter_rows()]


@pytest.mark.parametrize(
    ("gone", "other", "job", "ends"),
    [
        pytest.param([{0: 5, 30: 5, 60: None}], {0: 5, 60: 5}, "a", [60], id="seen at that scrape"),
        pytest.param([{0: 5, 30: 5, 60: None}], {0: 5, 90: 5}, "a", [60], id="seen later"),
        pytest.param([{0: 5, 30: 5, 60: None}], {0: 5, 59: 5}, "a", [], id="the exporter was silent too"),
        pytest.param([{0: 5, 30: 5, 60: None}], {0: 5, 90: 5}, "b", [], id="another exporter goes on"),
        pytest.param([{0: 5, 30: None, 60: 5}], {0: 5, 90: 5}, "a", [], id="it came back"),
        pytest.param([{0: 5, 30: None, 60: 5, 90: None}], {0: 5, 90: 5}, "a", [90], id="it came back and went"),
        pytest.param([{0: 5, 60: 5}, {0: 5, 60: None}], {0: 5, 90: 5}, "a", [], id="another series has a value then"),
        pytest.param([{0: 5, 60: None}, {0: 5, 90: None}], {0: 5, 90: 5}, "a", [90], id="the last of its series"),
        pytest.param([{0: 5, 60: 5}, {30: None}], {0: 5, 90: 5}, "a", [], id="a series that had ended before"),
        pytest.param([{60: None}], {0: 5, 60: 5}, "a", [], id="all had ended before"),
    ],
)
def test_a_marker_is_an_end_while_its_exporter_goes_on(
    prom: Prom, gone: list[Told], other: Told, job: str, ends: list[float]
) -> None:
    """A series that ends tells of its container only what the others of its exporter do not share."""
    names = (WORKING_SET, "container_memory_rss")
    series = [(name, "gone-0", "a", told) for name, told in zip(names, gone, strict=False)]
    series.append((WORKING_SET, "other-0", job, other))
    found = [("gone-0", end) for end in ends]
    assert ends_in_export(prom, *series) == ends_in_export(prom, *reversed(series)) == found
