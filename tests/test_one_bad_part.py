"""One bad series, container, row or file never takes the rest: the service beside it is judged as without it."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import importlib
import json
import math
import re
import warnings
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import _parallel, assessment, validation
from rmtoolkit.analysis import judge, signals
from rmtoolkit.cli import main as command
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.heap import formats
from rmtoolkit.limits import backtest, history, recommend
from rmtoolkit.loaders import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MI: Final = 1 << 20
T0: Final = 1_795_000_000
MINUTES: Final = 240
GOOD: Final = "web-7d9f8b6c5d-x2x7k"
#: Some waves on a level.
LEVELS: Final = [200 * MI + (at * 7919 % 97) * 1024 for at in range(MINUTES)]
USUAL: Final = [T0 + 60 * at for at in range(MINUTES)]
#: The first and the last second of the calendar, in seconds since 1970.
YEAR_1, YEAR_9999 = -62_135_596_800, 253_402_300_799

Series = list[tuple[float, float]]
Fleet = dict[str, Series]

#: What no service measures, as times in seconds and amounts in bytes.
WORST: Final[dict[str, Series]] = {
    "zeros": [(time, 0) for time in USUAL],
    "ones": [(time, 1) for time in USUAL],
    "zeros and then a lot": [(time, 0 if time < USUAL[100] else 300 * MI) for time in USUAL],
    "negative": [(time, -5) for time in USUAL],
    "infinite": [(time, math.inf) for time in USUAL],
    "no number": [(time, math.nan) for time in USUAL],
    "exabytes": [(time, 2.0**62) for time in USUAL],
    "beyond 64 bits": [(time, 1e300) for time in USUAL],
    "petabytes that rise": [(time, at * 2.0**44) for at, time in enumerate(USUAL)],
    "one row in the year 9999": [*((time, 200 * MI) for time in USUAL), (YEAR_9999, 200 * MI)],
    "only the year 9999": [(YEAR_9999, 200 * MI)],
    "only the year 1": [(YEAR_1 + 60 * at, 200 * MI) for at in range(99)],
    "years 1 and 9999": [(YEAR_1, 200 * MI), (YEAR_9999, 200 * MI)],
    "from year 1 to year 9999": [(YEAR_1 + (YEAR_9999 - YEAR_1) // 99 * at, 200 * MI) for at in range(99)],
    "the ends of 64 bits": [(-(2.0**62) / 1000, MI), *((time, 200 * MI) for time in USUAL), (2.0**62 / 1000, MI)],
    "one instant": [(T0, 200 * MI + at) for at in range(99)],
}
#: Of these no reader makes a series.
UNSOUND: Final = set(WORST) - {
    *("ones", "zeros and then a lot", "one row in the year 9999", "from year 1 to year 9999", "the ends of 64 bits"),
}


def stamp(seconds: float) -> str:
    """An instant as RFC 3339 writes it; what has no date is the last or the first one."""
    bounded = min(max(seconds, YEAR_1), YEAR_9999)
    moment = dt.datetime(1, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=bounded - YEAR_1)
    return moment.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


#: The good series alone, and beside all that is bad.
ALONE: Final[Fleet] = {GOOD: list(zip(USUAL, LEVELS, strict=True))}
BESIDE: Final[Fleet] = ALONE | {f"{name.replace(' ', '-')}-7d9f8b6c5d-x2x7k": series for name, series in WORST.items()}


def labels(name: str) -> dict[str, str]:
    """Labels of a series of Prometheus."""
    return {"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": name, "container": "app"}


def matrix(folder: Path, fleet: Fleet) -> None:
    """An answer of `query_range`."""
    result = [
        {"metric": labels(name), "values": [[time, f"{value:.17g}"] for time, value in series]}
        for name, series in fleet.items()
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    (folder / "range.json").write_text(json.dumps(answer))


def exported(folder: Path, fleet: Fleet) -> None:
    """What VictoriaMetrics exports."""
    lines = [
        {"metric": labels(name), "values": [v for _, v in series], "timestamps": [round(1000 * t) for t, _ in series]}
        for name, series in fleet.items()
    ]
    (folder / "export.jsonl").write_text("\n".join(json.dumps(line) for line in lines).replace("NaN", "null"))


def by_time(fleet: Fleet) -> Iterator[tuple[float, list[tuple[str, float]]]]:
    """What was measured at each instant, in the order of the file."""
    found: dict[float, list[tuple[str, float]]] = {}
    for name, series in fleet.items():
        for time, value in series:
            found.setdefault(time, []).append((name, value))
    yield from sorted(found.items())


def kubectl(folder: Path, fleet: Fleet) -> None:
    """A log of `kubectl top pod --containers` with dates."""
    lines = []
    for time, rows in by_time(fleet):
        lines += [stamp(time), "POD NAME CPU(cores) MEMORY(bytes)"]
        lines += [f"{name} app 3m {min(value, 2.0**63) / MI:.0f}Mi" for name, value in rows]
    (folder / "top.log").write_text("\n".join(lines) + "\n")


def metrics(folder: Path, fleet: Fleet) -> None:
    """Answers of `metrics.k8s.io`, one a line."""
    lines = []
    for time, rows in by_time(fleet):
        items = [
            {
                "metadata": {"name": name, "namespace": "shop"},
                "timestamp": stamp(time),
                "window": "15s",
                "containers": [{"name": "app", "usage": {"cpu": "3m", "memory": f"{value / 1024:.0f}Ki"}}],
            }
            for name, value in rows
        ]
        lines.append(json.dumps({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "items": items}))
    (folder / "metrics.jsonl").write_text("\n".join(lines))


def docker(folder: Path, fleet: Fleet) -> None:
    """Answers of Docker's API, one a line."""
    lines = [
        json.dumps(
            {
                "id": hashlib.sha256(name.encode()).hexdigest(),
                "name": f"/{name}",
                "read": stamp(time),
                "memory_stats": {"usage": value, "limit": 512 * MI, "stats": {"inactive_file": 0}},
            }
        )
        for time, rows in by_time(fleet)
        for name, value in rows
    ]
    (folder / "stats.jsonl").write_text("\n".join(lines))


def table(fleet: Fleet, *, ms: bool) -> pl.DataFrame:
    """Both series as a table."""
    rows = [
        (("shop", name, "app"), round(1000 * time) if ms else time, float(value))
        for name, series in fleet.items()
        for time, value in series
    ]
    about = pl.DataFrame([names for names, *_ in rows], schema=["namespace", "pod", "container"], orient="row")
    return about.with_columns(
        pl.Series("time", [time for _, time, _ in rows], dtype=pl.Int64 if ms else pl.Float64),
        pl.Series("working_set_bytes", [value for *_, value in rows]),
    )


def csv(folder: Path, fleet: Fleet) -> None:
    """A table in CSV."""
    table(fleet, ms=False).write_csv(folder / "table.csv")


def csv_of_dates(folder: Path, fleet: Fleet) -> None:
    """A table in CSV whose times are written out."""
    named = table(fleet, ms=False)
    named.with_columns(time=pl.Series([stamp(time) for time in named["time"]])).write_csv(folder / "dates.csv")


def parquet(folder: Path, fleet: Fleet) -> None:
    """A table in Parquet."""
    stamped = table(fleet, ms=True).with_columns(pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))
    stamped.write_parquet(folder / "table.parquet")


def lake(folder: Path, fleet: Fleet) -> None:
    """A lake."""
    parquet(folder, fleet)
    with pytest.warns(RmtoolkitWarning) if len(fleet) > 1 else contextlib.nullcontext():
        rm.Lake(folder / "lake").append(rm.read(folder / "table.parquet"))
    (folder / "table.parquet").unlink()


MAKERS: Final = (matrix, exported, kubectl, metrics, docker, csv, csv_of_dates, parquet, lake)


def judged(folder: Path) -> pl.DataFrame:
    """The rows of what a folder holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = rm.assess(rm.read(folder), now=dt.datetime.fromtimestamp(USUAL[-1], dt.UTC)).workloads
    # KRR looks at the two weeks before the last sample of all; what is left out is said of the whole source.
    return found.drop("workload_id", "container_id", "krr_limit_bytes", "dropped_share", "incomplete")


def same(found: object, expected: object) -> bool:
    """Equal, up to the rounding of sums that were taken together with others."""
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_bad_series_leave_their_neighbour_alone(make: Callable[[Path, Fleet], None], tmp_path: Path) -> None:
    """Whatever other containers report, the row of a service is the one that it has alone; theirs say why."""
    rows = []
    for name, fleet in (("alone", ALONE), ("beside", BESIDE)):
        (tmp_path / name).mkdir()
        make(tmp_path / name, fleet)
        rows.append({str(row["workload"]).split("-7d9f")[0]: row for row in judged(tmp_path / name).rows(named=True)})
    expected, row = rows[0]["web"], rows[1].pop("web")
    assert {name: (row[name], expected[name]) for name in row if not same(row[name], expected[name])} == {}
    unsound = {name.replace(" ", "-") for name in UNSOUND}
    said = {name: (row["verdict"], row["explanation"]) for name, row in rows[1].items() if name in unsound}
    assert said
    for verdict, why in said.values():
        assert verdict == "inconclusive"
        assert re.search(r"can(not)? be (true|used)|[Tt]here (is|are( only)?) \d", why), why


@pytest.mark.parametrize(
    "fault",
    [
        {"time": pl.lit(1 << 62).cast(pl.Datetime("ms", "UTC"))},
        {"working_set_bytes": pl.lit(1 << 62)},
        {"working_set_bytes": pl.lit(-1, pl.Int64)},
    ],
    ids=["times", "amounts", "negative"],
)
def test_a_stored_recording_that_cannot_be_is_left_out_by_name(fault: dict[str, pl.Expr], tmp_path: Path) -> None:
    """No reader made it: it is refused in one line, and in a folder the other one is read."""
    good = rm.Recording.from_frame(table(ALONE, ms=False))
    good.write(tmp_path / "good.parquet")
    rm.Recording(good.containers, good.samples.with_columns(**fault)).write(tmp_path / "bad.parquet")
    with pytest.raises(ReadError, match=r"bad\.parquet.*that cannot be"):
        rm.read_recording(tmp_path / "bad.parquet")
    with pytest.warns(RmtoolkitWarning, match="1 of 2 files could not be read: bad.parquet"):
        assert rm.read(tmp_path).samples.equals(good.samples)


#: Services side by side, of which one meets a fault that nobody foresaw.
SEVERAL: Final = table({f"{name}-7d9f8b6c5d-x2x7k": ALONE[GOOD] for name in ("api", "bad", "web", "zoo")}, ms=False)
FAULT: Final = pl.exceptions.PanicException("boom\nand pages of it")


def faulty(function: Callable[..., object], *, always: bool = False) -> Callable[..., object]:
    """The same function, but for one workload whose samples it cannot take."""

    def tried(part: rm.Recording, *given: object, **named: object) -> object:
        known = "bad" in part.containers["workload"].to_list()
        if known and (always or part.samples["working_set_bytes"].drop_nulls().len()):
            raise FAULT
        return function(part, *given, **named)

    return tried


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        *((where, "in memory") for where in ("judge.assess_block", "assessment.paired", "history.needs")),
        ("judge.assess_block", "in a lake"),
    ],
)
def test_a_fault_within_the_analysis_stays_with_its_workload(
    where: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says what happened, a warning names it, and the others are judged as without it."""
    module, name = where.split(".")
    room = {"judge": judge, "assessment": assessment, "history": history}[module]
    recording, lake = rm.Recording.from_frame(SEVERAL), rm.Lake(tmp_path / "lake", buckets=1)
    expected = rm.assess(recording.filter(workload=["api", "web", "zoo"])).workloads
    if kept == "in a lake":
        lake.append(recording)
    monkeypatch.setattr(room, name, faulty(getattr(room, name)))
    with pytest.warns(RmtoolkitWarning, match="'shop/bad' could not be judged: internal error, PanicException: boom"):
        assessed = rm.assess(recording if kept == "in memory" else lake)
    found = assessed.workloads
    own = ["workload_id", "container_id", "data_age_seconds", "dropped_share", "incomplete", "margins", "pairs"]
    rows = found.filter(pl.col("workload") != "bad").drop(own).rows(named=True)
    assert all(map(same, rows, expected.drop(own).rows(named=True)))
    assert len(rows) == expected.height
    (row,) = found.filter(workload="bad").rows(named=True)
    assert (row["verdict"], row["headline"]) == ("inconclusive", "shop/bad could not be judged.")
    assert "boom and pages of it" in row["why"]
    how = "Run again with RMTOOLKIT_TRACEBACK=1 and open an issue with what it shows"
    step = f"{how}: PanicException: boom and pages of it."
    assert row["next_step"] == step
    of_bad = [
        frame.join(found.filter(workload="bad"), on="workload_id", how="semi")
        for frame in (assessed.advice, assessed.evidence)
    ]
    assert of_bad[0].select("text", "because").rows() == [(step, "not_judged")]
    assert of_bad[1].select("statistic", "value").rows() == [("not_judged", "PanicException: boom and pages of it")]


@pytest.mark.parametrize("name", ["validate", "lives", "backtest"])
def test_a_fault_stays_with_its_workload_where_one_question_is_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that is asked alone has rows of the others as without it, and one of whom it could not answer."""

    def ask(recording: rm.Recording) -> pl.DataFrame:
        found = rm.backtest(recording).weeks if name == "backtest" else getattr(rm, name)(recording)
        return found.sort(found.columns)

    weeks = [T0 + 3600 * at for at in range(22 * 24)]
    levels: Series = [
        (time, 5 if name == "validate" else 200 * MI + at * 7919 % 97 * 1024) for at, time in enumerate(weeks)
    ]
    fleet = {f"{pod}-7d9f8b6c5d-x2x7k": levels for pod in ("api", "bad", "web", "zoo")}
    recording = rm.Recording.from_frame(table(fleet, ms=False)).filter(workload=["api", "bad", "web", "zoo"])
    expected = ask(recording.filter(workload=["api", "web", "zoo"]))
    (bad,) = recording.containers.filter(workload="bad")["container_id"]
    room, inner = {
        "validate": (validation, "validate_part"),
        "lives": (signals, "split"),
        "backtest": (backtest, "weeks_of"),
    }[name]
    monkeypatch.setattr(room, inner, faulty(getattr(room, inner)))
    with pytest.warns(RmtoolkitWarning, match="'shop/bad' could not be judged: internal error, PanicException: boom"):
        found = ask(recording)
    whose = pl.col("workload") == "bad" if "workload" in found.columns else pl.col("container_id") == bad
    assert expected.height
    assert found.filter(~whose).equals(expected)
    (row,) = found.filter(whose).rows(named=True)
    about = {"container_id", "namespace", "workload", "pod", "container", "week"}
    assert row.get("week") in (expected["week"].to_list() if name == "backtest" else [None])
    told = {key: value for key, value in row.items() if value is not None and key not in about}
    if name == "validate":
        why = "It could not be checked: internal error, PanicException: boom and pages of it (a bug; "
        assert str(told.pop("detail")).startswith(why)
        assert told == {"check": "not_checked", "rejected": False}
    else:
        assert told == {}


def test_a_question_asked_of_a_bad_workload_alone_has_the_usual_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the frame finds what it has otherwise, with nothing in it."""
    recording = rm.Recording.from_frame(SEVERAL).filter(workload="bad")
    expected = rm.lives(recording).schema
    monkeypatch.setattr(signals, "split", faulty(signals.split))
    with pytest.warns(RmtoolkitWarning, match="'shop/bad' could not be judged"):
        assert rm.lives(recording).schema == expected


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("report.row", "The row of shop/bad"),
        ("_tables.evidence", "The card of shop/bad"),
        ("report.values", ""),
        ("report.sections.tiles", "The totals"),
        ("report.sections.quality", "The quality of the data"),
    ],
)
def test_a_fault_while_a_page_is_drawn_stays_in_its_place(
    where: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row, card or section that cannot be drawn says so where it would stand; the page has all the others."""
    found = rm.assess(rm.Recording.from_frame(SEVERAL))
    module, name = where.rsplit(".", 1)
    room = importlib.import_module(f"rmtoolkit.views.{module}")
    draw = getattr(room, name)

    def tried(*given: object, **named: object) -> object:
        rows = [one for one in given if isinstance(one, dict)]
        if not rows or rows[0]["workload"] == "bad":
            raise FAULT
        return draw(*given, **named)

    monkeypatch.setattr(room, name, tried)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        html = rm.report(found, tmp_path / "week.html").read_text("utf-8")
    assert {str(one.message).split(" could")[0] for one in caught} == {said} - {""}
    written = html.count(f'<p class="note">{said} could not be drawn: internal error, PanicException: boom')
    assert bool(written) == bool(said)
    names = {"api", "bad", "web", "zoo"}
    assert set(re.findall(r'data-card="[^"]*">([a-z]+)</a>', html)) == names
    drawn = names - {"bad"} if said.startswith("The card") else names
    assert set(re.findall(r"<h3>([a-z]+) does not leak", html)) == drawn
    assert html.rstrip().endswith("</html>")


def test_a_fault_that_nothing_helps_against_names_its_workload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the name, and status 2."""
    SEVERAL.write_csv(tmp_path / "table.csv")
    monkeypatch.setattr(judge, "assess_block", faulty(judge.assess_block, always=True))
    assert command(["classify", str(tmp_path / "table.csv")]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"rmtoolkit: 'shop/bad' could not be judged: internal error, PanicException: boom .*\n", said)


def test_a_fault_of_an_advice_stays_with_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit is advised to it, and it is said why; the others get theirs."""
    source, advise = rm.Recording.from_frame(SEVERAL), recommend._advise

    def tried(need: history.Need, ask: object) -> object:
        if "bad" in need.names:
            raise ZeroDivisionError
        return advise(need, ask)  # type: ignore[arg-type]

    expected = rm.recommend_limits(source).filter(pl.col("workload") != "bad")
    monkeypatch.setattr(recommend, "_advise", tried)
    found = rm.recommend_limits(source)
    assert found.filter(pl.col("workload") != "bad").equals(expected)
    assert "No limit is advised: internal error, ZeroDivisionError" in found.filter(workload="bad")["reason"][0]
    told = found.filter(workload="bad").select("action", "pairs", "provisional", "recommended_limit_bytes")
    assert told.row(0) == ("wait", 0, True, None)


def test_a_fault_of_a_reader_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone it is one line and status 2; beside others it is left out by name, and they are read."""
    for name in ("bad", "good"):
        table(ALONE, ms=False).write_csv(tmp_path / f"{name}.csv")

    def tried(path: Path, **options: object) -> rm.Recording:
        return {"good.csv": read_table}[path.name](path, **options)  # type: ignore[arg-type]

    read_table = tables.read_table
    monkeypatch.setattr(tables, "read_table", tried)
    with pytest.warns(RmtoolkitWarning, match="1 of 2 files could not be read: bad.csv"):
        assert rm.read(tmp_path).height == MINUTES
    assert command(["classify", str(tmp_path / "bad.csv")]) == 2
    assert re.fullmatch(
        r"rmtoolkit: Could not read '\S*bad\.csv': internal error, KeyError: 'bad\.csv' .*\n", capsys.readouterr().err
    )


def test_a_fault_of_a_reader_of_profiles_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one line."""
    (tmp_path / "a.dhat").write_text('{"dhatFileVersion":2}')
    monkeypatch.setattr(formats, "read_dhat", lambda _: 1 // 0)
    with pytest.raises(ReadError, match=r"a\.dhat': internal error, ZeroDivisionError"):
        rm.read_heap(tmp_path / "a.dhat")


@pytest.mark.parametrize("amount", ["9223372036854775807", "7Ei", 1 << 61])
def test_settings_that_no_machine_has_are_said_and_work_out_nothing(amount: str | int, tmp_path: Path) -> None:
    """A request of exabytes beside an OOM kill: the service is judged, and the request is named as absurd."""
    kubectl(tmp_path, ALONE)
    ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": stamp(USUAL[100])}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": GOOD, "namespace": "shop", "uid": "1", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "app", "resources": {"requests": {"memory": amount}}}]},
        "status": {
            "containerStatuses": [{"name": "app", "restartCount": 1, "lastState": {"terminated": ended}}],
        },
    }
    (tmp_path / "pods.json").write_text(json.dumps(pod))
    recording = rm.read(tmp_path)
    assert rm.assess(recording).workloads.height == 1
    assert rm.validate(recording).filter(signal="request_bytes")["check"].to_list() == ["absurd_value"]


def test_a_stored_limit_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """No reader writes a limit of nothing, or of exabytes: who finds one reads another file."""
    good = rm.Recording.from_frame(table(ALONE, ms=False))
    for name, amount in (("limit_bytes", 0), ("limit_bytes", -1), ("request_bytes", (1 << 63) - 1)):
        rm.Recording(good.containers.with_columns(pl.lit(amount, pl.Int64).alias(name)), good.samples).write(
            tmp_path / "bad.parquet"
        )
        with pytest.raises(ReadError, match=r"bad\.parquet.*limits or requests that cannot be"):
            rm.read_recording(tmp_path / "bad.parquet")


def test_more_workloads_than_can_be_judged_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of a million ends in a line that names it, before memory is gone; a part of it is judged."""
    monkeypatch.setattr(_parallel, "_MOST_WORKLOADS", 3)
    names = [f"web{number}" for number in range(4)]
    rows = {"workload": names * 20, "time": [T0 + 60 * (at // 4) for at in range(80)], "working_set_bytes": [MI] * 80}
    pl.DataFrame(rows).write_csv(tmp_path / "all.csv")
    found, lake = rm.read(tmp_path / "all.csv"), rm.Lake(tmp_path / "lake", buckets=2)
    lake.append(found)
    judging = (rm.assess, rm.classify, rm.recommend_limits, rm.fits)
    for source, name, more in ((found, r"all\.csv'", (rm.lives, rm.validate)), (lake, "<Lake: .*>", ())):
        for door in (*judging, *more):
            with pytest.raises(RmtoolkitError, match=f"{name}: 4 containers of workloads, and at most 3 are judged"):
                door(source)
    assert rm.assess(found.filter(workload=names[:3])).workloads.height == 3
    # Pods of one workload are one.
    pods = pl.DataFrame(rows | {"workload": ["web0"] * 80, "pod": names * 20})
    assert rm.assess(pods).workloads["pods"].to_list() == [4]
