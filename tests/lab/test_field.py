from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from measure import Facts

FIELD = Path(__file__).parents[2] / "data" / "field"
PARTS = ("dev", "sealed", "fresh", "fresh2", "fresh3", "fresh4")
PLAN = {run["run"]: run for run in map(json.loads, (FIELD / "plan.jsonl").read_text().splitlines())}


def labels(part: str) -> pl.DataFrame:
    return pl.read_csv(FIELD / f"{part}_labels.csv", infer_schema_length=None)


@pytest.mark.parametrize("part", PARTS)
def test_labels_name_what_was_planned(part: str) -> None:
    """Each recording is a run of the plan, with the plan's part, program and intention."""
    for row in labels(part).iter_rows(named=True):
        planned = PLAN[row["run"]]["label"]
        assert (row["part"], row["shape"], row["use"]) == (planned["part"], planned["shape"], planned["use"])
        assert (row["intended_leak"], row["intended_decidable"]) == (planned["leak"], planned["decidable"])


@pytest.mark.parametrize("part", PARTS)
def test_recordings_and_labels_join(part: str) -> None:
    """Every labelled run is recorded under a name of its own, and nothing that is recorded tells its truth."""
    kept, table = rm.read_recording(FIELD / f"{part}.parquet"), labels(part)
    places = set(table.select("namespace", "workload").iter_rows())
    assert set(kept.containers.select("namespace", "workload").iter_rows()) == places
    assert len(places) == table.height
    assert not {name for name in pl.read_parquet_schema(FIELD / f"{part}.parquet") if "live" in name or "dead" in name}


@pytest.mark.parametrize("part", PARTS)
def test_labels_agree_with_themselves(part: str) -> None:
    """Verdicts follow from leak and decidable; every change of the plan's label has a reason."""
    table = labels(part)
    sure = pl.when("leak").then(pl.lit("leak")).otherwise(pl.lit("not_leak"))
    assert table.filter(
        pl.col("verdict") != pl.when("decidable").then(sure).otherwise(pl.lit("inconclusive"))
    ).is_empty()
    assert table.filter(~pl.col("decidable") & pl.col("reason").is_null()).is_empty()
    changed = (pl.col("leak") != pl.col("intended_leak")) | (pl.col("decidable") != pl.col("intended_decidable"))
    assert table.filter(changed & pl.col("relabel_reason").is_null()).is_empty()
    assert table.filter(pl.col("leak") & (pl.col("lost_bytes") <= 0)).is_empty()


@pytest.mark.parametrize("part", PARTS)
def test_every_run_has_a_future(part: str) -> None:
    """Each run went on for at least half of its window, and its truth joins to its label."""
    table = labels(part)
    assert table.filter(pl.col("watched_seconds") < 0.5 * pl.col("window_seconds") - 2).is_empty()
    for kind in ("future", "truth"):
        assert set(pl.read_parquet(FIELD / f"{part}_{kind}.parquet")["run"]) == set(table["run"])


def test_corpus_is_as_large_as_promised_and_small_on_disk() -> None:
    """At least 100 recordings of 30 programs, 40 of them leaks; no program is in two parts; at most 12 MB."""
    every = pl.concat([labels(part) for part in PARTS], how="vertical_relaxed")
    assert every.height >= 100
    assert every["shape"].n_unique() >= 30
    assert every["leak"].sum() >= 40
    assert every.unique(["shape", "part"]).height == every["shape"].n_unique()
    assert sum(path.stat().st_size for path in FIELD.rglob("*") if path.is_file()) < 12_000_000


def test_readme_counts_the_runs() -> None:
    """The table in the README is the one that the labels give."""
    import pack

    rows = [row for part in PARTS for row in labels(part).iter_rows(named=True)]
    assert pack.counts(rows) in (FIELD / "README.md").read_text()


def test_plan_can_be_drawn_again() -> None:
    """The committed plan is what runs.py draws; its names, seeds and programs are in order."""
    import record
    import runs
    from software import PROGRAMS

    drawn = [json.loads(json.dumps(asdict(run))) for run in runs.plan()]
    assert [record.Run(**run) for run in drawn] == [record.Run(**run) for run in PLAN.values()]
    assert len({run["seed"] for run in drawn}) == len(drawn)
    assert {run["label"]["shape"] for run in drawn} == set(PROGRAMS)
    assert all(run["label"]["part"] == PROGRAMS[run["label"]["shape"]].part for run in drawn)


def test_loads_are_well_formed() -> None:
    """Each planned load has entries that the generator knows, and its template becomes bytes."""
    import load

    for run in PLAN.values():
        entries = json.loads(run["components"][0])
        made = load.Generator(load.Load(seed=1, window=run["window_seconds"], folder=".", port=1, **entries))
        assert isinstance(made.bytes(made.load.send), bytes)


@pytest.mark.parametrize(
    ("frame", "text", "sent"),
    [
        ("resp", "SET a b", b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("pg", "SELECT 1", b"Q\0\0\0\x0dSELECT 1\0"),
        ("mysql", "SELECT 1", b"\x09\0\0\0\x03SELECT 1"),
        ("mqtt", "\x300123456789", b"\x30\x0a0123456789"),
        ("lsp", "{}", b"Content-Length: 2\r\n\r\n{}"),
        ("http", "GET /a", b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ],
    ids=["resp", "pg", "mysql", "mqtt", "lsp", "http"],
)
def test_frames_are_those_of_the_protocols(frame: str, text: str, sent: bytes) -> None:
    """A filled template becomes one message of its protocol."""
    import load

    assert load.framed(frame, text) == sent


def judged(*, leak: bool, rise: float, later: float, bound: int = 0, met: int | None = None) -> Any:
    """Judge a made-up run of 400 seconds whose working set rises by a part of 100 MB in the window, and after it."""
    import pack

    values = [1e8 * (1 + rise * min(s, 400) / 400 + later * max(s - 400, 0) / 200) for s in range(600)]
    whole = pl.DataFrame({"second": range(600), "working_set_bytes": values})
    planned: dict[str, Any] = dict.fromkeys(("reason", "pattern", "cause", "needs"), "")
    planned |= {"leak": leak, "decidable": True, "bound_items": bound}
    return pack.judge(planned, facts(seen=1e8 * rise, lost=int(leak) * 10**7), whole, met)


def facts(**values: Any) -> Facts:
    import measure

    made: dict[str, Any] = {"window": 400, "level": 1e8, "lives": 1, "longest_life": 1.0, "watched_seconds": 200}
    made |= {"seconds_to_limit": None} | values
    return measure.Facts(**{name: made.get(name, 0) for name in measure.Facts.__slots__})


def test_leaks_must_show() -> None:
    """A leak is decidable while it grows by what matters, and not where it stands still although the load goes on."""
    assert judged(leak=True, rise=0.2, later=0.1).decidable
    assert judged(leak=True, rise=0.01, later=0.01).reason == "growth below what matters"
    assert "bound" in judged(leak=True, rise=0.2, later=0.0).reason


def test_healthy_runs_must_rest() -> None:
    """A healthy run is decidable at rest, and a cache only where its bound was met in the window."""
    assert judged(leak=False, rise=0.01, later=0.0).decidable
    assert judged(leak=False, rise=0.3, later=0.1).reason == "memory still grows at the window's end"
    assert judged(leak=False, rise=0.01, later=0.2).reason == "memory grows after the window"
    assert judged(leak=False, rise=0.01, later=0.0, bound=5, met=200).decidable
    assert judged(leak=False, rise=0.01, later=0.0, bound=5, met=500).reason == "the bound is met only after the window"
