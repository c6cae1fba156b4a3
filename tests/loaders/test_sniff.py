"""`rm.read`: what a file is is told by its content; folders are read format by format."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders import READERS, Form, _File, recognise, sources
from tests.loaders.outcomes import Outcomes

DATA: Final = Path(__file__).parents[1] / "data"
ROOT: Final = Path(__file__).parents[2]
MI: Final = 1 << 20

TOP: Final = "2026-11-24T22:51:29Z\nNAME   CPU(cores)   MEMORY(bytes)\ndb-0   1m   20Mi\n"
TOP_CSV: Final = "time,pod,cpu,memory\n2026-11-24T22:51:29Z,db-0,1m,20Mi\n"
METRICS: Final = json.dumps(
    {
        "kind": "PodMetrics",
        "metadata": {"name": "db-0"},
        "timestamp": "2026-11-24T22:51:29Z",
        "containers": [{"name": "db", "usage": {"memory": "20Mi"}}],
    },
)
ANSWER: Final = json.dumps(
    {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {
                    "metric": {
                        "__name__": "container_memory_working_set_bytes",
                        "namespace": "shop",
                        "pod": "web-0",
                        "container": "web",
                    },
                    "values": [[1795560689, str(20 * MI)], [1795560749, str(21 * MI)]],
                },
            ],
        },
    },
)
STATS: Final = '2026-11-24T22:51:29Z\n{"jemalloc":{"stats":{"allocated":20971520,"active":20971521}}}\n'
STATS_TEXT: Final = (
    "2026-11-24T22:51:29Z\n___ Begin jemalloc statistics ___\nAllocated: 20971520, active: 20971521\n"
    "--- End jemalloc statistics ---\n"
)
TABLE: Final = "time,pod,rss_bytes\n2026-11-24T22:51:29Z,db-0,20971520\n"
HEAPTRACK: Final = "v 10500 3\nX app\nI 1000 5f1ab1\n"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (TOP, Form.KUBECTL),
        ("db-0 1m 20Mi\n", Form.KUBECTL),
        (TOP_CSV, Form.CSV),
        (TOP_CSV.partition("\n")[2], Form.KUBECTL),
        (METRICS, Form.KUBECTL),
        ("error: Metrics API not available\n", Form.KUBECTL),
        (ANSWER, Form.PROMETHEUS),
        ('{"status": "error", "errorType": "bad_data", "error": "parse error"}', Form.PROMETHEUS),
        ('{"metric":{"__name__":"m"},"values":[1],"timestamps":[1]}', Form.PROMETHEUS),
        (STATS, Form.JEMALLOC),
        (STATS_TEXT, Form.JEMALLOC),
        (json.dumps({"log": STATS, "stream": "stderr"}), Form.JEMALLOC),
        (TABLE, Form.CSV),
        ("timestamp;pod;working_set\n", Form.CSV),
        (HEAPTRACK, Form.HEAP),
        ("heap_v2/524288\n  t*: 1: 2 [0: 0]\n", Form.HEAP),
        ("heap profile: 1: 2 [ 3: 4] @ heapprofile\n", Form.HEAP),
        ('{"dhatFileVersion":2,"mode":"heap"}', Form.HEAP),
        ("desc: --massif\ncmd: app\ntime_unit: i\n", Form.HEAP),
        ("sample,verdict,limit_bytes\na,leak,5\n", Form.OTHER),
        ("# About\n\nSome prose: 5m and 20Mi of it.\n", Form.OTHER),
        ('{"run": "s01"}\n{"run": "s02"}\n', Form.OTHER),
        ("<svg xmlns='http://www.w3.org/2000/svg'></svg>", Form.OTHER),
    ],
)
@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gzip"])
def test_a_file_is_told_by_its_content(tmp_path: Path, text: str, form: Form, pack: bool) -> None:
    """A name that says nothing, or the wrong thing, does not matter; nor does compression."""
    file = tmp_path / "misleading.md"
    file.write_bytes(gzip.compress(text.encode()) if pack else text.encode())
    assert recognise(file)[0] is form


@pytest.mark.parametrize(
    "data",
    [
        b"\x14aaaa\n" + b"\xff" * 20 + b"\x12",
        b"\x14\x12aaa\n\xff",
        b"\x14@\n" + b"\xff" * 20 + b"\x12",
        b"\x14@\n\x12\n\xff",
        b"\n\x12" + b"\0" * 20,
    ],
    ids=["streamed", "streamed and cut off", "packed", "packed and cut off", "nothing in it"],
)
def test_what_begins_like_an_answer_is_none(tmp_path: Path, data: bytes) -> None:
    """Bytes where those of an answer to a remote read are, with a number that has no end."""
    (tmp_path / "a").write_bytes(data)
    assert recognise(tmp_path / "a")[0] is Form.OTHER


#: Of each row that may stand behind more than the head of a file.
BEHIND: Final = {
    "KUBECTL read_kubectl_top": METRICS,
    "JEMALLOC read_jemalloc_stats": STATS,
    "MALLOC read_malloc_info": '<malloc version="1">\n',
    "KERNEL read_kernel": "oom-kill:constraint=CONSTRAINT_MEMCG\n",
    "KUBECTL a table": TOP,
}


def test_what_comes_late_in_a_log_is_found(tmp_path: Path) -> None:
    """Behind more than the head; behind objects of Kubernetes there are metrics, but a table in them is a quotation."""
    assert sum(row.behind is not None for row in READERS) == len(BEHIND)
    objects = '{"kind": "Pod", "metadata": {"uid": "1"}}\n'
    file = tmp_path / "a"
    for name, text in BEHIND.items():
        for first, form in (("", Form[name.split()[0]]), (objects, Form[name.split()[0]])):
            file.write_text(first + "ready\n" * 100_000 + text)
            quoted = first and text is TOP
            assert recognise(file)[0] is (Form.OBJECTS if quoted else form), name


@pytest.mark.parametrize("name", sorted(file.name for file in (DATA / "kubectl").glob("*.*")))
def test_every_real_kubectl_file_is_recognised(name: str) -> None:
    """All outputs of kubectl are told from other text; what is no kubectl top output is not."""
    others = {"README.md", "index.tsv", "date_locales.txt", "get_podmetrics_plain.txt", "get_podmetrics_jsonpath.txt"}
    others.add("loop_awk_csv.txt")  # a table with a head
    assert (recognise(DATA / "kubectl" / name)[0] is Form.KUBECTL) is (name not in others)


def test_each_form_is_read(tmp_path: Path) -> None:
    """The same 20 MiB through every reader."""
    texts = {
        "top": TOP,
        "csv": TOP_CSV,
        "metrics": METRICS,
        "stats": STATS,
        "text": STATS_TEXT,
        "table": TABLE,
        "answer": ANSWER,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        recording = rm.read(tmp_path / name)
        signals = recording.samples.select(pl.col(pl.Int64).drop_nulls().first() for _ in [0])
        assert 20 * MI in signals.row(0), name
    stored = rm.read(tmp_path / "table").write(tmp_path / "stored.parquet").rename(tmp_path / "stored")
    assert rm.read(stored).samples["rss_bytes"].to_list() == [20 * MI]
    plain = tmp_path / "plain"
    pl.DataFrame({"time": [dt.datetime(2026, 11, 24, tzinfo=dt.UTC)], "pod": ["db-0"], "rss_bytes": [5]}).write_parquet(
        plain
    )
    assert rm.read(plain).samples["rss_bytes"].to_list() == [5]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four formats, and what else lies about."""
    week = tmp_path / "week"
    (week / "deep").mkdir(parents=True)
    (week / ".git").mkdir()
    for name, text in {
        "top.log": TOP,
        "deep/answer.json": ANSWER,
        "deep/api.stats.log": STATS,
        "table.csv": TABLE.replace("db-0", "cache-0"),
        "README.md": "# About\n",
        "truth.csv": "sample,verdict\na,leak\n",
        "plan.jsonl": '{"run": 1}\n',
        "picture.svg": "<svg/>",
        "heap.txt": HEAPTRACK,
        ".hidden": "rubbish",
        ".git/config": TOP,
    }.items():
        (week / name).write_text(text)
    return week


def test_a_folder_is_read_format_by_format(folder: Path) -> None:
    """Everything becomes one recording; what is none is named, hidden files are not looked at."""
    recording = rm.read(folder)
    assert sorted(recording.containers.select("workload", "source").rows()) == [
        ("api", "jemalloc stats"),
        ("cache", str(folder / "table.csv")),
        ("db", "kubectl top"),
        ("web", "prometheus"),
    ]
    assert "skipped, no recording: README.md, heap.txt, picture.svg, plan.jsonl, truth.csv" in recording.report.warnings
    assert {Path(source).name for source in recording.report.sources} == {
        "top.log",
        "answer.json",
        "api.stats.log",
        "table.csv",
    }


def test_globs_and_lists(folder: Path) -> None:
    """A glob, a recursive glob and a list mean files, each once."""
    assert rm.read(f"{folder}/*.log").containers["workload"].to_list() == ["db"]
    assert sorted(rm.read(f"{folder}/**/*.log").containers["workload"]) == ["api", "db"]
    both: list[str | Path] = [folder / "top.log", str(folder / "top.log"), folder / "deep"]
    assert sorted(rm.read(both).containers["workload"]) == ["api", "db", "web"]


def test_a_source_that_fails_is_left_out_with_a_warning(folder: Path) -> None:
    """Broken files beside good ones: one warning at the caller's line that counts them and quotes the first."""
    (folder / "broken.json").write_text("<html>Sign in</html>")
    (folder / "cut.parquet").write_bytes(b"PAR1 and no more")
    (folder / "empty").write_text("")
    (folder / "failed.log").write_text("error: Metrics API not available\n")
    with pytest.warns(RmtoolkitWarning, match=r"4 of 13 files could not be read: .*broken\.json.*web page") as seen:
        recording = rm.read(folder)
    assert seen[0].filename == __file__
    assert recording.report.left_out["files that could not be read"] == 4
    names = ("broken.json", "cut.parquet", "empty", "failed.log")
    assert all(f"{name}'" in said for name, said in zip(names, recording.report.partial, strict=True))


def test_of_files_that_fail_together_each_is_named(tmp_path: Path) -> None:
    """The first says what is wrong; the report has the others, too."""
    (tmp_path / "top.log").write_text(TOP)
    for name in ("one.log", "two.log"):
        idle = "55cd73e22513   api-1   --   -- / --   --   --   --   --"
        head = "CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %   NET I/O   BLOCK I/O   PIDS"
        (tmp_path / name).write_text(f"{head}\n{idle}\n")
    with pytest.warns(RmtoolkitWarning, match="2 of 3 files could not be read"):
        first, other = rm.read(tmp_path).report.partial
    assert re.search(r"one\.log'.*: found 'containers that do not run'", first)
    assert re.fullmatch(r"Could not read '.*two\.log', either\.", other)


def test_a_warning_of_a_reader_points_at_the_caller(folder: Path) -> None:
    """Through rm.read too, the line that is blamed is the user's."""
    (folder / "top.log").write_text(TOP + "noise\n")
    with pytest.warns(RmtoolkitWarning, match="left out 1 line ") as seen:
        rm.read(folder / "top.log")
    assert seen[0].filename == __file__


def link_to_nothing(folder: Path) -> Path:
    """Leave a link behind whose file is gone."""
    link = folder / "gone.json"
    link.symlink_to(folder / "nowhere")
    return link


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", r"found 'no such file or folder', expected a file, a folder or a glob\.$"),
        (lambda _: "prometheus:9090", r"For a server write 'http://prometheus:9090'\."),
        (lambda folder: folder / "*.nothing", r"found 'no such file or folder'"),
        (lambda folder: folder / "\0", r"found 'no such file or folder'"),
        (lambda folder: [link_to_nothing(folder), folder / "top.log"], r"gone\.json': found 'no such file or folder'"),
        (lambda _: [], r"list of files is empty"),
        (
            lambda folder: folder / "README.md",
            r"README\.md': found 'other text', expected the address of a Prom.*, kubectl top output, .* CSV; ",
        ),
        (lambda folder: folder / "heap.txt", r"heap\.txt': found 'a heap profile'"),
        (lambda folder: [folder / "README.md", folder / "picture.svg"], r"found '2 files that hold no recording'"),
    ],
    ids=[
        "missing",
        "server",
        "empty glob",
        "impossible name",
        "link to nothing",
        "empty list",
        "prose",
        "heap profile",
        "nothing but others",
    ],
)
def test_nothing_to_read_is_one_error(folder: Path, make: Any, message: str) -> None:
    """When nothing could be read, one error says what is understood."""
    with pytest.raises(ReadError, match=message) as caught:
        rm.read(make(folder))
    assert "\n" not in str(caught.value)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    """A folder with hidden files only has none."""
    (tmp_path / ".hidden").write_text(TOP)
    with pytest.raises(ReadError, match="found 'a folder without files'"):
        rm.read(tmp_path)


def test_only_failures_is_an_error(tmp_path: Path) -> None:
    """When every source fails, the first failure is the message; a single one is raised as it is."""
    (tmp_path / "a.log").write_text("error: Metrics API not available\n")
    with pytest.raises(ReadError, match=r"a\.log', line 1: found 'error: Metrics API"):
        rm.read(tmp_path)
    (tmp_path / "b.json").write_text("")
    with pytest.raises(ReadError, match=r"None of 2 files could be read; the first: .*b\.json"):
        rm.read(tmp_path)


def test_options_reach_the_readers_that_take_them(folder: Path) -> None:
    """namespace= is for kubectl and jemalloc, workload_pattern= for kubectl and Prometheus; the rest is left alone."""
    found = rm.read(folder, namespace="dev", workload_pattern="^(?P<workload>..)-0$").containers
    assert sorted(found.select("namespace", "workload").rows(), key=str) == [
        ("dev", "api"),
        ("dev", "db"),
        ("shop", "web"),
        (None, "cache"),
    ]


def test_a_misspelt_option_is_an_error(folder: Path) -> None:
    """An option that no reader takes is refused before anything is read."""
    with pytest.raises(RmtoolkitError, match=r"No reader takes an option 'timezon'.*did you mean 'timezone'"):
        rm.read(folder, timezon="UTC")


@pytest.mark.parametrize(
    ("source", "option", "why"),
    [
        ("http://127.0.0.1:1/", "timezone", "is for files, and there is none"),
        ("s3://bucket/lake", "interval", "is for files, and there is none"),
        ("table.csv", "step", "is for servers, and no source begins with http"),
        ("table.csv", "last", r"Hint: rm.read\(…\).window\(last=…\)"),
        ("table.csv", "end", r"Hint: rm.read\(…\).window\(end=…\)"),
    ],
)
def test_an_option_that_no_source_can_take_is_refused(source: str, option: str, why: str) -> None:
    """Before anything is read or asked: it would be ignored."""
    with pytest.raises(RmtoolkitError, match=f"^{option}= is for .*{why}|^{option}= {why}"):
        rm.read([source], **{option: "1h"})


@pytest.mark.parametrize("form", ["folder", "lake"])
def test_an_option_without_a_use_is_told(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What no reader of these files takes does no harm, and a warning says so in the words of the door."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "table.csv").write_text(TABLE)
    if form == "lake":
        rm.Lake(tmp_path / "lake").append(rm.read(tmp_path / "in"))
    source = tmp_path / ("in" if form == "folder" else "lake")
    with pytest.warns(RmtoolkitWarning, match="^interval='15s', time='now': no reader of these sources takes it[.]$"):
        rm.read(source, interval="15s", time="now")
    assert main(["classify", str(source), "--interval", "15s", "--time", "now"]) == 0
    assert "warning: --interval 15s, --time now: no reader of these sources takes it." in capsys.readouterr().err


def test_what_one_of_several_files_takes_is_not_told(tmp_path: Path) -> None:
    """And a table in memory takes nothing."""
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "top.log").write_text(TOP)
    rm.read(tmp_path, interval="15s")
    with pytest.warns(RmtoolkitWarning, match="^timezone='UTC': no reader of these sources takes it"):
        rm.read(pl.DataFrame({"time": [0], "rss_bytes": [MI]}), timezone="UTC")  # type: ignore[arg-type]


@pytest.mark.parametrize(("files", "end"), [(1, "away."), (4, "away."), (5, "away and 1 more.")])
def test_a_warning_of_much_names_four(tmp_path: Path, files: int, end: str) -> None:
    """What many files lack is one warning, that counts the rest; the report holds all of it."""
    for at in range(files):
        said = json.loads(ANSWER.replace("web-0", f"web-{at}")) | {"warnings": [f"store {at} is away"]}
        (tmp_path / f"{at}.json").write_text(json.dumps(said))
    with pytest.warns(RmtoolkitWarning, match="^Not everything could be read: ") as seen:
        partial = rm.read_prometheus(tmp_path).report.partial
    (told,) = (str(one.message) for one in seen)
    assert (len(partial), told.count("is away")) == (files, min(files, 4))
    assert told.endswith(end)


def test_a_table_with_bad_cells(tmp_path: Path) -> None:
    """Words among numbers and unreadable times are left out and counted; the rest is read."""
    file = tmp_path / "table.csv"
    file.write_text(
        'time,pod,"rss_bytes",limit_bytes,limit_known\n2026-11-24T22:51:29Z,db-0,5,9000000,true\n2026-11-24T22:52:29+00:00,db-0,lots,9000000,true\n'
        "yesterday,db-0,6,,\n2026-11-24T22:53:29Z,db-0,7,9000000,true,more\n",
    )
    with pytest.warns(RmtoolkitWarning, match="1 value that is no numbers?"):
        recording = rm.read(file)
    assert recording.samples["rss_bytes"].to_list() == [5, 7]
    assert recording.containers["limit_bytes"].to_list() == [9_000_000]
    assert recording.report.left_out == {
        "values that are no numbers": 1,
        "rows without a readable time": 1,
        "rows without any value": 1,
    }


def test_a_file_without_any_amount_of_memory_is_told(tmp_path: Path) -> None:
    """A limit alone is a recording of nothing: beside samples it is of use."""
    limit = {"__name__": "kube_pod_container_resource_limits", "pod": "db-0", "container": "db", "resource": "memory"}
    result = {"resultType": "matrix", "result": [{"metric": limit, "values": [[1795560689, "536870912"]]}]}
    (tmp_path / "limits.json").write_text(json.dumps({"status": "success", "data": result}))
    with pytest.warns(RmtoolkitWarning, match="No amount of memory is in limits.json"):
        recording = rm.read(tmp_path)
    assert recording.containers["limit_bytes"].to_list() == [512 << 20]


def test_epoch_times_in_a_table(tmp_path: Path) -> None:
    """Seconds since 1970 in CSV are times too."""
    (tmp_path / "t").write_text("ts;workload;memory_bytes\n1795560689;api;5\n1795560749.5;api;6\n")
    recording = rm.read(tmp_path / "t")
    assert recording.samples["time"].dt.epoch("ms").to_list() == [1795560689000, 1795560749500]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,rss_bytes\n", "found 'empty CSV', expected a table with a time and a memory column"),
        ("time,rss_bytes\nx,y\n", "found 'another table', expected a table .* 'time' holds no time .*, but 'x'"),
        ("time,rss_bytes\n5,\n", "found 'no row with a time and an amount of memory', expected a table with a time"),
        ("a,b\r\n1,2\r\n", "line 1: found 'a,b', expected a first line that names a time and a memory column"),
        ("time,metric,pod,value\n5,container_memory_rss,a,n/a\n", "found 'n/a', expected amounts of memory"),
        ("time,metric,pod,value\n5,container_memory_rss,a,\n", "found 'nothing', expected amounts of memory"),
    ],
)
def test_a_table_without_samples_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A table in which nothing can be read is one clear error: what stands there, and what should."""
    (tmp_path / "t.csv").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        with pytest.raises(ReadError, match=rf"t\.csv'.*{message}"):
            rm.read(tmp_path / "t.csv")


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """A table without time or memory says which column is missing."""
    pl.DataFrame({"name": ["x"]}).write_parquet(tmp_path / "names.parquet")
    with pytest.raises(
        ReadError, match=r"names\.parquet'.*expected a table with a time and a memory column.*no column 'time'"
    ):
        rm.read(tmp_path / "names.parquet")


def test_reading_a_log_does_not_import_what_it_does_not_need(tmp_path: Path) -> None:
    """pandas, pyarrow and altair stay out when a kubectl log is read."""
    (tmp_path / "top.log").write_text(TOP)
    code = (
        "import sys, rmtoolkit as rm; rm.read(sys.argv[1]);"
        "heavy = ('pandas', 'pyarrow', 'altair', 'ipywidgets', 'requests');"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


HEADS: Final = st.sampled_from(
    [
        b"",
        b"PAR1",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        TOP.encode(),
        ANSWER.encode(),
        STATS.encode(),
        TABLE.encode(),
        b'{"jemalloc":',
        b"{",
        pa.compress(TOP.encode(), "zstd", asbytes=True),
    ]
)


def test_arbitrary_bytes_never_crash() -> None:
    """Any file, also one that begins like a source and is cut off or goes on as rubbish: an RmtoolkitError at worst."""
    met = Outcomes()

    @settings(max_examples=30)
    @example(head=TOP.encode(), cut=len(TOP), tail=b"")
    @example(head=b"", cut=0, tail=b"")
    @given(head=HEADS, cut=st.integers(0, 400), tail=st.binary(max_size=80))
    def changed(head: bytes, cut: int, tail: bytes) -> None:
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore", RmtoolkitWarning)
            file = Path(place, "file")
            file.write_bytes(head[:cut] + tail)
            recording = met.of(lambda: rm.read(file))
            assert recording is None or recording.samples.height > 0

    changed()
    assert met.recordings > 0
    assert met.errors > 0


def test_a_glob_finds_folders(folder: Path) -> None:
    """What a glob or a list means is read to its bottom; what holds no recording is named in a warning."""
    with pytest.warns(RmtoolkitWarning, match=r"4 sources hold no recording: .*README\.md") as seen:
        recording = rm.read(f"{folder}/[!h]*")
    assert len(seen) == 1
    assert sorted(recording.containers["workload"]) == ["api", "cache", "db", "web"]
    assert any(note.startswith("skipped, no recording: README.md") for note in recording.report.warnings)


def test_a_bad_source_among_several_is_a_warning(tmp_path: Path) -> None:
    """The good ones are read; the bad ones are counted and named, five of them at most."""
    bad = [tmp_path / f"bad{number}.json" for number in range(7)]
    for file in bad:
        file.write_text("<html>")
    good = tmp_path / "top.log"
    good.write_text(TOP)
    names = r"bad0\.json, .*bad4\.json and 2 more"
    with pytest.warns(RmtoolkitWarning, match=f"7 of 8 files could not be read: {names}"):
        assert rm.read([*bad, good]).containers["workload"].to_list() == ["db"]
    with pytest.raises(ReadError, match="None of 7 files"):
        rm.read(bad)


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what the system said, in words."""
    file = tmp_path / "top.log"
    file.write_text(TOP)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for reader in (rm.read, rm.read_prometheus):
        with pytest.raises(ReadError, match=r"top\.log' cannot be read: permission denied\.$"):
            reader(file)


def _answer(values: list[str]) -> str:
    answer = json.loads(ANSWER)
    pairs = [[1795560689 + 60 * number, value] for number, value in enumerate(values)]
    answer["data"]["result"][0]["values"] = pairs
    return json.dumps(answer)


def test_left_out_values_are_said_once_a_read(tmp_path: Path) -> None:
    """A noticeable share of lost values is one warning with counts and reasons; a small one stands in the report."""
    (tmp_path / "a.json").write_text(_answer(["5", "NaN", "+Inf", "-1"]))
    (tmp_path / "t.csv").write_text(TABLE)
    with pytest.warns(RmtoolkitWarning, match="2 values that were NaN or infinite, 1 value that was negative") as seen:
        rm.read(tmp_path)
    assert len(seen) == 1
    (tmp_path / "a.json").write_text(_answer(["5"] * 400 + ["NaN"]))
    assert rm.read(tmp_path).report.left_out["values that were NaN or infinite"] == 1


@pytest.mark.parametrize(("value", "reason"), [("NaN", "NaN or infinite"), ("9e30", "absurd"), ("-5", "negative")])
def test_when_nothing_is_left_the_error_says_why(tmp_path: Path, value: str, reason: str) -> None:
    """It names the file, the counts and the reasons."""
    (tmp_path / "a.json").write_text(_answer([value, value]))
    with pytest.raises(ReadError, match=rf"a\.json': no sample is left. Left out: 2 values that were .*{reason}"):
        rm.read(tmp_path / "a.json")


def test_the_table_of_the_readme_is_the_list_of_sources() -> None:
    """What the README says can be read is what `rm.read` tries, printed anew when the list changes."""
    rows = [f"| {source} | {how} |" for _, source, how in sources()]
    assert {row.form for row in READERS} == {form for form, *_ in sources()}
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme.partition("<!-- sources: ")[2].partition("-->")[2].partition("<!-- /sources")[0].strip() == "\n".join(
        ["| source | how to get it |", "|---|---|", *rows]
    )


def test_a_file_is_told_by_the_first_row_that_knows_it(tmp_path: Path) -> None:
    """An answer that quotes a table is an answer: the order of the rows decides."""
    file = tmp_path / "a"
    file.write_text(ANSWER.replace("web-0", "NAME CPU(cores) MEMORY(bytes)"))
    rows = [row.form for row in READERS if row.recognises(_File(file))]
    assert rows == [Form.PROMETHEUS, Form.KUBECTL]
    assert recognise(file)[0] is Form.PROMETHEUS
