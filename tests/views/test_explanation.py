"""One verdict in words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.verdict import classify
from rmtoolkit.exceptions import ColumnError, UnknownWorkloadError
from rmtoolkit.views.explanation import Explanation, explain
from tests.analysis.curves import BEGIN, GI, MI, footprint, hours

T = hours(24, 60)


def table(*workloads: tuple[str, str, str]) -> pl.DataFrame:
    """Verdicts on flat workloads: namespace, workload and container."""
    rows = [
        pl.DataFrame(
            {
                "time": [round(BEGIN.timestamp()) + 60 * minute for minute in range(60)],
                "namespace": [namespace] * 60,
                "workload": [workload] * 60,
                "container": [container] * 60,
                "rss_bytes": [50 * MI] * 60,
            },
        )
        for namespace, workload, container in workloads
    ]
    return classify(pl.concat(rows))


SHOP = table(("shop", "api", "app"), ("shop", "api", "proxy"), ("shop", "web", "app"), ("test", "web", "app"))


@pytest.mark.parametrize("name", ["shop/api/app", "shop/web", "test/web/app"])
def test_found_by_its_shortest_unique_name(name: str) -> None:
    """A workload is found by as much of its name as makes it unique."""
    row = explain(SHOP, name).row
    assert f"{row['namespace']}/{row['workload']}/{row['container']}".startswith(name)


@pytest.mark.parametrize("name", ["api", "web", "shop/api", "nobody"])
def test_unknown_or_ambiguous_name(name: str) -> None:
    """A name of nobody, or of several, is an error that lists the workloads there are."""
    with pytest.raises(UnknownWorkloadError, match="shop/web/app"):
        explain(SHOP, name)


def test_another_frame() -> None:
    """A frame that is no verdict is named as such."""
    with pytest.raises(ColumnError, match="namespace"):
        explain(pl.DataFrame({"workload": ["api"]}), "api")


def test_leak_in_words() -> None:
    """A leak's explanation names the workload, its rate and its evidence, and ends with the next step."""
    found = explain(classify(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(1), limit=GI)), "api")
    assert found.headline.startswith("api leaks 1")
    assert "limit" in found.headline
    assert repr(found).startswith("<Explanation: leak: api leaks")
    assert "\n" not in repr(found)
    text = found.summary()
    assert text.splitlines()[0] == found.row["explanation"]
    assert "for a leak" in text
    assert text.splitlines()[-1] == f"Next: {found.row['next_step']}"
    assert found.to_dict() == found.row
    assert found.to_dict() is not found.row


def test_headline_keeps_a_version_whole() -> None:
    """A full stop within a version or a number does not end the headline."""
    assert Explanation({"explanation": "api no longer leaks: version 2.0.2 fixed it. Why."}).headline == (
        "api no longer leaks: version 2.0.2 fixed it."
    )


def test_html_is_escaped() -> None:
    """A hostile workload name shows as text."""
    found = explain(table(("ns", "<script>alert(1)</script>", "app")), "<script>alert(1)</script>")
    page = found._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("verdict", ["leak", "not_leak", "inconclusive"])
def test_html_of_each_verdict(verdict: str) -> None:
    """Each verdict has its sign and its word, and does without evidence."""
    row = {"verdict": verdict, "explanation": "a. b.", "next_step": "c", "evidence": None, "evidence_level": 1}
    page = Explanation(row)._repr_html_()
    assert {"leak": "▲ LEAK", "not_leak": "● NOT A LEAK", "inconclusive": "◆ INCONCLUSIVE"}[verdict] in page
