from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

import rmtoolkit as rm

CORPUS = Path(__file__).parents[2] / "data" / "corpus"
OWN, HARD, ODD = ("dev", "sealed"), ("hard", "hard_sealed"), ("odd",)
PARTS = (*OWN, *HARD, *ODD)
OWN_PLAN, HARD_PLAN, ODD_PLAN = (
    {run["run"]: run for run in map(json.loads, (CORPUS / name).read_text().splitlines())}
    for name in ("plan.jsonl", "hard_plan.jsonl", "odd_plan.jsonl")
)
PLAN = OWN_PLAN | HARD_PLAN | ODD_PLAN


def labels(part: str) -> pl.DataFrame:
    return pl.read_csv(CORPUS / f"{part}_labels.csv", infer_schema_length=None)


@pytest.mark.parametrize("part", PARTS)
def test_every_run_of_the_plan_is_there(part: str) -> None:
    """Nothing was dropped: each planned run has a label and a recording."""
    table = labels(part)
    assert set(table["run"]) == {run for run, line in PLAN.items() if line["label"]["part"] == part}
    kept = rm.read_recording(CORPUS / f"{part}.parquet")
    places = set(table.select("namespace", "workload").iter_rows())
    assert set(kept.containers.select("namespace", "workload").iter_rows()) == places
    assert len(places) == table.height


@pytest.mark.parametrize("part", PARTS)
def test_recordings_hold_no_truth(part: str) -> None:
    """What a classifier reads has neither the counts of the program nor a name that tells."""
    columns = pl.read_parquet_schema(CORPUS / f"{part}.parquet")
    assert not {name for name in columns if "live" in name or "dead" in name or "outside" in name}


@pytest.mark.parametrize("part", PARTS)
def test_labels_agree_with_themselves(part: str) -> None:
    """Verdicts follow from leak and decidable; every change of the plan's label has a reason."""
    table = labels(part)
    right = (
        pl.when(~pl.col("decidable"))
        .then(pl.lit("inconclusive"))
        .when(pl.col("leak"))
        .then(pl.lit("leak"))
        .otherwise(pl.lit("not_leak"))
    )
    assert table.filter(pl.col("verdict") != right).is_empty()
    assert table.filter(~pl.col("decidable") & pl.col("reason").is_null()).is_empty()
    changed = (pl.col("leak") != pl.col("intended_leak")) | (pl.col("decidable") != pl.col("intended_decidable"))
    assert table.filter(changed & pl.col("relabel_reason").is_null()).is_empty()
    assert table.filter(pl.col("leak") & (pl.col("lost_bytes") <= 0)).is_empty()


@pytest.mark.parametrize("part", PARTS)
def test_truth_joins_to_the_labels(part: str) -> None:
    """The program's own counts are there for every workload, and show the loss that the label states."""
    truth = pl.read_parquet(CORPUS / f"{part}_truth.parquet")
    table = labels(part)
    assert set(truth["run"]) == set(table["run"])
    dead = truth.group_by("run").agg(dead=(pl.col("dead_bytes") + pl.col("outside_dead_bytes")).max())
    losing = table.filter("leak").join(dead, on="run")
    assert losing.filter(pl.col("dead") <= 0).is_empty()


def test_sealed_is_large_and_has_shapes_of_its_own() -> None:
    """The sealed part has at least 160 runs, and shapes that nobody could tune for."""
    dev, sealed = (labels(part) for part in OWN)
    assert sealed.height >= 160
    assert dev.height + sealed.height >= 320
    assert len(set(sealed["shape"]) - set(dev["shape"])) >= 5
    assert not set(dev["seed"]) & set(sealed["seed"])


def test_hard_and_odd_runs_were_watched_on() -> None:
    """Each shape that has fooled verdicts is there as a leak and as its look-alike; all have half a window more."""
    for part in (*HARD, *ODD):
        table = labels(part)
        leaks = set(table.filter(~pl.col("shape").str.ends_with("_like"))["shape"])
        if part in HARD:
            assert set(table["shape"]) == leaks | {f"{shape}_like" for shape in leaks}
        short = pl.col("watched_seconds") < 0.5 * pl.col("window_seconds")
        assert table.filter(short, "decidable").is_empty()
        future = pl.read_parquet(CORPUS / f"{part}_future.parquet")
        assert set(future["run"]) == set(table["run"])
        # One pod speaks for a run; a late sample may share its second with the next.
        twice = future.with_columns(twice=pl.struct("run", "second").is_duplicated())
        assert (twice.group_by("run").agg(pl.col("twice").mean())["twice"] < 0.05).all()


def test_odd_labels_are_those_of_the_plan() -> None:
    """No measuring changed a label; two runs whose plan was wrong were set aside by hand, with a reason."""
    aside = set()
    for row in labels("odd").iter_rows(named=True):
        planned = ODD_PLAN[row["run"]]["label"]
        assert planned["decidable"] == (planned["told_from_seconds"] is not None)
        if any((row[name] or "") != (planned[name] or "") for name in ("leak", "decidable", "needs", "reason")):
            aside.add(row["shape"])
            assert not row["decidable"]
            assert row["relabel_reason"]
    assert aside == {"rebuild", "rebuild_like"}


@pytest.mark.parametrize("parts", [OWN, HARD, ODD], ids=["own", "hard", "odd"])
def test_readme_counts_the_runs(parts: tuple[str, ...]) -> None:
    """The table in the README is the one that the labels give."""
    import corpus

    rows = [row for part in parts for row in labels(part).iter_rows(named=True)]
    table = corpus.behaviours(rows) if parts == ODD else corpus.counts(rows)
    assert table in (CORPUS / "README.md").read_text()


def test_plan_can_be_drawn_again() -> None:
    """The committed plans are what plan.py draws."""
    import plan
    import record

    for draw, known in ((plan.plan, OWN_PLAN), (plan.plan_hard, HARD_PLAN), (plan.plan_odd, ODD_PLAN)):
        drawn = [record.Run.parse(json.dumps(asdict(run))) for run in draw()]
        assert drawn == [record.Run.parse(json.dumps(run)) for run in known.values()]


def test_corpus_is_small() -> None:
    """The corpus stays under 20 MB."""
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 20_000_000
