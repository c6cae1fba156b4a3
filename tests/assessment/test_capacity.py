"""What nodes and quotas hold, from a dump of a cluster's objects beside a log of its memory."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.assessment._totals import capacity_of
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.recording import Recording
from rmtoolkit.views import report

MI = 1 << 20
GI = 1 << 30


def _pod(
    number: int, *, node: str, namespace: str = "shop", request: int | None = 800 * MI, rows: int = 300
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": range(0, rows * 600, 600),
            "node": node,
            "namespace": namespace,
            "workload": f"{namespace}-api",
            "pod": f"api-{number}",
            "container": "app",
            "working_set_bytes": [100 * MI + number] * rows,
            "limit_bytes": 1000 * MI,
            "request_bytes": request,
        },
        schema_overrides={"request_bytes": pl.Int64},
    )


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Three pods on two nodes, one of them gone after a third of the time, and one without a request."""
    table = pl.concat(
        [
            _pod(0, node="n1"),
            _pod(1, node="n2"),
            _pod(2, node="n1", rows=100),
            _pod(0, node="n2", namespace="ops", request=None),
        ]
    )
    found = Recording.from_frame(table)
    told = replace(
        found.report,
        nodes={"n1": 4 * GI, "n2": 2 * GI, "idle": GI},
        quotas={"shop/memory requests.memory": 2 * GI, "shop/memory limits.memory": 3 * GI, "none/q limits.memory": GI},
    )
    return replace(found, report=told)


def test_requests_are_added_up_by_node(recording: Recording) -> None:
    """What runs at the end counts, on its node; what is gone does not; what has no request is told apart."""
    found = {row["name"]: row for row in rm.assess(recording).capacity.filter(kind="node").to_dicts()}
    assert {name: (row["containers"], row["unknown"], row["now_bytes"]) for name, row in found.items()} == {
        "n1": (1, 0, 800 * MI),
        "n2": (2, 1, 800 * MI),
        "idle": (0, 0, 0),
    }


@pytest.mark.parametrize(("rows", "runs"), [(295, True), (294, False)], ids=["five scrapes", "six"])
def test_who_missed_more_than_five_scrapes_is_gone(rows: int, *, runs: bool) -> None:
    """As long as that a scrape may fail."""
    found = Recording.from_frame(pl.concat([_pod(0, node="n1"), _pod(1, node="n1", rows=rows)]))
    told = replace(found, report=replace(found.report, nodes={"n1": 4 * GI}))
    assert rm.assess(told).capacity.filter(kind="node")["containers"].to_list() == [1 + runs]


def test_all_nodes_are_the_sum_of_each(recording: Recording) -> None:
    """One row adds up what the nodes hold; without a node there is none, and nothing is added up of quotas."""
    capacity = rm.assess(recording).capacity
    each, whole = (capacity.filter(kind=kind).drop("kind", "name") for kind in ("node", "nodes"))
    assert whole.height == 1
    assert whole.row(0) == each.sum().row(0)
    bare = replace(recording, report=replace(recording.report, nodes={}))
    assert rm.assess(bare).capacity["kind"].unique().to_list() == ["quota"]


def test_proposals_free_what_they_lower(recording: Recording) -> None:
    """What is freed is what the advised requests and limits are lower, pod by pod."""
    assessed = rm.assess(recording)
    row = assessed.workloads.filter(namespace="shop").row(0, named=True)
    found = {row["name"]: row for row in assessed.capacity.to_dicts()}
    assert found["n1"]["freed_bytes"] == 800 * MI - row["advised_request_bytes"] > 0
    assert found["shop/memory requests.memory"]["freed_bytes"] == 2 * (800 * MI - row["advised_request_bytes"])
    assert found["shop/memory limits.memory"]["then_bytes"] == 2 * row["advised_limit_bytes"]
    assert found["none/q limits.memory"]["containers"] == 0


def test_what_gets_no_limit_keeps_what_it_has(recording: Recording) -> None:
    """Nothing is freed, and nothing taken, for a leak: no limit is advised for it."""
    assessed = rm.assess(recording)
    leaking = assessed.workloads.with_columns(
        pl.lit(None, pl.Int64).alias(f"advised_{of}_bytes") for of in ("request", "limit")
    )
    assert capacity_of(leaking, recording, assessed.completeness)["freed_bytes"].to_list() == [0] * 7


def test_the_page_says_what_is_freed(recording: Recording) -> None:
    """The section stands in the page where something is known, and says what it does not count."""
    page = report.page(report.contents(recording))
    assert "Applying these would free " in page
    assert "1 container without a known request was not counted." in page
    bare = replace(recording, report=replace(recording.report, nodes={}, quotas={}))
    assert "section-capacity" not in report.page(report.contents(bare))


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (
            {"governors": {"ops/ops-api/app": "the VerticalPodAutoscaler v sets its memory (Auto)"}},
            "VerticalPodAutoscaler v",
        ),
        ({"governors": {"shop/ops-api/app": "somebody sets it"}}, None),
        ({"ranges": {"ops max": 100 * MI}}, "allows at most 100 Mi"),
        ({"ranges": {"ops max": 4 * GI, "ops min": 4 * MI, "shop max": MI}}, None),
    ],
)
def test_what_stands_in_the_way_of_a_limit_is_said_and_no_patch_is_written(
    recording: Recording, told: dict[str, dict[str, int | str]], says: str | None
) -> None:
    """A patch would fight whoever sets the memory, or be refused: the reason says so, in every view."""
    found = rm.assess(replace(recording, report=replace(recording.report, **told)))  # type: ignore[arg-type]
    (row,) = found.workloads.filter(namespace="ops").to_dicts()
    assert row["action"] == "lower_limit"
    text = patches_yaml(found.workloads.with_columns(workload_kind=pl.lit("Deployment")))
    if says is None:
        assert row["limit_obstacle"] is None
        assert "name: ops-api" in text
    else:
        assert says in row["limit_obstacle"]
        assert row["limit_reason"].endswith(f" But {row['limit_obstacle']}.")
        assert row["next_step"].endswith(f" But {row['limit_obstacle']}.")
        assert "name: ops-api" not in text
        assert f"#   ops/ops-api/app: {row['limit_obstacle']}" in text


def test_no_less_is_advised_than_a_namespace_allows(recording: Recording) -> None:
    """What the API server would refuse is no advice: limit and request are what the LimitRange asks for."""
    free = rm.assess(recording).workloads.filter(namespace="ops").row(0, named=True)
    least = free["advised_limit_bytes"] + MI
    found = rm.assess(replace(recording, report=replace(recording.report, ranges={"ops min": least})))
    (row,) = found.workloads.filter(namespace="ops").to_dicts()
    assert row["action"] == "lower_limit"
    assert row["advised_limit_bytes"] >= least
    assert row["advised_request_bytes"] == least
    assert row["limit_obstacle"] is None
    assert "name: ops-api" in patches_yaml(found.workloads.with_columns(workload_kind=pl.lit("Deployment")))
