"""What comes from a real server is what it holds: every byte, every millisecond, every count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import pull, whole
from tests.live.history import END, SCRAPES
from tests.live.servers import T0, Prometheus

if TYPE_CHECKING:
    import rmtoolkit as rm


pytestmark = pytest.mark.usefixtures("both_ways")

_SIGNALS = {
    "container_memory_working_set_bytes": "working_set_bytes",
    "container_memory_rss": "anon_bytes",
    "container_pressure_memory_waiting_seconds_total": "psi_some_seconds",
}


def pairs(recording: rm.Recording, pod: str, signal: str) -> list[tuple[int, float]]:
    """Samples of a pod as `(milliseconds, value)`."""
    ids = recording.containers.filter(pod=pod)["container_id"]
    rows = recording.samples.filter(recording.samples["container_id"].is_in(ids.implode())).drop_nulls(signal)
    return [(round(time.timestamp() * 1000), value) for time, value in rows.select("time", signal).iter_rows()]


@pytest.mark.parametrize("metric", _SIGNALS)
@pytest.mark.parametrize("pod", ["draw-0", "draw-1", "draw-2"])
def test_every_value_and_every_millisecond_is_the_servers(server: Prometheus, metric: str, pod: str) -> None:
    """Random values at random instants, counters too, are equal to what a plain query gives, one by one."""
    recording = whole(server, namespace="exact")
    ((_, there),) = server.raw(f'{metric}{{pod="{pod}"}}', T0 - 1, END + 7).items()
    said = [(round(at * 1000), float(value)) for at, value in there]
    assert pairs(recording, pod, _SIGNALS[metric]) == said
    assert len(said) >= SCRAPES // 2


def test_a_counted_pull_has_as_many_samples_as_the_server(server: Prometheus) -> None:
    """`count_over_time` of the server and the rows of the recording agree, container by container."""
    recording = pull(server, namespace="shop")
    name = 'container_memory_working_set_bytes{namespace="shop",container="api"}'
    for found in server.query(f"count_over_time({name}[{END - T0 + 1}s])", END):
        assert len(pairs(recording, found["metric"]["pod"], "working_set_bytes")) == int(found["value"][1])


def test_what_is_no_number_is_null_and_counted(server: Prometheus) -> None:
    """NaN and infinities become null, a negative amount too; each is counted in the report."""
    recording = pull(server, namespace="exact", pod="draw-0")
    values = [value for _, value in pairs(recording, "draw-0", "file_bytes")]
    assert values == [1048576, 2097152, 1_000_000_000, 3145728, 0, 4194304]
    assert recording.report.left_out["values that were NaN or infinite"] == 3
    assert recording.report.left_out["values that were negative or absurd"] == 1


@pytest.mark.parametrize("budget", [150, 700, 100_000])
def test_pieces_of_any_size_make_the_same_recording(
    server: Prometheus, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the window is cut, no sample at an edge is lost or comes twice."""
    expected = whole(server)
    monkeypatch.setattr("rmtoolkit.loaders.prometheus._fetch.BUDGET", budget)
    cut = pull(server)
    assert cut.samples.equals(expected.samples)
    assert cut.events.equals(expected.events)
    assert cut.containers.equals(expected.containers)
    assert cut.report.left_out == expected.report.left_out


def test_the_window_holds_its_first_and_its_last_instant(server: Prometheus) -> None:
    """A sample at the very start or end belongs to the window, one a millisecond outside does not."""
    from tests.live.conftest import instant

    ((_, there),) = server.raw('container_memory_working_set_bytes{pod="draw-1"}', T0 - 1, END + 7).items()
    first, last = float(there[100][0]), float(there[200][0])
    inside = pull(server, pod="draw-1", start=instant(first), end=instant(last))
    assert len(pairs(inside, "draw-1", "working_set_bytes")) == 101
    smaller = pull(server, pod="draw-1", start=instant(first + 0.001), end=instant(last - 0.001))
    assert len(pairs(smaller, "draw-1", "working_set_bytes")) == 99


def test_peaks_survive_when_the_server_takes_the_highest_of_each_step(server: Prometheus) -> None:
    """With `step=`, each value is the highest of its step, and the highest of all is not lost."""
    whole, stepped = pull(server, namespace="exact"), pull(server, namespace="exact", step="10m")
    for pod in ("draw-0", "draw-1", "draw-2"):
        fine, coarse = (pairs(one, pod, "working_set_bytes") for one in (whole, stepped))
        assert max(value for _, value in fine) == max(value for _, value in coarse)
        for at, value in coarse:
            # Both ends of a step belong to it on a server before version 3.
            assert value == max(v for t, v in fine if at - 600_000 <= t <= at)
    assert stepped.samples.height < whole.samples.height / 10
    assert "highest value of every 600 s" in stepped.report.asked


def test_more_steps_than_a_server_allows_are_shared_out(server: Prometheus) -> None:
    """A step of a second over four hours is more than 11,000 points, which Prometheus refuses in one request."""
    from tests.live.conftest import instant

    stepped = pull(server, pod="lone-0", step="1s", start=instant(END - 14_400), end=instant(END))
    values = [value for _, value in pairs(stepped, "lone-0", "working_set_bytes")]
    # Two scrapes have 2 steps each that hold them: a step's beginning belongs to it.
    assert set(values) == {33 << 20}
    assert len(values) >= SCRAPES
