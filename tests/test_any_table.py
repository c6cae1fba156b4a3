"""Whatever gives its columns away as Arrow is a source, wherever a recording is."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rmtoolkit as rm
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FRAME = pl.DataFrame(
    {
        "time": [START + dt.timedelta(minutes=at) for at in range(200)],
        "pod": "db-0",
        "rss_bytes": [10**8 + 10**5 * at for at in range(200)],
        "limit_bytes": 3 * 10**8,
    }
)


class Capsule:
    """A table of another library, of which nothing is known but that."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the columns away."""
        return FRAME.__arrow_c_stream__(requested_schema)


TAKERS: dict[str, Callable[[Any], object]] = {
    "Recording.from_frame": rm.Recording.from_frame,
    "read": rm.read,
    "concat": lambda source: rm.concat([source, source]),
    "assess": lambda source: rm.assess(source).workloads.drop("data_age_seconds"),
    "classify": rm.classify,
    "lives": rm.lives,
    "fits": rm.fits,
    "checklist": rm.checklist,
    "explain": lambda source: rm.explain(source, "db"),
    "recommend_limits": rm.recommend_limits,
    "limit_risk": lambda source: rm.limit_risk(source, [3 * 10**8]),
    "replay": lambda source: rm.replay(source, 2 * 10**8),
    "what_if": rm.what_if,
    "validate": rm.validate,
}


@pytest.mark.parametrize("name", TAKERS)
def test_a_table_of_another_library_is_a_source(name: str) -> None:
    """It gives what the same frame of polars gives."""
    found, expected = (TAKERS[name](source) for source in (Capsule(), FRAME))
    if isinstance(found, rm.Recording) and isinstance(expected, rm.Recording):
        found, expected = found.frame(), expected.frame()
    if isinstance(found, pl.DataFrame) and isinstance(expected, pl.DataFrame):
        assert found.write_json() == expected.write_json()
    else:
        assert repr(found) == repr(expected)


NAMES = ("namespace", "pod", "container")
#: They differ: what is equal by another name may be one pod looked at twice.
AMOUNTS = {pod: [10**8 + more * at for at in range(200)] for pod, more in (("a", 10**5), ("b", 10**4))}
PODS = pl.concat(
    FRAME.with_columns(pod=pl.lit(pod), namespace=pl.lit("shop"), container=pl.lit("db"), rss_bytes=pl.Series(amounts))
    for pod, amounts in AMOUNTS.items()
)
PAIRS = [pl.struct(name=pl.lit(name), is_=name) for name in NAMES]


def in_map() -> pa.Table:
    """The names as labels of a series, as exporters to Parquet keep them."""
    told = [list(row.items()) for row in PODS.select(NAMES).iter_rows(named=True)]
    labels = pa.array(told, pa.map_(pa.string(), pa.string()))
    return PODS.drop(NAMES).to_arrow().append_column("labels", labels)


def levelled(*levels: str, unnamed: Sequence[str] = ()) -> pd.DataFrame:
    """Put columns into the index of a pandas frame."""
    frame = PODS.with_columns(other=pl.col("time") + dt.timedelta(seconds=1)).to_pandas().set_index([*levels])
    frame.index.names = [None if level in unnamed else level for level in levels]
    return frame


#: Two pods whose names do not lie in columns of their own.
ELSEWHERE: dict[str, Callable[[], Any]] = {
    "struct": lambda: PODS.select(pl.exclude(NAMES), k8s=pl.struct(NAMES)),
    "struct in a struct": lambda: PODS.select(
        pl.exclude(NAMES), kubernetes=pl.struct("namespace", "container", pl.struct(name="pod").alias("pod"))
    ),
    "amounts in a struct": lambda: PODS.select(pl.exclude("rss_bytes"), memory=pl.struct("rss_bytes")),
    "keys and values": lambda: pl.DataFrame(in_map()),
    "pairs": lambda: PODS.select(pl.exclude(NAMES), labels=pl.concat_list(*PAIRS)),
    "all levels named": lambda: levelled("time", *NAMES),
    "a level without a name": lambda: levelled("time", "pod", unnamed=["pod"]),
    "times without a name": lambda: levelled("time", "pod", unnamed=["time"]),
    "no level named": lambda: levelled("pod", "time", unnamed=["pod", "time"]),
    "names of rows": lambda: levelled("pod", unnamed=["pod"]),
}

#: That their pods are pods is said nowhere.
UNNAMED = ("a level without a name", "no level named", "names of rows")


@pytest.mark.filterwarnings("ignore::rmtoolkit.exceptions.RmtoolkitWarning")
@pytest.mark.parametrize("form", ELSEWHERE)
def test_two_pods_stay_two_wherever_their_names_lie(form: str, tmp_path: Path) -> None:
    """In structs, maps and levels of an index, in a frame and in its file: each pod with its own samples."""
    frame = ELSEWHERE[form]()
    sources = [frame]
    if not isinstance(frame, pd.DataFrame):
        pq.write_table(frame.to_arrow(), tmp_path / "a.parquet")
        sources.append(tmp_path / "a.parquet")
    for source in sources:
        found = rm.read(source)
        assert found.containers.height == 2
        by_id = found.samples.sort("time").group_by("container_id").agg("rss_bytes")["rss_bytes"].to_list()
        assert sorted(by_id) == sorted(AMOUNTS.values())
        assert found.samples["time"].min() == START
        if form not in UNNAMED:
            assert sorted(found.containers["pod"]) == ["a", "b"]


def test_a_map_of_a_key_for_each_row_makes_no_column_for_each() -> None:
    """What tells nothing apart costs no more than its rows."""
    told = [[{"key": f"key {row}", "value": "x"}] for row in range(PODS.height)]
    found = rm.Recording.from_frame(PODS.with_columns(notes=pl.Series(told)))
    assert sorted(found.containers["pod"]) == ["a", "b"]


#: What a row says of others: a pool, a neighbour, a module, a database, whom it calls.
OF_OTHERS: dict[str, dict[str, list[Any]]] = {
    "pool": {"allocated_bytes": [10**7] * 200},
    "neighbour": {"working_set_bytes": [10**9 + 10**7 * at for at in range(200)]},
    "disk": {"usage_bytes": [2 * 10**9 + at for at in range(200)]},
    "code": {"namespace": [f"mod::{at % 3}" for at in range(200)]},
    "db": {"namespace": ["users", "orders"] * 100},
    "upstream": {"pod": [f"db-{at % 3}" for at in range(200)]},
    "redis": {"cluster": ["a", "b"] * 100},
    "span": {"rss_bytes": [5] * 200},
}


@pytest.mark.filterwarnings("ignore::rmtoolkit.exceptions.RmtoolkitWarning")
@pytest.mark.parametrize("holder", OF_OTHERS)
@pytest.mark.parametrize("form", ["struct", "Parquet", "JSON", "CSV"])
def test_what_lies_in_something_else_is_of_that(holder: str, form: str, tmp_path: Path) -> None:
    """One container, with the amounts that it has beside."""
    (name, values), *_ = OF_OTHERS[holder].items()
    alone = FRAME.with_columns(pl.col("time").dt.to_string("iso:strict"))
    frame = alone.with_columns(pl.struct(pl.Series(name, values)).alias(holder))
    source: Any = frame
    if form == "Parquet":
        source = tmp_path / "a.parquet"
        frame.write_parquet(source)
    elif form == "JSON":
        source = tmp_path / "a.jsonl"
        frame.write_ndjson(source)
    elif form == "CSV":
        source = tmp_path / "a.csv"
        alone.with_columns(pl.Series(f"{holder}.{name}", values)).write_csv(source)
    samples = rm.read(source).samples
    assert samples["rss_bytes"].to_list() == FRAME["rss_bytes"].to_list()
    assert [signal for signal in SIGNALS if samples[signal].count()] == ["rss_bytes"]
    assert samples["container_id"].n_unique() == 1


@pytest.mark.parametrize("keys", ["a hundred others", "categories"])
def test_names_among_many_keys_are_kept(keys: str) -> None:
    """What means something goes before what does not."""
    others = 100 * (keys == "a hundred others")
    pairs = [
        [*({"key": f"label_{at}", "value": "x"} for at in range(others)), {"key": "pod", "value": pod}]
        for pod in PODS["pod"]
    ]
    labels = pl.Series("labels", pairs)
    if keys == "categories":
        kind = pl.List(pl.Struct({"key": pl.Categorical, "value": pl.String}))
        labels = labels.cast(kind)
    found = rm.Recording.from_frame(PODS.drop("pod").with_columns(labels))
    assert sorted(found.containers["pod"]) == ["a", "b"]


ODD: dict[str, Callable[[], Any]] = {
    "a metric and the column that it would be": lambda: FRAME.with_columns(
        __name__=pl.lit("rss_bytes"), value=pl.lit(1)
    ),
    "metrics of no row": lambda: FRAME.clear().with_columns(__name__=pl.lit("rss_bytes"), value=pl.lit(1)),
    "metrics in lists": lambda: FRAME.with_columns(__name__=pl.lit(["a"]), value=pl.lit(1)),
    "a metric called time": lambda: FRAME.drop("rss_bytes").with_columns(__name__=pl.lit("time"), value=pl.lit(1)),
    "a key called row": lambda: FRAME.with_columns(labels=pl.lit([{"key": "row", "value": "x"}])),
    "a list called pod": lambda: FRAME.with_columns(labels=pl.struct(pod=pl.lit(["a", "b"])), pod=pl.lit("c")),
    "a list in place of a name": lambda: FRAME.drop("pod").with_columns(labels=pl.struct(pod=pl.lit(["a", "b"]))),
    "two levels of times": lambda: levelled("time", "other", unnamed=["time", "other"]),
    "two levels of one name": lambda: levelled("time", "pod", unnamed=[]).rename_axis(index=["pod", "pod"]),
    "thousands of metrics": lambda: pl.DataFrame(
        {"time": range(9000), "__name__": [f"m_{at}" for at in range(9000)], "value": 1.0, "pod": "a"}
    ),
    "maps in maps": lambda: FRAME.with_columns(m=pl.lit([{"k": "a", "v": [{"k": "b", "v": [{"k": "c", "v": 1}]}]}])),
}


@pytest.mark.filterwarnings("ignore::rmtoolkit.exceptions.RmtoolkitWarning")
@pytest.mark.parametrize("form", ODD)
def test_an_odd_frame_is_read_or_refused_in_words(form: str, tmp_path: Path) -> None:
    """In memory and as a file: never an error of polars or pandas."""
    frame = ODD[form]()
    with suppress(rm.RmtoolkitError):
        assert rm.Recording.from_frame(frame).containers.height <= 2
    if isinstance(frame, pl.DataFrame):
        frame.write_parquet(tmp_path / "a.parquet")
        with suppress(rm.RmtoolkitError):
            assert rm.read(tmp_path / "a.parquet").containers.height <= 2
