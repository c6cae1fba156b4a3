"""Saved Prometheus answers in every form people have them."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders.prometheus._metrics import meaning_of
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loaders.conftest import Prom

DATA = Path(__file__).parents[1] / "data" / "prometheus"
SAMPLES = Path(__file__).parents[2] / "data" / "samples"
WORKING_SET = "container_memory_working_set_bytes"
RSS = "container_memory_rss"
MEANT = {"t_mem": "working_set_bytes", "t_restart": "working_set_bytes", "t_nostale": "working_set_bytes"}


def compact(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "compact": compact,
    "pretty": lambda answer: json.dumps(answer, indent=2).encode(),
    "gzip": lambda answer: gzip.compress(compact(answer)),
    "gzip in two members": lambda answer: gzip.compress(compact(answer)[:40]) + gzip.compress(compact(answer)[40:]),
    "zstd": lambda answer: zstd(compact(answer)),
    "data alone": lambda answer: compact(answer["data"]),
    "result alone": lambda answer: json.dumps(answer["data"]["result"]).encode(),
    "byte order mark": lambda answer: b"\xef\xbb\xbf" + compact(answer),
    "PowerShell": lambda answer: json.dumps(answer).encode("utf-16"),
    "blanks around": lambda answer: b"\n\n " + compact(answer) + b"\r\n\r\n",
    "headers before": lambda answer: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + compact(answer),
    "export lines": lambda answer: b"\n".join(
        compact(
            {
                "metric": one["metric"],
                "values": [float(value) for _, value in one["values"]],
                "timestamps": [int(time * 1000) for time, _ in one["values"]],
            },
        )
        for one in answer["data"]["result"]
    ),
    "an answer a line": lambda answer: b"\n".join(
        compact({"status": "success", "data": {"resultType": "matrix", "result": [one]}})
        for one in answer["data"]["result"]
    ),
    "answers without a break": lambda answer: b"".join(
        json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [one]}}, indent=1).encode()
        for one in answer["data"]["result"]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(prom: Prom, form: str) -> None:
    """However an answer was saved, the samples are the same."""
    answer = prom.answer(
        prom.series(WORKING_SET, [100, 200], labels=prom.pod()),
        prom.series(RSS, [70, 80], step=30.5, labels=prom.pod()),
    )
    file = prom.save(FORMS[form](answer))
    if form == "headers before":
        with pytest.warns(RmtoolkitWarning, match="1 stretch of text that is no JSON"):
            recording = rm.read_prometheus(file)
    else:
        recording = rm.read_prometheus(file)
    assert recording.samples.select("working_set_bytes", "anon_bytes").rows() == [(100, 70), (200, None), (None, 80)]
    assert prom.seconds(recording) == [0, 30, 30.5]
    assert recording.report.sources == (str(file),)


def test_vector(prom: Prom) -> None:
    """An instant query gives one sample a series."""
    result = [{"metric": {"__name__": WORKING_SET} | prom.pod(), "value": [prom.t0 + 0.25, "5"]}]
    file = prom.save({"status": "success", "data": {"resultType": "vector", "result": result}})
    assert prom.seconds(rm.read_prometheus(file)) == [0.25]


def test_paths(prom: Prom) -> None:
    """A folder, a glob, a list and a string mean the same files; what explains what may stand there, and is told."""
    one = prom.save(prom.answer(prom.series(WORKING_SET, [1], labels=prom.pod())), "week/a/one.json")
    two = prom.save(gzip.compress(compact(prom.answer(prom.series(RSS, [2], labels=prom.pod())))), "week/two.jsonl.gz")
    prom.save(b"# notes", "week/README.md")
    prom.save(b"{}", "week/.hidden.json")
    folder = two.parent
    several: list[Path | str] = [one, str(two)]
    found = [rm.read_prometheus(path) for path in (str(folder / "**" / "*.json*"), several)]
    with pytest.warns(RmtoolkitWarning, match="1 of 3 files could not be read; the first: .*README.md"):
        found.append(rm.read_prometheus(folder))
    for recording in found:
        assert recording.samples.select("working_set_bytes", "anon_bytes").rows() == [(1, 2)]
    assert dict(found[-1].report.left_out) == {"files that could not be read": 1}
    assert found[-1].report.sources == (str(one), str(two))


def test_files_without_an_ending(prom: Prom) -> None:
    """However a file of a folder is called, it is read: without an ending, or with one in capitals."""
    prom.save(prom.answer(prom.series(WORKING_SET, [1], labels=prom.pod())), "answers/first")
    assert rm.read_prometheus(prom.folder / "answers").samples.height == 1
    prom.save(prom.answer(prom.series(WORKING_SET, [1, 2], labels=prom.pod())), "answers/SECOND.JSON")
    assert rm.read_prometheus(prom.folder / "answers").samples.height == 2


@pytest.mark.parametrize(
    "path",
    ["nothing.json", "*.json", "", [], "empty-folder"],
    ids=["file", "glob", "empty", "list", "folder"],
)
def test_nothing_there(prom: Prom, path: str | list[str]) -> None:
    """A path that means nothing is an error that says how to give one."""
    (prom.folder / "empty-folder").mkdir()
    given = [str(prom.folder / item) for item in path] if isinstance(path, list) else str(prom.folder / "x" / path)
    with pytest.raises(ReadError, match=r"no such file or folder|a folder without files|an empty list of files"):
        rm.read_prometheus(str(prom.folder / "empty-folder") if path == "empty-folder" else given)


@pytest.mark.parametrize(
    "name",
    [f"{WORKING_SET}.json", f"{WORKING_SET}.json.gz", f"{WORKING_SET}-day1.json", f"{WORKING_SET}.2026-11-24.json"],
)
def test_series_named_by_their_file(prom: Prom, name: str) -> None:
    """Series of an expression have no name: the file's stands for it when it is a metric's."""
    content = compact(prom.answer(prom.series(None, [1], labels=prom.pod())))
    file = prom.save(gzip.compress(content) if name.endswith(".gz") else content, name)
    assert rm.read_prometheus(file).samples["working_set_bytes"].to_list() == [1]


def test_series_without_a_name(prom: Prom) -> None:
    """Otherwise it is an error that says what to do, and doing it helps."""
    file = prom.save(prom.answer(prom.series(None, [1], labels=prom.pod())), "heap.json")
    with pytest.raises(ReadError, match=re.escape("or say metrics={'heap': 'working_set_bytes'}")):
        rm.read_prometheus(file)
    recording = rm.read_prometheus(file, metrics={"heap": "allocated_bytes"})
    assert recording.samples["allocated_bytes"].to_list() == [1]


def test_unknown_metrics_are_named_and_counted(prom: Prom) -> None:
    """Metrics without a use are in the report; alone they are an error."""
    strangers = [prom.series(name, [1], labels=prom.pod()) for name in ("up", "up2", "go_goroutines")]
    with pytest.raises(ReadError, match=r"3 series of metrics without a use here \('up', 'up2', 'go_goroutines'\)"):
        prom.read(*strangers)
    recording = prom.read(*strangers, prom.series(WORKING_SET, [1], labels=prom.pod()))
    assert recording.report.left_out == {"series of metrics without a use here ('up', 'up2', 'go_goroutines')": 3}


def test_facts_alone(prom: Prom) -> None:
    """Without memory the facts are a recording still; beside memory, containers without any are left out."""
    limit = "kube_pod_container_resource_limits"
    facts = [prom.series(limit, [512 << 20], labels=prom.pod(pod=pod, resource="memory")) for pod in ("a-0", "b-0")]
    alone = prom.read(*facts)
    assert (alone.samples.height, alone.containers["limit_bytes"].to_list()) == (0, [512 << 20] * 2)
    beside = prom.read(*facts, prom.series(WORKING_SET, [1], labels=prom.pod(pod="a-0")))
    assert beside.containers["pod"].to_list() == ["a-0"]
    assert beside.report.left_out == {"containers without a memory sample, which only kube-state-metrics knows": 1}


def test_what_ran_without_memory_is_told(prom: Prom) -> None:
    """As pods on Windows or Fargate; what ended or just began, stands elsewhere or is told as a whole is left out."""
    started, restarts = "kube_pod_container_state_started", "kube_pod_container_status_restarts_total"
    terminated = "kube_pod_container_status_terminated_reason"
    job, elsewhere = prom.pod(pod="job-0", container="job"), prom.pod(pod="x-0") | {"namespace": "kube-system"}
    memory = prom.series(WORKING_SET, [1] * 40, labels=prom.pod(pod="a-0"))
    ended = prom.series(started, [prom.t0 - 9] * 40, labels=job)
    with pytest.warns(rm.RmtoolkitWarning, match="'far' ran without a sample of memory"):
        recording = prom.read(
            memory,
            *(prom.series(started, [prom.t0] * 40, labels=prom.pod(pod=f"far-{n}", container="far")) for n in (0, 1)),
            ended,
            prom.series(terminated, [1] * 38, at=60, labels={**job, "reason": "Completed"}),
            prom.series(started, [prom.t0] * 40, labels=elsewhere),
            prom.series(started, [prom.t0] * 40, labels=prom.pod(pod="a-0", container="beside")),
            prom.series(started, [prom.t0 + 1000] * 6, at=1020, labels=prom.pod(pod="new-0", container="new")),
            prom.series(restarts, [0] * 40, labels=prom.pod(pod="done-0", container="done")),
        )
    assert recording.containers["pod"].to_list() == ["a-0"]
    assert recording.report.unusable == ("'far' ran without a sample of memory",)
    assert recording.report.left_out == {"containers without a memory sample, which only kube-state-metrics knows": 7}
    assert prom.read(memory, ended).report.unusable == ()


def test_what_is_killed_before_any_scrape_of_it_is_known(prom: Prom) -> None:
    """A container that kube-state-metrics alone knows is kept where it was OOM-killed beside what is sampled."""
    reason = "kube_pod_container_status_last_terminated_reason"
    told = [prom.series(reason, [1] * 3, labels=prom.pod(pod=pod, reason="OOMKilled")) for pod in ("a-0", "b-0")]
    told[1]["metric"]["namespace"] = "elsewhere"
    counted = prom.series("kube_pod_container_status_restarts_total", [0, 1, 2], labels=prom.pod(pod="a-0"))
    recording = prom.read(*told, counted, prom.series(WORKING_SET, [1] * 3, labels=prom.pod(pod="a-1")))
    pods = recording.events.filter(kind="oom_kill").join(recording.containers, on="container_id")["pod"]
    assert pods.unique().to_list() == ["a-0"]
    assert recording.containers["pod"].to_list() == ["a-0", "a-1"]
    assert recording.report.left_out == {"containers without a memory sample, which only kube-state-metrics knows": 1}


def test_what_was_not_found_is_said(prom: Prom) -> None:
    """The report names what would help and is not there, with the metric that tells it."""
    report = prom.read(prom.series(WORKING_SET, [1], labels=prom.pod())).report
    assert "restarts (kube_pod_container_status_restarts_total)" in report.missing
    assert report.found == ()


def test_not_a_number(prom: Prom) -> None:
    """NaN and infinities are null, and counted."""
    series = prom.series(WORKING_SET, [1, "NaN", "+Inf", "-Inf", -5, "1e+21", 7.5], labels=prom.pod())
    recording = prom.read(series, prom.series(RSS, [9] * 7, labels=prom.pod()))
    assert recording.samples["working_set_bytes"].to_list() == [1, None, None, None, None, None, 8]
    assert recording.report.left_out == {
        "values that were NaN or infinite": 3,
        "values that were negative or absurd": 2,
    }


def test_real_special_values() -> None:
    """What a real server writes for special values comes out as expected."""
    recording = rm.read_prometheus(DATA / "prom253_special_values_raw.json", metrics={"t_special": "load"})
    assert recording.samples["load"].to_list() == [0.0, 0.0, 1e21, 1.5e-07, 9007199254740992.0, 0.1]


def test_real_gap() -> None:
    """Raw samples keep their milliseconds and their gap; VictoriaMetrics and Prometheus differ in what they fill."""
    read = {
        name: rm.read_prometheus(DATA / f"{name}.json", metrics=MEANT)
        for name in (
            "prom253_gap_raw",
            "prom253_gap_query_range",
            "vm112_gap_query_range",
        )
    }
    assert [recording.samples.height for recording in read.values()] == [50, 25, 15]
    times = read["prom253_gap_raw"].samples["time"]
    assert times.dt.millisecond().unique().to_list() == [373]
    assert times.diff().max() == pl.Series([165_000]).cast(pl.Duration("ms")).item()


def test_real_restart_with_and_without_a_marker() -> None:
    """A new container id takes over where it begins, whether or not the old one lingers."""
    stale = rm.read_prometheus(DATA / "prom253_restart_stale.json", metrics=MEANT)
    assert [value // 1_000_000 for value in stale.samples["working_set_bytes"].to_list()] == [5] * 4 + [1] * 6
    lingering = rm.read_prometheus(DATA / "prom253_restart_nostale.json", metrics=MEANT)
    values = [value // 1_000_000 for value in lingering.samples["working_set_bytes"].to_list()]
    assert values == [5] * 5 + [1] * 24
    assert [recording.events["kind"].to_list() for recording in (stale, lingering)] == [["start"]] * 2
    export = rm.read_prometheus(DATA / "vm112_export_restart.json", metrics=MEANT)
    assert (export.samples.height, export.events["kind"].to_list()) == (99, ["start"])


def test_real_replicas() -> None:
    """Of two replicas 7 s apart one is used."""
    recording = rm.read_prometheus(DATA / "vm112_ha_replicas_raw.json", metrics={"t_ha": "rss_bytes"})
    assert recording.samples["time"].diff().drop_nulls().dt.total_seconds().unique().to_list() == [15]


def test_warnings_of_the_server(prom: Prom) -> None:
    """Notes of PromQL are in the report; a partial answer is also a warning."""
    noted = rm.read_prometheus(DATA / "prom253_warning_annotation.json", metrics={"prom253_warning_annotation": "load"})
    assert [line for line in noted.report.warnings if "PromQL info: metric might not be a counter" in line]
    answer = prom.answer(
        prom.series(WORKING_SET, [1], labels=prom.pod()),
        warnings=['fetch series for {cluster="eu"} store-1: receive series: timeout'],
        infos=["PromQL info: x"],
        isPartial=True,
    )
    with pytest.warns(RmtoolkitWarning, match="store-1: receive series: timeout") as seen:
        recording = rm.read_prometheus(prom.save(answer))
    assert seen[0].filename == __file__
    assert len(recording.report.partial) == 2
    assert "the server noted: PromQL info: x" in recording.report.warnings


BAD = {
    "prom253_err_parse.json": r"the error answer 'bad_data': invalid parameter \"query\": 1:7: parse error",
    "prom253_err_11000.json": r"'bad_data': exceeded maximum resolution of 11,000 points",
    "prom253_err_many_to_many.json": r"'execution': found duplicate series.*many-to-many matching not allowed",
    "vm112_err_parse.json": r"'422': error when executing query=\"t_mem\{\"",
    "prom253_err_not_found.txt": r"line 1: found '404 page not found\\n', expected a saved Prometheus answer",
    "vm112_err_not_found.txt": "unsupported path reques",
    "prom253_scalar.json": r"found a scalar, which has no series.*Save the answer to a query for a metric",
    "prom253_string.json": "found a string, which has no series",
    "prom253_buildinfo.json": "found a JSON object without series",
    "prom253_labels.json": "found a list of labels, series or exemplars",
    "prom253_exemplars.json": "found a list of labels, series or exemplars",
    "prom253_empty.json": "The query matched nothing: check its labels and its time",
    "vm112_string.json": "The query matched nothing",
    "vm112_scalar.json": "The series do not say which metric they are",
    "prom253_native_histogram_vector.json": r"1 native histogram series",
    "vm112_export_native.txt": "It is binary; save the answer",
    "prom253_remote_read_samples_t_restart.bin": r"2 series of metrics without a use here \('t_restart'\)",
    "prom253_remote_read_streamed_t_restart.bin": "streamed answer to a remote read.*ask without STREAMED_XOR_CHUNKS",
}


@pytest.mark.parametrize("name", BAD)
def test_real_answers_that_hold_nothing(name: str) -> None:
    """Errors quote the server; other answers say what they are and what to ask for."""
    with pytest.raises(ReadError, match=BAD[name]) as error:
        rm.read_prometheus(DATA / name)
    assert name in str(error.value)


CONTENT = {
    "empty": (b"", "found 'an empty file'"),
    "blank": (b" \n\t\n", "found 'only blanks'"),
    "login page": (b"<!DOCTYPE html><html><title>Sign in</title>", "A login or error page looks like this: sign in"),
    "binary": (bytes(range(256)) * 4, "It is binary"),
    "exposition": (b"# HELP up\n# TYPE up gauge\nup 1\n", "1 series of metrics without a use here"),
    "kubectl": (b"NAME CPU(cores) MEMORY(bytes)\napi 1m 2Mi\n", "line 1: found 'NAME CPU"),
    "cut off": (
        b'{"status":"success",\n"data":{"resultType":"matrix","result":[{"met',
        r"line 2: .*damaged at byte 66: Inp",
    ),
    "damaged": (b'{"status":"success",\n"data":,}', r"line 2: found '.*damaged at byte 28"),
    "labels in a list": (
        b'[{"metric":[1],"values":[[1,"2"]]}]',
        r"Expected `object`, got `array` - at `\$\[0\]\.metric",
    ),
    "deep": (b"[" * 100_000, "maximum recursion depth"),
    "another object": (b'{"kind":"PodMetricsList","items":[]}', "found a JSON object without series"),
    "an array": (b"[1,2,3]", "found JSON of another form"),
    "rubbish for samples": (
        compact([{"metric": {"__name__": WORKING_SET}, "values": "soon"}]),
        "1 series whose samples are not pairs",
    ),
}


@pytest.mark.parametrize("case", CONTENT)
def test_bad_content(prom: Prom, case: str) -> None:
    """One clear error that names the file and the place, and says what to do."""
    content, message = CONTENT[case]
    with pytest.raises(ReadError, match=message) as error:
        rm.read_prometheus(prom.save(content, "bad.json"))
    assert "bad.json" in str(error.value)


def test_a_matrix_that_is_cut_off(prom: Prom) -> None:
    """Wherever a download broke off, the series before it are read, and one warning says so."""
    series = [prom.series(WORKING_SET, [index] * 3, labels=prom.pod(pod=f"a{{}}]]}}-{index}")) for index in range(4)]
    whole = compact(prom.answer(*series))
    ends = [found.end() for found in re.finditer(rb'"\]\]\}', whole)]
    for cut in (ends[-1], ends[-1] - 1, ends[1] + 1, ends[1] + 30, ends[0], len(whole) - 1):
        with pytest.warns(RmtoolkitWarning, match=rf"is cut off or damaged at byte {cut:,}") as seen:
            recording = rm.read_prometheus(prom.save(whole[:cut]))
        assert recording.containers.height == sum(end <= cut for end in ends)
        assert len(seen) == 1
        assert recording.report.left_out["series at the end of cut-off files"] == 1
    with pytest.raises(ReadError, match="Save the answer again"):
        rm.read_prometheus(prom.save(whole[: ends[0] - 1]))


def test_a_compressed_file_that_is_cut_off(prom: Prom) -> None:
    """What could be unpacked is read."""
    series = [prom.series(WORKING_SET, list(range(900)), labels=prom.pod(pod=f"a-{index}")) for index in range(50)]
    packed = gzip.compress(compact(prom.answer(*series)))
    with pytest.warns(RmtoolkitWarning, match="cut off"):
        recording = rm.read_prometheus(prom.save(packed[:-200], "a.json.gz"))
    assert 0 < recording.containers.height < 50


def test_a_compressed_file_without_a_bottom(prom: Prom) -> None:
    """A small file that unpacks to an absurd amount is refused, not unpacked."""
    bomb = gzip.compress(b" " * (300 << 20), compresslevel=1)
    with pytest.raises(ReadError, match="unpack to more than"):
        rm.read_prometheus(prom.save(bomb, "bomb.json.gz"))


def test_lines_between_answers(prom: Prom) -> None:
    """Noise, refused answers and a damaged line leave the good lines; each is counted."""
    good = [
        compact(prom.answer(prom.series(WORKING_SET, [1], labels=prom.pod(pod=f"a-{index}")))) for index in range(3)
    ]
    error = compact({"status": "error", "errorType": "timeout", "error": "query timed out"})
    noise = [b"  % Total    % Received", good[0], error, good[1][:-60], good[1], b"curl: (52) Empty reply", good[2]]
    with pytest.warns(RmtoolkitWarning, match="the error answer 'timeout': query timed out"):
        recording = rm.read_prometheus(prom.save(b"\n".join(noise)))
    assert recording.containers["pod"].to_list() == ["a-0", "a-1", "a-2"]
    assert recording.report.left_out["stretches of text that are no JSON"] == 3


def test_good_and_bad_files_together(prom: Prom) -> None:
    """Bad files beside good ones are left out with one counted warning; only bad ones are an error."""
    prom.save(prom.answer(prom.series(WORKING_SET, [1], labels=prom.pod())), "mixed/a.json")
    prom.save(b"<html>", "mixed/b.json")
    prom.save(b"", "mixed/c.json")
    prom.save((DATA / "prom253_err_parse.json").read_bytes(), "mixed/d.json")
    with pytest.warns(RmtoolkitWarning, match="3 of 4 files could not be read; the first: .*b.json") as seen:
        recording = rm.read_prometheus(prom.folder / "mixed")
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert recording.report.left_out == {"files that could not be read": 3}
    for name, line in zip("bcd", recording.report.partial, strict=True):
        assert f"{name}.json" in line
    assert [Path(source).name for source in recording.report.sources] == ["a.json"]
    (prom.folder / "mixed" / "a.json").unlink()
    with pytest.raises(ReadError, match=r"b\.json"):
        rm.read_prometheus(prom.folder / "mixed")
    # Of one file alone the error is as it was met: what walks over causes comes to an end.
    with pytest.raises(ReadError, match=r"b\.json") as caught:
        rm.read_prometheus(prom.folder / "mixed" / "b.json")
    assert caught.value.__cause__ is not caught.value


def test_bytes_that_are_not_utf8(prom: Prom) -> None:
    """A label in another encoding does not cost the file."""
    content = compact(prom.answer(prom.series(WORKING_SET, [1], labels=prom.pod(team="?")))).replace(b"?", b"\xe4")
    with pytest.warns(RmtoolkitWarning, match="not UTF-8"):
        recording = rm.read_prometheus(prom.save(content))
    assert recording.samples["working_set_bytes"].to_list() == [1]


def test_a_wrong_signal_is_refused_before_reading() -> None:
    """A misspelt signal is said at once, not after an hour of reading."""
    with pytest.raises(RmtoolkitError, match="did you mean 'rss_bytes'"):
        rm.read_prometheus("nowhere", metrics={"x": "rss_byte"})


@pytest.mark.parametrize(
    ("quota", "period", "limit", "cores"),
    [
        pytest.param(150_000, 100_000, None, 1.5, id="quota_over_period"),
        pytest.param(150_000, 100_000, 0.5, 0.5, id="kube_state_metrics_comes_first"),
        pytest.param(150_000, 100_000, 0, 1.5, id="a_limit_of_nothing_is_none"),
        pytest.param(-1, 100_000, None, None, id="no_quota"),
        pytest.param(150_000, None, None, None, id="no_period"),
        pytest.param(150_000, 0, None, None, id="a_period_of_nothing"),
    ],
)
def test_how_many_cores_a_container_may_use(
    prom: Prom, quota: float, period: float | None, limit: float | None, cores: float | None
) -> None:
    """A quota and its period are told apart by cAdvisor, as one by kube-state-metrics; half of it tells nothing."""
    of_pod, of_limit = prom.pod(), {**prom.pod(), "resource": "cpu", "unit": "core"}
    told = [(WORKING_SET, 1, of_pod), ("container_spec_cpu_quota", quota, of_pod)]
    told += [] if period is None else [("container_spec_cpu_period", period, of_pod)]
    told += [] if limit is None else [("kube_pod_container_resource_limits", limit, of_limit)]
    recording = prom.read(*(prom.series(name, [value], labels=labels) for name, value, labels in told))
    assert recording.containers["quota_cores"].to_list() == [cores]


def test_the_workload_pattern(prom: Prom) -> None:
    """Where no owner is known, the user's pattern reads the pod's name."""
    recording = prom.read(
        prom.series(WORKING_SET, [1], labels=prom.pod(pod="shop_api_7")),
        workload_pattern=r"^\w+?_(?P<workload>\w+)_\d+$",
    )
    assert recording.containers.select("workload", "workload_inferred").row(0) == ("api", True)


def _saved() -> list[Path]:
    with (SAMPLES / "truth.csv").open() as lines:
        names = [row["sample"] for row in csv.DictReader(lines)]
    return [SAMPLES / name for name in names if (SAMPLES / name).is_dir() or name.endswith(".json")]


@pytest.mark.parametrize("path", _saved(), ids=lambda path: path.name)
def test_shipped_samples(path: Path) -> None:
    """Every sample in this form is loaded without a loss: each value, read naively, stands in the recording."""
    recording = rm.read_prometheus(path)
    joined = recording.samples.join(recording.containers.select("container_id", "pod"), on="container_id")
    expected: dict[tuple[str, float, str], int] = {}
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        for series in json.loads(file.read_bytes())["data"]["result"]:
            metric = series["metric"]
            meaning = meaning_of(metric["__name__"], metric, {})
            if meaning is not None and meaning.role in SIGNALS:
                for time, value in series.get("values") or [series["value"]]:
                    expected[metric["pod"], time, meaning.role] = round(float(value))
    found = {
        (pod, time.timestamp(), signal): value
        for signal in SIGNALS
        for pod, time, value in joined.filter(pl.col(signal).is_not_null()).select("pod", "time", signal).iter_rows()
    }
    assert found == expected
    assert recording.report.left_out == {}
    assert recording.containers["limit_known"].all()
    assert not recording.containers["workload_inferred"].any()


def test_damaged_samples_are_not_taken_for_an_unknown_metric(prom: Prom) -> None:
    """When no pair of a known metric can be read, the error counts the series once and gives no false hint."""
    series = prom.series(WORKING_SET, [1], labels=prom.pod()) | {"values": [None, [1]]}
    with pytest.raises(ReadError, match="1 series whose samples are not pairs") as caught:
        prom.read(series)
    assert "If one of these metrics" not in str(caught.value)
    assert "without samples" not in str(caught.value)


def test_a_malformed_pair_is_warned_of(prom: Prom) -> None:
    """The rest of the series is loaded, and the warning counts what was not."""
    series = prom.series(WORKING_SET, [1, 2], labels=prom.pod())
    series["values"].insert(1, None)
    with pytest.warns(RmtoolkitWarning, match="1 samples? that (are|is) not a pair"):
        recording = prom.read(series)
    assert recording.samples["working_set_bytes"].to_list() == [1, 2]
