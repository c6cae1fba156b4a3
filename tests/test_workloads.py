"""From pod names to the workloads that own them."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit._identity import infer, releases_by_name
from rmtoolkit._tables import conform
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.schema import CONTAINERS

SAFE = "bcdfghjklmnpqrstvwxz2456789"


def owner(pod: str | None, pattern: str | None = None) -> tuple[str | None, str | None]:
    """Infer one pod."""
    frame = pl.DataFrame({"pod": [pod]}, schema={"pod": pl.String})
    (row,) = frame.select(infer(pl.col("pod"), pattern).alias("owner")).unnest("owner").rows()
    return row


@pytest.mark.parametrize(
    ("pod", "workload", "kind"),
    [
        pytest.param("api-7d4b9c8f6d-m8rtz", "api", "Deployment", id="deployment"),
        pytest.param("api-6799fc88d8-m8rtz", "api", "Deployment", id="hash-of-ten"),
        pytest.param("web-api-v2-7d4b9c8f6-xk2lp", "web-api-v2", "Deployment", id="dashes-in-the-name"),
        pytest.param("db-0", "db", "StatefulSet", id="stateful"),
        pytest.param("db-main-12", "db-main", "StatefulSet", id="stateful-twelve"),
        pytest.param("nightly-29384756-xk2lp", "nightly", "CronJob", id="cron-job"),
        pytest.param("agent-xk2lp", "agent", None, id="daemon-set-or-job"),
        pytest.param("solo", "solo", None, id="bare-pod"),
        pytest.param("api-7d4b9c8f6d-aeiou", "api-7d4b9c8f6d-aeiou", None, id="vowels-are-no-suffix"),
        pytest.param("my-other-thing", "my-other-thing", None, id="words-are-no-suffix"),
        pytest.param("", "", None, id="empty"),
        pytest.param(None, None, None, id="null"),
    ],
)
def test_owners_of_real_names(pod: str | None, workload: str | None, kind: str | None) -> None:
    """The suffix alphabet of Kubernetes tells words from random suffixes."""
    assert owner(pod) == (workload, kind)


@given(
    st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z])?", fullmatch=True),
    st.text(SAFE, min_size=8, max_size=10),
    st.text(SAFE, min_size=5, max_size=5),
)
def test_every_deployment_name_gives_its_workload_back(name: str, template: str, suffix: str) -> None:
    """Whatever the deployment is called, its two random suffixes come off, unless digits make it a CronJob."""
    workload, kind = owner(f"{name}-{template}-{suffix}")
    if template.isdigit():
        assert (workload, kind) == (name, "CronJob")
    else:
        assert (workload, kind) == (name, "Deployment")


def test_a_pattern_of_ones_own_goes_first() -> None:
    """Names that the pattern fits are read by it; the others by the alphabet."""
    pattern = r"^(?P<team>\w+)_(?P<workload>[a-z]+)\."
    assert owner("shop_cart.7", pattern) == ("cart", None)
    assert owner("api-7d4b9c8f6d-m8rtz", pattern) == ("api", "Deployment")


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        pytest.param("(", "no regular expression", id="broken"),
        pytest.param("^(.+)$", "group", id="no-group"),
        pytest.param("(?P<workload>a)(?!b)", "look", id="not-for-polars"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(pattern: str, match: str) -> None:
    """The message says what is wrong with the pattern."""
    with pytest.raises(RmtoolkitError, match=match):
        owner("api", pattern)


def test_a_hash_in_the_name_is_the_release_where_nothing_better_tells() -> None:
    """Pods of a Deployment from several templates get its hash; one template, a known version, other kinds do not.

    Where nothing tells the kind, a pod that begins with its workload's name is one of a Deployment.
    """
    rows = [
        ("api", "Deployment", "api-7d4b9c8f6d-m8rtz", None),
        ("api", "Deployment", "api-6799fc88d8-xk2lp", None),
        ("one", "Deployment", "one-7d4b9c8f6d-m8rtz", None),
        ("one", "Deployment", "one-7d4b9c8f6d-xk2lp", None),
        ("told", "Deployment", "told-7d4b9c8f6d-m8rtz", "1.2"),
        ("told", "Deployment", "told-6799fc88d8-xk2lp", None),
        ("db", "StatefulSet", "db-7d4b9c8f6d-m8rtz", None),
        ("db", "StatefulSet", "db-6799fc88d8-xk2lp", None),
        ("named", "Deployment", "named-by-hand", None),
        ("own", None, "own-7d4b9c8f6d-m8rtz", None),
        ("own", None, "own-6799fc88d8-xk2lp", None),
        ("else", None, "other-7d4b9c8f6d-m8rtz", None),
        ("else", None, "other-6799fc88d8-xk2lp", None),
    ]
    names = ("workload", "workload_kind", "pod", "version")
    frame = conform(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"), CONTAINERS)
    found = releases_by_name(frame)["version"].to_list()
    hashes = ["7d4b9c8f6d", "6799fc88d8"]
    assert found == [*hashes, None, None, "1.2", None, None, None, None, *hashes, None, None]
